"""Published tables in a Spark session, under their names, at fixed versions.

Registering a table takes Spark some tenths of a second, and a project may have hundreds: a table is registered when a
query first misses it.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import DataFrame

from lakehouse.definition.dataset import SqlQuery
from lakehouse.definition.project import ProjectSpec
from lakehouse.definition.sql_references import own_names_shortened
from lakehouse.errors import InvalidValue, SourceLocation, UnknownName
from lakehouse.names import TableName, parse_table_name
from lakehouse.run.evaluation import MissingTable, failures_named
from lakehouse.run.spark_side import SparkSide
from lakehouse.serving.readable import TableVersion
from lakehouse.serving.statement import require_query

_QUERY_PLACE = SourceLocation("query", 1)


class PublishedReader:
    """Reads `tables`, and nothing newer, in a session of its own."""

    def __init__(self, spec: ProjectSpec, tables: Mapping[TableName, TableVersion]) -> None:
        self._spec = spec
        self._tables = dict(tables)
        self._registered: dict[TableName, TableVersion] = {}
        self._catalog = SparkSide(spec).catalog()

    def table(self, name: TableName, written: str) -> DataFrame:
        """The rows of the table that the user calls `written`. Raises UnknownName."""
        self._register(name, written)
        return self._catalog.session.table(name.quoted)

    def sql(self, text: str) -> DataFrame:
        """The query's rows. Raises UsageError for another kind of statement, UnknownName, QueryError."""
        session = self._catalog.session
        text = own_names_shortened(text, self._spec.catalog, _QUERY_PLACE)
        query = SqlQuery(text=text, location=_QUERY_PLACE)
        with failures_named("the query", query, self._spec.root):
            require_query(session, text)
        while True:
            try:
                with failures_named("the query", query, self._spec.root):
                    return session.sql(text)
            except MissingTable as missing:
                written = ".".join(missing.parts)
                name = self._resolve(missing.parts)
                if name is None or name in self._registered:
                    raise UnknownName(written, map(str, self._tables), where=missing.where) from None
                self._register(name, written, missing.where)

    def move_to(self, tables: Mapping[TableName, TableVersion]) -> None:
        """Reads these tables from now on. Frames made before keep their versions."""
        self._tables = dict(tables)
        for name, registered in list(self._registered.items()):
            if tables.get(name) != registered:
                self._catalog.forget(name)
                del self._registered[name]

    def _register(self, name: TableName, written: str, where: SourceLocation | None = None) -> None:
        if name in self._registered:
            return
        if name not in self._tables:
            raise UnknownName(written, map(str, self._tables), where=where)
        found = self._tables[name]
        with failures_named(str(name), None, self._spec.root):
            self._catalog.pin(name, found.location, found.version)
        self._registered[name] = found

    def _resolve(self, parts: tuple[str, ...]) -> TableName | None:
        try:
            return parse_table_name(
                ".".join(f"`{part}`" for part in parts),
                default_schema=self._spec.database,
                catalog=self._spec.catalog,
            )
        except InvalidValue:
            return None
