"""What would be done with a dataset now, and why, for people and for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lakehouse.plan.explanation import AllowedWays, SourceChange, StepExplanation
from lakehouse.plan.maintenance import Refusal
from lakehouse.plan.refresh_plan import RefreshMode


def explanation_lines(found: StepExplanation) -> list[str]:
    """What is due and why, the policy, the ways that the query allows, and what has changed in what it reads."""
    step = found.step
    due = "would be left as it is" if step.mode is RefreshMode.SKIP else f"would be refreshed: {step.mode.value}"
    lines = [f"{due}, because {step.reason.text}"]
    if found.allowed is not None:
        lines += [f"refresh policy {step.policy.value}", *_allowed_lines(found.allowed)]
    if found.state_is_missing:
        lines.append("the sums and counts to refresh it from are not there yet: it is recomputed once")
    lines += map(_source_line, found.sources)
    return [*lines, *([str(found.prediction)] if found.prediction else [])]


def explanation_fields(found: StepExplanation) -> dict[str, Any]:
    """The same as plain fields. For a streaming table `ways` is None, as nothing was asked."""
    allowed, prediction = found.allowed, found.prediction
    return {
        "dataset": str(found.step.dataset),
        "mode": found.step.mode.value,
        "reason_code": found.step.reason.code.value,
        "reason": found.step.reason.text,
        "policy": found.step.policy.value,
        "ways": [mode.value for mode in allowed.modes] if allowed else None,
        "key": [{"column": key.name, "sources": list(key.sources)} for key in allowed.key] if allowed else [],
        "unique_key": allowed.is_unique if allowed else None,
        "refusal": _refusal_fields(allowed.refusal) if allowed and allowed.refusal else None,
        "lacking": [_refusal_fields(refusal) for refusal in allowed.lacking] if allowed else [],
        "state_is_missing": found.state_is_missing,
        "expected_seconds": {"full": prediction.full, "by_change": prediction.by_change} if prediction else None,
        "sources": [_source_fields(source) for source in found.sources],
    }


def ways_text(allowed: AllowedWays | None) -> str | None:
    """The ways in one cell of a table: `append, keys`, or `none`; None for what is no view."""
    if allowed is None:
        return None
    return ", ".join(mode.value for mode in allowed.modes) or "none"


def _allowed_lines(allowed: AllowedWays) -> Iterator[str]:
    ways = ways_text(allowed) if allowed.modes else "in no way"
    if allowed.refusal is not None:
        others = ", not where rows change or go" if allowed.modes else ""
        yield f"by what changed: {ways}{others} ({_refusal_text(allowed.refusal)})"
        return
    yield f"by what changed: {ways}"
    for key in allowed.key:
        yield f"key column {key.name}" + (f" from {', '.join(key.sources)}" if key.sources else "")
    for refusal in allowed.lacking:
        yield f"not cheaper: {_refusal_text(refusal)}"


def _refusal_text(refusal: Refusal) -> str:
    return f"{refusal.code.value}: {refusal.text}"


def _refusal_fields(refusal: Refusal) -> dict[str, str]:
    return {"code": refusal.code.value, "text": refusal.text}


def _source_line(source: SourceChange) -> str:
    if source.to_version is None:
        waiting = f", {_counted(source.files, 'file')} of {source.file_bytes:,} bytes to load" if source.files else ""
        return f"reads {source.dataset}, which this run may change{waiting}"
    return f"reads {source.dataset}, version {source.from_version} to {source.to_version}: {_change_text(source)}"


def _change_text(source: SourceChange) -> str:
    change = source.change
    assert change is not None
    if change.obstacle is not None:
        return f"what changed cannot be known ({change.obstacle.value}: {change.obstacle_text})"
    if not change.changes_rows:
        return "the same rows"
    rows = "rows not counted" if change.rows is None else f"at most {_counted(change.rows, 'row')}"
    return f"{rows} in {change.bytes:,} bytes, {'only added' if change.append_only else 'changed or removed, too'}"


def _source_fields(source: SourceChange) -> dict[str, Any]:
    change = source.change
    return {
        "dataset": str(source.dataset),
        "from_version": source.from_version,
        "to_version": source.to_version,
        "changes_rows": change.changes_rows if change else None,
        "append_only": change.append_only if change else None,
        "rows": change.rows if change else None,
        "bytes": change.bytes if change else None,
        "obstacle": change.obstacle.value if change and change.obstacle else None,
        "obstacle_text": change.obstacle_text if change and change.obstacle else None,
        "files": source.files,
        "file_bytes": source.file_bytes,
    }


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
