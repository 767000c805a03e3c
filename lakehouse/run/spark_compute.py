"""Computes refreshes with Spark: the `Compute` port of a run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from zlib import crc32

from pyspark.sql import DataFrame, SparkSession

from lakehouse.analysis.algebra import optimising_session
from lakehouse.definition.dataset import MaterializedView, StreamingTable, TemporaryView
from lakehouse.definition.project import Project
from lakehouse.errors import OwnershipError, RefreshError
from lakehouse.graph.dataflow import DataflowGraph
from lakehouse.names import TableName
from lakehouse.plan.load_plan import LedgerEntry
from lakehouse.plan.records import RefreshRecord, application_id
from lakehouse.plan.refresh_plan import Identity, ReasonCode, RefreshMode, RefreshStep
from lakehouse.refresh.load import StagedLoad, stage_load
from lakehouse.refresh.materialize import shape
from lakehouse.refresh.verify import compare_with_query
from lakehouse.run.evaluation import evaluate_query, failures_named
from lakehouse.run.location import locate, locate_state
from lakehouse.run.outcome import BadFile, RowsChanged, StepOutcome, Verification
from lakehouse.run.view_refresh import ViewRefresh
from lakehouse.storage.change_commit import StagedChange
from lakehouse.storage.change_feed import FeedCache
from lakehouse.storage.session_catalog import SessionCatalog
from lakehouse.storage.staged_write import StagedWrite, TableWrite, WriteMode
from lakehouse.storage.table_changes import commit_identity

# Off by default in Delta: who reads a table later wants to know what changed.
_DEFAULT_PROPERTIES = {"delta.enableChangeDataFeed": "true"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SparkStaged:
    """Implements `run.ports.Staged`."""

    step: RefreshStep
    write: StagedWrite | StagedChange | None
    record: RefreshRecord
    rows_in: int
    rows_out: int
    is_unchanged: bool
    state: StagedWrite | StagedChange | None = None
    state_epoch: int = 0
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
            self._commit_state()
            return self.write.commit(self.record.epoch, self.record.to_json())

    def confirm_unchanged(self) -> None:
        """See the port."""
        with failures_named(self.record.dataset, None, self.root):
            if self.write is not None:
                self.write.discard()
            self._commit_state()

    def discard(self) -> None:
        """See the port."""
        for staged in (self.write, self.state):
            if staged is not None:
                staged.discard()

    def _commit_state(self) -> None:
        # Before the rows it belongs to: what died in between is seen by the versions that state and rows were
        # computed from, and the state is made anew.
        if self.state is not None:
            record = replace(self.record, epoch=self.state_epoch)
            self.state.commit(record.epoch, record.to_json())


class SparkCompute:
    """Implements `run.ports.Compute` over one session; `open_catalog` starts it when first needed."""

    def __init__(
        self,
        project: Project,
        graph: DataflowGraph,
        identities: Mapping[TableName, Identity],
        open_catalog: Callable[[], SessionCatalog],
        now: Callable[[], datetime],
    ) -> None:
        self._project = project
        self._datasets = project.by_name
        self._graph = graph
        self._identities = identities
        self._open_catalog = open_catalog
        self._now = now
        self._job_tag: str | None = None
        self._session: SparkSession | None = None
        self._feeds: FeedCache | None = None
        self._guard = threading.Lock()

    def close(self) -> None:
        """Lets go of what was read for several refreshes."""
        with self._guard:
            if self._feeds is not None:
                self._feeds.close()
                self._feeds = None

    def stage(self, step: RefreshStep, reads: Mapping[TableName, int], run: str) -> SparkStaged:
        """See the port."""
        catalog = self._open_catalog()
        self._session, self._job_tag = catalog.session, f"lakehouse-{run}"
        catalog.session.sparkContext.addJobTag(self._job_tag)
        dataset = self._datasets[step.dataset]
        record = self._record(step, reads, run)
        if isinstance(dataset, StreamingTable):
            return self._stage_load(dataset, step, record, catalog)
        assert isinstance(dataset, MaterializedView)
        for name, version in reads.items():
            if version < 0:
                raise RefreshError(
                    f"{step.dataset} reads {name}, which has no rows published or built yet.",
                    where=dataset.location,
                    hint=f"Refresh it too: --select +{step.dataset}.",
                )
            catalog.pin(name, locate(self._project, name), version)
        return self._stage_query(dataset, step, record, catalog)

    def verify(self, outcome: StepOutcome, at_most: int | None, run: str) -> Verification:
        """See the port."""
        name, record = outcome.step.dataset, outcome.record
        dataset = self._datasets[name]
        assert isinstance(dataset, MaterializedView)
        assert record is not None
        catalog = self._open_catalog()
        for read, version in record.reads.items():
            source = TableName(*read.split(".", 1))
            catalog.pin(source, locate(self._project, source), version)
        catalog = catalog.configured(dict(dataset.spark_conf))
        with failures_named(str(name), dataset.query, self._project.spec.root):
            found = compare_with_query(
                shape(self._query(dataset, record, catalog), dataset.layout, dataset.location),
                catalog.table(locate(self._project, name), outcome.version),
                optimising_session(catalog.session),
                at_most=at_most,
                seed=crc32(run.encode()),
            )
        return Verification(dataset=name, version=outcome.version, **asdict(found))

    def cancel(self) -> None:
        """See the port."""
        if self._session is not None and self._job_tag is not None:
            self._session.sparkContext.cancelJobsWithTag(self._job_tag)

    def _stage_query(
        self, dataset: MaterializedView, step: RefreshStep, record: RefreshRecord, catalog: SessionCatalog
    ) -> SparkStaged:
        root = self._project.spec.root
        catalog = catalog.configured(dict(dataset.spark_conf))
        frame = self._query(dataset, record, catalog)
        with failures_named(str(dataset.name), dataset.query, root):
            refreshed = ViewRefresh(
                dataset=dataset,
                step=step,
                record=record,
                frame=shape(frame, dataset.layout, dataset.location),
                write=self._write(dataset, WriteMode.OVERWRITE),
                state_write=self._state_write(dataset.name),
                locations={name: locate(self._project, name) for name in step.inputs},
                catalog=catalog,
                feeds=self._open_feeds(catalog.session),
                is_read=any(dataset.name in reads for reads in self._graph.inputs.values()),
            ).stage()
        return SparkStaged(
            step=refreshed.step,
            write=refreshed.table,
            state=refreshed.state,
            state_epoch=refreshed.state_epoch,
            record=refreshed.record,
            rows_in=refreshed.rows_in,
            rows_out=refreshed.rows_out,
            is_unchanged=refreshed.is_unchanged,
            lacking=refreshed.lacking,
            root=root,
        )

    def _query(self, dataset: MaterializedView, record: RefreshRecord, catalog: SessionCatalog) -> DataFrame:
        root = self._project.spec.root
        for name in self._graph.order:
            if str(name) in record.views:
                view = self._datasets[name]
                assert isinstance(view, TemporaryView)
                catalog.define_temporary(name.name, evaluate_query(catalog.session, view, root))
        return evaluate_query(catalog.session, dataset, root)

    def _open_feeds(self, session: SparkSession) -> FeedCache:
        with self._guard:
            if self._feeds is None:
                self._feeds = FeedCache(session)
            return self._feeds

    def _stage_load(
        self, dataset: StreamingTable, step: RefreshStep, record: RefreshRecord, catalog: SessionCatalog
    ) -> SparkStaged:
        assert step.load is not None
        mode = WriteMode.OVERWRITE if step.mode is RefreshMode.FULL else WriteMode.APPEND
        write = self._write(dataset, mode)
        if step.reason.code is ReasonCode.FOREIGN_WRITE:
            raise OwnershipError(
                f"{dataset.name}: something else wrote to it after version {step.version}, so files and rows no "
                "longer agree.",
                where=dataset.location,
                hint=f"Restore version {step.version}, or rebuild it from its files: --full-refresh {dataset.name}.",
            )
        with failures_named(str(dataset.name), None, self._project.spec.root):
            staged: StagedLoad = stage_load(catalog.session, dataset, step, write, record.run, self._now())
        return SparkStaged(
            step=step,
            write=staged.write,
            record=record,
            rows_in=staged.rows,
            rows_out=staged.rows,
            is_unchanged=staged.write is None,
            ledger=staged.ledger,
            bad_files=tuple(BadFile(path=path, reason=reason) for path, reason in staged.bad),
            notices=staged.notices,
            root=self._project.spec.root,
        )

    def _record(self, step: RefreshStep, reads: Mapping[TableName, int], run: str) -> RefreshRecord:
        identity = self._identities[step.dataset]
        return RefreshRecord(
            project=self._project.spec.name,
            dataset=str(step.dataset),
            run=run,
            epoch=step.epoch,
            mode=step.mode.value,
            fingerprint=identity.query,
            layout=identity.layout,
            settings=identity.settings,
            reads={str(name): version for name, version in reads.items()},
            identities=self._identities_of_others(reads),
            views=dict(identity.views),
        )

    def _identities_of_others(self, reads: Mapping[TableName, int]) -> dict[str, str]:
        """What tells the versions of tables that others write from those of a table made anew in their place."""
        others = [external.name for external in self._project.external if external.name in reads]
        found = {name: commit_identity(locate(self._project, name), reads[name]) for name in others}
        return {str(name): identity for name, identity in found.items() if identity is not None}

    def _write(self, dataset: MaterializedView | StreamingTable, mode: WriteMode) -> TableWrite:
        return TableWrite(
            path=locate(self._project, dataset.name),
            application=application_id(self._project.spec.name, dataset.name),
            mode=mode,
            properties=_DEFAULT_PROPERTIES | dict(dataset.layout.properties),
            partition_by=dataset.layout.partition_by,
            cluster_by=dataset.layout.cluster_by,
            comment=dataset.comment,
            evolve=True,
        )

    def _state_write(self, name: TableName) -> TableWrite:
        application = application_id(self._project.spec.name, name)
        return TableWrite(
            path=locate_state(self._project.spec, name),
            application=f"{application}/state",
            mode=WriteMode.OVERWRITE,
        )
