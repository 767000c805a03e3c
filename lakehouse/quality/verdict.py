"""What the counts and metrics of a table say about a rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from lakehouse.quality.counting import RowCounts
from lakehouse.quality.rule import EngineRule, RowRule, TableRule


class Status(str, Enum):
    """Judged well, judged badly, could not be judged, or had nothing to be judged by."""

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The outcome of one rule.

    `passed_records` and `failed_records` add up to `elements`, the rows that the rule looked at; `missing` of these do
    not count (and are among the passed). They are None for rules that count no rows. `observed` is a JSON value.
    `details` says why there is no judgement.
    """

    rule: str
    fingerprint: str
    status: Status
    passed_records: int | None = None
    failed_records: int | None = None
    elements: int | None = None
    missing: int | None = None
    observed: Any = None
    details: str | None = None


def judge_row_rule(rule: RowRule, counts: RowCounts) -> Verdict:
    """The verdict of Great Expectations: nothing to judge passes, else the share of good rows is at least `mostly`."""
    return counted_verdict(rule, counts)


def counted_verdict(rule: RowRule | TableRule, counts: RowCounts) -> Verdict:
    """The verdict over any rule that counts violating rows."""
    judged = counts.elements - counts.missing
    passed = judged == 0 or (judged - counts.unexpected) / judged >= rule.mostly
    return Verdict(
        rule=rule.name,
        fingerprint=rule.fingerprint,
        status=Status.PASSED if passed else Status.FAILED,
        passed_records=counts.elements - counts.unexpected,
        failed_records=counts.unexpected,
        elements=counts.elements,
        missing=counts.missing,
    )


def judge_table_rule(rule: TableRule, values: Mapping[str, Any]) -> Verdict:
    """The verdict over a table from its evidence: the rule's metrics by name. A NULL metric is a failure."""
    metrics = {name: values[name] for name in rule.aggregates}
    return table_verdict(rule, bool(metrics) and None not in metrics.values(), observed=metrics)


def table_verdict(rule: TableRule, passed: bool, *, observed: Any = None) -> Verdict:
    """A verdict that counts no rows."""
    status = Status.PASSED if passed else Status.FAILED
    return Verdict(rule=rule.name, fingerprint=rule.fingerprint, status=status, observed=observed)


def without_judgement(rule: RowRule | TableRule | EngineRule, status: Status, details: str) -> Verdict:
    """A rule that could not be judged (ERROR) or had nothing to be judged by (SKIPPED), and why."""
    return Verdict(rule=rule.name, fingerprint=rule.fingerprint, status=status, details=details)
