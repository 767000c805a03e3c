"""What is compiled counts and decides as Great Expectations' own engine does, on rows made to tell them apart."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from lakehouse.definition.expectation import Expectation
from lakehouse.quality import row_rules
from lakehouse.quality.judging import JudgingContext, judge_frame
from lakehouse.quality.row_rules import ROW_TYPES
from lakehouse.quality.rule import compile_rules
from lakehouse.quality.table_rules import TABLE_TYPES
from lakehouse.quality.verdict import Status, Verdict
from tests.quality.cases import expectation, row_cases, table_cases
from tests.quality.engine import EngineResult, run_engine
from tests.quality.hostile import hostile_frame, types_of

pytestmark = pytest.mark.spark

# Judged by us in another way than Great Expectations on Spark, or not by it at all; each has tests of its own.
NOT_COMPARED = {
    "expect_column_values_to_match_like_pattern",
    "expect_column_values_to_not_match_like_pattern",
    "expect_column_values_to_match_like_pattern_list",
    "expect_column_values_to_not_match_like_pattern_list",
    "expect_column_values_to_match_strftime_format",
    "expect_column_values_to_be_json_parseable",
    "expect_table_row_count_to_equal_other_table",
    "expect_column_values_to_be_in_table_column",
    "expect_table_freshness",
    "expect_table_no_worse_than_last_version",
    "expect_drift_below",
}


def differences(frame: DataFrame, cases: list[Expectation]) -> list[tuple[Expectation, Verdict, EngineResult]]:
    """The cases in which we and the engine do not agree on the decision and every count."""
    context = JudgingContext(now=dt.datetime(2024, 1, 1, tzinfo=dt.timezone.utc), table=lambda name: frame)
    ours = {each.rule: each for each in judge_frame(frame, compile_rules(cases, types_of(frame)), context)}
    found = []
    for case, theirs in zip(cases, run_engine(frame, cases), strict=True):
        verdict = ours[case.name]
        same = theirs.error is None and verdict.status is (Status.PASSED if theirs.success else Status.FAILED)
        if verdict.elements is not None:
            counts = (verdict.elements, verdict.missing, verdict.failed_records)
            same = same and counts == (theirs.elements, theirs.missing, theirs.unexpected)
        if not same:
            found.append((case, verdict, theirs))
    return found


def test_every_compiled_type_is_compared() -> None:
    compared = {case.type for case in (*row_cases(), *table_cases())}
    assert compared == (ROW_TYPES | TABLE_TYPES) - NOT_COMPARED


def test_there_are_enough_cases() -> None:
    assert len({case.name for case in (*row_cases(), *table_cases())}) >= 300


# Where Great Expectations is not to be followed, each with the hazard that explains it.
def pairs_in_a_set_with_a_condition(case: Expectation) -> bool:
    """The metric of this type forgets `row_condition` in part, so that its counts contradict each other: an error."""
    return case.type == "expect_column_pair_values_to_be_in_set" and "row_condition" in case.arguments


def whole_bounds_beyond_a_double(case: Expectation) -> bool:
    """Bounds are read as floats, so that the ends of BIGINT are rounded to values that no BIGINT is beyond."""
    low, high = case.arguments.get("min_value"), case.arguments.get("max_value")
    return (low, high) == (-9223372036854775807, 9223372036854775806)


def a_date_and_a_timestamp_as_bounds(case: Expectation) -> bool:
    """Text is read as a date if it can be, else as a timestamp, and Python cannot order the two: an error."""
    return case.arguments.get("max_value") == "2024-02-29 23:59:59.999999"


def nan_in_a_set(case: Expectation) -> bool:
    """A NaN becomes a null on its way, and with a null in the set every row passes."""
    return any(value != value for value in case.arguments.get("value_set", ()))


def a_sum_of_decimals_that_overflows(case: Expectation) -> bool:
    """Whether a sum on the way to the total overflows depends on the order of rows: an error, for us at times too."""
    kinds = ("expect_column_mean_to_be_between", "expect_column_sum_to_be_between")
    return case.type in kinds and case.arguments["column"] == "m"


HAZARDS = (
    pairs_in_a_set_with_a_condition,
    whole_bounds_beyond_a_double,
    a_date_and_a_timestamp_as_bounds,
    nan_in_a_set,
)


@pytest.fixture(scope="module")
def hostile(spark: SparkSession) -> DataFrame:
    return hostile_frame(spark)


def described(found: list[tuple[Expectation, Verdict, EngineResult]]) -> str:
    return "\n".join(f"{case.type} {case.arguments}\n  ours {ours}\n  theirs {theirs}" for case, ours, theirs in found)


def test_rows_on_hostile_data(hostile: DataFrame) -> None:
    cases = [*row_cases()]
    found = differences(hostile, cases)
    unexplained = [each for each in found if not any(hazard(each[0]) for hazard in HAZARDS)]
    assert not unexplained, described(unexplained)
    for hazard in HAZARDS:
        assert any(hazard(case) for case, _, _ in found), f"no longer so: {hazard.__doc__}"


def test_tables_on_hostile_data(hostile: DataFrame) -> None:
    found = differences(hostile, [*table_cases()])
    unexplained = [each for each in found if not a_sum_of_decimals_that_overflows(each[0])]
    assert not unexplained, described(unexplained)
    assert all(theirs.error for _, _, theirs in found)


@pytest.mark.parametrize("rows", ["false", "i IS NULL AND d IS NULL AND s IS NULL"], ids=["none", "all null"])
def test_without_rows_or_values(hostile: DataFrame, rows: str) -> None:
    cases = [*row_cases()][::3] + [*table_cases()][::2]
    found = differences(hostile.where(rows), cases)
    unexplained = [each for each in found if not any(hazard(each[0]) for hazard in HAZARDS)]
    assert not unexplained, described(unexplained)


@pytest.mark.parametrize(
    ("kind", "arguments", "wrong"),
    [
        ("expect_column_values_to_be_between", {"column": "i", "min_value": 0}, "`i` > 0"),
        ("expect_column_values_to_be_between", {"column": "d", "min_value": 0}, "`d` >= 0 AND NOT isnan(`d`)"),
        ("expect_column_values_to_match_regex", {"column": "s", "regex": "c$"}, "`s` RLIKE 'c\\\\z'"),
        ("expect_column_values_to_be_in_set", {"column": "s", "value_set": ["a"]}, "lower(`s`) IN ('a')"),
    ],
)
def test_a_wrong_operator_shows(
    hostile: DataFrame, monkeypatch: pytest.MonkeyPatch, kind: str, arguments: dict[str, Any], wrong: str
) -> None:
    case = expectation(kind, arguments)
    assert not differences(hostile, [case])
    monkeypatch.setitem(row_rules._COLUMN_TYPES, kind, (lambda column, arguments, columns: wrong, True))
    assert [each[0] for each in differences(hostile, [case])] == [case]
