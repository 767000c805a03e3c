"""A gateway's client: SQL over the wire to Arrow, pandas or polars. Needs neither Spark nor Java nor a driver."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from lakehouse.errors import AccessRefused, LakehouseError, QueryError, UsageError
from lakehouse.serving.gateway import messages

if TYPE_CHECKING:
    import polars  # optional: who has it may use it
    from pandas import DataFrame as PandasFrame  # type: ignore[import-untyped]

SCHEMES = ("grpc", "grpc+tls")


class GatewayError(LakehouseError):
    """The gateway did not answer the question: it cannot be reached, is busy, or a limit was met; `kind` is the class
    that it names."""

    def __init__(self, message: str, *, kind: str, hint: str | None = None) -> None:
        self.kind = kind
        super().__init__(message, hint=hint)


def is_remote(address: object) -> bool:
    """Whether this is the address of a gateway, not a folder."""
    return isinstance(address, str) and address.partition("://")[0] in SCHEMES and "://" in address


class RemoteConnection:
    """A gateway, as the holder of a token sees it. A context manager; `close()` ends it.

    Raises UsageError for an address that is none, or one that would send the token in the clear.
    """

    def __init__(self, address: str, token: str | None, *, certificate: str | Path | None = None) -> None:
        import pyarrow.flight as flight  # a fifth of a second that connecting to a project need not pay

        place = urlsplit(address)
        try:
            host, port = place.hostname, place.port
        except ValueError:
            host, port = None, None
        if not host or not port:
            raise UsageError(f"'{address}' is not the address of a gateway.", hint="Expected grpc+tls://HOST:PORT.")
        if not token:
            raise UsageError(f"'{address}' needs a token.", hint="'lakehouse token create PRINCIPAL' makes one.")
        if place.scheme == "grpc" and not _is_loopback(host):
            raise UsageError(f"'{address}' would send the token in the clear.", hint="Use grpc+tls://.")
        self._address = f"{place.scheme}://{place.netloc}"
        roots = {"tls_root_certs": Path(certificate).read_bytes()} if certificate else {}
        self._options = flight.FlightCallOptions(headers=[(b"authorization", f"Bearer {token}".encode())])
        self._client: Any = flight.FlightClient(self._address, **roots)

    def sql(self, query: str) -> RemoteResult:
        """The query's result; its rows come when they are asked for. Raises AccessRefused, QueryError with Spark's
        error class, UsageError, GatewayError."""
        import pyarrow.flight as flight

        client = self._open()
        descriptor = flight.FlightDescriptor.for_command(messages.statement_query(query))
        with errors_named(self._address):
            return RemoteResult(client, self._options, client.get_flight_info(descriptor, self._options), self._address)

    def tables(self) -> list[str]:
        """The names of the tables that the token's principal may know of, sorted."""
        import pyarrow.flight as flight

        client = self._open()
        command = messages.get_tables(with_columns=False)
        with errors_named(self._address):
            found = client.do_get(flight.Ticket(command), self._options).read_all()
        names = zip(found["db_schema_name"].to_pylist(), found["table_name"].to_pylist(), strict=True)
        return sorted(f"{schema}.{name}" for schema, name in names)

    def close(self) -> None:
        """Ends the connection."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def __enter__(self) -> RemoteConnection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<lakehouse connection: gateway {self._address}>"

    def _open(self) -> Any:
        if self._client is None:
            raise UsageError("this connection is closed.", hint="Open another with lakehouse.connect().")
        return self._client


class RemoteResult:
    """The rows of one query, to be read once: as a whole, or batch by batch."""

    def __init__(self, client: Any, options: Any, flight_info: Any, address: str) -> None:
        self._client, self._options, self._flight_info, self._address = client, options, flight_info, address
        self._is_read = False

    @property
    def columns(self) -> list[str]:
        """The names of the columns, in order."""
        return list(self._flight_info.schema.names)

    @property
    def schema(self) -> Any:
        """The pyarrow.Schema."""
        return self._flight_info.schema

    def batches(self) -> Iterator[Any]:
        """The rows as pyarrow.RecordBatch, as they arrive; leaving early stops the query. Raises UsageError if they
        were read before."""
        if self._is_read:
            raise UsageError("the rows of this result were read before.", hint="Run the query again.")
        self._is_read = True
        return self._arriving()

    def to_arrow(self) -> Any:
        """All rows as a pyarrow.Table."""
        import pyarrow as pa

        return pa.Table.from_batches(list(self.batches()), schema=self.schema)

    def to_pandas(self) -> PandasFrame:
        """All rows as a pandas DataFrame."""
        return self.to_arrow().to_pandas()

    def to_polars(self) -> polars.DataFrame:
        """All rows as a polars DataFrame. Raises UsageError if polars is not installed."""
        try:
            import polars as pl
        except ImportError:
            raise UsageError("polars is not installed.", hint="pip install polars") from None
        return pl.DataFrame(self.to_arrow())

    def _arriving(self) -> Iterator[Any]:
        with errors_named(self._address):
            reader = self._client.do_get(self._flight_info.endpoints[0].ticket, self._options)
            ended = False
            try:
                while not ended:
                    try:
                        batch = reader.read_chunk().data
                    except StopIteration:
                        ended = True
                    else:
                        yield batch
            finally:
                if not ended:
                    reader.cancel()


@contextmanager
def errors_named(address: str) -> Iterator[None]:
    """Turns Flight's errors into ours."""
    import pyarrow as pa
    import pyarrow.flight as flight

    try:
        yield
    except (flight.FlightError, pa.ArrowException) as error:
        raise _error(error, address) from None


def _error(error: BaseException, address: str) -> LakehouseError:
    facts = _facts(error)
    kind, message = str(facts.get("class", "")), str(facts.get("message", ""))
    if kind == "AccessRefused":
        return AccessRefused(message)
    if kind == "Unauthenticated":
        return AccessRefused(f"{address} does not accept the token.", hint="Is it complete, expired or revoked?")
    if kind == "EngineFailed":
        return QueryError(message, condition=facts.get("condition"))
    if kind == "UsageError":
        return UsageError(message)
    if kind:
        return GatewayError(message, kind=kind)
    name = type(error).__name__
    if name == "FlightUnavailableError":
        return GatewayError(f"{address} cannot be reached.", kind=name, hint="Is 'lakehouse serve' running there?")
    return GatewayError(f"{address} failed: {str(error).splitlines()[0][:200]}", kind=name)


def _facts(error: BaseException) -> dict[str, Any]:
    try:
        found = json.loads(getattr(error, "extra_info", None) or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
