from __future__ import annotations

from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import pytest

from lakehouse.quality.bounds import json_value, quantile_within, within_bounds
from lakehouse.quality.counting import RowCounts
from lakehouse.quality.duration import duration
from lakehouse.quality.rule import RowRule, TableRule, compile_rules
from lakehouse.quality.table_rules import role
from lakehouse.quality.verdict import Status, judge_row_rule, judge_table_rule, without_judgement
from tests.quality.cases import expectation

SCHEMA = {"n": "int", "d": "double", "s": "string", "at": "timestamp"}


def row_rule(mostly: float) -> RowRule:
    (rule,) = compile_rules(
        [expectation("expect_column_values_to_be_null", {"column": "n", "mostly": mostly})], SCHEMA
    ).rows
    return rule


def table_rule(kind: str, **arguments: Any) -> TableRule:
    (rule,) = compile_rules([expectation(kind, arguments)], SCHEMA).tables
    return rule


def judged(rule: TableRule, by_role: dict[str, Any], **more: Any) -> Any:
    return judge_table_rule(rule, {**{name: by_role[role(name)] for name in rule.aggregates}, **more})


@pytest.mark.parametrize(
    ("counts", "mostly", "status"),
    [
        (RowCounts(0, 0, 0), 1, Status.PASSED),
        (RowCounts(5, 5, 0), 1, Status.PASSED),
        (RowCounts(10, 0, 1), 1, Status.FAILED),
        (RowCounts(10, 0, 1), 0.9, Status.PASSED),
        (RowCounts(10, 1, 1), 0.9, Status.FAILED),
        (RowCounts(10, 0, 10), 0, Status.PASSED),
        (RowCounts(3, 0, 1), 2 / 3, Status.PASSED),
        (RowCounts(100, 0, 10), 0.9, Status.PASSED),
        (RowCounts(10**12, 0, 1), 1, Status.FAILED),
    ],
)
def test_rows_pass_by_their_share(counts: RowCounts, mostly: float, status: Status) -> None:
    verdict = judge_row_rule(row_rule(mostly), counts)
    assert verdict.status is status
    assert (verdict.passed_records, verdict.failed_records) == (counts.elements - counts.unexpected, counts.unexpected)
    assert (verdict.elements, verdict.missing) == (counts.elements, counts.missing)
    assert verdict.fingerprint == row_rule(mostly).fingerprint


@pytest.mark.parametrize(
    ("value", "arguments", "passed"),
    [
        (None, {}, False),
        (float("nan"), {"min_value": 0}, False),
        (Decimal("NaN"), {"max_value": 0}, False),
        (5, {"min_value": 5, "max_value": 5}, True),
        (5, {"min_value": 5, "strict_min": True}, False),
        (5, {"max_value": 5, "strict_max": True}, False),
        (Decimal("0.1"), {"min_value": 0.1}, False),  # the float is a little above a tenth, as in Great Expectations
        (Decimal("0.1"), {"max_value": "0.1"}, True),
        (float("inf"), {"min_value": 1}, True),
        (date(2024, 1, 2), {"min_value": "2024-01-02", "max_value": date(2024, 1, 2)}, True),
        (datetime(2024, 1, 2, 12), {"max_value": "2024-01-02"}, False),
        (datetime(2024, 1, 2, 12), {"max_value": date(2024, 1, 3)}, True),
        (datetime(2024, 1, 2, 12), {"min_value": datetime(2024, 1, 2, 13)}, False),
        (datetime(2024, 1, 2, 12, tzinfo=timezone.utc), {"min_value": "2024-01-02 12:00"}, True),
        ("b", {"min_value": "a", "max_value": "c"}, True),
    ],
)
def test_bounds(value: Any, arguments: dict[str, Any], passed: bool) -> None:
    assert within_bounds(value, arguments) is passed


@pytest.mark.parametrize(("value", "bound"), [("a", 1), (date(2024, 1, 1), "soon"), (1, "one")])
def test_bounds_that_cannot_be_compared(value: Any, bound: Any) -> None:
    with pytest.raises((TypeError, ValueError, ArithmeticError)):
        within_bounds(value, {"min_value": bound})


def test_quantiles_may_lie_near_a_bound() -> None:
    assert quantile_within(1.00009, [None, 1])
    assert not quantile_within(1.0002, [None, 1])
    assert not quantile_within(None, [None, None])
    assert quantile_within(5, [None, None])


def test_json_values() -> None:
    found = json_value({"a": [Decimal("0.5"), float("nan"), date(2024, 1, 1), None, True, b"\xff"], 1: "x"})
    assert found == {"a": [0.5, "nan", "2024-01-01", None, True, "ff"], "1": "x"}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1 day 2 hours", 93600),
        ("90 minutes", 5400),
        ("1.5 hours", 5400),
        ("2 WEEKS", 1209600),
        ("1 day, 1 second", 86401),
    ],
)
def test_durations(text: str, seconds: int) -> None:
    assert duration(text).total_seconds() == seconds


