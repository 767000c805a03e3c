"""Who commits a change set: by size, and by what the table is, each with its reason."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from lakehouse.storage.committer_choice import (
    LIMITS,
    ChangeSize,
    Committer,
    CommitterLimits,
    CommitterReason,
    choose_committer,
)
from lakehouse.storage.table_shape import TableColumn, TableShape, partition_values, read_shape

PLAIN = TableShape(
    columns=(
        TableColumn(name="k", type="long"),
        TableColumn(name="v", type="decimal(9,2)"),
        TableColumn(name="a", type={"type": "array", "elementType": "string", "containsNull": True}),
        TableColumn(name="t", type="timestamp"),
    ),
    features=frozenset({"appendOnly", "invariants", "changeDataFeed", "timestampNtz"}),
    configuration={"delta.enableChangeDataFeed": "true", "delta.enableDeletionVectors": "false"},
    bytes=1 << 20,
)
SMALL = ChangeSize(rows=10, bytes=1000, seeking=10, compared=("k",))


def chosen(change: ChangeSize = SMALL, table: TableShape | None = PLAIN, zone: str = "UTC") -> tuple[str, str]:
    found = choose_committer(change, table, zone)
    assert found.text
    return found.committer.value, found.reason.value


def test_a_small_change_of_a_plain_table_is_deltalakes() -> None:
    assert chosen() == ("deltalake", "fits")


def test_a_table_that_deltalake_cannot_open_is_sparks() -> None:
    assert chosen(table=None) == ("spark", "unreadable")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (replace(SMALL, rows=LIMITS.rows), Committer.DELTALAKE),
        (replace(SMALL, rows=LIMITS.rows + 1), Committer.SPARK),
        (replace(SMALL, bytes=LIMITS.bytes), Committer.DELTALAKE),
        (replace(SMALL, bytes=LIMITS.bytes + 1), Committer.SPARK),
    ],
)
def test_the_change_sets_size_decides(change: ChangeSize, expected: Committer) -> None:
    found = choose_committer(change, PLAIN, "UTC")
    assert found.committer is expected
    assert (found.reason is CommitterReason.CHANGE_SIZE) == (expected is Committer.SPARK)


def test_a_large_table_is_sparks_unless_rows_are_only_added() -> None:
    large = replace(PLAIN, bytes=LIMITS.table_bytes + 1)
    assert chosen(table=large) == ("spark", "table_size")
    assert chosen(replace(SMALL, seeking=0), large) == ("deltalake", "fits")


def test_limits_can_be_given() -> None:
    assert choose_committer(SMALL, PLAIN, "UTC", CommitterLimits(rows=9)).committer is Committer.SPARK


@pytest.mark.parametrize(
    "feature",
    [
        "clustering",
        "deletionVectors",
        "rowTracking",
        "domainMetadata",
        "typeWidening",
        "inCommitTimestamp",
        "identityColumns",
        "allowColumnDefaults",
        "variantType",
        "notInventedYet",
    ],
)
def test_a_feature_that_is_not_known_to_be_safe_is_sparks(feature: str) -> None:
    assert chosen(table=replace(PLAIN, features=PLAIN.features | {feature})) == ("spark", "feature")


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("delta.columnMapping.mode", "name", "feature"),
        ("delta.appendOnly", "True", "feature"),
        ("delta.constraints.positive", "v > 0", "constraint"),
    ],
)
def test_a_setting_that_deltalake_does_not_hold_to_is_sparks(key: str, value: str, reason: str) -> None:
    assert chosen(table=replace(PLAIN, configuration={key: value})) == ("spark", reason)


FLAT = tuple(column for column in PLAIN.columns if column.name != "a")
MARKED = replace(
    PLAIN,
    columns=FLAT,
    features=PLAIN.features | {"deletionVectors", "clustering", "domainMetadata"},
    configuration={"delta.enableDeletionVectors": "True"},
)


def test_a_table_with_deletion_vectors_is_changed_by_marking_rows() -> None:
    assert chosen(table=MARKED) == ("vectors", "fits")
    assert chosen(table=replace(MARKED, bytes=LIMITS.table_bytes + 1)) == ("vectors", "fits")
    assert chosen(replace(SMALL, seeking=0, compared=()), MARKED) == ("vectors", "fits")


@pytest.mark.parametrize(
    ("change", "table", "reason"),
    [
        (replace(SMALL, rows=LIMITS.rows + 1), MARKED, "change_size"),
        (replace(SMALL, compared=("v", "t")), MARKED, "column"),
        (replace(SMALL, seeks_nan=True), MARKED, "column"),
        (SMALL, replace(MARKED, is_local=False), "feature"),
        (SMALL, replace(MARKED, partition_by=("k",)), "partition"),
        (SMALL, replace(MARKED, columns=PLAIN.columns), "column"),
        (SMALL, replace(MARKED, features=MARKED.features | {"rowTracking"}), "feature"),
        (SMALL, replace(MARKED, configuration={"delta.enableDeletionVectors": "false"}), "feature"),
    ],
)
def test_of_tables_with_deletion_vectors_spark_changes(change: ChangeSize, table: TableShape, reason: str) -> None:
    assert chosen(change, table) == ("spark", reason)


@pytest.mark.parametrize("value", ["none", "NONE", ""])
def test_column_mapping_that_is_off_is_nothing(value: str) -> None:
    assert chosen(table=replace(PLAIN, configuration={"delta.columnMapping.mode": value})) == ("deltalake", "fits")


STRUCT: dict[str, Any] = {"type": "struct", "fields": []}


@pytest.mark.parametrize(
    "column",
    [
        TableColumn(name="c", type="string", marks=frozenset({"__CHAR_VARCHAR_TYPE_STRING"})),
        TableColumn(name="c", type="long", marks=frozenset({"delta.generationExpression"})),
        TableColumn(name="c", type="variant"),
        TableColumn(name="c", type="interval day to second"),
        TableColumn(name='a"b', type="long"),
        TableColumn(name="a.b", type="long"),
        TableColumn(name="c", type={"type": "array", "elementType": "variant", "containsNull": True}),
        TableColumn(name="c", type={"type": "array", "elementType": "long", "containsNull": False}),
        TableColumn(
            name="c", type={**STRUCT, "fields": [{"name": "x", "type": "long", "nullable": False, "metadata": {}}]}
        ),
    ],
)
def test_a_column_that_deltalake_may_write_otherwise_is_sparks(column: TableColumn) -> None:
    assert chosen(table=replace(PLAIN, columns=(*PLAIN.columns, column))) == ("spark", "column")


def test_rows_are_not_compared_by_nested_columns() -> None:
    assert chosen(replace(SMALL, compared=("k", "a"))) == ("spark", "column")


def test_what_deltalake_compares_otherwise_is_sparks() -> None:
    assert chosen(replace(SMALL, seeks_nan=True)) == ("spark", "column")
    array = TableColumn(name="f", type={"type": "array", "elementType": "double", "containsNull": True})
    table = replace(PLAIN, columns=(*PLAIN.columns, array))
    assert chosen(table=table) == ("spark", "column")
    assert chosen(replace(SMALL, seeking=0, compared=()), table) == ("deltalake", "fits")


@pytest.mark.parametrize(
    ("zone", "expected"),
    [("UTC", ("deltalake", "fits")), ("Etc/UTC", ("deltalake", "fits")), ("America/New_York", ("spark", "partition"))],
)
def test_timestamp_partitions_need_utc(zone: str, expected: tuple[str, str]) -> None:
    assert chosen(table=replace(PLAIN, partition_by=("t",)), zone=zone) == expected


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("date", "fits"), ("decimal(9,2)", "partition"), ("double", "partition"), ("binary", "partition")],
)
def test_partition_types(kind: str, expected: str) -> None:
    table = replace(PLAIN, columns=(*PLAIN.columns, TableColumn(name="p", type=kind)), partition_by=("p",))
    assert chosen(table=table)[1] == expected


def test_escaped_partition_values_are_sparks() -> None:
    assert chosen(replace(SMALL, partition_texts=frozenset({"north", "2026-01-05"}))) == ("deltalake", "fits")
    assert chosen(replace(SMALL, partition_texts=frozenset({"north", "b/ c"}))) == ("spark", "partition")


def test_the_shape_of_a_table_is_read_from_its_log(tmp_path: Path) -> None:
    schema = pa.schema(
        [pa.field("k", pa.int64(), nullable=False), pa.field("p", pa.string()), ("n", pa.timestamp("us"))]
    )
    rows = pa.table({"k": [1, 2, 3], "p": ["a b", None, "c"], "n": [None, None, None]}, schema=schema)
    settings = {"delta.enableChangeDataFeed": "true"}
    write_deltalake(str(tmp_path), rows, partition_by=["p"], configuration=settings)
    table = DeltaTable(str(tmp_path))
    shape = read_shape(table)
    assert [(column.name, column.type, column.nullable) for column in shape.columns] == [
        ("k", "long", False),
        ("p", "string", True),
        ("n", "timestamp_ntz", True),
    ]
    assert (shape.partition_by, shape.configuration) == (("p",), settings)
    assert "timestampNtz" in shape.features
    assert shape.bytes == sum(file.stat().st_size for file in tmp_path.rglob("*.parquet"))
    assert partition_values(table, ("p",)) == {"a b", "c"}
    assert partition_values(table, ()) == frozenset()
