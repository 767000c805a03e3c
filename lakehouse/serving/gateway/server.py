"""The Flight SQL server: every method of the protocol, each a few lines over commands, handles and queries.

Every method runs inside `as_flight_errors`, those that are not offered too: what pyarrow itself would answer for them
names files of this machine. GetSchema never arrives here: see `authentication`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa
import pyarrow.flight as flight

from lakehouse.errors import AccessRefused, LakehouseError, UsageError
from lakehouse.serving.gateway import messages, metadata_tables, server_facts
from lakehouse.serving.gateway.authentication import KEY, Authentication, NoHandshake
from lakehouse.serving.gateway.handles import Handles
from lakehouse.serving.gateway.parameters import bind, count_parameters
from lakehouse.serving.gateway.queries import Caller, PlannedQuery, Queries
from lakehouse.serving.gateway.query_service import EngineFailed
from lakehouse.serving.gateway.replies import as_flight_errors

_PLANNED_SECONDS, _PREPARED_SECONDS = 300.0, 3600.0
_MOST_HANDLES = 1000
_ACTIONS = {
    "CreatePreparedStatement": "Prepares a query.",
    "ClosePreparedStatement": "Forgets a prepared query.",
    "CancelFlightInfo": "Stops a query.",
    "CancelQuery": "Stops a query.",
}


@dataclass(frozen=True, slots=True)
class Prepared:
    """A query as a client prepared it, and the values that it bound since."""

    text: str
    parameters: int
    values: tuple[Any, ...] | None = None

    def bound(self) -> str:
        """The query's text with its values. Raises UsageError where they do not fit."""
        return bind(self.text, self.values or ())


