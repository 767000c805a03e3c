"""A refresh computed by Spark, staged: the table's commit and those of what is kept beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from lakehouse.errors import ExpectationFailed
from lakehouse.plan.load_plan import LedgerEntry
from lakehouse.plan.records import RefreshRecord
from lakehouse.plan.refresh_plan import RefreshStep
from lakehouse.quality.column_profile import TableProfile
from lakehouse.quality.judgement import Judgement
from lakehouse.run.evaluation import failures_named
from lakehouse.run.outcome import BadFile, RowsChanged
from lakehouse.storage.change_commit import StagedChange
from lakehouse.storage.staged_write import StagedWrite


@dataclass(slots=True, kw_only=True)
class SparkStaged:
    """Implements `run.ports.Staged`. `record` learns the versions of what is committed beside the table."""

    step: RefreshStep
    write: StagedWrite | StagedChange | None
    record: RefreshRecord
    rows_in: int
    rows_out: int
    is_unchanged: bool
    state: StagedWrite | StagedChange | None = None
    state_epoch: int = 0
    quarantine: StagedWrite | None = None
    quarantine_epoch: int = 0
    judgements: tuple[Judgement, ...] = ()
    refusal: ExpectationFailed | None = None
    profile: TableProfile | None = None
    ledger: tuple[LedgerEntry, ...] = ()
    bad_files: tuple[BadFile, ...] = ()
    notices: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    root: Path

    @property
    def rows_changed(self) -> RowsChanged:
        """See the port."""
        if isinstance(self.write, StagedChange):
            return RowsChanged(self.write.inserted or 0, self.write.updated or 0, self.write.deleted or 0)
        return RowsChanged(self.rows_out, 0, 0)

    def commit(self) -> int:
        """See the port. Raises RefreshError if another writer got in between."""
        assert self.write is not None
        with failures_named(self.record.dataset, None, self.root):
            self._commit_beside()
            return self.write.commit(self.record.epoch, self.record.to_json())

    def confirm_unchanged(self) -> None:
        """See the port."""
        with failures_named(self.record.dataset, None, self.root):
            if self.write is not None:
                self.write.discard()
            self._commit_beside()

    def discard(self) -> None:
        """See the port."""
        for staged in (self.write, self.state, self.quarantine):
            if staged is not None:
                staged.discard()

    def _commit_beside(self) -> None:
        # Before the rows that they belong to, whose record names their versions: what died in between has left
        # versions that no record names, and those are not used.
        if self.state is not None:
            record = replace(self.record, epoch=self.state_epoch)
            self.record = replace(self.record, state=self.state.commit(record.epoch, record.to_json()))
        if self.quarantine is not None:
            record = replace(self.record, epoch=self.quarantine_epoch)
            version = self.quarantine.commit(record.epoch, record.to_json())
            self.record = replace(self.record, quarantine=version)
