"""Random change sets: both committers leave the rows that the rules say, and the same change feed.

The rules are applied once more here, to rows in a dictionary or a counter. `deltalake` alone is held to them often,
since that takes milliseconds; both together, and the feed as Spark reads it, for each kind of key and bag.
"""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession

from lakehouse.storage.change_frame import frame_of
from lakehouse.storage.committer_choice import LIMITS, Committer
from tests.storage.change_tables import (
    BY_SPARK,
    arrow,
    changes,
    make_table,
    netted,
    plain,
    spark_feed,
    spark_rows,
    staged,
)

Draw = Callable[[random.Random], Any]
_START = datetime(2026, 1, 1, tzinfo=timezone.utc)
_TEXTS = ["", "é", "a'b", 'a"b', "back\\slash", "line\nbreak", "NULL", "x" * 40, "x" * 40 + "y", "x" * 70 + "é", "😀"]


def moment(source: random.Random) -> datetime:
    return _START + timedelta(microseconds=source.choice((0, 1, 999, 1000, 1001, 10**9)) + source.randrange(3))


# How a column's values are drawn: few enough to meet again, odd enough to be got wrong.
TYPES: dict[str, tuple[pa.DataType, Draw]] = {
    "text": (pa.string(), lambda source: source.choice([*_TEXTS, f"n{source.randrange(20)}"])),
    "day": (pa.date32(), lambda source: date(1582, 10, 1) + timedelta(source.choice((0, 14, 162_000, 162_001)))),
    "amount": (pa.decimal128(20, 3), lambda source: Decimal(source.randrange(-9, 9) * source.choice((1, 10**9))) / 8),
    "instant": (pa.timestamp("us", "UTC"), moment),
    "local": (pa.timestamp("us"), lambda source: moment(source).replace(tzinfo=None)),
    "truth": (pa.bool_(), lambda source: source.random() < 0.5),
    "real": (pa.float64(), lambda source: source.choice((0.0, -0.0, 1.5, -2.5, float("inf"), float("nan"), 1e300))),
    "number": (pa.int64(), lambda source: source.choice((-(2**63), 2**63 - 1, *range(12)))),
    "small": (pa.int32(), lambda source: source.randrange(3)),
    "binary": (pa.binary(), lambda source: source.choice((b"", b"\x00", b"\xff\x00", b"a"))),
}  # fmt: skip
NESTED: dict[str, tuple[pa.DataType, Draw]] = {
    "listed": (pa.list_(pa.int64()), lambda source: source.choice(([], [1], [1, None], [2, 1]))),
    "inner": (
        pa.struct([("x", pa.int64()), ("y", pa.string())]),
        lambda source: source.choice(({"x": 1, "y": None}, {"x": None, "y": None}, {"x": 1, "y": "é"})),
    ),
    "mapped": (pa.map_(pa.string(), pa.int64()), lambda source: source.choice(([], [("a", 1)], [("a", None)]))),
}


@dataclass
class Scenario:
    """A table's columns and key, and how it is partitioned; None as key is the bag form."""

    name: str
    key: tuple[str, ...] | None
    columns: tuple[str, ...]
    partition_by: tuple[str, ...] = ()
    null_share: float = 0.15
    schema: pa.Schema = field(init=False)

    def __post_init__(self) -> None:
        types = {**TYPES, **NESTED}
        self.schema = pa.schema([(name, types[name][0]) for name in self.columns])

    def row(self, source: random.Random) -> tuple[Any, ...]:
        types = {**TYPES, **NESTED}
        return tuple(None if source.random() < self.null_share else types[name][1](source) for name in self.columns)

    def identity(self, row: Sequence[Any]) -> Any:
        """What tells rows apart: the key's values, or all."""
        names = self.columns if self.key is None else self.key
        return plain([row[self.columns.index(name)] for name in names])


