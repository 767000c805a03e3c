"""What the counts and metrics of a table say about a rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from lakehouse.quality.counting import RowCounts
from lakehouse.quality.rule import EngineRule, RowRule, TableRule
from lakehouse.quality.table_judgement import judgement

Samples = tuple[Mapping[str, Any], ...]


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
    `details` says why there is no judgement. `samples` are a few of what violates the rule, as JSON values by column.
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
    samples: Samples = ()


def judge_row_rule(rule: RowRule, counts: RowCounts) -> Verdict:
    """The verdict of Great Expectations: nothing to judge passes, else the share of good rows is at least `mostly`."""
    return _counted(rule, counts)


def judge_table_rule(rule: TableRule, values: Mapping[str, Any]) -> Verdict:
    """The verdict over a table from its evidence, as `table_judgement.judgement` wants it.

    A metric that is NULL fails, as in Great Expectations. Without anything to compare with, the rule is SKIPPED. Raises
    KeyError for evidence that lacks, ValueError or TypeError for bounds that cannot be compared with it.
    """
    found = judgement(rule, values)
    if found.counts is not None:
        return _counted(rule, found.counts)
    status = Status.SKIPPED if found.passed is None else Status.PASSED if found.passed else Status.FAILED
    return Verdict(
        rule=rule.name, fingerprint=rule.fingerprint, status=status, observed=found.observed, details=found.details
    )


def without_judgement(rule: RowRule | TableRule | EngineRule, status: Status, details: str) -> Verdict:
    """A rule that could not be judged (ERROR) or had nothing to be judged by (SKIPPED), and why."""
    return Verdict(rule=rule.name, fingerprint=rule.fingerprint, status=status, details=details)


def samples_text(samples: Samples) -> str:
    """What violates a rule as `a=1, b=2; a=3, b=4`."""
    return "; ".join(", ".join(f"{name}={value}" for name, value in sample.items()) for sample in samples)


def _counted(rule: RowRule | TableRule, counts: RowCounts) -> Verdict:
    judged = counts.elements - counts.missing
    # The very comparison of Great Expectations: a share as a float, without tolerance.
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
