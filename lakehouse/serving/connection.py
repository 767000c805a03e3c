"""`lakehouse.connect`: what a project published, read from Python, and the project's runs and lineage beside it.

A connection reads one publication: every table at the version that belongs to it, from the first query to the last,
whatever runs meanwhile, until `refresh()` moves on to the newest. Spark starts with the first query.
"""

from __future__ import annotations

import signal
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn, overload

from lakehouse.catalog.current_policy import read_current_policy
from lakehouse.catalog.policy import AccessPolicy
from lakehouse.definition.loading import load_project
from lakehouse.definition.project import Project
from lakehouse.definition.spec_file import find_project, read_spec
from lakehouse.errors import DefinitionError, InvalidValue, LakehouseError, UnknownName, UsageError
from lakehouse.names import TableName, parse_table_name, split_name
from lakehouse.plan.records import Publication, PublishedTable
from lakehouse.run.checking import CheckRequest, Engine, run_check
from lakehouse.run.delta_warehouse import DeltaWarehouse
from lakehouse.run.outcome import Notice, RunEvent, StepStatus
from lakehouse.run.pipeline import explain, run_pipeline
from lakehouse.run.request import RunRequest
from lakehouse.run.stopping import StopRequest
from lakehouse.run.workspace import Workspace
from lakehouse.serving.check_report import CheckReport
from lakehouse.serving.explanation import explained_table
from lakehouse.serving.guarded import GuardedConnection
from lakehouse.serving.overview import overview_html
from lakehouse.serving.plan_explanation import explanation_lines
from lakehouse.serving.readable import TableVersion, external_tables, published_tables, reads_of_others, system_tables
from lakehouse.serving.record_frame import record_frame
from lakehouse.serving.run_report import RunReport
from lakehouse.serving.spark_use import SparkUse
from lakehouse.serving.text import Text
from lakehouse.serving.traces import Trace, column_edges, find_column, table_edges, trace
from lakehouse.storage.access_ledger import AccessLedger
from lakehouse.storage.system_tables import SCHEMAS
from lakehouse.storage.table_contents import read_all_contents, read_contents

if TYPE_CHECKING:  # importing them takes as long as all the rest together
    from pandas import DataFrame as PandasFrame  # type: ignore[import-untyped]  # pandas ships no types
    from pyspark.sql import DataFrame

    from lakehouse.serving.published_reader import PublishedReader

_SPARK = SparkUse()


@overload
def connect(
    project: str | Path | None = None,
    *,
    principal: None = None,
    target: str | None = None,
    variables: Mapping[str, str] | None = None,
    at: str | None = None,
) -> Connection:
    """As the owner of the project."""


@overload
def connect(
    project: str | Path | None = None,
    *,
    principal: str,
    policy: AccessPolicy | None = None,
    target: str | None = None,
    variables: Mapping[str, str] | None = None,
    at: str | None = None,
) -> GuardedConnection:
    """As `principal`."""


def connect(
    project: str | Path | None = None,
    *,
    principal: str | None = None,
    policy: AccessPolicy | None = None,
    target: str | None = None,
    variables: Mapping[str, str] | None = None,
    at: str | None = None,
) -> Connection | GuardedConnection:
    """Opens a project (a folder, or any folder in one; default: here) for reading: as its owner, or as `principal`,
    who sees what the project's access rules (or `policy`) give.

    `target` and `variables` are those of the command line. `at` names an older state: a run that published, or an
    instant as ISO text (UTC unless it names a zone). Raises UsageError where there is no project or no such state,
    AccessRefused for a principal that is unknown, or where there are no access rules. Nothing is started.
    """
    root = find_project(Path(project or "."))
    if principal is None:
        return Connection(root, target=target, variables=variables, at=at)
    found = dict(variables or {})
    spec = read_spec(root, target=target, variables=found)
    ledger = AccessLedger(spec.warehouse, spec.name)
    return GuardedConnection(
        spec,
        principal,
        lambda: policy or read_current_policy(root, spec, ledger).policy,
        lambda: load_project(root, target=target, variables=found),
        spark=_SPARK,
        at=at,
    )