_ALL = (*TYPES, *NESTED)
SCENARIOS = [
    Scenario("text", ("text",), _ALL),
    Scenario("day", ("day",), _ALL, ("small",)),
    Scenario("amount", ("amount",), _ALL, ("day",)),
    Scenario("instant", ("instant",), _ALL),
    Scenario("local", ("local",), _ALL, ("truth",)),
    Scenario("truth", ("truth",), _ALL),
    Scenario("real", ("real",), _ALL, ("instant",)),
    Scenario("partition is key", ("small", "number"), _ALL, ("small",)),
    Scenario("composite", ("text", "truth", "real"), _ALL, null_share=0.3),
    Scenario("all", ("text", "small"), ("text", "small")),
    Scenario("bag", None, ("small", "truth", "text"), null_share=0.3),
    Scenario("bag of all types", None, tuple(TYPES)),
    Scenario("partitioned bag", None, ("small", "day", "real"), ("day",), null_share=0.3),
]


def draw_table(scenario: Scenario, source: random.Random) -> list[tuple[Any, ...]]:
    """Rows for a table to begin with, one a key."""
    rows = [scenario.row(source) for _ in range(source.randrange(25))]
    if scenario.key is None:
        return rows + source.sample(rows, len(rows) // 2)
    return list({scenario.identity(row): row for row in rows}.values())


def draw_change(scenario: Scenario, table: list[Any], source: random.Random) -> list[tuple[Any, ...]]:
    """A change set for the rows that are there: hits, misses, and rows that are as they should be."""
    fresh = [scenario.row(source) for _ in range(source.randrange(8))]
    known = source.sample(table, min(len(table), source.randrange(8)))
    if scenario.key is None:
        removed = [row for row in [*known, *fresh] if source.random() < 0.6]
        added = [row for row in [*known, *fresh, *fresh] if source.random() < 0.5]
        found = [("remove", *row) for row in [*removed, *removed[:2]]] + [("insert", *row) for row in added]
    else:
        present = {scenario.identity(row) for row in table}
        rows: dict[Any, tuple[Any, ...]] = {}
        for row in [*known, *fresh]:
            identity = scenario.identity(row)
            word = source.choice(("delete", "update", "update", "insert"))
            if word == "insert" and identity in present:
                word = "update"
            rows[identity] = (word, *(_other_values(scenario, row, source) if source.random() < 0.5 else row))
        found = list(rows.values())
    source.shuffle(found)
    return found


def _other_values(scenario: Scenario, row: Sequence[Any], source: random.Random) -> tuple[Any, ...]:
    new = scenario.row(source)
    assert scenario.key is not None
    return tuple(
        old if name in scenario.key or source.random() < 0.7 else value
        for name, old, value in zip(scenario.columns, row, new, strict=True)
    )


def applied(scenario: Scenario, table: list[Any], change: list[Any]) -> tuple[list[Any], tuple[int, int, int]]:
    """The rows after the change by the rules, and how many were added, replaced and removed."""
    added = [row for word, *row in change if word == "insert"]
    if scenario.key is None:
        gone = {plain(row) for word, *row in change if word == "remove"}
        kept = [row for row in table if plain(row) not in gone]
        return [*kept, *map(tuple, added)], (len(added), 0, len(table) - len(kept))
    rows = {scenario.identity(row): row for row in table}
    inserted, updated, deleted = len(added), 0, 0
    for word, *row in change:
        identity = scenario.identity(row)
        if word == "delete":
            deleted += rows.pop(identity, None) is not None
            continue
        if word == "update":
            before = rows.get(identity)
            inserted += before is None
            updated += before is not None and plain(before) != plain(row)
        rows[identity] = tuple(row)
    return list(rows.values()), (inserted, updated, deleted)


def seeds(given: int) -> Iterator[int]:
    """The seed of LAKEHOUSE_TEST_SEED alone, or new ones."""
    fixed = os.environ.get("LAKEHOUSE_TEST_SEED")
    if fixed:
        yield int(fixed)
        return
    for _ in range(given):
        yield random.randrange(2**32)


def fresh_table(scenario: Scenario, rows: list[Any], folder: Path, source: random.Random) -> str:
    """The rows as a table of several files."""
    cut = source.randrange(len(rows) + 1)
    path = make_table(folder, rows[:cut], scenario.schema, partition_by=list(scenario.partition_by) or None)
    if rows[cut:]:
        write_deltalake(path, arrow(rows[cut:], scenario.schema), mode="append")
    return path


def deltalake_rows(path: str) -> Counter[Any]:
    return Counter(plain(tuple(row.values())) for row in DeltaTable(path).to_pyarrow_table().to_pylist())


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_deltalake_holds_to_the_rules(scenario: Scenario, tmp_path: Path) -> None:
    for seed in seeds(6):
        print(f"seed {seed}")
        source = random.Random(seed)
        rows = draw_table(scenario, source)
        path = fresh_table(scenario, rows, tmp_path / str(seed), source)
        for epoch in range(3):
            change = draw_change(scenario, rows, source)
            found = changes(change, scenario.schema)
            if _seeks_nan(scenario, change):
                continue
            before = DeltaTable(path).version()
            ready = staged(None, path, found, scenario.key, expected_version=before)
            assert ready.commit(epoch, "note") == before + 1, seed
            rows, counts = applied(scenario, rows, change)
            assert deltalake_rows(path) == Counter(map(plain, rows)), seed
            assert (ready.inserted, ready.updated, ready.deleted) == counts, seed


def _seeks_nan(scenario: Scenario, change: list[Any]) -> bool:
    """Spark's, see the choice of committers."""
    return any("NaN" in _flat(scenario.identity(row)) for word, *row in change if word != "insert")


def _flat(identity: Any) -> list[Any]:
    return [value for value in identity if isinstance(value, str)]


@pytest.mark.spark
@pytest.mark.long
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_both_committers_leave_the_same_rows_and_feed(scenario: Scenario, tmp_path: Path, spark: SparkSession) -> None:
    for seed in seeds(1):
        compare_committers(scenario, tmp_path / str(seed), spark, seed)


@pytest.mark.spark
@pytest.mark.long
@pytest.mark.long
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_both_committers_many_times(scenario: Scenario, tmp_path: Path, spark: SparkSession) -> None:
    for seed in seeds(20):
        compare_committers(scenario, tmp_path / str(seed), spark, seed)


def compare_committers(scenario: Scenario, folder: Path, spark: SparkSession, seed: int) -> None:
    """One table and change set, by both."""
    print(f"seed {seed}")
    source = random.Random(seed)
    rows = draw_table(scenario, source)
    one = fresh_table(scenario, rows, folder / "one", source)
    change = draw_change(scenario, rows, source)
    two = shutil.copytree(one, folder / "two")
    expected, counts = applied(scenario, rows, change)
    feeds, as_frame = [], source.random() < 0.5
    for path, limits in ((one, LIMITS), (str(two), BY_SPARK)):
        before = DeltaTable(path).version()
        found: Any = changes(change, scenario.schema)
        if as_frame:
            found = frame_of(spark, found, spark.read.format("delta").load(path).schema, ExitStack())
        ready = staged(spark, path, found, scenario.key, limits=limits)
        by_deltalake = limits is LIMITS and not _seeks_nan(scenario, change)
        assert ready.choice.committer is (Committer.DELTALAKE if by_deltalake else Committer.SPARK), seed
        version = ready.commit(1, "note")
        assert version == before + 1, seed
        assert (ready.inserted, ready.updated, ready.deleted) == counts, (seed, ready.choice)
        assert spark_rows(spark, path) == Counter(map(plain, expected)), (seed, ready.choice)
        feeds.append(spark_feed(spark, path, version))
    assert feeds[0] == feeds[1], seed
    difference = Counter(map(plain, expected))
    difference.subtract(Counter(map(plain, rows)))
    assert netted(feeds[0]) == {row: count for row, count in difference.items() if count}, seed
