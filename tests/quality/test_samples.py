"""Rows and keys that violate rules, as they are shown."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from lakehouse.names import TableName
from lakehouse.quality import samples
from lakehouse.quality.judging import JudgingContext
from lakehouse.quality.rule import CompiledRules, compile_rules
from lakehouse.quality.samples import AT_MOST, violating_rows, violating_tables
from tests.quality.cases import expectation
from tests.quality.hostile import types_of

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def rows(spark: SparkSession) -> DataFrame:
    return spark.sql(
        "SELECT id AS `a key`, if(id < 8, id % 3, NULL) AS n, named_struct('x', id) AS s, array(id) AS list, "
        "DATE'2024-01-01' AS day, cast('NaN' AS double) AS d FROM range(10)"
    ).coalesce(1)


def rules(frame: DataFrame, *declared: Any) -> CompiledRules:
    return compile_rules(declared, types_of(frame))


def test_the_key_and_what_the_rule_speaks_of_are_shown_of_a_few_rows(rows: DataFrame) -> None:
    compiled = rules(
        rows,
        expectation(None, condition="`N` = 0 AND 'day' <> 'list'", name="zero"),
        expectation("expect_column_values_to_be_in_set", {"column": "n", "value_set": [0, 1]}, name="listed"),
        expectation("expect_column_values_to_be_null", {"column": "s.x"}, name="nested"),
        expectation(None, condition="list[0] <> 9 AND day > '2000-01-01' AND d = d", name="types"),
        expectation(None, condition="n >= 0 OR n IS NULL", name="held"),
    )
    context = rows.sparkSession.sparkContext
    context.setJobGroup("samples", "")
    found = violating_rows(rows, compiled.rows, ["a key"], {})
    context._jsc.clearJobGroup()
    assert len(context.statusTracker().getJobIdsForGroup("samples")) == 1
    assert found["zero"] == ({"a key": 1, "n": 1}, *({"a key": key, "n": key % 3} for key in (2, 4, 5, 7)))
    assert found["listed"] == ({"a key": 2, "n": 2}, {"a key": 5, "n": 2})
    assert found["nested"] == tuple({"a key": key, "s.x": str(key)} for key in range(AT_MOST))
    assert found["types"] == ({"a key": 9, "list": "[9]", "day": "2024-01-01", "d": "nan"},)
    assert found["held"] == ()


def test_without_a_key_or_a_column_the_first_columns_tell(rows: DataFrame) -> None:
    compiled = rules(rows, expectation(None, condition="1 > 2", name="never"))
    assert set(violating_rows(rows, compiled.rows, [], {})["never"][0]) == {"a key", "n", "s"}
    assert violating_rows(rows, [], ["a key"], {}) == {}


def test_keys_that_repeat_and_keys_that_are_unknown(rows: DataFrame, spark: SparkSession) -> None:
    other = TableName("lab", "other")
    compiled = rules(
        rows,
        expectation("expect_column_values_to_be_unique", {"column": "n"}, name="unique"),
        expectation("expect_compound_columns_to_be_unique", {"column_list": ["n", "day"]}, name="pairs"),
        expectation(
            "expect_column_values_to_be_in_table_column", {"column": "n", "references": "lab.other.m"}, name="known"
        ),
        expectation("expect_table_row_count_to_equal_other_table", {"other_table_name": "lab.other"}, name="size"),
        expectation("expect_column_max_to_be_between", {"column": "n", "max_value": 0}, name="most"),
    )
    tables = {other: spark.sql("SELECT * FROM VALUES (0), (NULL) AS t(m)")}
    now = dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc)
    found = violating_tables(rows, compiled.tables, JudgingContext(now=now, table=tables.__getitem__))
    assert set(found) == {"unique", "pairs", "known"}
    assert sorted(sample["n"] for sample in found["unique"]) == [0, 1, 2]  # NULLs are no values
    pairs = {(sample["n"], sample["day"]) for sample in found["pairs"]}
    assert pairs == {(n, "2024-01-01") for n in (0, 1, 2, None)}
    assert sorted(sample["n"] for sample in found["known"]) == [1, 2]


def test_a_rule_that_few_rows_violate_has_its_rows_beside_one_that_most_do(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "_LOOKED_AT", 20)
    monkeypatch.setattr(samples, "_FEW", 20)
    rows = spark.range(1000).selectExpr("id AS k", "id AS n").coalesce(1)
    compiled = rules(
        rows,
        expectation(None, condition="n > 1000", name="often"),
        expectation(None, condition="n < 998", name="rare"),
        expectation(None, condition="n < 999", name="once"),
    )
    expected = {
        "often": tuple({"k": key, "n": key} for key in range(AT_MOST)),
        "rare": ({"k": 998, "n": 998}, {"k": 999, "n": 999}),
        "once": ({"k": 999, "n": 999},),
    }
    counts = {"often": 1000, "rare": 2, "once": 1}
    assert violating_rows(rows, compiled.rows, ["k"], {}) == expected
    assert violating_rows(rows, compiled.rows, ["k"], counts) == expected
    assert violating_rows(rows, compiled.rows, ["k"], {**counts, "once": None}) == expected


def test_rules_that_few_rows_violate_are_looked_for_in_one_job_that_reads_their_columns_alone(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samples, "_LOOKED_AT", 20)
    monkeypatch.setattr(samples, "_FEW", 20)
    rows = spark.range(1000).selectExpr("id AS k", "id AS n", "if(id > 500, raise_error('read'), 0) AS costly")
    compiled = rules(
        rows.coalesce(1),
        expectation(None, condition="n < 998", name="rare"),
        expectation(None, condition="n % 100 < 1 AND costly = 0", name="often"),
        expectation(None, condition="n < 999", name="once"),
    )
    context = spark.sparkContext
    context.setJobGroup("few", "")
    found = violating_rows(rows.coalesce(1), compiled.rows, ["k"], {"rare": 2, "often": 990, "once": 1})
    context._jsc.clearJobGroup()
    assert len(context.statusTracker().getJobIdsForGroup("few")) == 2
    assert found["rare"] == ({"k": 998, "n": 998}, {"k": 999, "n": 999})
    assert found["often"] == tuple({"k": key, "n": key, "costly": 0} for key in range(1, 1 + AT_MOST))
    assert found["once"] == ({"k": 999, "n": 999},)
