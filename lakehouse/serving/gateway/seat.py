"""One principal at the gateway: a session that holds what it may see under one state of the rules, and the gate."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame

from lakehouse.analysis.query_gate import REQUIRED_SETTINGS, Gate
from lakehouse.catalog.table_access import ColumnAccess
from lakehouse.definition.project import ProjectSpec
from lakehouse.definition.sql_literals import identifier
from lakehouse.definition.sql_references import own_names_shortened
from lakehouse.errors import GateReason, InvalidValue, QueryRefused, SourceLocation
from lakehouse.names import TableName, parse_table_name
from lakehouse.serving.gateway.parameters import with_nulls
from lakehouse.serving.gateway.query_service import TableEntry
from lakehouse.serving.gateway.spark_batches import STREAM_SETTINGS, arrow_schema
from lakehouse.serving.information_schema import VIEWS
from lakehouse.serving.principal_access import PrincipalAccess
from lakehouse.serving.readable import TableVersion
from lakehouse.serving.secured_reader import INFORMATION_SCHEMA, SecuredReader

_QUERY_PLACE = SourceLocation("query", 1)
_MOST_PREPARED = 32


@dataclass(frozen=True, slots=True)
class CheckedQuery:
    """A query that passed the gate, and the tables it reads."""

    frame: DataFrame
    schema: Any
    tables: tuple[str, ...]


class Seat:
    """Reads `tables`, and nothing newer, as `access` allows. Safe to use from several threads."""

    def __init__(self, spec: ProjectSpec, tables: Mapping[TableName, TableVersion], access: PrincipalAccess) -> None:
        self._spec, self._tables, self._access = spec, tables, access
        self.reader = SecuredReader(spec, tables, access)
        self.session = self.reader.session
        # After the project's own settings: none of them may open what the gate relies on to be shut.
        for key, value in {**STREAM_SETTINGS, **REQUIRED_SETTINGS}.items():
            self.session.conf.set(key, value)
        self._gate = Gate(self.session)
        self._registered: set[TableName] = set()
        self._prepared: OrderedDict[str, CheckedQuery] = OrderedDict()
        self._entries: tuple[TableEntry, ...] | None = None
        self._lock = threading.RLock()

    def check(self, text: str) -> CheckedQuery:
        """Parses, analyses and checks a query. Raises QueryRefused, UnknownName and AccessRefused, GateError; what
        Spark raises while a view is made."""
        frame, names = self._frame(self._shortened(text))
        return CheckedQuery(frame, arrow_schema(frame), tuple(map(str, names)))

    def parameter_types(self, text: str) -> tuple[Any, ...]:
        """The pyarrow.DataType that each `?` of a query must have, None where the query does not say. Raises as
        `check`, and UsageError."""
        bound, places = with_nulls(self._shortened(text))
        frame, _ = self._frame(bound)
        types = self._gate.types_of_nulls(frame)
        return tuple(self._arrow_type(types[place]) if place in types else None for place in places)

    def _shortened(self, text: str) -> str:
        try:
            return own_names_shortened(text, self._spec.catalog, _QUERY_PLACE)
        except InvalidValue:  # a string or comment that never ends
            raise QueryRefused(GateReason.PARSE) from None

    def _frame(self, text: str) -> tuple[DataFrame, list[TableName]]:
        """The frame of a query that passed the gate, and the tables it reads."""
        parsed = self._gate.admit(text, lambda parts: self.resolve(parts) is not None)
        names = [name for name in map(self.resolve, parsed.relations) if name is not None]
        for name in names:
            self._register(name)
        frame = self._gate.frame(parsed)
        with self._lock:
            views = frozenset(self._registered)
        self._gate.check(frame, views)
        return frame, names

    def _arrow_type(self, written: str) -> Any:
        return arrow_schema(self.session.createDataFrame([], f"p {written}")).field(0).type

    def prepare(self, text: str) -> CheckedQuery:
        """As `check`; the answer is kept for the next `take` of the same text."""
        found = self.check(text)
        with self._lock:
            self._prepared[text] = found
            while len(self._prepared) > _MOST_PREPARED:
                self._prepared.popitem(last=False)
        return found

    def take(self, text: str) -> CheckedQuery:
        """The query as it was prepared at this seat, or checked now. The rules are those of the seat either way."""
        with self._lock:
            found = self._prepared.pop(text, None)
        return found or self.check(text)

    def resolve(self, parts: tuple[str, ...]) -> TableName | None:
        """The table that a name in a query stands for; None for one that the principal may not know of."""
        written = ".".join(identifier(part) for part in parts)
        try:
            name = parse_table_name(written, default_schema=self._spec.database, catalog=self._spec.catalog)
        except InvalidValue:
            return None
        if name.schema == INFORMATION_SCHEMA:
            return name if name.name in VIEWS else None
        return name if name in self._tables and self._access.decide(name).visible else None

    def entries(self, *, with_columns: bool) -> tuple[TableEntry, ...]:
        """The tables that the principal may know of; columns of those that it may read."""
        catalog = self._spec.catalog or "spark_catalog"
        visible = [name for name in sorted(self._tables) if self._access.decide(name).visible]
        views = [TableEntry(catalog=catalog, schema=INFORMATION_SCHEMA, name=view, kind="VIEW") for view in VIEWS]
        if not with_columns:
            return (*(TableEntry(catalog=catalog, schema=name.schema, name=name.name) for name in visible), *views)
        with self._lock:
            if self._entries is None:
                found = []
                for name in visible:
                    access = self.reader.access(name)
                    columns = self._columns(access.columns) if access else None
                    found.append(TableEntry(catalog=catalog, schema=name.schema, name=name.name, columns=columns))
                self._entries = (*found, *views)
            return self._entries

    def _columns(self, columns: tuple[ColumnAccess, ...]) -> Any:
        text = ", ".join(f"{identifier(column.name)} {column.type}" for column in columns)
        return arrow_schema(self.session.createDataFrame([], text))

    def _register(self, name: TableName) -> None:
        if name in self._registered:
            return
        self.reader.table(name, str(name))
        with self._lock:
            self._registered.add(name)
