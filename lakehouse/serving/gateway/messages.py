"""The messages of Flight SQL that the gateway understands, as values.

Fields and names: `format/FlightSql.proto` and `format/Flight.proto` of Apache Arrow. What is not here (updates,
transactions, Substrait) is not offered: the gateway reads.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lakehouse.serving.gateway.wire import (
    Fields,
    MalformedMessage,
    bytes_of,
    number_of,
    numbers_of,
    pack,
    read_message,
    text_of,
    texts_of,
    unpack,
    write_message,
)

CANCELLED, NOT_CANCELLABLE = 1, 3  # of CancelStatus and of CancelResult alike


@dataclass(frozen=True, slots=True)
class StatementQuery:
    """A query by its text."""

    query: str


@dataclass(frozen=True, slots=True)
class PreparedQuery:
    """A query that was prepared."""

    handle: bytes


@dataclass(frozen=True, slots=True)
class StatementTicket:
    """The rows of a query that was asked for by `get_flight_info`."""

    handle: bytes


@dataclass(frozen=True, slots=True)
class GetCatalogs:
    """The catalogs."""


@dataclass(frozen=True, slots=True)
class GetSchemas:
    """The schemas; the pattern is one of LIKE."""

    catalog: str | None = None
    schema_pattern: str | None = None


@dataclass(frozen=True, slots=True)
class GetTables:
    """The tables; the patterns are those of LIKE. `with_columns`: with the schema of each."""

    catalog: str | None = None
    schema_pattern: str | None = None
    table_pattern: str | None = None
    types: tuple[str, ...] = ()
    with_columns: bool = False


@dataclass(frozen=True, slots=True)
class GetTableTypes:
    """The kinds of tables there are."""


@dataclass(frozen=True, slots=True)
class GetServerFacts:
    """Facts about the server, all of them or those with these numbers."""

    numbers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class GetTypes:
    """The types of columns, all of them or those with this JDBC number."""

    number: int | None = None


@dataclass(frozen=True, slots=True)
class GetKeys:
    """Primary (`foreign` false) or foreign keys: there are none."""

    foreign: bool


Command = (
    StatementQuery
    | PreparedQuery
    | StatementTicket
    | GetCatalogs
    | GetSchemas
    | GetTables
    | GetTableTypes
    | GetServerFacts
    | GetTypes
    | GetKeys
)


def _signed32(number: int | None) -> int | None:
    return number if number is None or number < 2**31 else (number & (2**32 - 1)) - 2**32


_COMMANDS: Mapping[str, Callable[[Fields], Command]] = {
    "CommandStatementQuery": lambda fields: StatementQuery(text_of(fields, 1) or ""),
    "CommandPreparedStatementQuery": lambda fields: PreparedQuery(bytes_of(fields, 1) or b""),
    "TicketStatementQuery": lambda fields: StatementTicket(bytes_of(fields, 1) or b""),
    "CommandGetCatalogs": lambda fields: GetCatalogs(),
    "CommandGetDbSchemas": lambda fields: GetSchemas(text_of(fields, 1), text_of(fields, 2)),
    "CommandGetTables": lambda fields: GetTables(
        text_of(fields, 1), text_of(fields, 2), text_of(fields, 3), texts_of(fields, 4), bool(number_of(fields, 5))
    ),
    "CommandGetTableTypes": lambda fields: GetTableTypes(),
    "CommandGetSqlInfo": lambda fields: GetServerFacts(numbers_of(fields, 1)),
    "CommandGetXdbcTypeInfo": lambda fields: GetTypes(_signed32(number_of(fields, 1))),
    "CommandGetPrimaryKeys": lambda fields: GetKeys(foreign=False),
    "CommandGetExportedKeys": lambda fields: GetKeys(foreign=True),
    "CommandGetImportedKeys": lambda fields: GetKeys(foreign=True),
    "CommandGetCrossReference": lambda fields: GetKeys(foreign=True),
}


class UnknownMessage(MalformedMessage):
    """A message of Flight SQL that the gateway does not offer; carries its name."""

    def __init__(self, name: str) -> None:
        # The name is the client's own word and comes back to it: only as much as a name may be.
        self.name = name if name.isidentifier() and len(name) <= 64 else "message"
        super().__init__(f"{self.name} is not offered: the gateway answers queries only")


def read_command(packed: bytes) -> Command:
    """The command in a descriptor or ticket. Raises MalformedMessage, UnknownMessage."""
    name, fields = unpack(packed)
    if name not in _COMMANDS:
        raise UnknownMessage(name)
    return _COMMANDS[name](fields)


def statement_query(query: str) -> bytes:
    """The command of a client that asks for a query's rows."""
    return pack("CommandStatementQuery", write_message({1: query}))


def get_tables(*, with_columns: bool) -> bytes:
    """The command of a client that asks for all tables."""
    return pack("CommandGetTables", write_message({5: int(with_columns)}))


def statement_ticket(handle: bytes) -> bytes:
    """The ticket for a query's rows."""
    return pack("TicketStatementQuery", write_message({1: handle}))


def prepare_request(body: bytes) -> str:
    """The query of a CreatePreparedStatement action. Raises MalformedMessage."""
    return text_of(_action(body, "ActionCreatePreparedStatementRequest"), 1) or ""


def prepared_result(handle: bytes, schema: bytes | None, parameters: bytes | None) -> bytes:
    """Its answer; the schemas are IPC messages, None where not known."""
    return pack("ActionCreatePreparedStatementResult", write_message({1: handle, 2: schema, 3: parameters}))


def close_request(body: bytes) -> bytes:
    """The handle of a ClosePreparedStatement action. Raises MalformedMessage."""
    return bytes_of(_action(body, "ActionClosePreparedStatementRequest"), 1) or b""


def bound_result(handle: bytes) -> bytes:
    """DoPutPreparedStatementResult: the answer to parameters."""
    return write_message({1: handle})


def cancel_flight_request(body: bytes) -> tuple[bytes, ...]:
    """The handles of the queries that a CancelFlightInfo action names. Raises MalformedMessage."""
    return _handles(bytes_of(read_message(body), 1) or b"")


def cancel_query_request(body: bytes) -> tuple[bytes, ...]:
    """The handles of the queries that a CancelQuery action names. Raises MalformedMessage."""
    return _handles(bytes_of(_action(body, "ActionCancelQueryRequest"), 1) or b"")


def cancel_flight_result(status: int) -> bytes:
    """The answer to CancelFlightInfo."""
    return write_message({1: status})


def cancel_query_result(status: int) -> bytes:
    """The answer to CancelQuery."""
    return pack("ActionCancelQueryResult", write_message({1: status}))


def _action(body: bytes, expected: str) -> Fields:
    name, fields = unpack(body)
    if name != expected:
        raise UnknownMessage(name)
    return fields


def _handles(flight: bytes) -> tuple[bytes, ...]:
    """The statement handles in a serialized FlightInfo: endpoint = 3, its ticket = 1, the ticket's bytes = 1."""
    found = []
    for endpoint in read_message(flight).get(3, ()):
        if isinstance(endpoint, bytes):
            ticket = bytes_of(read_message(bytes_of(read_message(endpoint), 1) or b""), 1)
            command = read_command(ticket or b"")
            if isinstance(command, StatementTicket):
                found.append(command.handle)
    return tuple(found)
