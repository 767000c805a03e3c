"""What a run says of expectations that were not met. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lakehouse.cli.screen import Column
from lakehouse.definition.expectation import OnViolation
from lakehouse.quality.judgement import Judgement
from lakehouse.quality.verdict import Status
from lakehouse.run.outcome import RunOutcome, StepOutcome
from lakehouse.serving.figures import count, counted, few

_COLUMNS = (
    Column(key="dataset", title="dataset"),
    Column(key="name", title="expectation", folds=True),
    Column(key="action", title="action"),
    Column(key="failed", title="failed", write=count, right=True),
    Column(key="of", title="of", write=count, right=True),
)
_OBSERVED = Column(key="observed", title="observed", folds=True)
# What became of rows, or of the refresh.
_DONE = {
    OnViolation.WARN: "warned",
    OnViolation.DROP: "dropped",
    OnViolation.QUARANTINE: "quarantined",
    OnViolation.FAIL: "refused",
}


def violation_rows(outcome: RunOutcome) -> list[dict[str, Any]]:
    """A row for every expectation that was not met, could not be judged, or kept rows out within its `mostly`."""
    return [
        {
            "dataset": str(step.step.dataset),
            "name": judgement.rule.name,
            "action": action_text(judgement),
            "failed": judgement.verdict.failed_records,
            "of": judgement.verdict.elements,
            "observed": observed_text(judgement),
        }
        for step in outcome.steps
        for judgement in step.judgements
        if _is_told(judgement)
    ]


def violation_columns(rows: list[dict[str, Any]]) -> tuple[Column, ...]:
    """The columns of `violation_rows`; what was observed is one where an expectation is about a whole table."""
    return (*_COLUMNS, _OBSERVED) if any(row["observed"] is not None for row in rows) else _COLUMNS


def action_text(judgement: Judgement) -> str:
    """What followed from a judgement, in a word."""
    if judgement.verdict.status is Status.ERROR and judgement.rule.on_violation is not OnViolation.FAIL:
        return "not judged"
    return _DONE[judgement.rule.on_violation]


def observed_text(judgement: Judgement) -> str | None:
    """What was observed where no rows were counted, or why nothing was judged."""
    verdict = judgement.verdict
    if verdict.details is not None or verdict.failed_records is not None:
        return verdict.details
    return None if verdict.observed is None else json.dumps(verdict.observed, default=str, ensure_ascii=False)


def expectation_fields(judgement: Judgement) -> dict[str, Any]:
    """A judgement as plain fields, named as the columns of `system.expectations`."""
    rule, verdict = judgement.rule, judgement.verdict
    return {
        "name": rule.name,
        "status": verdict.status.value,
        "on_violation": rule.on_violation.value,
        "passed_records": verdict.passed_records,
        "failed_records": verdict.failed_records,
        "observed": verdict.observed,
        "details": verdict.details,
    }


def sifted_text(outcome: StepOutcome) -> str:
    """What expectations kept out of a table, to stand behind the rows that were written: `, 2 dropped`."""
    parts: Mapping[str, int] = {"dropped": outcome.rows_dropped, "quarantined": outcome.rows_quarantined}
    return "".join(f", {count(rows)} {what}" for what, rows in parts.items() if rows)


def quarantine_lines(outcome: RunOutcome) -> list[str]:
    """Where to look at the rows that this run set aside."""
    aside = {str(step.step.dataset): step.rows_quarantined for step in outcome.steps if step.rows_quarantined}
    if not aside:
        return []
    shown = f"'lakehouse quarantine show {next(iter(aside))}'" if len(aside) == 1 else "'lakehouse quarantine ls'"
    return [f"In quarantine: {counted(sum(aside.values()), 'row')} of {few(list(aside))}; {shown} shows them."]


def _is_told(judgement: Judgement) -> bool:
    if judgement.verdict.status in (Status.FAILED, Status.ERROR):
        return True
    acts_on_rows = judgement.rule.on_violation in (OnViolation.DROP, OnViolation.QUARANTINE)
    return acts_on_rows and bool(judgement.verdict.failed_records)
