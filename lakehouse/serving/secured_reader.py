"""Published tables as one principal sees them, in a Spark session that holds nothing else.

The session's catalog is its own. Raw tables stand in a database with a name that cannot be guessed, each under the
view that shows what the principal may see of it at the published version; both are made when a query first names the
table. What the principal may not know of is not there, and looks exactly like what does not exist.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Callable, Mapping
from typing import Any

from pyspark.sql import DataFrame

from lakehouse.analysis.catalyst import analysed_plan, patterns_in
from lakehouse.analysis.outside_reads import reads_outside
from lakehouse.catalog.mapping_query import QueryAnswer
from lakehouse.catalog.policy import TableShape
from lakehouse.catalog.secured_view import READER_SETTINGS, resolved_access, secured_query, unusable
from lakehouse.catalog.table_access import TableAccess
from lakehouse.catalog.value_literals import ddl
from lakehouse.definition.dataset import SqlQuery
from lakehouse.definition.project import ProjectSpec
from lakehouse.definition.sql_literals import literal
from lakehouse.definition.sql_references import own_names_shortened
from lakehouse.errors import AccessRefused, InvalidValue, LakehouseError, QueryError, SourceLocation, UnknownName
from lakehouse.names import TableName, parse_table_name
from lakehouse.run.evaluation import MissingTable, failures_named
from lakehouse.run.spark_side import SparkSide
from lakehouse.serving.definer import Definer
from lakehouse.serving.information_schema import VIEWS, Catalogue, information_query
from lakehouse.serving.principal_access import PrincipalAccess
from lakehouse.serving.published_reader import PublishedReader
from lakehouse.serving.readable import TableVersion
from lakehouse.serving.statement import require_query
from lakehouse.storage.session import isolated_session
from lakehouse.storage.session_rule import checked_session
from lakehouse.storage.table_metadata import metadata_at

_QUERY_PLACE = SourceLocation("query", 1)
_SETTINGS = {"spark.sql.session.timeZone": "UTC"}
INFORMATION_SCHEMA = "information_schema"
# What a filter or mask, resolved, has no use for: it says something of one row.
_NOT_OF_ONE_ROW = ("PLAN_EXPRESSION", "AGGREGATE_EXPRESSION", "WINDOW_EXPRESSION", "GENERATE", "PYTHON_UDF")
_ASKS_WHO = re.compile(r"\b(current_user|session_user|user)\(\)")  # not folded: it would name who runs this process


class SecuredReader:
    """Reads `tables`, and nothing newer, as `access` allows. Safe to use from several threads."""

    def __init__(
        self,
        spec: ProjectSpec,
        tables: Mapping[TableName, TableVersion],
        access: PrincipalAccess,
        *,
        checked: bool = False,
    ) -> None:
        """`checked`: the session refuses to read from outside of the views, whoever asks it and in what way."""
        self._spec, self._tables, self._access = spec, dict(tables), access
        self._definer: Definer | None = None
        configuration = {key: value for key, value in spec.configuration.items() if not _is_catalog(key)}
        self._raw_database = f"r_{secrets.token_hex(16)}"
        settings = {**_SETTINGS, **configuration, **READER_SETTINGS}
        spark = SparkSide(spec).session()
        self.session = (
            checked_session(spark, settings, _only_views(self._raw_database))
            if checked
            else isolated_session(spark, settings)
        )
        self._databases: set[str] = set()
        self._shapes: dict[TableName, TableShape | None] = {}
        self._registered: set[TableName] = set()
        self._lock = threading.RLock()
        self._database(self._raw_database)
        self._database(spec.database)
        self.session.sql(f"USE `{spec.database}`")

    def names(self) -> list[TableName]:
        """The tables that the principal may read, sorted."""
        return sorted(name for name in self._tables if self._access.decide(name))

    def table(self, name: TableName, written: str) -> DataFrame:
        """What the principal sees of the table that it calls `written`. Raises UnknownName, AccessRefused."""
        self._register(name, written)
        return self.session.table(name.quoted)

    def sql(self, text: str) -> DataFrame:
        """The query's rows. Raises UsageError for another kind of statement, UnknownName, AccessRefused, QueryError."""
        text = own_names_shortened(text, self._spec.catalog, _QUERY_PLACE)
        query = SqlQuery(text=text, location=_QUERY_PLACE)
        with failures_named("the query", query, self._spec.root):
            require_query(self.session, text)
        made: set[TableName] = set()
        while True:
            try:
                with failures_named("the query", query, self._spec.root):
                    return self.session.sql(text)
            except MissingTable as missing:
                written = ".".join(missing.parts)
                name = self._resolve(missing.parts)
                if name is None or name in made:
                    raise self._unknown(written, missing.where) from None
                self._register(name, written, missing.where)
                made.add(name)
            except QueryError as error:
                if self._raw_database not in error.message:
                    raise
                raise QueryError("the query cannot be computed.", condition=error.condition) from None

    def access(self, name: TableName) -> TableAccess | None:
        """What the principal may read of a table, its policies unresolved; None for one that is not there."""
        shape = self._shape(name)
        return self._access.table(shape) if shape else None

    def _register(self, name: TableName, written: str, where: SourceLocation | None = None) -> None:
        with self._lock:
            if name in self._registered:
                return
            if name.schema == INFORMATION_SCHEMA:
                query = self._information(name, written, where)
            else:
                query = self._secured(name, written, where)
            self._database(name.schema)
            self._make_view(name, query)
            self._registered.add(name)

    def _secured(self, name: TableName, written: str, where: SourceLocation | None) -> str:
        """The query of a table's view, whose raw table it makes known."""
        if name not in self._tables or not self._access.decide(name).visible:
            raise self._unknown(written, where)
        shape = self._shape(name)
        access = self._access.table(shape) if shape else None
        if shape is None or access is None or not access:
            raise AccessRefused(f"'{name}' cannot be read by {self._access.invoker.name}.", where=where)
        location, version = self._tables[name]
        access = resolved_access(access, shape, self._access.invoker, self._ask)
        raw = f"`{self._raw_database}`.`{name.schema}__{name.name}`"
        query = secured_query(access, shape, f"{raw} VERSION AS OF {version}")
        with failures_named(str(name), None, self._spec.root):
            self.session.sql(f"CREATE TABLE IF NOT EXISTS {raw} USING delta LOCATION {literal(location)}")
        try:
            with failures_named(str(name), None, self._spec.root):
                plan = analysed_plan(self.session.sql(query))
        except LakehouseError as error:  # its text may name raw tables and hidden columns
            raise unusable(access, "row filter or mask") from error
        if patterns_in(plan, *_NOT_OF_ONE_ROW) or _ASKS_WHO.search(str(plan.toString())):
            raise unusable(access, "row filter or mask")
        return query

    def _ask(self, query: str, most: int) -> QueryAnswer:
        if self._definer is None:
            self._definer = Definer(PublishedReader(self._spec, self._tables))
        return self._definer.ask(query, most)

    def _make_view(self, name: TableName, query: str) -> None:
        with failures_named(str(name), None, self._spec.root):
            self.session.sql(f"CREATE OR REPLACE VIEW {name.quoted} AS {query}")

    def _information(self, name: TableName, written: str, where: SourceLocation | None) -> str:
        if name.name not in VIEWS:
            raise self._unknown(written, where)
        catalog = self._access.compiled.policy.catalog
        visible = [table for table in sorted(self._tables) if self._access.decide(table).visible]
        readable = {}
        if name.name == "columns":
            found = {table: self.access(table) for table in visible}
            readable = {table: access.columns for table, access in found.items() if access}
        return information_query(name.name, Catalogue(catalog, tuple(visible), readable, self._access.grants))

    def _shape(self, name: TableName) -> TableShape | None:
        if name not in self._shapes:
            found = self._tables.get(name)
            metadata = metadata_at(found.location, found.version) if found else None
            self._shapes[name] = None
            if metadata is not None:
                columns = tuple((field["name"], ddl(field["type"])) for field in metadata.schema["fields"])
                partitions = tuple(column.lower() for column in metadata.partition_by)
                self._shapes[name] = self._access.with_tags(TableShape(name, columns, partitions))
        return self._shapes[name]

    def _unknown(self, written: str, where: SourceLocation | None) -> UnknownName:
        known = [str(name) for name in self._tables if self._access.decide(name).visible]
        return UnknownName(written, known, where=where)

    def _database(self, name: str) -> None:
        if name not in self._databases:
            self.session.sql(f"CREATE DATABASE IF NOT EXISTS `{name}`")
            self._databases.add(name)

    def _resolve(self, parts: tuple[str, ...]) -> TableName | None:
        try:
            return parse_table_name(
                ".".join(f"`{part}`" for part in parts),
                default_schema=self._spec.database,
                catalog=self._spec.catalog,
            )
        except InvalidValue:
            return None


def _only_views(raw_database: str) -> Callable[[Any], None]:
    """A check of plans. The name of the raw database is known to the views alone."""

    def check(plan: Any) -> None:
        if reads_outside(plan, raw_database):
            raise AccessRefused("guarded mode: only the project's tables can be read here, by their names.")

    return check


def _is_catalog(key: str) -> bool:
    """Whether a setting plugs in another catalog, which no rule covers."""
    return key.startswith("spark.sql.catalog.") and not key.startswith("spark.sql.catalog.spark_catalog")
