"""Profiles as values: merging, comparing, and the rows they are stored as."""

from __future__ import annotations

import random
import statistics
from datetime import datetime, timezone
from pathlib import Path

import pytest

from lakehouse.quality.column_profile import (
    ColumnProfile,
    ColumnShape,
    TableProfile,
    column_shape,
    compare,
    compare_columns,
    merge_columns,
    profile_rows,
    stored_profile,
)
from lakehouse.storage.system_tables import SCHEMAS, SystemTable

NOON = datetime(2026, 1, 5, 12, tzinfo=timezone.utc)


def number(values: list[float], *, nulls: int = 0, name: str = "n") -> ColumnProfile:
    return ColumnProfile(
        name=name,
        type="double",
        rows=len(values) + nulls,
        nulls=nulls,
        measured=len(values),
        low=str(min(values)) if values else None,
        high=str(max(values)) if values else None,
        mean=statistics.fmean(values) if values else None,
        deviation=statistics.stdev(values) if len(values) > 1 else None,
        distinct=len(set(values)),
        quantiles=tuple(sorted(values)),
    )


def category(counts: dict[str, int], *, nulls: int = 0, name: str = "c", size: int | None = None) -> ColumnProfile:
    values = sum(counts.values()) if size is None else size
    return ColumnProfile(
        name=name,
        type="string",
        rows=values + nulls,
        nulls=nulls,
        measured=values,
        low=min(counts, default=None),
        high=max(counts, default=None),
        distinct=len(counts),
        top=tuple(counts.items()),
    )


@pytest.mark.parametrize("seed", range(20))
def test_merged_moments_are_those_of_all_values(seed: int) -> None:
    choose = random.Random(seed)
    print(f"seed {seed}")
    # Far from zero and close together: sums of squares would lose every digit of the deviation.
    first, second = ([1.7e9 + choose.random() for _ in range(choose.randint(0, 40))] for _ in range(2))
    merged = merge_columns(number(first, nulls=2), number(second, nulls=3))
    both = first + second
    assert (merged.rows, merged.nulls, merged.measured) == (len(both) + 5, 5, len(both))
    assert merged.mean == (pytest.approx(statistics.fmean(both), abs=1e-6) if both else None)
    if len(both) > 1:
        assert merged.deviation == pytest.approx(statistics.stdev(both), rel=1e-4)


def test_merged_extremes_are_compared_as_numbers() -> None:
    merged = merge_columns(number([9.0]), number([10.0, -2.0]))
    assert (merged.low, merged.high) == ("-2.0", "10.0")
    texts = [("1e3", "NaN"), ("-Infinity", "4")]
    first, second = (ColumnProfile(name="n", type="double", rows=2, nulls=0, low=a, high=b) for a, b in texts)
    assert (merge_columns(first, second).low, merge_columns(first, second).high) == ("-Infinity", "NaN")


def test_merged_categories_add_up_and_are_ranked() -> None:
    merged = merge_columns(category({"a": 3, "b": 1}), category({"b": 5}, nulls=1))
    assert merged.top == (("b", 6), ("a", 3))
    assert (merged.low, merged.high, merged.null_share) == ("a", "b", 0.1)


def test_comparing_says_how_nulls_changed_and_what_is_new() -> None:
    before = TableProfile(rows=4, columns=(category({"a": 4}), number([1.0, 2.0, 3.0, 4.0])))
    now = TableProfile(
        rows=8, columns=(number([1.0, 2.0, 3.0, 4.0], nulls=4), category({"a": 4, "z": 4}), number([1.0], name="new"))
    )
    moved, grown = compare(before, now)
    assert (moved.column, moved.missing, moved.kolmogorov_smirnov) == ("n", 0.5, 0.0)
    assert (grown.column, grown.missing, grown.appeared) == ("c", 0.0, ("z",))
    assert grown.distinct == pytest.approx(2 / 8 - 1 / 4)


def test_a_column_of_another_kind_has_only_its_nulls_compared() -> None:
    found = compare_columns(number([1.0, 2.0], name="c"), category({"1": 1, "2": 1}, nulls=2))
    assert (found.missing, found.total_variation, found.population_stability_index) == (0.5, None, None)


def test_an_empty_table_has_no_share_of_nulls_to_compare() -> None:
    assert compare_columns(number([]), number([1.0])).missing is None


@pytest.mark.parametrize(
    ("type_text", "shape"),
    [
        ("bigint", ColumnShape.NUMBER),
        ("decimal(38,18)", ColumnShape.NUMBER),
        ("timestamp", ColumnShape.TIME),
        ("string collate UTF8_LCASE", ColumnShape.CATEGORY),
        ("boolean", ColumnShape.CATEGORY),
        ("struct<a:int>", ColumnShape.OPAQUE),
        ("array<string>", ColumnShape.OPAQUE),
        ("binary", ColumnShape.OPAQUE),
        ("variant", ColumnShape.OPAQUE),
    ],
)
def test_shapes(type_text: str, shape: ColumnShape) -> None:
    assert column_shape(type_text) is shape


def test_a_stored_profile_comes_back(tmp_path: Path) -> None:
    sketched = ColumnProfile(
        name="t", type="date", rows=2, nulls=2, distinct=0, distinct_sketch=b"\x00\xff", quantile_sketch=b""
    )
    profile = TableProfile(rows=2, columns=(number([1.0, 2.5]), category({"ü\"'\\": 2}), sketched))
    facts = {
        "project": "p",
        "dataset": "gold.x",
        "version": 3,
        "epoch": 4,
        "run": "r",
        "is_increment": True,
        "recorded_at": NOON,
    }
    rows = profile_rows(profile, facts)
    assert all(set(row) == set(SCHEMAS["profiles"]) for row in rows)
    table = SystemTable(str(tmp_path), "profiles")
    table.append(rows)
    found = table.rows()
    order = [column.name for column in profile.columns]
    found.sort(key=lambda row: order.index(row["column_name"]))
    assert found == rows
    assert stored_profile(found) == profile
