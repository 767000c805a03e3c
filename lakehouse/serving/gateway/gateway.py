"""The gateway as a whole: a query service behind Flight SQL, tokens in front of it, the audit beside it."""

from __future__ import annotations

import ipaddress
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType

from lakehouse.catalog.principal import Principal
from lakehouse.errors import UsageError
from lakehouse.serving.gateway.authentication import Authentication
from lakehouse.serving.gateway.limits import Limits
from lakehouse.serving.gateway.queries import Audit, Queries
from lakehouse.serving.gateway.query_service import QueryService
from lakehouse.serving.gateway.server import FlightSqlServer
from lakehouse.storage.access_tokens import AccessTokens
from lakehouse.storage.audit_log import UNAUTHENTICATED, AuditEvent

_SECONDS_TO_END = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where the gateway listens: an address of this machine, a port (0: any free one), certificate and key (PEM)."""

    host: str = "127.0.0.1"
    port: int = 0
    certificate: Path | None = None
    key: Path | None = None

    @property
    def scheme(self) -> str:
        """The scheme of the address that clients connect to."""
        return "grpc+tls" if self.certificate else "grpc"

    def certificates(self) -> list[tuple[bytes, bytes]] | None:
        """Certificate and key, None without TLS. Raises UsageError for an address off loopback without TLS, one
        without the other, or files that cannot be read."""
        if (self.certificate is None) != (self.key is None):
            raise UsageError("a certificate needs its key, and a key its certificate.", hint="Give both or none.")
        if self.certificate is None or self.key is None:
            if not _is_loopback(self.host):
                raise UsageError(
                    f"'{self.host}' can be reached by others, and tokens would travel in the clear.",
                    hint="Give --tls-cert and --tls-key, or listen on 127.0.0.1.",
                )
            return None
        try:
            return [(self.certificate.read_bytes(), self.key.read_bytes())]
        except OSError as error:
            raise UsageError(f"'{error.filename}' cannot be read: {error.strerror}.") from None


class Gateway:
    """Serves while it is entered. `find` gives the principal of a name, None for one who is not there any more."""

    def __init__(
        self,
        service: QueryService,
        tokens: AccessTokens,
        audit: Audit,
        find: Callable[[str], Principal | None],
        listening: Listening,
        limits: Limits,
    ) -> None:
        certificates = listening.certificates()
        self._tokens, self._find, self._audit, self._listening = tokens, find, audit, listening
        self._queries = Queries(service, audit, limits, _now)
        host = f"[{listening.host}]" if ":" in listening.host else listening.host
        self._place = f"{listening.scheme}://{host}"
        try:
            self._server = FlightSqlServer(
                f"{self._place}:{listening.port}",
                self._queries,
                Authentication(self._principal, self._refused),
                certificates,
            )
        except OSError as error:  # a port that is taken, a certificate that is none
            self._queries.close()
            raise UsageError(
                f"cannot listen on {self._place}:{listening.port}.", hint="Is the port free, and the certificate PEM?"
            ) from error

    @property
    def address(self) -> str:
        """What clients connect to."""
        return f"{self._place}:{self._server.port}"

    def __enter__(self) -> Gateway:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.end_queries()
        # Waits for open calls, and a client that does not read keeps its call open: not for ever.
        ending = threading.Thread(target=self._server.shutdown, name="lakehouse-shutdown", daemon=True)
        ending.start()
        ending.join(_SECONDS_TO_END)

    def _principal(self, token: str) -> Principal | None:
        name = self._tokens.principal_of(token, _now())
        return self._find(name) if name else None

    def _refused(self, token: str) -> None:
        if not token:
            return  # a caller without a token is nobody in particular, and comes as often as a port is scanned
        named = token.split("_")[1][:32] if token.count("_") >= 2 else "malformed"
        self._audit.submit(
            AuditEvent(
                event_time=_now(),
                action_name="tokenLogin",
                user="unknown",
                status_code=UNAUTHENTICATED,
                error_message="Unauthenticated",
                session_id=named,
            )
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _now() -> datetime:
    return datetime.now(timezone.utc)
