"""Statistics of new files: what the log says of them is what Delta itself would have found."""

from __future__ import annotations

import json
import random
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from lakehouse.storage import staged_write
from lakehouse.storage.file_statistics import are_in_footers
from lakehouse.storage.staged_write import TableWrite, WriteMode, stage_write

pytestmark = pytest.mark.spark

COLUMNS = {
    "whole": "CAST(k % 100 - 50 AS TINYINT)",
    "small": "CAST(k AS SMALLINT)",
    "number": "CAST(k * 31 AS INT)",
    "large": "k * 1234567890123",
    "price": "CAST(k / 7 AS DECIMAL(9, 2))",
    "sum": "CAST(-k / 3 AS DECIMAL(30, 6))",
    "share": "CAST(k / 9 AS FLOAT)",
    "measure": "-k / 11D",
    "day": "date_add(DATE '1969-11-30', CAST(k AS INT))",
    "instant": "timestamp_micros(k * 123456789 - 61000000000)",
    "local": "CAST(timestamp_micros(k * 987654321) AS TIMESTAMP_NTZ)",
    "name": "concat('n', k)",
    "long": "repeat(concat(chr(CAST(65 + k % 20 AS INT)), 'é'), CAST(k % 40 AS INT))",
    "is_odd": "k % 2 = 1",
    "bytes": "encode(CAST(k AS STRING), 'utf-8')",
    "nothing": "CAST(NULL AS STRING)",
    'a.b"c': "k",
}


def rows(spark: SparkSession, seed: int, texts: Mapping[str, str], files: int = 2) -> DataFrame:
    """Some rows, a fifth of whose values are NULL."""
    chance = random.Random(seed)
    start, count = chance.randrange(5000), chance.randrange(1, 300)
    values = (
        f"IF(pmod(hash(k, {n}), 5) = 0, NULL, {text}) AS `{name}`" for n, (name, text) in enumerate(texts.items())
    )
    return spark.range(start, start + count, 1, files).selectExpr("id AS k").selectExpr(*values)


def statistics(folder: Path) -> list[dict[str, Any]]:
    """The statistics of the table's files."""
    actions = (folder / "_delta_log").glob("*.json")
    added = [json.loads(line).get("add") for file in sorted(actions) for line in file.read_text("utf-8").splitlines()]
    return sorted((json.loads(found["stats"], parse_float=_single) for found in added if found), key=repr)


def _single(text: str) -> float:
    """Of a column of single precision both name one number, with more digits or fewer."""
    return struct.unpack("f", struct.pack("f", float(text)))[0]


