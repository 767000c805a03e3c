"""What stands behind the gateway: something that answers a principal's SQL, and only what the principal may see.

The gateway knows the wire, tokens, tickets, limits and audit; a query service knows tables and rules. Every method may
be called from many threads at once. Calls for one query may come from several threads, one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from lakehouse.catalog.principal import Principal
from lakehouse.errors import LakehouseError


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryResult:
    """A query that is admitted, analysed and checked, with its rows to come.

    `schema` is a pyarrow.Schema, `batches` yield pyarrow.RecordBatches of it. Nothing runs before the first batch is
    asked for; closing the iterator ends the query. `tables` are the names it reads, for the audit.
    """

    schema: Any
    batches: Iterator[Any]
    tables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class TableEntry:
    """A table that a principal may know of. `kind` is TABLE or VIEW; `columns` is a pyarrow.Schema, None where it was
    not asked for or the principal may know of the table but not read it."""

    catalog: str
    schema: str
    name: str
    kind: str = "TABLE"
    columns: Any = None


class QueryService(Protocol):
    """Answers for one project. Raises AccessRefused where the rules, or doubt, refuse; EngineFailed where the engine
    does; UsageError for a statement that is malformed or too large."""

    def execute(self, principal: Principal, text: str, query_id: str) -> QueryResult:
        """The rows of one SQL query under the principal's rules as they are now. `query_id` is for `cancel`."""

    def schema_of(self, principal: Principal, text: str) -> Any:
        """The pyarrow.Schema that `execute` would answer with; runs nothing."""

    def parameter_types(self, principal: Principal, text: str) -> Sequence[Any]:
        """The pyarrow.DataType of each `?` of a query, None where nothing says what it must be; runs nothing."""

    def catalogs(self, principal: Principal) -> Sequence[str]:
        """The catalogs that the principal may know of."""

    def schemas(self, principal: Principal) -> Sequence[tuple[str, str]]:
        """The schemas that the principal may know of, as (catalog, schema)."""

    def tables(self, principal: Principal, *, with_columns: bool) -> Sequence[TableEntry]:
        """The tables that the principal may know of; with `columns` as the principal sees them, if asked for."""

    def cancel(self, query_id: str) -> None:
        """Stops a query's work, wherever it stands. Does nothing for one that has ended or is unknown."""


class EngineFailed(LakehouseError):
    """The engine refused or failed a query. Carries the error class and SQLSTATE and no more: an engine's own words may
    name hidden values, files and internals."""

    def __init__(self, *, condition: str | None, sql_state: str | None) -> None:
        self.condition, self.sql_state = condition, sql_state
        named = condition or "INTERNAL_ERROR"
        super().__init__(f"the query failed: {named}{f' (SQLSTATE {sql_state})' if sql_state else ''}.")


class LimitExceeded(LakehouseError):
    """A query ran into a limit of the gateway; carries its name: seconds, rows, bytes, queries, statement."""

    def __init__(self, message: str, *, limit: str) -> None:
        self.limit = limit
        super().__init__(message)


class QueryCancelled(LakehouseError):
    """The client cancelled the query, or went away."""
