"""What came of a run that was started from Python, in a form that prints."""

from __future__ import annotations

from dataclasses import dataclass

from lakehouse.run.outcome import Notice, RunOutcome, RunStatus, StepOutcome


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RunReport:
    """`str()` is a line per dataset, failures with their whole error. `outcome` has it all as values."""

    outcome: RunOutcome
    notices: tuple[Notice, ...] = ()

    @property
    def succeeded(self) -> bool:
        """Whether everything asked for is up to date, and no source file was set aside."""
        return self.outcome.status is RunStatus.SUCCEEDED

    def __str__(self) -> str:
        outcome = self.outcome
        seconds = (outcome.ended_at - outcome.started_at).total_seconds()
        lines = [f"run {outcome.run}: {outcome.status.value} in {seconds:.1f} s"]
        width = max((len(str(step.step.dataset)) for step in outcome.steps), default=0)
        for step in outcome.steps:
            lines.append(f"  {step.step.dataset!s:<{width}}  {_what(step)}")
            lines += [f"    set aside: {file.path}: {file.reason}" for file in step.bad_files]
            lines += [f"    {notice}" for notice in step.notices]
        lines += [f"  {notice.about}: {notice.text}" if notice.about else f"  {notice.text}" for notice in self.notices]
        if outcome.publication is None:
            lines.append("nothing new was published")
        else:
            lines.append(f"publication {outcome.publication.sequence}: refresh() moves on to it")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)


def _what(step: StepOutcome) -> str:
    if step.error is not None:
        return f"{step.status.value}: {step.error}"
    written = str(step.rows_changed) if step.is_by_change else f"{step.rows_out:,}"
    rows = f", {written} rows in {step.seconds:.1f} s" if step.status.value == "refreshed" else ""
    return f"{step.status.value} ({step.step.mode.value}: {step.step.reason.text}){rows}"
