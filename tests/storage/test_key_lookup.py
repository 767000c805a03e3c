"""Rows of a few key values, found in a table's files."""

from __future__ import annotations

import datetime as dt
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import DeltaTable, write_deltalake

from lakehouse.storage.key_lookup import COUNT, count_rows, expected_rows, find_rows, lookup_column

SCHEMA = pa.schema([("k", pa.int64()), ("s", pa.string()), ("d", pa.date32()), ("v", pa.float64())])


def table_of(folder: Path, files: int, rows: int, seed: int = 0) -> DeltaTable:
    chance = random.Random(seed)
    for number in range(files):
        keys = [chance.choice([None, *range(number * 100, number * 100 + 50)]) for _ in range(rows)]
        found = {
            "k": keys,
            "s": [None if k is None else f"s{k % 7}" for k in keys],
            "d": [None if k is None else dt.date(2026, 1, 1) + dt.timedelta(days=k) for k in keys],
            "v": [float(place) for place in range(rows)],
        }
        write_deltalake(str(folder), pa.table(found, schema=SCHEMA), mode="append")
    return DeltaTable(str(folder))


def ordered(rows: pa.Table) -> list[tuple[object, ...]]:
    return sorted((tuple(row.values()) for row in rows.to_pylist()), key=repr)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", ["k", "s", "d"])
def test_all_rows_of_the_values_are_found_and_no_others(tmp_path: Path, name: str, seed: int) -> None:
    table = table_of(tmp_path, files=4, rows=200, seed=seed)
    everything = pa.concat_tables([pa.table(DeltaTable(str(tmp_path)).to_pyarrow_table()).cast(SCHEMA)])
    chance = random.Random(seed)
    known = pc.unique(everything[name]).to_pylist()
    wanted = pa.chunked_array([pa.array(chance.sample(known, 3), SCHEMA.field(name).type)])
    found = find_rows(table, pa.table({name: wanted}), name, SCHEMA, most=10_000)
    assert found is not None
    expected = everything.filter(pc.is_in(everything[name], value_set=wanted.combine_chunks()))
    assert ordered(found) == ordered(expected), f"seed {seed}"
    assert found.schema == SCHEMA


def test_only_files_that_may_hold_a_value_are_opened(tmp_path: Path) -> None:
    table = table_of(tmp_path, files=4, rows=200)
    lows = pa.table(table.get_add_actions(flatten=True))
    for path, low in zip(lows["path"].to_pylist(), lows["min.k"].to_pylist(), strict=True):
        if low != 100:
            (tmp_path / path).unlink()
    values = pa.table({"k": pa.array([110, 175], pa.int64())})  # the second file holds 110; none holds 175
    found = find_rows(table, values, "k", SCHEMA, most=10_000)
    assert found is not None
    assert set(found["k"].to_pylist()) == {110}


@pytest.mark.parametrize("text", ["it's", "a\\b", "'); --", "two\nlines", "\0", "日本", "", " ", "%_", "${x}", "{{y}}"])
def test_texts_are_looked_for_as_they_are(tmp_path: Path, text: str) -> None:
    rows = pa.table({'s"p': [text, text + "'", "other", None], "v": [1, 2, 3, 4]})
    write_deltalake(str(tmp_path), rows)
    table = DeltaTable(str(tmp_path))
    wanted = pa.table({'s"p': [text]})
    assert find_rows(table, wanted, 's"p', rows.schema, most=10) == rows.slice(0, 1)
    nothing = find_rows(table, wanted.slice(0, 0), 's"p', rows.schema, most=10)
    assert nothing is not None
    assert nothing.num_rows == 0


def test_any_number_of_values_can_be_looked_for(tmp_path: Path) -> None:
    write_deltalake(str(tmp_path), pa.table({"k": list(range(0, 300_000, 3))}))
    wanted = pa.table({"k": list(range(100_000))})
    found = find_rows(DeltaTable(str(tmp_path)), wanted, "k", wanted.schema, most=100_000)
    assert found is not None
    assert sorted(found["k"].to_pylist()) == list(range(0, 100_000, 3))


def test_a_column_that_came_later_is_null_in_older_files(tmp_path: Path) -> None:
    write_deltalake(str(tmp_path), pa.table({"v": [1, 2]}))
    write_deltalake(
        str(tmp_path), pa.table({"v": [3], "k": pa.array([7], pa.int64())}), mode="append", schema_mode="merge"
    )
    schema = pa.schema([("k", pa.int64()), ("v", pa.int64())])
    found = {}
    for key in (None, 7):
        rows = find_rows(DeltaTable(str(tmp_path)), pa.table({"k": pa.array([key], pa.int64())}), "k", schema, most=10)
        assert rows is not None
        found[key] = sorted(rows["v"].to_pylist())
    assert found == {None: [1, 2], 7: [3]}


