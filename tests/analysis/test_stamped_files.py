"""Columns that the reader gives rows by their file."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakehouse.analysis.stamped_files import with_file_columns

MICROS = 1795262400123456  # of an instant
NAMES = ("a.csv", "with blank.csv", "100%25.csv", "größe=1+2.csv")
CONSTANTS = {"_at": ("TIMESTAMP_LTZ", MICROS), "_epoch": ("BIGINT", 7)}


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    """URI to the text that its rows shall carry; each file holds its number in two rows."""
    values = {}
    for number, name in enumerate(NAMES):
        (tmp_path / name).write_text(f"n\n{number}\n{number}\n", encoding="utf-8")
        values[f"file://{tmp_path / name}"] = f"in/{name}"
    return values


def read(spark: SparkSession, uris: list[str]) -> DataFrame:
    """The files, and nothing done to them."""
    return spark.read.format("csv").options(header="true", __globPaths__="false").load(uris)


def test_rows_carry_what_is_said_of_their_file(spark: SparkSession, files: dict[str, str]) -> None:
    stamped = with_file_columns(read(spark, list(files)), "_source_file", files, CONSTANTS)
    assert stamped is not None
    assert stamped.dtypes == [("n", "string"), ("_source_file", "string"), ("_at", "timestamp"), ("_epoch", "bigint")]
    expected = [(str(number), f"in/{name}", MICROS, 7) for number, name in enumerate(NAMES) for _ in range(2)]
    assert sorted(tuple(row) for row in stamped.withColumn("_at", F.unix_micros("_at")).collect()) == sorted(expected)


def test_a_condition_on_the_file_column_reads_that_file_alone(spark: SparkSession, files: dict[str, str]) -> None:
    stamped = with_file_columns(read(spark, list(files)), "_source_file", files, {})
    assert stamped is not None
    assert [row.n for row in stamped.where("_source_file = 'in/with blank.csv'").collect()] == ["1", "1"]


def test_what_is_not_a_read_of_exactly_these_files_is_not_stamped(spark: SparkSession, files: dict[str, str]) -> None:
    uris = list(files)
    fewer = {uri: files[uri] for uri in uris[1:]}
    assert with_file_columns(read(spark, uris), "_source_file", fewer, {}) is None
    assert with_file_columns(read(spark, uris[1:]), "_source_file", files, {}) is None
    assert with_file_columns(read(spark, uris).where("n = '1'"), "_source_file", files, {}) is None
    assert with_file_columns(spark.range(1), "_source_file", files, {}) is None
