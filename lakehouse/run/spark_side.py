"""The part of a run that needs Spark: the session, the analysis of queries, the computation of refreshes.

Imported only when Spark is really needed, so that looking around and runs with nothing to do stay quick.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

from pyspark.sql import SparkSession

from lakehouse.analysis.query import QueryAnalysis
from lakehouse.analysis.schema import OutputColumn
from lakehouse.definition.dataset import ExternalTable, StreamingTable
from lakehouse.definition.project import Project, ProjectSpec
from lakehouse.graph.dataflow import DataflowGraph
from lakehouse.names import TableName
from lakehouse.plan.load_plan import LoadPlan
from lakehouse.plan.records import TableFacts
from lakehouse.plan.refresh_plan import Identity
from lakehouse.refresh.load import source_columns
from lakehouse.run.delta_warehouse import DeltaWarehouse
from lakehouse.run.evaluation import working_directory
from lakehouse.run.location import locate
from lakehouse.run.query_analysis import QueryAnalyst
from lakehouse.run.spark_checking import SparkChecking
from lakehouse.run.spark_compute import SparkCompute
from lakehouse.storage.session import isolated_session, open_session, stop_session
from lakehouse.storage.session_catalog import SessionCatalog


class SparkSide:
    """One session for one project; started by the first call that needs it. `expected_seconds` answers how long the
    work took before."""

    def __init__(self, spec: ProjectSpec, expected_seconds: Callable[[], float | None] = lambda: None) -> None:
        self._spec = spec
        self._expected_seconds = expected_seconds
        self._session: SparkSession | None = None
        self._catalog: SessionCatalog | None = None
        self._lock = threading.RLock()

    def session(self) -> SparkSession:
        """The session that definitions and queries use: its catalog is the project's alone."""
        with self._lock:
            if self._session is None:
                settings = {key: value for key, value in self._spec.configuration.items() if key.startswith("spark.")}
                # Spark resolves relative paths against the folder its process was started in.
                with working_directory(self._spec.root):
                    opened = open_session(settings, app_name=self._spec.name, expected_seconds=self._expected_seconds())
                runtime = {**_DEFAULTS, **self._spec.configuration}
                self._session = isolated_session(opened, runtime)
            return self._session

    def catalog(self) -> SessionCatalog:
        """The names registered in the session."""
        with self._lock:
            if self._catalog is None:
                self._catalog = SessionCatalog(self.session(), self._spec.database)
            return self._catalog

    def analyse(
        self,
        project: Project,
        names: Iterable[TableName],
        text_reads: Mapping[TableName, tuple[TableName, ...]],
        tables: Mapping[TableName, TableFacts],
        loads: Mapping[TableName, LoadPlan],
        explained: frozenset[TableName] = frozenset(),
    ) -> Mapping[TableName, QueryAnalysis]:
        """Analyses the named queries and what they read; asks the `explained` how they can be maintained, too. Raises
        what `QueryAnalyst.analyse` raises."""
        catalog = self.catalog()

        def pin(name: TableName) -> bool:
            version = tables[name].record_version if name in tables else -1
            if isinstance(project.by_name[name], ExternalTable):
                version = tables[name].version
            if version < 0:
                return False
            catalog.pin(name, locate(project, name), version)
            return True

        def columns(dataset: StreamingTable) -> tuple[OutputColumn, ...]:
            if tables[dataset.name].record_version >= 0 and loads[dataset.name].is_empty:
                return ()
            return source_columns(catalog.session, dataset, loads[dataset.name], locate(project, dataset.name))

        return QueryAnalyst(project, catalog, text_reads, pin, columns).analyse(names, explained)

    def compute(
        self,
        project: Project,
        graph: DataflowGraph,
        identities: Mapping[TableName, Identity],
        now: Callable[[], datetime],
    ) -> SparkCompute:
        """The `Compute` port for a surveyed project."""
        return SparkCompute(project, graph, identities, self.catalog, now)

    def checking(
        self,
        project: Project,
        versions: Mapping[TableName, int],
        warehouse: DeltaWarehouse,
        moment: tuple[str, datetime],
    ) -> SparkChecking:
        """Who judges the project's tables at these versions; `moment` names the check and says when it began."""
        return SparkChecking(project, self.catalog(), versions, warehouse, moment)

    def close(self) -> None:
        """Ends the session, and Spark if it was started here."""
        with self._lock:
            if self._session is not None:
                self._session = self._catalog = None
                stop_session()


_DEFAULTS = {"spark.sql.session.timeZone": "UTC"}