def test_too_many_rows_are_not_brought(tmp_path: Path) -> None:
    table = table_of(tmp_path, files=2, rows=50)
    values = pa.table({"s": ["s1", "s2", "s3"]})
    assert find_rows(table, values, "s", SCHEMA, most=3) is None


@pytest.mark.parametrize("most", [99, 100, 104, 105, 1000])
def test_rows_that_lie_in_one_file_are_brought_as_well(tmp_path: Path, most: int) -> None:
    for start, rows in ((0, 2), (10, 100), (200, 3)):
        write_deltalake(str(tmp_path), pa.table({"k": [7] * rows, "v": range(start, start + rows)}), mode="append")
    schema = pa.schema([("k", pa.int64()), ("v", pa.int64())])
    found = find_rows(DeltaTable(str(tmp_path)), pa.table({"k": [7]}), "k", schema, most=most)
    assert (found is None) is (most < 105)
    assert found is None or sorted(found["v"].to_pylist()) == [0, 1, *range(10, 110), 200, 201, 202]


def test_rows_are_looked_for_by_the_column_of_which_they_are_the_smallest_share(tmp_path: Path) -> None:
    rows = {"order": list(range(1000)), "part": [n % 50 for n in range(1000)], "price": [n / 7 for n in range(1000)]}
    write_deltalake(str(tmp_path), pa.table(rows))
    table = DeltaTable(str(tmp_path))
    values = pa.table({"part": [1, 2, 3, 4], "order": [7, 7, 8, 8], "price": [0.5, 1.5, 2.5, 3.5]})
    assert lookup_column(table, values) == "order"
    assert lookup_column(table, values.select(["part", "price"])) == "part"
    assert lookup_column(table, values.select(["price"])) is None


def test_a_few_texts_are_not_taken_for_a_small_share(tmp_path: Path) -> None:
    rows = pa.table({"nation": [f"n{n % 5}" for n in range(1000)], "customer": list(range(1000))})
    write_deltalake(str(tmp_path), rows)
    values = pa.table({"nation": ["n0", "n1", "n2", "n3", "n4"] * 4, "customer": list(range(20))})
    assert lookup_column(DeltaTable(str(tmp_path)), values) == "customer"


def test_rows_hold_a_value_of_every_column_that_is_compared(tmp_path: Path) -> None:
    rows = pa.table({"k": [1, 1, 2, 3], "s": ["a", "b", None, "a"], "v": [0.1, 0.2, 0.3, 0.4]})
    write_deltalake(str(tmp_path), rows)
    values = pa.table({"k": [1, 2], "s": ["a", None], "v": [9.9, 9.9]})
    found = find_rows(DeltaTable(str(tmp_path)), values, "k", rows.schema, most=10)
    assert found is not None
    assert found["v"].to_pylist() == [0.1, 0.3]


@pytest.mark.parametrize("seed", range(6))
def test_rows_of_keys_are_counted(tmp_path: Path, seed: int) -> None:
    table = table_of(tmp_path, files=4, rows=200, seed=seed)
    everything = pa.table(DeltaTable(str(tmp_path)).to_pyarrow_table()).cast(SCHEMA)
    chance = random.Random(seed)
    pairs = [(row["k"], row["s"]) for row in everything.select(["k", "s"]).to_pylist()]
    wanted = [*chance.sample(pairs, 5), (None, "s1")]
    keys = pa.table({"k": [k for k, _ in wanted], "s": [s for _, s in wanted]}, schema=SCHEMA.remove(3).remove(2))
    for names in (["k", "s"], ["k"], ["s"]):
        found = count_rows(table, keys.select(names), names[0], most=1000)
        assert found is not None
        assert found.column_names == [*names, COUNT]
        counted = {tuple(row[name] for name in names): row[COUNT] for row in found.to_pylist()}
        for key in {tuple(row[name] for name in names) for row in keys.to_pylist()}:
            there = sum(tuple(row[name] for name in names) == key for row in everything.to_pylist())
            assert counted.get(key, 0) == there, f"seed {seed}: {key}"
        assert len(counted) == found.num_rows


def test_what_is_not_compared_is_not_counted(tmp_path: Path) -> None:
    table = table_of(tmp_path, files=1, rows=50)
    keys = pa.table({"k": pa.array([1], pa.int64()), "v": [0.5]})
    assert count_rows(table, keys, "k", most=1000) is None
    assert count_rows(table, pa.table({"s": ["s1", "s2", "s3"]}), "s", most=2) is None


def test_rows_are_expected_by_the_share_of_values_that_are_looked_for(tmp_path: Path) -> None:
    rows = pa.table({"k": list(range(1000)) * 2, "s": ["a", "b"] * 1000})
    write_deltalake(str(tmp_path), rows)
    table = DeltaTable(str(tmp_path))
    assert expected_rows(table, pa.table({"k": [1, 2, 3, 3, None]}), "k") == 6
    assert expected_rows(table, pa.table({"k": list(range(5000))}), "k") == 2000
    assert expected_rows(table, pa.table({"s": ["a"]}), "s") == 0  # nothing is known of texts
