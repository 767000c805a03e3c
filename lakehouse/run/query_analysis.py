"""Analyses a project's queries in a session, each after what it reads, before any table is refreshed.

The edges come from Spark's analysed plan. A query is simply tried; where Spark misses a table that the project
declares, that dataset is analysed first and the query tried again. What is not built yet stands in as a view with the
right columns and no rows; where maintenance is asked for, over a table without rows, which Spark does not fold away.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from tempfile import gettempdir

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from lakehouse.analysis.algebra import optimising_session
from lakehouse.analysis.query import QueryAnalysis, analyse_query
from lakehouse.analysis.schema import OutputColumn, empty_select, output_columns, table_columns, view_columns
from lakehouse.definition.dataset import Dataset, ExternalTable, MaterializedView, StreamingTable, TemporaryView
from lakehouse.definition.project import Project
from lakehouse.errors import CyclicGraph, DefinitionError, DefinitionErrors, LakehouseError, QueryError, UnknownName
from lakehouse.graph.resolution import resolve_reference
from lakehouse.names import TableName
from lakehouse.quality.fitting import fitting_rules
from lakehouse.refresh.materialize import shape
from lakehouse.run.evaluation import MissingTable, evaluate_query, failures_named
from lakehouse.run.temporary_views import temporary_view_rows
from lakehouse.storage.session_catalog import SessionCatalog


class QueryAnalyst:
    """Analyses queries on demand; every dataset at most once.

    `text_reads` are the edges that SQL texts show, to try queries in a good order; `pin` registers an existing table
    and answers whether there is one; `source_columns` gives the columns of a streaming table from its files.
    """

    def __init__(
        self,
        project: Project,
        catalog: SessionCatalog,
        text_reads: Mapping[TableName, tuple[TableName, ...]],
        pin: Callable[[TableName], bool],
        source_columns: Callable[[StreamingTable], tuple[OutputColumn, ...]],
    ) -> None:
        self._project = project
        self._catalog = catalog
        self._text_reads = text_reads
        self._pin = pin
        self._source_columns = source_columns
        self._known: dict[TableName, QueryAnalysis | None] = {}
        self._explained: frozenset[TableName] = frozenset()
        self._datasets = project.by_name

    def analyse(
        self, names: Iterable[TableName], explained: frozenset[TableName] = frozenset()
    ) -> Mapping[TableName, QueryAnalysis]:
        """The analyses of the named queries and of all queries they read; those of the `explained` tell how they can
        be maintained. Raises DefinitionErrors, CyclicGraph,
        UnknownName or QueryError with the user's file and line: all that are found, not just the first."""
        problems: list[LakehouseError] = []
        self._explained = explained
        for name in names:
            try:
                self._visit(name, ())
            except LakehouseError as problem:
                if all(_identity(problem) != _identity(earlier) for earlier in problems):
                    problems.append(problem)
        if len(problems) == 1:
            raise problems[0]
        if problems:
            raise DefinitionErrors(
                p if isinstance(p, DefinitionError) else DefinitionError(p.message, where=p.where, hint=p.hint)
                for p in problems
            )
        return {name: analysis for name, analysis in self._known.items() if analysis is not None}

    def _visit(self, name: TableName, path: tuple[TableName, ...]) -> None:
        if name in self._known:
            return
        if name in path:
            circle = (*path[path.index(name) :], name)
            raise CyclicGraph(tuple(map(str, circle)), where=self._datasets[name].location)
        dataset = self._datasets[name]
        if isinstance(dataset, MaterializedView | TemporaryView):
            self._visit_query(dataset, (*path, name))
            return
        self._register_source(dataset)
        self._known[name] = None

    def _visit_query(self, dataset: MaterializedView | TemporaryView, path: tuple[TableName, ...]) -> None:
        for read in self._text_reads.get(dataset.name, ()):
            self._visit(read, path)
        session = self._catalog.session
        while True:
            try:
                frame = self._frame(session, dataset)
                break
            except MissingTable as missing:
                self._visit(self._resolve(missing, dataset), path)
        with failures_named(str(dataset.name), dataset.query, self._project.spec.root):
            if isinstance(dataset, TemporaryView):
                self._catalog.define_temporary(dataset.name.name, frame)
            else:
                frame = shape(frame, dataset.layout, dataset.location)
                self._declare(dataset.name, output_columns(frame))
                fitting_rules(dataset.expectations, frame)
            optimiser = self._optimiser if dataset.name in self._explained else None
            self._known[dataset.name] = analyse_query(frame, optimiser)

    def _frame(self, session: SparkSession, dataset: MaterializedView | TemporaryView) -> DataFrame:
        root = self._project.spec.root
        if isinstance(dataset, TemporaryView):
            return temporary_view_rows(session, dataset, root)
        return evaluate_query(session, dataset, root)

    def _declare(self, name: TableName, columns: tuple[OutputColumn, ...]) -> None:
        if not (self._explained and columns and self._stand_in(name, columns)):
            self._catalog.declare(name, view_columns(columns), empty_select(columns))

    def _stand_in(self, name: TableName, columns: tuple[OutputColumn, ...]) -> bool:
        """Whether a table without rows can stand for the dataset; not every type can be stored in one."""
        location = f"{gettempdir()}/lakehouse-no-rows/{name.schema}/{name.name}"
        try:
            self._catalog.stand_in(name, view_columns(columns), table_columns(columns), location)
        except PySparkException:
            return False
        return True

    @cached_property
    def _optimiser(self) -> SparkSession:
        return optimising_session(self._catalog.session)

    def _resolve(self, missing: MissingTable, dataset: Dataset) -> TableName:
        known = frozenset(self._datasets)
        name = resolve_reference(self._project, missing.parts, known)
        if name is None:
            raise UnknownName(
                ".".join(missing.parts), map(str, known), used_by=str(dataset.name), where=missing.where
            ) from missing
        if name in self._known:
            raise QueryError(missing.message, condition=missing.condition, query=missing.query, where=missing.where)
        return name

    def _register_source(self, dataset: Dataset) -> None:
        if isinstance(dataset, ExternalTable):
            if not self._pin(dataset.name):
                raise DefinitionError(
                    f"external table {dataset.name}: there is no Delta table at '{dataset.path}'.",
                    where=dataset.location,
                    hint="Check 'location'; it is relative to the project.",
                )
        elif isinstance(dataset, StreamingTable):
            columns = self._source_columns(dataset)
            if columns:
                self._declare(dataset.name, columns)
            if columns or self._pin(dataset.name):
                fitting_rules(dataset.expectations, self._catalog.session.table(dataset.name.quoted))


def _identity(problem: LakehouseError) -> object:
    # Every dataset of a circle meets it at another place.
    return frozenset(problem.path) if isinstance(problem, CyclicGraph) else str(problem)
