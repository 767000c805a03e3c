"""What a run says to people: sentences and rows, made from its events. Pure but for the user's own source lines."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lakehouse.cli.expectation_text import sifted_text
from lakehouse.cli.run_events import status_counts
from lakehouse.cli.screen import Column
from lakehouse.errors import ExpectationFailed, QueryError, SourceLocation
from lakehouse.plan.refresh_plan import RefreshMode, RefreshPlan
from lakehouse.run.outcome import Notice, RunOutcome, RunStatus, StepOutcome, StepStatus, Verification
from lakehouse.serving.figures import count, counted, duration, few

CHANGE_COLUMNS = (
    Column(key="dataset", title="dataset"),
    Column(key="status", title="status"),
    Column(key="mode", title="mode"),
    Column(key="rows", title="rows", right=True),
    Column(key="version", title="version", right=True),
    Column(key="seconds", title="took", write=duration, right=True),
    Column(key="why", title="why", wide=True, folds=True),
)
PLAN_COLUMNS = (
    Column(key="dataset", title="dataset"),
    Column(key="mode", title="mode"),
    Column(key="ways", title="by change"),
    Column(key="reason", title="reason", folds=True),
    Column(key="inputs", title="inputs", write=", ".join, folds=True),
)


def change_rows(outcome: RunOutcome) -> list[dict[str, Any]]:
    """A row for every dataset that was more than skipped."""
    return [
        {
            "dataset": str(step.step.dataset),
            "status": step.status.value,
            "mode": step.step.mode.value,
            "rows": rows_text(step),
            "version": step.version if step.version >= 0 else None,
            "seconds": step.seconds if step.status not in (StepStatus.BLOCKED, StepStatus.CANCELLED) else None,
            "why": step.step.reason.text,
        }
        for step in outcome.steps
        if step.status is not StepStatus.SKIPPED
    ]


def rows_text(outcome: StepOutcome) -> str | None:
    """The rows that a refresh wrote; of one by change, those added, replaced and removed: `+1 ~2 -0`."""
    if outcome.status is not StepStatus.REFRESHED:
        return None
    return str(outcome.rows_changed) if outcome.is_by_change else count(outcome.rows_out)


def started_text(run: str, plan: RefreshPlan) -> str:
    """What is about to happen."""
    due = sum(step.mode is not RefreshMode.SKIP for step in plan.steps)
    perhaps = sum(bool(step.undecided) for step in plan.steps)
    text = f"run {run}: {due} of {counted(len(plan.steps), 'dataset')} to refresh"
    return text + (f", {perhaps} of them only if what they read changes" if perhaps else "")


def refreshed_text(outcome: StepOutcome) -> str:
    """How one dataset's refresh ended, on one line."""
    name, took = outcome.step.dataset, duration(outcome.seconds)
    match outcome.status:
        case StepStatus.REFRESHED:
            files = f" from {counted(outcome.files, 'file')}" if outcome.files else ""
            rows = f"{outcome.rows_changed} rows" if outcome.is_by_change else counted(outcome.rows_out, "row")
            written = f"{rows}{files}{sifted_text(outcome)}, version {outcome.version}"
            return f"{name}: refreshed ({outcome.step.mode.value}), {written}, {took}"
        case StepStatus.UNCHANGED:
            return f"{name}: unchanged, computed and found the same{sifted_text(outcome)}, {took}"
        case StepStatus.SKIPPED | StepStatus.BLOCKED:
            return f"{name}: {outcome.status.value}, {outcome.step.reason.text}"
        case StepStatus.FAILED:
            return f"{name}: failed after {took}"
        case StepStatus.CANCELLED:
            return f"{name}: cancelled"


def verified_text(found: Verification) -> str:
    """What a verification found, on one line."""
    if found.error is not None:
        return f"{found.dataset}: could not be verified: {found.error}"
    if found.problem is not None:
        return f"{found.dataset}: not verified, {found.problem}"
    what = "all rows" if found.compared == found.rows else f"{counted(found.compared, 'row')} of {count(found.rows)}"
    left_out = f", without {', '.join(found.left_out)}" if found.left_out else ""
    if found.holds:
        return f"{found.dataset}: verified, {what} as its query gives them{left_out}"
    differing = f"{count(found.missing)} missing, {count(found.surplus)} not to be there"
    return f"{found.dataset}: WRONG at version {found.version}: {differing} ({what} compared{left_out})"


