"""What a run is asked for: which datasets, and which of them from scratch."""

from __future__ import annotations

from dataclasses import dataclass

from lakehouse.definition.dataset import MaterializedView, StreamingTable
from lakehouse.definition.project import Project
from lakehouse.errors import UsageError
from lakehouse.graph.dataflow import DataflowGraph
from lakehouse.graph.selection import resolve_names, select_datasets
from lakehouse.names import TableName
from lakehouse.run.verification import RowSample


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """`refresh` and `full_refresh` name datasets exactly, as Spark Declarative Pipelines has it; `select` and
    `exclude` are in dbt's selection language. Without any, everything is refreshed. `replay` names the datasets whose
    rows in quarantine are judged again, with all that reads them. `verify` says how much of every refreshed view is
    computed once more and compared."""

    refresh: tuple[str, ...] = ()
    full_refresh: tuple[str, ...] = ()
    full_refresh_all: bool = False
    select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    replay: tuple[str, ...] = ()
    verify: RowSample | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The stored datasets that a request means; `full` is the part of them to rebuild from scratch, `replay` the part
    whose rows in quarantine are judged again."""

    selected: frozenset[TableName]
    full: frozenset[TableName]
    replay: frozenset[TableName] = frozenset()


def choose(request: RunRequest, project: Project, graph: DataflowGraph) -> Chosen:
    """Resolves a request. Raises UsageError for options that exclude each other or for a table whose property
    `pipelines.reset.allowed` forbids a full refresh, UnknownName for a dataset that does not exist."""
    named = bool(request.refresh or request.full_refresh)
    if request.full_refresh_all and named:
        raise UsageError("--full-refresh-all cannot be combined with --refresh or --full-refresh.")
    if named and (request.select or request.exclude):
        raise UsageError("--select and --exclude cannot be combined with --refresh or --full-refresh.")
    stored = frozenset(dataset.name for dataset in project.stored)
    full = frozenset(resolve_names(project, request.full_refresh)) & stored
    if request.replay:
        replayed = frozenset(resolve_names(project, request.replay)) & stored
        below = {name for start in replayed for name in graph.descendants(start)} & stored
        return Chosen(selected=replayed | below, full=frozenset(), replay=replayed)
    if named:
        selected = (frozenset(resolve_names(project, request.refresh)) | full) & stored
    else:
        selected = select_datasets(project, graph, request.select, request.exclude) & stored
        full = selected if request.full_refresh_all else full
    for name in sorted(full):
        _require_reset_allowed(project, name, by_name=not request.full_refresh_all)
    protected = {name for name in full if _is_protected(project, name)}
    return Chosen(selected=selected, full=full - protected)


def _require_reset_allowed(project: Project, name: TableName, *, by_name: bool) -> None:
    if by_name and _is_protected(project, name):
        raise UsageError(
            f"{name} may not be rebuilt: its property 'pipelines.reset.allowed' is false.",
            where=project.by_name[name].location,
        )


def _is_protected(project: Project, name: TableName) -> bool:
    dataset = project.by_name[name]
    assert isinstance(dataset, StreamingTable | MaterializedView)
    return dict(dataset.layout.properties).get("pipelines.reset.allowed", "true").lower() == "false"
