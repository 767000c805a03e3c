"""What came of a run: one outcome per dataset, and the events that tell of it while it happens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from lakehouse.errors import ExpectationFailed, LakehouseError
from lakehouse.names import TableName
from lakehouse.plan.records import Publication, RefreshRecord
from lakehouse.plan.refresh_plan import BY_CHANGE, RefreshMode, RefreshPlan, RefreshStep
from lakehouse.plan.sieve import DROPPED, QUARANTINED
from lakehouse.quality.column_profile import TableProfile
from lakehouse.quality.judgement import Judgement


class StepStatus(str, Enum):
    """How a dataset's refresh ended."""

    REFRESHED = "refreshed"  # a new version
    UNCHANGED = "unchanged"  # computed, and found equal to what is there
    SKIPPED = "skipped"  # nothing to do
    FAILED = "failed"
    BLOCKED = "blocked"  # a dataset it reads failed
    CANCELLED = "cancelled"


class RunStatus(str, Enum):
    """How a run ended."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    INCOMPLETE = "incomplete"  # published, but source files were set aside
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class BadFile:
    """A source file that could not be read, and why."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True)
class RowsChanged:
    """How many rows of a table a commit added, replaced by another, and removed."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0

    def __str__(self) -> str:
        return f"+{self.inserted:,} ~{self.updated:,} -{self.deleted:,}"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepOutcome:
    """What became of one step. `version` is what the table is at now, -1 if there is none; `rows_in` what the
    query, the files or the changes gave, `rows_out` what was written, and `rows_changed` what that did to the table.
    `lacking` says what cheaper ways to refresh it lacked, `judgements` what its expectations say of the rows that it
    has now, or, where they refuse the refresh, would have had; `profile` is that of the rows of a new version."""

    step: RefreshStep
    status: StepStatus
    version: int
    record: RefreshRecord | None = None
    rows_in: int = 0
    rows_out: int = 0
    rows_changed: RowsChanged = RowsChanged()
    files: int = 0
    bad_files: tuple[BadFile, ...] = ()
    bad_files_allowed: int = 0
    notices: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    judgements: tuple[Judgement, ...] = ()
    profile: TableProfile | None = None
    error: LakehouseError | None = None
    started_at: datetime
    ended_at: datetime

    @property
    def seconds(self) -> float:
        """Wall time."""
        return (self.ended_at - self.started_at).total_seconds()

    @property
    def is_by_change(self) -> bool:
        """Whether a view was refreshed by what changed in what it reads."""
        is_load = self.step.load is not None or self.files > 0
        return self.status is StepStatus.REFRESHED and not is_load and self.step.mode in BY_CHANGE

    @property
    def rows_dropped(self) -> int:
        """How many of `rows_in` expectations left out for good; of a view, how many of all rows of its query."""
        return self._counted(DROPPED)

    @property
    def rows_quarantined(self) -> int:
        """How many of `rows_in` went to quarantine, or stayed there; of a view, how many of all rows of its query."""
        if self.step.mode is RefreshMode.REPLAY and self.status is StepStatus.UNCHANGED:
            return self.rows_in
        return self._counted(QUARANTINED)

    @property
    def stands(self) -> bool:
        """Whether the table is up to date after this step."""
        return self.status in (StepStatus.REFRESHED, StepStatus.UNCHANGED, StepStatus.SKIPPED)

    def _counted(self, name: str) -> int:
        # Of a step that did nothing, or was refused, the record is that of the last refresh before.
        judged = self.status in (StepStatus.REFRESHED, StepStatus.UNCHANGED)
        is_as_before = self.step.mode is RefreshMode.REPLAY and self.status is StepStatus.UNCHANGED
        return self.record.counts.get(name, 0) if judged and not is_as_before and self.record is not None else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """A view's rows against its query, computed in full over the versions that its record names.

    `compared` of the table's `rows` were looked at; `missing` rows of the query are not in the table, `surplus` rows
    of the table are not in the query. `left_out` columns were not compared; with a `problem` nothing was.
    """

    dataset: TableName
    version: int = -1
    rows: int = 0
    compared: int = 0
    missing: int = 0
    surplus: int = 0
    left_out: tuple[str, ...] = ()
    problem: str | None = None
    error: LakehouseError | None = None

    @property
    def holds(self) -> bool:
        """Whether no difference was found; what could not be compared does not count against it, an error does."""
        return self.error is None and not self.missing and not self.surplus


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOutcome:
    """What came of one invocation. `publication` is the new one, or None if readers see what they saw before;
    `verified` are the views that were verified, where that was asked."""

    run: str
    status: RunStatus
    steps: tuple[StepOutcome, ...]
    publication: Publication | None
    started_at: datetime
    ended_at: datetime
    signal_number: int | None = None
    verified: tuple[Verification, ...] = ()

    @property
    def exit_code(self) -> int:
        """0 done, 1 a refresh failed, files were set aside or a verification did not hold, 3 expectations refused
        what would otherwise have been refreshed, 128 + signal when told to stop."""
        if self.signal_number is not None:
            return 128 + self.signal_number
        holds = all(verification.holds for verification in self.verified)
        if self.status is RunStatus.SUCCEEDED and holds:
            return 0
        errors = [step.error for step in self.steps if step.status is StepStatus.FAILED]
        is_refused = bool(errors) and holds and all(isinstance(error, ExpectationFailed) for error in errors)
        return ExpectationFailed.exit_code if is_refused else 1


@dataclass(frozen=True, slots=True)
class RunStarted:
    """The run holds the project and has its plan."""

    run: str
    plan: RefreshPlan


@dataclass(frozen=True, slots=True)
class RefreshStarted:
    """A dataset's refresh begins."""

    dataset: TableName


@dataclass(frozen=True, slots=True)
class RefreshEnded:
    """A dataset's refresh is over."""

    outcome: StepOutcome


@dataclass(frozen=True, slots=True)
class RefreshVerified:
    """A view was computed once more and compared."""

    verification: Verification


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The run is over."""

    outcome: RunOutcome


@dataclass(frozen=True, slots=True)
class Notice:
    """Something worth saying; `about` is a dataset, a file, or empty."""

    text: str
    about: str = ""


RunEvent = RunStarted | RefreshStarted | RefreshEnded | RefreshVerified | RunEnded | Notice