@pytest.mark.parametrize("text", ["", "day", "1", "1 month", "1day2", "-1 day", "1 day and 2 hours"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        duration(text)


def test_a_null_aggregate_fails() -> None:
    rule = table_rule("expect_column_max_to_be_between", column="n", min_value=0)
    assert judged(rule, {"value": None}).status is Status.FAILED
    assert judged(rule, {"value": 0}).status is Status.PASSED
    assert judged(rule, {"value": -1}).observed == -1


def test_evidence_that_lacks() -> None:
    with pytest.raises(KeyError):
        judge_table_rule(table_rule("expect_table_row_count_to_equal", value=3), {})


def test_share_of_values_of_an_empty_table() -> None:
    rule = table_rule("expect_column_proportion_of_non_null_values_to_be_between", column="n", min_value=0.1)
    assert judged(rule, {"rows": 0, "missing": 0}).status is Status.FAILED
    assert judged(rule, {"rows": 10, "missing": 9}).status is Status.PASSED


def test_freshness() -> None:
    rule = table_rule("expect_table_freshness", column="at", max_age="1 hour")
    hour = 3_600_000_000
    assert judged(rule, {"latest": 5 * hour}, now=6 * hour).status is Status.PASSED
    stale = judged(rule, {"latest": 5 * hour}, now=6 * hour + 1_000_000)
    assert (stale.status, stale.observed) == (Status.FAILED, {"age_seconds": 3601.0})
    assert judged(rule, {"latest": None}, now=hour).status is Status.FAILED
    assert judged(rule, {"latest": 9 * hour}, now=hour).status is Status.PASSED


class TestHistory:
    rule = table_rule("expect_table_no_worse_than_last_version", row_count=0.1, null_share=0.05, mean=0.2)
    before = {"row_count": 100, "null_share": dict.fromkeys(SCHEMA, 0.0), "mean": {"n": 10.0, "d": 0.0}}  # noqa: RUF012

    def verdict(self, *, previous: dict[str, Any] | None = before, **changed: Any) -> Any:
        metrics = {"rows": 100, "missing": 0, **{f"nulls_{at}": 0 for at in range(4)}, "mean_0": 10.0, "mean_1": 0.0}
        return judged(self.rule, {**metrics, **changed}, previous=previous)

    def test_the_first_version_is_skipped_and_remembered(self) -> None:
        verdict = self.verdict(previous=None)
        assert verdict.status is Status.SKIPPED
        assert self.verdict(previous=verdict.observed).status is Status.PASSED

    @pytest.mark.parametrize(
        ("changed", "status"),
        [
            ({}, Status.PASSED),
            ({"rows": 90}, Status.PASSED),
            ({"rows": 89}, Status.FAILED),
            ({"rows": 1000}, Status.PASSED),
            ({"nulls_2": 5}, Status.PASSED),
            ({"nulls_2": 6}, Status.FAILED),
            ({"mean_0": 12.0}, Status.PASSED),
            ({"mean_0": 7.9}, Status.FAILED),
            ({"mean_0": None}, Status.FAILED),
            ({"mean_1": 0.1}, Status.FAILED),
            ({"mean_1": float("nan")}, Status.FAILED),
        ],
    )
    def test_what_is_worse(self, changed: dict[str, Any], status: Status) -> None:
        assert self.verdict(**changed).status is status

    def test_a_new_column_is_not_worse(self) -> None:
        assert self.verdict(previous={"row_count": 100}).status is Status.PASSED


def test_drift() -> None:
    rule = table_rule("expect_drift_below", column="d", threshold=0.2)
    assert judged(rule, {}, drift=0.2).status is Status.PASSED
    assert judged(rule, {}, drift=0.21).status is Status.FAILED
    assert judged(rule, {}, drift=None).status is Status.SKIPPED


def test_references_count_rows() -> None:
    rule = table_rule("expect_column_values_to_be_in_table_column", column="n", references="a.b.c", mostly=0.9)
    verdict = judged(rule, {"rows": 30, "missing": 10}, unexpected=2)
    assert (verdict.status, verdict.failed_records, verdict.passed_records) == (Status.PASSED, 2, 28)
    assert judged(rule, {"rows": 30, "missing": 11}, unexpected=2).status is Status.FAILED


def test_without_judgement() -> None:
    verdict = without_judgement(row_rule(1), Status.ERROR, "why")
    assert (verdict.status, verdict.details, verdict.failed_records) == (Status.ERROR, "why", None)
