"""What is compiled counts and decides as Great Expectations' own engine does, on rows made to tell them apart."""

from __future__ import annotations

import datetime as dt

import pytest
from pyspark.sql import DataFrame

from lakehouse.definition.expectation import Expectation
from lakehouse.quality.judging import JudgingContext, judge_frame
from lakehouse.quality.row_rules import ROW_TYPES
from lakehouse.quality.rule import compile_rules
from lakehouse.quality.table_rules import TABLE_TYPES
from lakehouse.quality.verdict import Status, Verdict
from tests.quality.cases import row_cases, table_cases
from tests.quality.engine import EngineResult, run_engine
from tests.quality.hostile import types_of

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
            # Great Expectations does not count the NULLs of these two as missing, and neither do we; it says nothing.
            same = same and counts == (theirs.elements, theirs.missing or 0, theirs.unexpected)
        if not same:
            found.append((case, verdict, theirs))
    return found


def test_every_compiled_type_is_compared() -> None:
    compared = {case.type for case in (*row_cases(), *table_cases())}
    assert compared == (ROW_TYPES | TABLE_TYPES) - NOT_COMPARED


def test_there_are_enough_cases() -> None:
    assert len({case.name for case in (*row_cases(), *table_cases())}) >= 300


def _pairs_in_a_set_with_a_condition(case: Expectation) -> bool:
    """Hazard 6: the domain of this type lacks `row_condition`."""
    return case.type == "expect_column_pair_values_to_be_in_set" and "row_condition" in case.arguments
