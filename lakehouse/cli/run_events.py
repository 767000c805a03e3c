"""Events of a run, and a plan, as plain fields for programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lakehouse.cli.expectation_text import expectation_fields
from lakehouse.cli.screen import error_fields
from lakehouse.plan.refresh_plan import RefreshPlan, RefreshStep
from lakehouse.run.outcome import (
    Notice,
    RefreshEnded,
    RefreshStarted,
    RefreshVerified,
    RunEnded,
    RunEvent,
    RunOutcome,
    RunStarted,
    StepOutcome,
    Verification,
)


def event_fields(event: RunEvent) -> tuple[str, dict[str, Any]]:
    """The event's name and fields."""
    match event:
        case RunStarted(run=run, plan=plan):
            return "run_started", {"run": run, **plan_fields(plan)}
        case RefreshStarted(dataset=dataset):
            return "refresh_started", {"dataset": str(dataset)}
        case RefreshEnded(outcome=step):
            return "refresh_ended", step_outcome_fields(step)
        case RefreshVerified(verification=verification):
            return "refresh_verified", verification_fields(verification)
        case RunEnded(outcome=outcome):
            return "run_ended", outcome_fields(outcome)
        case Notice(text=text, about=about):
            return "notice", {"text": text, "about": about}


def plan_fields(plan: RefreshPlan) -> dict[str, Any]:
    """A plan: its steps in order, and the pinned versions."""
    return {
        "steps": [step_fields(step) for step in plan.steps],
        "pinned": {str(name): version for name, version in plan.pinned.items()},
        "does_nothing": plan.does_nothing,
    }


def step_fields(step: RefreshStep) -> dict[str, Any]:
    """A step of a plan; `files` counts the source files that it would load, reload, or knows to be bad."""
    load = step.load
    return {
        "dataset": str(step.dataset),
        "mode": step.mode.value,
        "policy": step.policy.value,
        "reason_code": step.reason.code.value,
        "reason": step.reason.text,
        "inputs": [str(name) for name in step.inputs],
        "undecided": [str(name) for name in step.undecided],
        "epoch": step.epoch,
        "version": step.version if step.version >= 0 else None,
        "files": {"load": len(load.load), "reload": len(load.reload), "bad": len(load.known_bad)} if load else None,
    }


def step_outcome_fields(outcome: StepOutcome) -> dict[str, Any]:
    """What became of a step."""
    return {
        "dataset": str(outcome.step.dataset),
        "status": outcome.status.value,
        "mode": outcome.step.mode.value,
        "reason_code": outcome.step.reason.code.value,
        "reason": outcome.step.reason.text,
        "version": outcome.version if outcome.version >= 0 else None,
        "rows_in": outcome.rows_in,
        "rows_out": outcome.rows_out,
        "rows_inserted": outcome.rows_changed.inserted,
        "rows_updated": outcome.rows_changed.updated,
        "rows_deleted": outcome.rows_changed.deleted,
        "rows_dropped": outcome.rows_dropped,
        "rows_quarantined": outcome.rows_quarantined,
        "expectations": [expectation_fields(judgement) for judgement in outcome.judgements],
        "lacking": list(outcome.lacking),
        "files": outcome.files,
        "files_aside": [{"path": bad.path, "reason": bad.reason} for bad in outcome.bad_files],
        "notices": list(outcome.notices),
        "seconds": outcome.seconds,
        "error": error_fields(outcome.error) if outcome.error else None,
    }


def verification_fields(found: Verification) -> dict[str, Any]:
    """A view against its query."""
    return {
        "dataset": str(found.dataset),
        "version": found.version if found.version >= 0 else None,
        "holds": found.holds,
        "rows": found.rows,
        "compared": found.compared,
        "missing": found.missing,
        "surplus": found.surplus,
        "left_out": list(found.left_out),
        "problem": found.problem,
        "error": error_fields(found.error) if found.error else None,
    }


def outcome_fields(outcome: RunOutcome) -> dict[str, Any]:
    """What came of a run; `datasets` counts them by status."""
    return {
        "run": outcome.run,
        "status": outcome.status.value,
        "exit_code": outcome.exit_code,
        "publication": outcome.publication.sequence if outcome.publication else None,
        "datasets": status_counts(outcome),
        "rows_out": sum(step.rows_out for step in outcome.steps),
        "verified": {
            "views": len(outcome.verified),
            "differing": [str(v.dataset) for v in outcome.verified if not v.holds],
        },
        "seconds": (outcome.ended_at - outcome.started_at).total_seconds(),
    }


def status_counts(outcome: RunOutcome) -> Mapping[str, int]:
    """How many datasets ended how."""
    counts: dict[str, int] = {}
    for step in outcome.steps:
        counts[step.status.value] = counts.get(step.status.value, 0) + 1
    return counts
