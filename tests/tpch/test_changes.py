"""The rounds of changes do what they say, or every test on top of them proves less than it claims."""

from __future__ import annotations

import math
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from deltalake import DeltaTable

from tests.tpch import changes
from tests.tpch.changes import KEYS, Commits, Round, apply_round
from tests.tpch.comparison import difference
from tests.tpch.data import TABLES, copy_tables, prepare_tables
from tests.tpch.projects import QUERIES, read_views
from tests.tpch.rounds import ROUNDS, SCALE

Row = dict[str, Any]


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare_tables(SCALE, tmp_path_factory.mktemp("tpch"))


def rows(folder: Path, table: str) -> dict[tuple[int, ...], Row]:
    """A table's rows by key; fails if two have the same."""
    found = DeltaTable(str(folder / table)).to_pyarrow_table().to_pylist()
    by_key = {tuple(row[name] for name in KEYS[table]): row for row in found}
    assert len(by_key) == len(found)
    return by_key


def test_tables_are_generated_with_their_change_feed_on(generated: Path) -> None:
    counts = {table: DeltaTable(str(generated / table)).count() for table in TABLES}
    assert counts == {
        "region": 5,
        "nation": 25,
        "supplier": 100,
        "part": 2000,
        "partsupp": 8000,
        "customer": 1500,
        "orders": 15_000,
        "lineitem": 60_175,
    }
    for table in TABLES:
        configuration = DeltaTable(str(generated / table)).metadata().configuration
        assert configuration["delta.enableChangeDataFeed"] == "true"


def test_a_feed_can_be_left_off(tmp_path: Path) -> None:
    tables = prepare_tables(SCALE, tmp_path, change_feed=False)
    assert DeltaTable(str(tables / "orders")).metadata().configuration == {}


@pytest.mark.parametrize("commits", Commits)
def test_a_round_changes_what_it_counts(generated: Path, tmp_path: Path, commits: Commits) -> None:
    folder = copy_tables(generated, tmp_path / "tables")
    before = {table: rows(folder, table) for table in KEYS}
    counts = apply_round(folder, Round(seed=5, fraction=0.1, dimensions=0.05, commits=commits))
    after = {table: rows(folder, table) for table in KEYS}
    for table in KEYS:
        shared = before[table].keys() & after[table].keys()
        changed = [key for key in shared if before[table][key] != after[table][key]]
        assert counts[table].inserted == len(after[table].keys() - shared)
        assert counts[table].deleted == len(before[table].keys() - shared)
        assert counts[table].updated == len(changed)
    assert (counts["orders"].inserted, counts["orders"].deleted, counts["orders"].updated) == (500, 500, 500)
    assert {table: counts[table].total for table in ("customer", "supplier", "part", "partsupp")} == {
        "customer": 75,
        "supplier": 5,
        "part": 100,
        "partsupp": 400,
    }
    assert DeltaTable(str(folder / "lineitem")).version() == commits.value
    assert rows(generated, "orders") == before["orders"], "the copy shares files, not commits"


def test_orders_and_lines_fit_each_other_afterwards(generated: Path, tmp_path: Path) -> None:
    folder = copy_tables(generated, tmp_path / "tables")
    for seed in range(3):
        (last,) = max(rows(folder, "orders"))
        apply_round(folder, Round(seed=seed, fraction=0.5))
    orders, lines = rows(folder, "orders"), rows(folder, "lineitem")
    customers, offers = rows(folder, "customer").keys(), rows(folder, "partsupp").keys()
    statuses: dict[int, set[str]] = {}
    for (order_key, number), line in lines.items():
        statuses.setdefault(order_key, set()).add(line["l_linestatus"])
        assert (line["l_partkey"], line["l_suppkey"]) in offers
        assert 1 <= number <= 7
        assert 1 <= line["l_quantity"] <= 50
        assert line["l_shipdate"] < line["l_receiptdate"]
        unit_price = line["l_extendedprice"] / line["l_quantity"]
        assert unit_price == unit_price.quantize(Decimal("0.01")), "a quantity changed without its price"
    assert {(key,) for key in statuses} == orders.keys()
    for (key,), order in orders.items():
        assert (order["o_custkey"],) in customers
        if key > last:
            assert order["o_orderstatus"] == ("P" if len(statuses[key]) > 1 else min(statuses[key]))


