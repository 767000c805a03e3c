"""Judgements as rows of `system/expectations`, named as in the event log of Delta Live Tables where it has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from lakehouse.quality.judgement import Judgement
from lakehouse.quality.rule import EngineRule, RowRule, TableRule
from lakehouse.quality.verdict import Status, Verdict
from lakehouse.run.outcome import StepOutcome, StepStatus


def judgement_row(run: str, outcome: StepOutcome, judgement: Judgement) -> dict[str, Any]:
    """The row of a judgement inside a refresh; a refused one names no version, as there is none."""
    stands = outcome.status in (StepStatus.REFRESHED, StepStatus.UNCHANGED)
    return {
        **described(judgement, outcome.ended_at),
        "run": run,
        "dataset": str(outcome.step.dataset),
        "version": outcome.version if stands else None,
        "epoch": outcome.step.epoch,
        "origin": "refresh",
    }


def described(judgement: Judgement, at: datetime) -> dict[str, Any]:
    """The columns that say which expectation, and what came of it."""
    rule, verdict = judgement.rule, judgement.verdict
    expectation = rule.expectation
    return {
        "name": rule.name,
        "fingerprint": rule.fingerprint,
        "expectation": expectation.condition or expectation.type,
        "on_violation": rule.on_violation.value,
        "severity": rule.severity.value,
        "status": verdict.status.value,
        "passed_records": verdict.passed_records,
        "failed_records": verdict.failed_records,
        "element_count": verdict.elements,
        "missing_records": verdict.missing,
        "observed": None if verdict.observed is None else json.dumps(verdict.observed, default=str, sort_keys=True),
        "details": _details(verdict),
        "judged_at": at,
    }


def recorded_verdict(row: Mapping[str, Any], rule: RowRule | TableRule | EngineRule) -> Verdict:
    """The verdict in a row of `system/expectations`, as one on `rule`, which asks the same."""
    samples = recorded_samples(row["details"])
    return Verdict(
        rule=rule.name,
        fingerprint=rule.fingerprint,
        status=Status(row["status"]),
        passed_records=row["passed_records"],
        failed_records=row["failed_records"],
        elements=row["element_count"],
        missing=row["missing_records"],
        observed=None if row["observed"] is None else json.loads(row["observed"]),
        details=None if samples else row["details"],
        samples=samples,
    )


def recorded_samples(details: str | None) -> tuple[Mapping[str, Any], ...]:
    """The violating rows or keys in `details` of a row of `system/expectations`; none where these are a remark."""
    try:
        found = json.loads(details or "")
    except ValueError:
        return ()
    is_samples = isinstance(found, list) and all(isinstance(row, dict) for row in found)
    return tuple(found) if is_samples else ()


def _details(verdict: Verdict) -> str | None:
    """Why nothing was judged, or a JSON list of some of what violates the rule."""
    if verdict.details is not None or not verdict.samples:
        return verdict.details
    return json.dumps(list(verdict.samples), default=str, ensure_ascii=False)
