"""Which refreshes of a run are computed once more, in full, and compared with what they left; see `refresh.verify`."""

from __future__ import annotations

from dataclasses import dataclass

from lakehouse.errors import LakehouseError
from lakehouse.run.outcome import RefreshVerified, RunOutcome, StepOutcome, StepStatus, Verification
from lakehouse.run.ports import Ports

DEFAULT_SAMPLE = 10_000  # rows a view: seconds, and a fault in one of a thousand classes of rows is found


@dataclass(frozen=True, slots=True)
class RowSample:
    """How many rows of a view are compared, about; None for all."""

    rows: int | None = DEFAULT_SAMPLE


def verify_outcomes(outcome: RunOutcome, sample: RowSample, ports: Ports) -> tuple[Verification, ...]:
    """Verifies every view that the run computed, one after the other; a run that was told to stop verifies no more.

    Changes nothing. A view that cannot be verified because of an error is in the result with that error.
    """
    found = []
    for step in outcome.steps:
        if not is_verifiable(step) or ports.stopped() is not None:
            continue
        try:
            verification = ports.compute.verify(step, sample.rows, outcome.run)
        except LakehouseError as error:
            verification = Verification(dataset=step.step.dataset, error=error)
        found.append(verification)
        ports.emit(RefreshVerified(verification))
    return tuple(found)


def is_verifiable(step: StepOutcome) -> bool:
    """Whether the step computed a view: a streaming table's files may be gone, and it was not computed from rows."""
    return step.status in (StepStatus.REFRESHED, StepStatus.UNCHANGED) and step.step.load is None
