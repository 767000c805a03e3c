"""What a run needs from the world. The order of effects is decided in `execution`; these are the effects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from lakehouse.errors import ExpectationFailed
from lakehouse.names import TableName
from lakehouse.plan.load_plan import LedgerEntry
from lakehouse.plan.records import Publication, RefreshRecord, TableFacts
from lakehouse.plan.refresh_plan import RefreshStep
from lakehouse.quality.column_profile import TableProfile
from lakehouse.quality.judgement import Judgement
from lakehouse.run.outcome import BadFile, RowsChanged, RunEvent, RunOutcome, StepOutcome, Verification


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The current instant, in UTC."""


class Staged(Protocol):
    """A refresh that is computed and not yet visible."""

    @property
    def step(self) -> RefreshStep:
        """The step as it was carried out."""

    @property
    def record(self) -> RefreshRecord:
        """What the commit will say of itself."""

    @property
    def rows_in(self) -> int:
        """Rows that the query or the files gave."""

    @property
    def rows_out(self) -> int:
        """Rows that the commit writes."""

    @property
    def ledger(self) -> tuple[LedgerEntry, ...]:
        """What the file ledger must know: files that this commit brings (pending), and files set aside."""

    @property
    def bad_files(self) -> tuple[BadFile, ...]:
        """Files that could not be read, now and earlier, as long as they are there."""

    @property
    def notices(self) -> tuple[str, ...]:
        """Sentences worth showing, such as a column that was added."""

    @property
    def is_unchanged(self) -> bool:
        """Whether the table already holds exactly these rows, so that there is nothing to commit."""

    @property
    def rows_changed(self) -> RowsChanged:
        """What the commit did to the table's rows; known once it is made."""

    @property
    def lacking(self) -> tuple[str, ...]:
        """What cheaper ways to compute it lacked."""

    @property
    def judgements(self) -> tuple[Judgement, ...]:
        """What the dataset's expectations say of the rows that the table will have."""

    @property
    def refusal(self) -> ExpectationFailed | None:
        """Why it must not become visible; None if nothing stands against it."""

    @property
    def profile(self) -> TableProfile | None:
        """The profile of the rows that the table will have; None if it was not taken."""

    def confirm_unchanged(self) -> None:
        """The table stays as it is; what is kept beside it moves on to the versions that were read now."""

    def commit(self) -> int:
        """Makes it visible as one version of the table, and returns the version."""

    def discard(self) -> None:
        """Leaves no trace of it."""


class Compute(Protocol):
    """Computes a dataset's rows."""

    def stage(self, step: RefreshStep, reads: Mapping[TableName, int], run: str) -> Staged:
        """Computes what the step is due from its inputs at the versions `reads`. Raises RefreshError."""

    def verify(self, outcome: StepOutcome, at_most: int | None, run: str) -> Verification:
        """Computes a refreshed view again, in full, over the versions it was computed from, and compares about
        `at_most` rows (None: all). Changes nothing. Raises RefreshError."""

    def cancel(self) -> None:
        """Makes running `stage` calls end soon, with an error."""


class Warehouse(Protocol):
    """Tables, and what is known about them. Every call is one effect that either happens or does not."""

    def hold(self, run: str) -> AbstractContextManager[None]:
        """The project is this run's while the context lasts. Raises RunInProgress."""

    def table_facts(self, name: TableName) -> TableFacts:
        """What the table's own log says."""

    def latest_publication(self) -> Publication | None:
        """What readers see."""

    def publish(self, publication: Publication) -> None:
        """From now on readers see this. Atomic."""

    def pending_epochs(self) -> Mapping[TableName, int]:
        """The ledger's epochs whose commit was neither confirmed nor given up; at most one a table."""

    def write_ledger(self, entries: tuple[LedgerEntry, ...]) -> None:
        """Records what a commit is about to bring."""

    def confirm_files(self, dataset: TableName, epoch: int) -> None:
        """The epoch's commit happened: its files are loaded."""

    def abandon_files(self, dataset: TableName, epoch: int) -> None:
        """The epoch's commit will never happen: its files are not loaded."""

    def record_run_started(self, run: str, started_at: datetime) -> None:
        """Intent: this run began."""

    def record_run_ended(self, outcome: RunOutcome) -> None:
        """Outcome: one row for the run and one for every dataset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The world of one run. `stopped` answers the number of the signal that told the run to stop, or None;
    `inline` runs refreshes one after another in the calling thread (for simulation)."""

    clock: Clock
    compute: Compute
    warehouse: Warehouse
    emit: Callable[[RunEvent], None]
    stopped: Callable[[], int | None]
    max_concurrent_refreshes: int = 2
    inline: bool = False
