"""Computes refreshes with Spark: the `Compute` port of a run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from lakehouse.analysis.reads import query_reads
from lakehouse.definition.dataset import MaterializedView, StreamingTable, TemporaryView
from lakehouse.definition.project import Project
from lakehouse.errors import OwnershipError, RefreshError
from lakehouse.graph.dataflow import DataflowGraph
from lakehouse.names import TableName
from lakehouse.plan.load_plan import LedgerEntry
from lakehouse.plan.records import RefreshRecord, application_id
from lakehouse.plan.refresh_plan import Identity, ReasonCode, RefreshMode, RefreshStep
from lakehouse.refresh.load import StagedLoad, stage_load
from lakehouse.refresh.materialize import shape, stage_query
from lakehouse.run.evaluation import evaluate_query, failures_named
from lakehouse.run.location import locate
from lakehouse.run.outcome import BadFile
from lakehouse.storage.session_catalog import SessionCatalog
from lakehouse.storage.staged_write import StagedWrite, TableWrite, WriteMode
from lakehouse.storage.table_layout import align_layout

# Off by default in Delta: who reads a table later wants to know what changed.
_DEFAULT_PROPERTIES = {"delta.enableChangeDataFeed": "true"}


@dataclass(frozen=True, slots=True, kw_only=True)
class SparkStaged:
    """Implements `run.ports.Staged`."""

    write: StagedWrite | None
    record: RefreshRecord
    rows_in: int
    rows_out: int
    is_unchanged: bool
    ledger: tuple[LedgerEntry, ...] = ()
    bad_files: tuple[BadFile, ...] = ()
    notices: tuple[str, ...] = ()
    root: Path

    def commit(self) -> int:
        """See the port. Raises RefreshError if another writer got in between."""
        assert self.write is not None
        with failures_named(self.record.dataset, None, self.root):
            return self.write.commit(self.record.epoch, self.record.to_json())

    def discard(self) -> None:
        """See the port."""
        if self.write is not None:
            self.write.discard()


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

    def cancel(self) -> None:
        """See the port."""
        if self._session is not None and self._job_tag is not None:
            self._session.sparkContext.cancelJobsWithTag(self._job_tag)

    def _stage_query(
        self, dataset: MaterializedView, step: RefreshStep, record: RefreshRecord, catalog: SessionCatalog
    ) -> SparkStaged:
        root = self._project.spec.root
        catalog = catalog.configured(dict(dataset.spark_conf))
        for name in self._graph.order:
            if str(name) in record.views:
                view = self._datasets[name]
                assert isinstance(view, TemporaryView)
                catalog.define_temporary(name.name, evaluate_query(catalog.session, view, root))
        frame = evaluate_query(catalog.session, dataset, root)
        write = self._write(dataset, WriteMode.OVERWRITE)
        with failures_named(str(dataset.name), dataset.query, root):
            reads = query_reads(frame)
            shaped = shape(frame, dataset.layout, dataset.location)
            if step.version >= 0 and step.record is not None and step.record.layout != record.layout:
                align_layout(catalog.session, write)
            staged = stage_query(shaped, write)
        record = replace(
            record, volatile=reads.volatile, undeclared=tuple(map(str, reads.undeclared)), content=staged.content
        )
        return SparkStaged(
            write=staged.write,
            record=record,
            rows_in=staged.rows,
            rows_out=staged.write.rows,
            is_unchanged=self._is_unchanged(step, record),
            root=root,
        )

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
            views=dict(identity.views),
        )

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

    @staticmethod
    def _is_unchanged(step: RefreshStep, record: RefreshRecord) -> bool:
        """Whether the rows are the ones that are there: same digest, same layout, and no one else wrote since."""
        before: Any = step.record
        return (
            before is not None
            and step.version >= 0
            and before.content is not None
            and before.content == record.content
            and before.layout == record.layout
            and step.reason.code is not ReasonCode.FOREIGN_WRITE
        )
