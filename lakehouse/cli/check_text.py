"""A check in words and as plain fields."""

from __future__ import annotations

import json
from typing import Any

from lakehouse.cli.screen import Column
from lakehouse.names import TableName
from lakehouse.quality.verdict import Status, samples_text
from lakehouse.run.check_outcome import Checked, CheckOutcome
from lakehouse.serving.figures import count, counted, duration

_WIDEST = 60
_LONGEST = 200


def verdict_fields(dataset: TableName, checked: Checked) -> dict[str, Any]:
    """A verdict as plain fields; `rank` sorts what needs looking at to the front."""
    rule, verdict = checked.judgement.rule, checked.judgement.verdict
    return {
        "dataset": str(dataset),
        "expectation": rule.name,
        "type": rule.expectation.type,
        "condition": rule.expectation.condition,
        "status": verdict.status.value,
        "severity": rule.severity.value,
        "on_violation": rule.on_violation.value,
        "failed": verdict.failed_records,
        "of": verdict.elements,
        "missing": verdict.missing,
        "observed": verdict.observed,
        "details": verdict.details,
        "samples": list(verdict.samples),
        "fingerprint": verdict.fingerprint,
        "judged_at": checked.judged_at,
        "is_new": checked.is_new,
        "file": rule.expectation.location.file,
        "line": rule.expectation.location.line,
        "rank": _rank(checked),
    }


def verdict_columns() -> tuple[Column, ...]:
    """The columns of the table of verdicts."""
    return (
        Column(key="dataset", title="dataset"),
        Column(key="expectation", title="expectation", folds=True),
        Column(key="status", title="status"),
        Column(key="severity", title="severity", wide=True),
        Column(key="failed", title="failed", write=count, right=True),
        Column(key="of", title="of", write=count, right=True),
        Column(key="observed", title="observed", write=_short, folds=True),
        Column(key="details", title="details", wide=True, folds=True),
    )


def check_fields(outcome: CheckOutcome) -> dict[str, Any]:
    """What came of a check; `verdicts` counts them by status."""
    return {
        "check": outcome.check,
        "exit_code": outcome.exit_code,
        "tables": len(outcome.tables),
        "verdicts": _by_status(outcome),
        "new": sum(checked.is_new for _, checked in outcome.all()),
        "alarms": [{"dataset": str(name), "expectation": bad.judgement.rule.name} for name, bad in outcome.alarms],
        "seconds": (outcome.ended_at - outcome.started_at).total_seconds(),
    }


def sample_lines(outcome: CheckOutcome) -> list[str]:
    """A line for each expectation that is not met, with some of what violates it."""
    return [
        cut(f"{name} {checked.judgement.rule.name}: such as {samples_text(checked.judgement.verdict.samples)}")
        for name, checked in outcome.all()
        if checked.judgement.verdict.samples
    ]


def cut(text: str) -> str:
    """A line of at most `_LONGEST` characters."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def closing_text(outcome: CheckOutcome) -> str:
    """The last line."""
    found = ", ".join(f"{number} {status}" for status, number in _by_status(outcome).items())
    known = sum(not checked.is_new for _, checked in outcome.all())
    if known and not any(checked.is_new for _, checked in outcome.all()):
        return f"Nothing new to judge: {counted(known, 'verdict')} of earlier checks and runs stand ({found})."
    took = duration((outcome.ended_at - outcome.started_at).total_seconds())
    earlier = f", {known} of them judged before" if known else ""
    return f"Checked {counted(len(outcome.tables), 'table')} in {took}: {found}{earlier}."


def _by_status(outcome: CheckOutcome) -> dict[str, int]:
    found: dict[str, int] = {}
    for _, checked in outcome.all():
        status = checked.judgement.verdict.status.value
        found[status] = found.get(status, 0) + 1
    return dict(sorted(found.items()))


def _rank(checked: Checked) -> int:
    status = checked.judgement.verdict.status
    if checked.alarms:
        return 0
    return 1 if status in (Status.FAILED, Status.ERROR) else 2 if status is Status.SKIPPED else 3


def _short(observed: Any) -> str:
    text = observed if isinstance(observed, str) else json.dumps(observed, default=str)
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"