def verification_lines(outcome: RunOutcome) -> list[str]:
    """What to do about views that do not hold."""
    wrong = [str(found.dataset) for found in outcome.verified if found.error is None and not found.holds]
    if not wrong:
        return []
    names = ",".join(wrong)
    return [f"{few(wrong)} differ from what their queries give. Nothing was changed; --full-refresh {names} rebuilds."]


def failure_lines(outcome: StepOutcome, root: Path) -> list[str]:
    """A failed dataset: where and what, the line in the user's file, and what stays."""
    error = outcome.error
    if error is None:
        return []
    ended = "refused" if isinstance(error, ExpectationFailed) else "failed"
    lines = [f"{outcome.step.dataset} {ended} after {duration(outcome.seconds)}", f"  {error}"]
    source = source_line(root, error.where) if error.where else None
    if source is not None and error.where is not None:
        lines.append(f"  {error.where.line:>4} | {source}")
    if isinstance(error, QueryError) and error.condition and error.condition not in str(error):
        lines.append(f"  Spark's error class: {error.condition}")
    kept = f"it stays at version {outcome.version}" if outcome.version >= 0 else "there is no table of it yet"
    lines.append(f"  Kept: {kept}.")
    return lines


def source_line(root: Path, where: SourceLocation) -> str | None:
    """The line of the user's file, if it can be read."""
    try:
        lines = (root / where.file).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    return lines[where.line - 1].rstrip() if 0 < where.line <= len(lines) else None


def aside_lines(outcome: RunOutcome) -> list[str]:
    """Every source file that is set aside, with the reason."""
    lines = []
    for step in outcome.steps:
        if step.bad_files:
            allowed = f" ({step.bad_files_allowed} allowed)" if step.bad_files_allowed else ""
            lines.append(f"{step.step.dataset}: {counted(len(step.bad_files), 'source file')} set aside{allowed}:")
            lines += [f"  {bad.path}: {bad.reason}" for bad in step.bad_files]
    return lines


def closing_text(outcome: RunOutcome) -> str:
    """The last sentence of a run."""
    took = duration((outcome.ended_at - outcome.started_at).total_seconds())
    counts = status_counts(outcome)
    done = counts.get(StepStatus.REFRESHED.value, 0) + counts.get(StepStatus.UNCHANGED.value, 0)
    published = f"; readers see publication {outcome.publication.sequence}" if outcome.publication else ""
    kept = "Readers see what they saw before; what was refreshed is kept for the next run."
    match outcome.status:
        case RunStatus.SUCCEEDED if not done:
            return f"Nothing to do: {counted(len(outcome.steps), 'dataset')} up to date{published}."
        case RunStatus.SUCCEEDED:
            return f"Done in {took}: {_counts_text(counts)}{published}."
        case RunStatus.INCOMPLETE:
            aside = sum(len(step.bad_files) for step in outcome.steps)
            return (
                f"Done in {took}: {_counts_text(counts)}{published}, but {counted(aside, 'source file')} set aside. "
                "Deliver them again, remove them, or allow them with 'max_bad_files'."
            )
        case RunStatus.CANCELLED:
            return f"Stopped after {took}: {_counts_text(counts)}. {kept}"
        case _:
            failed = [str(step.step.dataset) for step in outcome.steps if step.status is StepStatus.FAILED]
            if outcome.exit_code == ExpectationFailed.exit_code:
                mend = f"Mend what {few(failed)} gets, or the expectations, and run again."
                return f"Refused after {took}: {_counts_text(counts)}. {kept} {mend}"
            return f"Failed after {took}: {_counts_text(counts)}. {kept} Fix {few(failed)} and run again."


def notice_lines(notices: Iterable[Notice]) -> list[str]:
    """Notices with the same text as one line."""
    about: dict[str, list[str]] = {}
    for notice in notices:
        about.setdefault(notice.text, []).append(notice.about)
    return [
        f"note: {text}" if not any(names) else f"note: {', '.join(filter(None, names))}: {text}"
        for text, names in about.items()
    ]


def _counts_text(counts: dict[str, int] | Any) -> str:
    return ", ".join(f"{counts[status.value]} {status.value}" for status in StepStatus if counts.get(status.value))
