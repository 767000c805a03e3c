"""What is known of every dataset of a project without Spark: what readers see, and how its last refresh ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lakehouse.definition.dataset import Dataset, ExternalTable, TemporaryView
from lakehouse.definition.fingerprint import query_fingerprint
from lakehouse.definition.project import Project
from lakehouse.graph.dataflow import DataflowGraph, build_graph
from lakehouse.graph.resolution import read_texts
from lakehouse.graph.selection import resolve_names
from lakehouse.names import TableName
from lakehouse.plan.load_plan import FileStatus, LedgerEntry
from lakehouse.plan.records import PublishedTable, RefreshRecord
from lakehouse.run.outcome import StepStatus
from lakehouse.run.workspace import Workspace
from lakehouse.storage.table_contents import TableContents, read_all_contents
from lakehouse.storage.table_log import newest_version

_LAST_COLUMNS = ("dataset", "status", "mode", "started_at", "ended_at", "seconds", "error", "version")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableState:
    """One dataset today. `version` is what readers see (of an external table: the newest), -1 if nothing; `newest`
    what its log holds; `last` the last refresh that did something or failed, as in `system/refreshes`; `aside` the
    source files that could not be read."""

    dataset: Dataset
    version: int = -1
    newest: int = -1
    published: PublishedTable | None = None
    contents: TableContents | None = None
    last: Mapping[str, Any] | None = None
    aside: tuple[LedgerEntry, ...] = ()

    @property
    def state(self) -> str:
        """One word: failed, blocked, cancelled (its last refresh), unpublished, missing, published, view, external."""
        status = self.last["status"] if self.last else None
        if isinstance(self.dataset, TemporaryView):
            return "view"
        if isinstance(self.dataset, ExternalTable):
            return "external" if self.newest >= 0 else "missing"
        if status in (StepStatus.FAILED.value, StepStatus.BLOCKED.value, StepStatus.CANCELLED.value):
            return str(status)
        if self.version < 0:
            return "unpublished" if self.newest >= 0 else "not built"
        return "published" if self.newest >= self.version else "missing"


def table_states(workspace: Workspace, names: Iterable[TableName] | None = None) -> tuple[TableState, ...]:
    """The states of the named datasets (default: all), in order of declaration."""
    project, warehouse = workspace.project, workspace.warehouse
    wanted = frozenset(names) if names is not None else frozenset(project.by_name)
    datasets = [dataset for dataset in project.datasets if dataset.name in wanted]
    publication = warehouse.latest_publication()
    published = dict(publication.tables) if publication else {}
    last = last_refreshes(workspace)
    aside = files_aside(workspace)
    newest = {
        dataset.name: -1 if isinstance(dataset, TemporaryView) else newest_version(workspace.locate(dataset.name))
        for dataset in datasets
    }
    versions = {name: published[name].version if name in published else -1 for name in newest}
    versions |= {dataset.name: newest[dataset.name] for dataset in datasets if isinstance(dataset, ExternalTable)}
    built = [name for name, version in versions.items() if version >= 0]
    read = read_all_contents([(workspace.locate(name), versions[name]) for name in built])
    contents = dict(zip(built, read, strict=True))
    return tuple(
        TableState(
            dataset=dataset,
            version=versions[dataset.name],
            newest=newest[dataset.name],
            published=published.get(dataset.name),
            contents=contents.get(dataset.name),
            last=last.get(str(dataset.name)),
            aside=aside.get(dataset.name, ()),
        )
        for dataset in datasets
    )


def last_refreshes(workspace: Workspace) -> dict[str, Mapping[str, Any]]:
    """The last refresh of each dataset that was more than a look: skipped ones do not count."""
    rows = workspace.warehouse.refreshes.rows(
        columns=_LAST_COLUMNS,
        filters=[("project", "=", workspace.project.spec.name), ("status", "!=", StepStatus.SKIPPED.value)],
    )
    rows.sort(key=lambda row: row["ended_at"])
    return {row["dataset"]: row for row in rows}


def files_aside(workspace: Workspace) -> dict[TableName, tuple[LedgerEntry, ...]]:
    """The source files that could not be read and are still there, by streaming table."""
    spec = workspace.project.spec
    rows = workspace.warehouse.refreshes.rows(
        columns=["dataset"], filters=[("project", "=", spec.name), ("bad_files", ">", 0)]
    )
    found: dict[TableName, tuple[LedgerEntry, ...]] = {}
    for name in {row["dataset"] for row in rows}:  # the ledger may be long; most tables never had a bad file
        latest = {(entry.flow, entry.path): entry for entry in workspace.warehouse.ledger.entries(name)}
        found[TableName(*name.split(".", 1))] = tuple(
            entry
            for entry in latest.values()
            if entry.status is FileStatus.BAD and ("://" in entry.path or (spec.root / entry.path).exists())
        )
    return found


def known_graph(workspace: Workspace) -> DataflowGraph:
    """The dataflow as far as it is known without Spark: what the SQL texts show, and what the published tables say
    they were computed from, as long as their definitions are still the same."""
    project = workspace.project
    declared = frozenset(project.by_name)
    texts = read_texts(project).reads
    records = _records(workspace)
    inputs = {
        name: texts.get(name) or (_recorded_reads(records[name], declared) if name in records else ())
        for name in project.by_name
    }
    return build_graph(inputs)


def is_recorded(workspace: Workspace, dataset: Dataset) -> bool:
    """Whether a published table was made by the dataset's definition as it is today."""
    return dataset.name in _records(workspace)


def find_dataset(project: Project, text: str) -> Dataset:
    """The dataset of that name. Raises UnknownName with the nearest."""
    return project.by_name[resolve_names(project, [text])[0]]


def _records(workspace: Workspace) -> dict[TableName, RefreshRecord]:
    publication = workspace.warehouse.latest_publication()
    datasets = workspace.project.by_name
    return {
        name: table.record
        for name, table in (publication.tables.items() if publication else ())
        if name in datasets and table.record.fingerprint == query_fingerprint(datasets[name])
    }


def _recorded_reads(record: RefreshRecord, declared: frozenset[TableName]) -> tuple[TableName, ...]:
    reads = [TableName(*read.split(".", 1)) for read in record.reads]
    views = [TableName("", view) for view in record.views]
    return tuple(name for name in (*reads, *views) if name in declared)