def test_kinds_of_changes_can_be_chosen(generated: Path, tmp_path: Path) -> None:
    folder = copy_tables(generated, tmp_path / "tables")
    only_new = apply_round(folder, Round(seed=1, fraction=0.01, deletes=0, updates=0))
    assert (only_new["orders"].inserted, only_new["orders"].total) == (150, 150)
    assert {action["operation"] for action in DeltaTable(str(folder / "orders")).history(1)} == {"WRITE"}
    tiny = apply_round(folder, Round(seed=2, fraction=1e-9))
    assert (tiny["orders"].inserted, tiny["orders"].deleted, tiny["orders"].updated) == (1, 1, 1)
    nothing = apply_round(folder, Round(seed=3, fraction=0))
    assert not any(count.total for count in nothing.values())


def test_equal_rounds_make_equal_tables(generated: Path, tmp_path: Path) -> None:
    """Whatever the commits, and however the table is cut into parts."""
    results = []
    for commits, part in ((Commits.ONE, 500_000), (Commits.TWO, 4000), (Commits.THREE, 9999)):
        folder = copy_tables(generated, tmp_path / commits.name)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(changes, "_SLICE_ORDERS", part)
            apply_round(folder, Round(seed=9, fraction=0.2, dimensions=0.1, commits=commits))
        results.append({table: by_key(folder, table) for table in KEYS})
    assert results[0] == results[1] == results[2]
    other = copy_tables(generated, tmp_path / "other")
    apply_round(other, Round(seed=10, fraction=0.2, dimensions=0.1))
    assert by_key(other, "orders") != results[0]["orders"]


def by_key(folder: Path, table: str) -> pa.Table:
    """A table's rows in the order of its key."""
    found = DeltaTable(str(folder / table)).to_pyarrow_table()
    return found.sort_by([(name, "ascending") for name in KEYS[table]]).combine_chunks()


def test_the_feed_tells_the_round(generated: Path, tmp_path: Path) -> None:
    folder = copy_tables(generated, tmp_path / "tables")
    start = DeltaTable(str(folder / "lineitem")).version() + 1
    counts = apply_round(folder, Round(seed=4, fraction=0.05))["lineitem"]
    feed = DeltaTable(str(folder / "lineitem")).load_cdf(starting_version=start).read_all()
    kinds = Counter(feed["_change_type"].to_pylist())
    assert kinds == {
        "insert": counts.inserted,
        "delete": counts.deleted,
        "update_preimage": counts.updated,
        "update_postimage": counts.updated,
    }


def test_the_rounds_reach_every_query(generated: Path, tmp_path: Path) -> None:
    """A query that never selects or never changes would prove nothing about its refreshes."""
    folder = copy_tables(generated, tmp_path / "tables")
    results = [answers(folder)]
    for what in ROUNDS:
        apply_round(folder, what)
        results.append(answers(folder))
    queries = {view.name for view in read_views(QUERIES, SCALE)}
    assert len(queries) == 22
    empty = {name for name, rows in results[0].items() if all(value is None for row in rows for value in row)}
    still = {name for name in queries if all(result[name] == results[0][name] for result in results)}
    assert empty == still == {"tpch.q17"}


def answers(folder: Path) -> dict[str, list[tuple[Any, ...]]]:
    """The rows of every query, by DuckDB: much quicker than Spark, and near enough to see whether they change."""
    with duckdb.connect() as sql:
        for table in TABLES:
            sql.read_parquet(DeltaTable(str(folder / table)).file_uris()).create_view(f"raw_{table}")
        return {view.name: sql.sql(view.over_files).fetchall() for view in read_views(QUERIES, SCALE)}


@pytest.mark.parametrize(
    ("actual", "expected", "same"),
    [
        ([(1, "a"), (1, "a")], [(1, "a"), (1, "a")], True),
        ([(1, "a")], [(1, "a"), (1, "a")], False),
        ([(None,), (2,)], [(2,), (None,)], True),
        ([(math.nan, 1)], [(math.nan, 1)], True),
        ([(0.1 + 0.2, "x"), (5.0, "y")], [(5.0, "y"), (0.3, "x")], True),
        ([(0.1, "x")], [(0.1001, "x")], False),
        ([(Decimal("1.10"),)], [(Decimal("1.1"),)], True),
        ([(Decimal("1.1000000000001"),)], [(Decimal("1.1"),)], False),
        ([(1,)], [(None,)], False),
        ([], [(1,)], False),
    ],
)
def test_bags_are_compared(actual: list[tuple[Any, ...]], expected: list[tuple[Any, ...]], same: bool) -> None:
    assert (difference(actual, expected) == "") is same