def write(frame: DataFrame, folder: Path, **more: Any) -> int:
    staged = stage_write(frame, TableWrite(path=str(folder), application="a", mode=WriteMode.APPEND, **more))
    staged.commit(1, "")
    return staged.rows


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each write since took its statistics from the footers."""
    answers: list[bool] = []

    def watched(*given: Any) -> bool:
        answers.append(are_in_footers(*given))
        return answers[-1]

    monkeypatch.setattr(staged_write, "are_in_footers", watched)
    return answers


@pytest.mark.parametrize("seed", range(4))
def test_statistics_are_those_that_delta_finds(
    spark: SparkSession, tmp_path: Path, seed: int, read: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    print(f"seed {seed}")
    frame = rows(spark, seed, COLUMNS)
    ours = write(frame, tmp_path / "ours")
    assert read == [True]
    monkeypatch.setattr(staged_write, "are_in_footers", lambda *_: False)
    assert write(frame, tmp_path / "delta") == ours
    assert statistics(tmp_path / "ours") == statistics(tmp_path / "delta")


def test_files_without_rows_and_tables_of_many_columns(
    spark: SparkSession, tmp_path: Path, read: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = spark.range(5).selectExpr(*(f"id + {n} AS c{n}" for n in range(40)))
    written = {}
    for side in ("ours", "delta"):
        write(frame, tmp_path / side / "many")
        write(frame.where("c0 < 0"), tmp_path / side / "none")
        write(frame, tmp_path / side / "few", properties={"delta.dataSkippingNumIndexedCols": "2"})
        written[side] = [statistics(tmp_path / side / table) for table in ("many", "none", "few")]
        monkeypatch.setattr(staged_write, "are_in_footers", lambda *_: False)
    assert read == [True] * 3
    assert written["ours"] == written["delta"]
    assert len(written["ours"][2][0]["minValues"]) == 2


def test_what_a_footer_does_not_tell_is_left_out(spark: SparkSession, tmp_path: Path, read: list[bool]) -> None:
    values = {
        "nan": "IF(k % 2 = 0, CAST('NaN' AS DOUBLE), k)",
        "endless": "IF(k % 2 = 0, CAST('Infinity' AS DOUBLE), k)",
        "far": "make_date(CAST(12000 + k AS INT), 1, 1)",
        "top": "repeat(chr(1114111), 40)",
        "book": "repeat('x', 5000)",
    }
    frame = (
        spark.range(10).selectExpr("id AS k").selectExpr("k", *(f"{text} AS {name}" for name, text in values.items()))
    )
    write(frame.coalesce(1), tmp_path / "table")
    assert read == [True]
    [found] = statistics(tmp_path / "table")
    assert found["numRecords"] == 10
    assert found["minValues"]["k"] == 0
    assert not {"nan", "endless", "far"} & found["minValues"].keys()
    assert not {"nan", "endless", "far"} & found["maxValues"].keys()
    there = spark.read.format("delta").load(str(tmp_path / "table"))
    for condition in (
        "nan > 100",
        "endless > 100",
        "far > DATE'9999-12-31'",
        "top = repeat(chr(1114111), 40)",
        "book = repeat('x', 5000)",
        "book > repeat('x', 4999)",
    ):
        assert (
            there.where(condition).count()
            == spark.read.parquet(*(str(path) for path in (tmp_path / "table").glob("*.parquet")))
            .where(condition)
            .count()
            > 0
        ), condition


@pytest.mark.parametrize(
    ("columns", "more"),
    [
        ("named_struct('a', id) AS s", {}),
        ("array(id) AS a", {}),
        ("id AS k, id % 3 AS p", {"partition_by": ("p",)}),
        ("id AS `a b`", {"properties": {"delta.columnMapping.mode": "name"}}),
        ("id AS k", {"properties": {"delta.enableDeletionVectors": "true"}}),
        ("id AS k, id AS m", {"properties": {"delta.dataSkippingStatsColumns": "m"}}),
    ],
)
def test_delta_looks_itself_where_its_statistics_are_of_another_form(
    spark: SparkSession, tmp_path: Path, read: list[bool], columns: str, more: dict[str, Any]
) -> None:
    assert write(spark.sql(f"SELECT {columns} FROM range(7)"), tmp_path / "table", **more) == 7
    assert True not in read
    assert sum(found["numRecords"] for found in statistics(tmp_path / "table")) == 7


@pytest.mark.parametrize(
    ("setting", "value", "column"),
    [
        ("spark.sql.parquet.outputTimestampType", "INT96", "timestamp_micros(id)"),
        ("spark.databricks.delta.schema.typeCheck.enabled", "false", "CAST(id AS STRING) COLLATE UTF8_LCASE"),
    ],
)
def test_what_footers_compare_otherwise_is_looked_at_by_delta(
    spark: SparkSession, tmp_path: Path, read: list[bool], setting: str, value: str, column: str
) -> None:
    before = spark.conf.get(setting)
    spark.conf.set(setting, value)
    try:
        write(spark.sql(f"SELECT id, {column} AS t FROM range(7)"), tmp_path / "table")
    finally:
        spark.conf.set(setting, str(before))
    assert read == [False]
    assert all("id" in found["minValues"] for found in statistics(tmp_path / "table"))
