"""What is there and what is due: facts without Spark first, Spark's analysis only for queries that are new or changed.

A commit records what its query read, so the edges of an unchanged query are known without Spark.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lakehouse.definition.dataset import MaterializedView, PythonQuery, StreamingTable, TemporaryView
from lakehouse.definition.fingerprint import layout_fingerprint, query_fingerprint
from lakehouse.definition.project import Project
from lakehouse.errors import OwnershipError, SourceFileError
from lakehouse.graph.dataflow import DataflowGraph, build_graph, judged_after
from lakehouse.graph.selection import resolve_names
from lakehouse.graph.validation import validate_project
from lakehouse.names import TableName
from lakehouse.plan.load_plan import FileStatus, LedgerEntry, LoadPlan, plan_load
from lakehouse.plan.records import PublishedTable, TableFacts
from lakehouse.plan.refresh_plan import Identity, PlanFacts, RefreshPlan, current_record, plan_refresh
from lakehouse.plan.settings import settings_fingerprint
from lakehouse.quality.references import referenced_tables
from lakehouse.run.request import Chosen, RunRequest, choose
from lakehouse.run.resets import pending_resets
from lakehouse.run.workspace import Workspace
from lakehouse.storage.table_changes import data_version

if TYPE_CHECKING:  # importing it would import pyspark
    from lakehouse.analysis.query import QueryAnalysis


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """The plan and what it was made from. `analyses` holds the queries that Spark was asked about."""

    plan: RefreshPlan
    graph: DataflowGraph
    chosen: Chosen
    facts: PlanFacts
    analyses: Mapping[TableName, QueryAnalysis]


def survey(
    workspace: Workspace,
    request: RunRequest,
    *,
    analyse_all: bool = False,
    explained: frozenset[TableName] | None = frozenset(),
) -> Survey:
    """Plans the request. The queries of the `explained` (None: of all) are asked how they can be maintained, too.

    Raises DefinitionError and its kin, OwnershipError, UsageError: nothing is written.
    """
    project = workspace.project
    if explained is None:
        explained = frozenset(dataset.name for dataset in project.stored if isinstance(dataset, MaterializedView))
    texts = validate_project(project)
    references = referenced_tables(project)
    resolve_names(
        project, (*request.refresh, *request.full_refresh, *request.replay)
    )  # a wrong name is said before Spark starts
    publication = workspace.warehouse.latest_publication()
    published = dict(publication.tables) if publication else {}
    tables = table_facts(workspace)
    loads = plan_loads(workspace, frozenset())
    prints = {dataset.name: query_fingerprint(dataset) for dataset in project.datasets}
    stale = [
        dataset.name
        for dataset in project.datasets
        if isinstance(dataset, MaterializedView)
        and (
            analyse_all
            or dataset.name in explained
            or not _edges_are_known(dataset, tables[dataset.name], published, prints)
        )
    ]
    if analyse_all:
        stale += [dataset.name for dataset in project.datasets if isinstance(dataset, TemporaryView)]
    analyses = workspace.spark.analyse(project, stale, texts.reads, tables, loads, explained) if stale else {}
    graph = build_graph(
        _edges(project, texts.reads, analyses, tables, published),
        {dataset.name: dataset.location for dataset in project.datasets},
    )
    chosen = choose(request, project, graph)
    chosen = replace(chosen, full=chosen.full | (pending_resets(workspace) & chosen.selected))
    if chosen.full:
        loads |= plan_loads(workspace, chosen.full)
    facts = PlanFacts(
        tables=tables,
        identities={dataset.name: _identity(project, dataset.name, graph, prints) for dataset in project.stored},
        published=published,
        external={dataset.name: tables[dataset.name].version for dataset in project.external},
        loads=loads,
        requested_full=chosen.full,
        requested_replay=chosen.replay,
        quiet=_quiet_versions(workspace, tables, published),
    )
    plan = plan_refresh({dataset.name: dataset for dataset in project.stored}, graph, chosen.selected, facts)
    waits = judged_after(graph, references)
    plan = replace(plan, steps=tuple(replace(step, after=waits.get(step.dataset, ())) for step in plan.steps))
    return Survey(plan=plan, graph=graph, chosen=chosen, facts=facts, analyses=analyses)


def _quiet_versions(
    workspace: Workspace, tables: Mapping[TableName, TableFacts], published: Mapping[TableName, PublishedTable]
) -> dict[TableName, int]:
    """For tables of others that moved on since they were read: the newest version at which their rows changed."""
    found: dict[TableName, int] = {}
    for external in workspace.project.external:
        now = tables[external.name].version
        read = {table.record.reads.get(str(external.name)) for table in published.values()}
        if any(version is not None and version < now for version in read):
            found[external.name] = data_version(workspace.locate(external.name))
    return found


def table_facts(workspace: Workspace) -> dict[TableName, TableFacts]:
    """What the logs of all declared tables say, external ones included.

    Raises OwnershipError where a table of another project, or of no project, stands in our place.
    """
    facts: dict[TableName, TableFacts] = {}
    for dataset in workspace.project.stored:
        found = workspace.warehouse.table_facts(dataset.name)
        owner = found.record.project if found.record else None
        if found.exists and owner != workspace.project.spec.name:
            raise OwnershipError(
                f"the table {dataset.name} belongs to "
                + (f"the project '{owner}'." if owner else "someone else: no commit of it was made by this project."),
                where=dataset.location,
                hint="Choose another name or another warehouse, or move that table away.",
            )
        facts[dataset.name] = found
    for external in workspace.project.external:
        facts[external.name] = TableFacts(version=workspace.warehouse.external_version(workspace.locate(external.name)))
    return facts


def plan_loads(workspace: Workspace, full: frozenset[TableName]) -> dict[TableName, LoadPlan]:
    """Which files each streaming table is due; with `full`, only the tables in it, from scratch."""
    entries: dict[str, list[LedgerEntry]] = {}
    streaming = [dataset for dataset in workspace.project.stored if isinstance(dataset, StreamingTable)]
    wanted = [dataset for dataset in streaming if not full or dataset.name in full]
    if wanted:
        for entry in workspace.warehouse.ledger.entries():
            entries.setdefault(entry.dataset, []).append(entry)
    plans: dict[TableName, LoadPlan] = {}
    for dataset in wanted:
        known = [entry for entry in entries.get(str(dataset.name), []) if entry.status is not FileStatus.PENDING]
        try:
            listed = workspace.list_files(dataset, known)
        except SourceFileError as error:
            plans[dataset.name] = LoadPlan(full=bool(full), unlisted=error)  # this table fails, the others go on
            continue
        plans[dataset.name] = plan_load(dataset, listed, known, full=bool(full))
    return plans


def _edges_are_known(
    dataset: MaterializedView,
    table: TableFacts,
    published: Mapping[TableName, PublishedTable],
    prints: Mapping[TableName, str],
) -> bool:
    record = current_record(table, published.get(dataset.name))
    if record is None or record.fingerprint != prints[dataset.name]:
        return False
    declared = {str(name) for name in prints}
    views_stand = all(prints.get(TableName("", view)) == found for view, found in record.views.items())
    return views_stand and all(name in declared for name in record.reads)


def _edges(
    project: Project,
    text_reads: Mapping[TableName, tuple[TableName, ...]],
    analyses: Mapping[TableName, QueryAnalysis],
    tables: Mapping[TableName, TableFacts],
    published: Mapping[TableName, PublishedTable],
) -> dict[TableName, tuple[TableName, ...]]:
    edges: dict[TableName, tuple[TableName, ...]] = {}
    for dataset in project.datasets:
        name = dataset.name
        record = current_record(tables[name], published.get(name)) if name in tables else None
        if name in analyses:
            edges[name] = (*analyses[name].tables, *analyses[name].views)
        elif isinstance(dataset, MaterializedView) and record is not None:
            reads = tuple(TableName(*read.split(".", 1)) for read in record.reads)
            edges[name] = (*reads, *(TableName("", view) for view in record.views))
        else:
            edges[name] = text_reads.get(name, ())
    return edges


def _identity(project: Project, name: TableName, graph: DataflowGraph, prints: Mapping[TableName, str]) -> Identity:
    dataset = project.by_name[name]
    views = [view for view in graph.ancestors(name) if not view.schema and _through_views(graph, name, view)]
    queries = [getattr(project.by_name[read], "query", None) for read in (name, *views)]
    python = any(isinstance(query, PythonQuery) for query in queries)
    return Identity(
        query=prints[name],
        layout=layout_fingerprint(dataset),
        settings=settings_fingerprint(project.spec.configuration, reads_configuration=python),
        views={view.name: prints[view] for view in sorted(views)},
    )


def _through_views(graph: DataflowGraph, name: TableName, view: TableName) -> bool:
    """Whether `name` reads `view` directly or through other temporary views only, not through a stored table."""
    reads = [read for read in graph.inputs[name] if not read.schema]
    return view in reads or any(_through_views(graph, read, view) for read in reads)
