"""Computes refreshes with Spark: the `Compute` port of a run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from functools import partial
from zlib import crc32

from pyspark.sql import DataFrame, SparkSession

from lakehouse.analysis.algebra import optimising_session
from lakehouse.definition.dataset import MaterializedView, StreamingTable, TemporaryView
from lakehouse.definition.project import Project
from lakehouse.errors import RefreshError
from lakehouse.graph.dataflow import DataflowGraph
from lakehouse.names import TableName
from lakehouse.plan.records import RefreshRecord, application_id
from lakehouse.plan.refresh_plan import Identity, RefreshMode, RefreshStep
from lakehouse.refresh.materialize import shape
from lakehouse.refresh.quarantine import Quarantine
from lakehouse.refresh.sifting import kept
from lakehouse.refresh.verify import compare_with_query
from lakehouse.run.evaluation import evaluate_query, failures_named
from lakehouse.run.load_refresh import LoadRefresh
from lakehouse.run.location import locate, locate_quarantine, locate_state
from lakehouse.run.outcome import BadFile, StepOutcome, Verification
from lakehouse.run.profiling import VersionProfiles
from lakehouse.run.refresh_gate import Past, RefreshGate, last_observed, open_quarantine, stamp_of
from lakehouse.run.replay import Replay
from lakehouse.run.spark_staged import SparkStaged
from lakehouse.run.temporary_views import temporary_view_rows
from lakehouse.run.view_refresh import ViewRefresh
from lakehouse.storage.change_feed import FeedCache
from lakehouse.storage.session_catalog import SessionCatalog
from lakehouse.storage.staged_write import TableWrite, WriteMode
from lakehouse.storage.system_tables import SystemTable
from lakehouse.storage.table_changes import commit_identity
from lakehouse.storage.table_log import read_table_facts

# Off by default in Delta: who reads a table later wants to know what changed.
_DEFAULT_PROPERTIES = {"delta.enableChangeDataFeed": "true"}


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
            stage = self._stage_replay if step.mode is RefreshMode.REPLAY else self._stage_load
            return stage(dataset, step, record, catalog)
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
            frame = shape(self._query(dataset, record, catalog), dataset.layout, dataset.location)
            found = compare_with_query(
                kept(frame, self._gate(dataset, frame, catalog, run=run).sieve),
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
            frame = shape(frame, dataset.layout, dataset.location)
            gate = self._gate(dataset, frame, catalog, run=record.run)
            quarantine, epoch = self._quarantine(gate, step, record)
            refreshed = ViewRefresh(
                dataset=dataset,
                step=step,
                record=record,
                frame=frame,
                write=self._write(dataset, WriteMode.OVERWRITE),
                state_write=self._state_write(dataset.name),
                quarantine=quarantine,
                locations={name: locate(self._project, name) for name in step.inputs},
                catalog=catalog,
                feeds=self._open_feeds(catalog.session),
                is_read=any(dataset.name in reads for reads in self._graph.inputs.values()),
                judge=gate.judge,
            ).stage()
            judgements, refusal = gate.conclude(refreshed.record.counts, frame)
        return SparkStaged(
            step=refreshed.step,
            write=refreshed.table,
            state=refreshed.state,
            state_epoch=refreshed.state_epoch,
            quarantine=refreshed.quarantine,
            quarantine_epoch=epoch,
            judgements=judgements,
            refusal=refusal,
            profile=gate.profile,
            record=refreshed.record,
            rows_in=refreshed.rows_in,
            rows_out=refreshed.rows_out,
            is_unchanged=refreshed.is_unchanged,
            lacking=refreshed.lacking,
            root=root,
        )

    def _gate(
        self, dataset: MaterializedView | StreamingTable, frame: DataFrame, catalog: SessionCatalog, *, run: str
    ) -> RefreshGate:
        spec, now = self._project.spec, self._now()
        here = locate(self._project, dataset.name)

        def table(name: TableName) -> DataFrame:
            location = locate(self._project, name)
            return catalog.table(location, read_table_facts(location).version)

        past = Past(
            observed=partial(
                last_observed, SystemTable(f"{spec.warehouse}/system", "expectations"), spec.name, dataset.name
            ),
            profiles=lambda: VersionProfiles(
                SystemTable(f"{spec.warehouse}/system", "profiles"),
                (spec.name, dataset.name),
                here,
                lambda version: catalog.table(here, version),
                (run, now),
            ),
        )
        return RefreshGate(dataset, frame, table, past, now)

    def _quarantine(self, gate: RefreshGate, step: RefreshStep, record: RefreshRecord) -> tuple[Quarantine, int]:
        spec = self._project.spec
        location = locate_quarantine(spec, step.dataset)
        stamp = stamp_of(record, self._now())
        found, epoch = open_quarantine(location, spec.name, step.dataset, gate.sieve, step.record, stamp)
        return replace(found, watch=gate.watch), epoch

    def _query(self, dataset: MaterializedView, record: RefreshRecord, catalog: SessionCatalog) -> DataFrame:
        root = self._project.spec.root
        for name in self._graph.order:
            if str(name) in record.views:
                view = self._datasets[name]
                assert isinstance(view, TemporaryView)
                catalog.define_temporary(name.name, temporary_view_rows(catalog.session, view, root))
        return evaluate_query(catalog.session, dataset, root)

    def _open_feeds(self, session: SparkSession) -> FeedCache:
        with self._guard:
            if self._feeds is None:
                self._feeds = FeedCache(session)
            return self._feeds

    def _stage_load(
        self, dataset: StreamingTable, step: RefreshStep, record: RefreshRecord, catalog: SessionCatalog
    ) -> SparkStaged:
        mode = WriteMode.OVERWRITE if step.mode is RefreshMode.FULL else WriteMode.APPEND
        root = self._project.spec.root
        with failures_named(str(dataset.name), None, root, dataset.location):
            found = LoadRefresh(
                table=dataset,
                step=step,
                record=record,
                write=self._write(dataset, mode),
                session=catalog.session,
                gate=lambda frame: self._gate(dataset, frame, catalog, run=record.run),
                quarantine=lambda gate: self._quarantine(gate, step, record),
            ).stage(self._now())
        staged = found.staged
        return SparkStaged(
            step=step,
            write=staged.write,
            quarantine=staged.quarantine,
            quarantine_epoch=found.quarantine_epoch,
            judgements=found.judgements,
            refusal=found.refusal,
            profile=found.profile,
            record=found.record,
            rows_in=staged.rows_in,
            rows_out=staged.rows,
            is_unchanged=staged.write is None,
            ledger=staged.ledger,
            bad_files=tuple(BadFile(path=path, reason=reason) for path, reason in staged.bad),
            notices=staged.notices,
            root=root,
        )

    def _stage_replay(
        self, dataset: StreamingTable, step: RefreshStep, record: RefreshRecord, catalog: SessionCatalog
    ) -> SparkStaged:
        root = self._project.spec.root
        with failures_named(str(dataset.name), None, root, dataset.location):
            found = Replay(
                table=dataset,
                step=step,
                record=record,
                write=self._write(dataset, WriteMode.APPEND),
                session=catalog.session,
                gate=lambda frame: self._gate(dataset, frame, catalog, run=record.run),
                quarantine=lambda gate: self._quarantine(gate, step, record),
            ).stage()
        return SparkStaged(
            step=step,
            write=found.table,
            quarantine=found.quarantine,
            quarantine_epoch=found.quarantine_epoch,
            judgements=found.judgements,
            refusal=found.refusal,
            profile=found.profile,
            record=found.record,
            rows_in=found.rows_in,
            rows_out=found.table.rows if found.table is not None else 0,
            is_unchanged=found.table is None,
            root=root,
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