class Connection:
    """One project as one publication shows it; see `connect`. A context manager; `close()` ends it."""

    def __init__(self, root: Path, *, target: str | None, variables: Mapping[str, str] | None, at: str | None) -> None:
        self._root, self._target, self._variables = root, target, dict(variables or {})
        self._spec = read_spec(root, target=target, variables=self._variables)
        self._warehouse = DeltaWarehouse(self._spec)
        self._publication = self._warehouse.publication_at(at) if at else self._warehouse.latest_publication()
        self._system = system_tables(self._spec)
        self._reader: PublishedReader | None = None
        self._closed = False

    @property
    def publication(self) -> Publication:
        """What this connection reads. Raises UsageError as long as nothing was published."""
        if self._publication is None:
            self._publication = self._warehouse.latest_publication()
        if self._publication is None:
            raise UsageError(
                f"the project '{self._spec.name}' has published nothing yet in {self._spec.warehouse}.",
                hint=f"Run it first: 'lakehouse run --project {self._root}', or run() here.",
            )
        return self._publication

    @property
    def at(self) -> datetime:
        """When it was published, in UTC."""
        return self.publication.published_at

    def tables(self) -> list[str]:
        """The names of the published tables, sorted."""
        return [str(name) for name in sorted(self.publication.tables)]

    def table(self, name: str) -> DataFrame:
        """A table's rows; a name without schema is one of the project's `database`. System tables are `system.runs`,
        `system.refreshes`, `system.files`, `system.publications`, `system.lineage`, `system.expectations`; what the
        expectations of silver.flights set aside is `quarantine.silver_flights`. Raises UnknownName."""
        found = self._name(name)
        try:
            return self._open_reader().table(found, name)
        except UnknownName as unknown:
            raise self._explained(unknown) from None

    def sql(self, query: str) -> DataFrame:
        """A query's rows. Raises UsageError for a statement that is not a query, UnknownName for a table that does
        not exist, QueryError for whatever else Spark refuses."""
        reader = self._open_reader()
        try:
            return reader.sql(query)
        except UnknownName as unknown:
            raise self._explained(unknown) from None

    def refresh(self) -> bool:
        """Moves on to the newest publication; answers whether there was a newer one. Frames made before stay."""
        self._require_open()
        before = self._publication.sequence if self._publication else 0
        self._publication = self._warehouse.latest_publication()
        self._system = system_tables(self._spec)
        if self._reader is not None:
            self._reader.move_to(self._readable())
        return self.publication.sequence != before

    def run(
        self,
        *,
        refresh: str | Iterable[str] = (),
        full_refresh: str | Iterable[str] = (),
        full_refresh_all: bool = False,
        select: str | Iterable[str] = (),
        exclude: str | Iterable[str] = (),
    ) -> RunReport:
        """Runs the pipeline in this process, as `lakehouse run` does, and says what came of it.

        What this connection reads stays the same until `refresh()`. Raises DefinitionError and its kin, UsageError,
        RunInProgress; a dataset that fails is in the report. Ctrl-C ends the run cleanly.
        """
        self._require_open()
        request = RunRequest(
            refresh=_texts(refresh),
            full_refresh=_texts(full_refresh),
            full_refresh_all=full_refresh_all,
            select=_texts(select),
            exclude=_texts(exclude),
        )
        notices: list[Notice] = []

        def emit(event: RunEvent) -> None:
            if isinstance(event, Notice):
                notices.append(event)

        # Definitions are read anew: they may have been edited since. Its Spark is this process's, so it stays open.
        _SPARK.begin(self)
        with StopRequest((signal.SIGINT,), _interrupt) as stop:
            workspace = Workspace(self._root, target=self._target, variables=self._variables)
            outcome = run_pipeline(workspace, request, emit, stop.stopped)
        return RunReport(outcome=outcome, notices=tuple(notices))

    def check(self, tables: str | Iterable[str] = (), *, full: bool = False, engine: str = "lakehouse") -> CheckReport:
        """Judges the newest published versions by their expectations, as `lakehouse check` does: the named tables,
        or all that declare some. With `full` also what was judged before; `engine` may be `great_expectations`.

        Raises UsageError, DefinitionError and its kin; what is not met, or cannot be judged, is in the report.
        """
        self._require_open()
        engines = [each.value for each in Engine]
        if engine not in engines:
            raise UsageError(f"there is no engine '{engine}'.", hint=f"Choose {' or '.join(engines)}.")
        _SPARK.begin(self)
        workspace = Workspace(self._root, target=self._target, variables=self._variables)
        request = CheckRequest(tables=_texts(tables), full=full, engine=Engine(engine))
        return CheckReport(outcome=run_check(workspace, request, lambda event: None))

    def history(self, table: str | None = None) -> PandasFrame:
        """Past runs, or what past runs did to one table (those that had nothing to do for it left out), newest first,
        with the columns of `system.runs` or `system.refreshes`."""
        own = [("project", "=", self._spec.name)]
        if table is None:
            last = {}
            for row in sorted(self._warehouse.runs.rows(filters=own), key=lambda row: row["ended_at"] is not None):
                last[row["run"]] = row  # a run has a row when it starts and one when it ends
            rows, columns = list(last.values()), list(SCHEMAS["runs"])
        else:
            skipped = ("status", "!=", StepStatus.SKIPPED.value)
            of_table = ("dataset", "=", str(self._published(table).name))
            rows = self._warehouse.refreshes.rows(filters=[*own, of_table, skipped])
            columns = list(SCHEMAS["refreshes"])
        rows.sort(key=lambda row: row["started_at"], reverse=True)
        return record_frame(rows, columns)

    def explain(self, table: str, *, plan: bool = False) -> Text:
        """What a table is, how and why it was last computed, from which versions, and where its columns come from.

        With `plan` also how it can be kept up to date, and what a run would do with it now, as `lakehouse explain`
        says: that reads the definitions as they are now, raises what is wrong with them, and may start Spark.
        """
        found = explained_table(self._warehouse, self.publication, self._published(table).name)
        assert found is not None
        lines = found.lines()
        if plan:
            self._require_open()
            _SPARK.begin(self)
            workspace = Workspace(self._root, target=self._target, variables=self._variables)
            step = explain(workspace, RunRequest(), found.table.name)
            lines += ["now", *(f"  {line}" for line in explanation_lines(step))] if step else []
        return Text("\n".join(lines))

    def lineage(self, name: str) -> PandasFrame:
        """Where a table or a column (`table.column`) comes from and goes to: columns direction (`from`, `to`),
        distance, source, target, kind (`table`, `value`, `condition`). Raises UnknownName."""
        table, column = self._table_or_column(name)
        if column is None:
            found = trace(str(table.name), table_edges(self.publication))
        else:
            contents = read_contents(self._warehouse.location(table.name), table.version)
            known = [stored.name for stored in contents.columns] if contents else []
            start = f"{table.name}.{find_column(table.name, column, known)}"
            found = trace(start, column_edges(self.publication, self._lineage_rows()))
        return record_frame(found, Trace._fields)

    def close(self) -> None:
        """Ends the connection, and Spark with it if a connection started it and no other connection uses it."""
        self._reader = None
        self._closed = True
        _SPARK.end(self)

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<lakehouse connection: {self._title()}>"

    def _repr_html_(self) -> str:
        tables = dict(self._publication.tables) if self._publication else {}
        places = [(self._warehouse.location(name), table.version) for name, table in tables.items()]
        return overview_html(self._title(), dict(zip(tables, read_all_contents(places), strict=True)))

    def _title(self) -> str:
        found = self._publication
        if found is None:
            return f"project {self._spec.name}, nothing published yet"
        when = f"{found.published_at:%Y-%m-%d %H:%M:%S} UTC"
        return f"project {self._spec.name}, publication {found.sequence} of {when} (run {found.run}), " + (
            f"{len(found.tables)} table{'' if len(found.tables) == 1 else 's'}"
        )

    def _open_reader(self) -> PublishedReader:
        self._require_open()
        if self._reader is None:
            tables = self._readable()
            _SPARK.begin(self)
            # Imports pyspark and starts Spark, which looking around does not need.
            from lakehouse.serving.published_reader import PublishedReader

            self._reader = PublishedReader(self._spec, tables)
        return self._reader

    def _readable(self) -> dict[TableName, TableVersion]:
        publication = self.publication
        others: dict[TableName, TableVersion] = {}
        if reads_of_others(publication) and (project := self._declared()) is not None:
            others = external_tables(project, publication)
        return {**self._system, **others, **published_tables(self._spec, publication)}

    def _declared(self) -> Project | None:
        """The definitions as they are now; None if they cannot be read, which must not hinder who only reads."""
        try:
            return load_project(self._root, target=self._target, variables=self._variables)
        except DefinitionError:
            return None

    def _explained(self, unknown: UnknownName) -> LakehouseError:
        """A dataset that is declared but not there deserves other words than one that nobody knows."""
        project = self._declared()
        if project is None:
            return unknown
        try:
            name = self._name(unknown.name)
        except InvalidValue:
            return unknown
        if TableName("", unknown.name) in project.by_name:
            return UsageError(f"'{unknown.name}' is a temporary view of the pipeline; only tables can be read.")
        if name not in project.by_name:
            return unknown
        return UsageError(
            f"'{name}' is declared but not part of publication {self.publication.sequence}.",
            where=project.by_name[name].location,
            hint=f"Run it: 'lakehouse run --select +{name}', or run() and refresh() here.",
        )

    def _published(self, text: str) -> PublishedTable:
        name, tables = self._name(text), self.publication.tables
        if name not in tables:
            raise self._explained(UnknownName(text, map(str, tables)))
        return tables[name]

    def _table_or_column(self, text: str) -> tuple[PublishedTable, str | None]:
        tables = self.publication.tables
        table, _, column = text.rpartition(".")
        try:
            if self._name(text) not in tables and table and self._name(table) in tables:
                return tables[self._name(table)], split_name(column)[0]
        except InvalidValue:  # schema.table.column reads like a name with a foreign catalog
            return self._published(table), split_name(column)[0]
        return self._published(text), None

    def _lineage_rows(self) -> list[dict[str, Any]]:
        return self._warehouse.lineage.rows(filters=[("project", "=", self._spec.name)])

    def _name(self, text: str) -> TableName:
        return parse_table_name(text, default_schema=self._spec.database, catalog=self._spec.catalog)

    def _require_open(self) -> None:
        if self._closed:
            raise UsageError("this connection is closed.", hint="Open another with lakehouse.connect().")


def _texts(names: str | Iterable[str]) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _interrupt(number: int) -> NoReturn:
    raise KeyboardInterrupt