class FlightSqlServer(flight.FlightServerBase):  # type: ignore[misc]  # pyarrow ships no types
    """Serves from the moment it is made, on the port `port`, until `shutdown`. `certificates` are (certificate, key)
    pairs in PEM form, for an address that begins with grpc+tls."""

    def __init__(
        self,
        address: str,
        queries: Queries,
        authentication: Authentication,
        certificates: list[tuple[bytes, bytes]] | None = None,
    ) -> None:
        self._queries = queries
        self._planned: Handles[PlannedQuery] = Handles(
            seconds=_PLANNED_SECONDS, most=_MOST_HANDLES, clock=time.monotonic, discard=queries.discard
        )
        self._prepared: Handles[Prepared] = Handles(
            seconds=_PREPARED_SECONDS, most=_MOST_HANDLES, clock=time.monotonic, discard=lambda _: None
        )
        # The ticket by which a running query may be cancelled; it ends with the query.
        self._fetched: dict[bytes, str] = {}
        super().__init__(
            address, auth_handler=NoHandshake(), middleware={KEY: authentication}, tls_certificates=certificates
        )

    def end_queries(self) -> None:
        """Stops all that runs or waits; to be called before `shutdown`, which waits for open streams."""
        self._planned.end_all()
        self._queries.close()

    def get_flight_info(self, context: Any, descriptor: Any) -> Any:
        """See pyarrow."""
        with as_flight_errors():
            command = messages.read_command(descriptor.command or b"")
            if isinstance(command, messages.StatementQuery | messages.PreparedQuery):
                caller = _caller(context)
                planned = self._queries.plan(caller, self._text(caller, command))
                handle = self._planned.add(caller.principal, planned)
                return _flight_info(planned.result.schema, descriptor, messages.statement_ticket(handle))
            return _flight_info(self._metadata(context, command).schema, descriptor, descriptor.command)

    def do_get(self, context: Any, ticket: Any) -> Any:
        """See pyarrow."""
        with as_flight_errors():
            command = messages.read_command(ticket.ticket)
            if not isinstance(command, messages.StatementTicket):
                return flight.RecordBatchStream(self._metadata(context, command))
            planned = self._planned.take(_caller(context).principal, command.handle)
            self._fetched[command.handle] = planned.query_id
            return flight.GeneratorStream(planned.result.schema, self._rows(context, command.handle, planned))

    def do_action(self, context: Any, action: Any) -> Any:
        """See pyarrow."""
        with as_flight_errors():
            caller, body = _caller(context), action.body.to_pybytes()
            if action.type == "CreatePreparedStatement":
                return iter([flight.Result(self._prepare(caller, messages.prepare_request(body)))])
            if action.type == "ClosePreparedStatement":
                with contextlib.suppress(AccessRefused):  # expired already: closing is done either way
                    self._prepared.take(caller.principal, messages.close_request(body))
                return iter([])
            if action.type == "CancelFlightInfo":
                status = self._cancel(caller, messages.cancel_flight_request(body))
                return iter([flight.Result(messages.cancel_flight_result(status))])
            if action.type == "CancelQuery":
                status = self._cancel(caller, messages.cancel_query_request(body))
                return iter([flight.Result(messages.cancel_query_result(status))])
            raise _not_offered()

    def do_put(self, context: Any, descriptor: Any, reader: Any, writer: Any) -> None:
        """See pyarrow. Takes the parameters of a prepared query: one row."""
        with as_flight_errors():
            command = messages.read_command(descriptor.command or b"")
            if not isinstance(command, messages.PreparedQuery):
                raise _not_offered()
            principal = _caller(context).principal
            prepared = self._prepared.get(principal, command.handle)
            values = _one_row(reader)
            if len(values) != prepared.parameters:
                raise UsageError(f"the query has {prepared.parameters} parameters, and {len(values)} values are bound.")
            self._prepared.replace(principal, command.handle, replace(prepared, values=values))
            writer.write(messages.bound_result(command.handle))

    def list_actions(self, context: Any) -> list[tuple[str, str]]:
        """See pyarrow."""
        return list(_ACTIONS.items())

    def list_flights(self, context: Any, criteria: bytes) -> Iterator[Any]:
        """See pyarrow. Not offered: results belong to who asked for them."""
        return iter([])

    def do_exchange(self, context: Any, descriptor: Any, reader: Any, writer: Any) -> None:
        """See pyarrow. Not offered."""
        with as_flight_errors():
            raise _not_offered()

    def _text(self, caller: Caller, command: messages.StatementQuery | messages.PreparedQuery) -> str:
        if isinstance(command, messages.StatementQuery):
            return command.query
        return self._prepared.get(caller.principal, command.handle).bound()

    def _rows(self, context: Any, handle: bytes, planned: PlannedQuery) -> Iterator[Any]:
        try:
            with as_flight_errors():
                yield from self._queries.stream(planned, context.is_cancelled)
        finally:
            self._fetched.pop(handle, None)

    def _prepare(self, caller: Caller, text: str) -> bytes:
        count = count_parameters(text)
        prepared = Prepared(text, count)
        try:
            schema = self._queries.schema_of(caller, bind(text, [None] * count))
        except (EngineFailed, UsageError):
            if not count:
                raise
            schema = None  # what NULL cannot stand for; the values will tell
        handle = self._prepared.add(caller.principal, prepared)
        return messages.prepared_result(
            handle,
            None if schema is None else bytes(schema.serialize()),
            bytes(self._parameters(caller, text, count).serialize()) if count else None,
        )

    def _parameters(self, caller: Caller, text: str, count: int) -> Any:
        """What the values must be, for clients that bind no others: a text where the query does not say."""
        try:
            types = self._queries.ask(lambda service: service.parameter_types(caller.principal, text))
        except (EngineFailed, UsageError):
            types = [None] * count
        return pa.schema([pa.field(f"parameter_{n}", _bindable(kind)) for n, kind in enumerate(types, start=1)])

    def _cancel(self, caller: Caller, handles: tuple[bytes, ...]) -> int:
        stopped = False
        for handle in handles:
            running = self._fetched.get(handle)
            if running is not None:
                stopped |= self._queries.cancel_running(caller.principal, running)
                continue
            try:
                waiting = self._planned.take(caller.principal, handle)
            except AccessRefused:
                continue
            self._queries.discard(waiting)
            stopped = True
        return messages.CANCELLED if stopped else messages.NOT_CANCELLABLE

    def _metadata(self, context: Any, command: messages.Command) -> Any:
        principal = _caller(context).principal
        match command:
            case messages.GetCatalogs():
                return metadata_tables.catalogs_table(self._queries.ask(lambda service: service.catalogs(principal)))
            case messages.GetSchemas():
                found = self._queries.ask(lambda service: service.schemas(principal))
                return metadata_tables.schemas_table(found, command)
            case messages.GetTables():
                wanted = command.with_columns
                entries = self._queries.ask(lambda service: service.tables(principal, with_columns=wanted))
                return metadata_tables.tables_table(entries, command)
            case messages.GetTableTypes():
                return metadata_tables.table_types_table()
            case messages.GetServerFacts():
                return server_facts.info_table(command.numbers)
            case messages.GetTypes():
                return server_facts.types_table(command.number)
            case messages.GetKeys():
                return metadata_tables.no_keys_table(foreign=command.foreign)
            case _:
                raise _not_offered()


def _caller(context: Any) -> Caller:
    known = context.get_middleware(KEY)
    address = str(context.peer()).partition(":")[2].rpartition(":")[0] or None
    return Caller(principal=known.principal, address=address, agent=known.agent, session=known.session)


def _flight_info(schema: Any, descriptor: Any, ticket: bytes) -> Any:
    return flight.FlightInfo(schema, descriptor, [flight.FlightEndpoint(ticket, [])], -1, -1)


def _bindable(kind: Any) -> Any:
    """The type to ask a client for. The JDBC driver gives a timestamp in milliseconds whatever unit it is asked for."""
    if kind is None:
        return pa.string()
    return pa.timestamp("ms", tz=kind.tz) if pa.types.is_timestamp(kind) else kind


def _one_row(reader: Any) -> tuple[Any, ...]:
    """The values of the only row that a client sends. Raises UsageError for more."""
    rows: list[tuple[Any, ...]] = []
    while True:
        try:
            batch = reader.read_chunk().data
        except StopIteration:
            break
        if batch is None:
            continue
        if len(rows) + batch.num_rows > 1:
            raise UsageError("a query takes one row of parameters at a time.")
        rows += [tuple(column[index].as_py() for column in batch.columns) for index in range(batch.num_rows)]
    return rows[0] if rows else ()


def _not_offered() -> LakehouseError:
    return UsageError("this is not offered: the gateway answers queries only.")
