"""Who calls: read from the `authorization` header of every call, before any method sees it.

`Bearer TOKEN` as it is; `Basic` with the token as its password, for clients that know only users and passwords: the
answer then names the Bearer header to go on with, as Flight's handshake has it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow.flight as flight

from lakehouse.catalog.principal import Principal
from lakehouse.errors import UsageError
from lakehouse.serving.gateway.replies import as_flight_errors, unauthenticated

KEY = "caller"
_LONGEST = 4096


class NoHandshake(flight.ServerAuthHandler):  # type: ignore[misc]  # pyarrow ships no types
    """pyarrow refuses a handshake without one of these; the header has been judged by then."""

    def authenticate(self, outgoing: Any, incoming: Any) -> None:
        """See pyarrow."""

    def is_valid(self, token: bytes) -> str:
        """See pyarrow."""
        return ""


class Authenticated(flight.ServerMiddleware):  # type: ignore[misc]
    """What is known of the caller of one call."""

    def __init__(self, principal: Principal, token: str, agent: str | None, *, answers: bool) -> None:
        self.principal, self.agent = principal, agent
        self.session = token.split("_")[1]
        # Only to who came with a password: others would send the header twice from then on.
        self._headers = {"authorization": f"Bearer {token}"} if answers else {}

    def sending_headers(self) -> dict[str, str]:
        """See pyarrow."""
        return self._headers


class Authentication(flight.ServerMiddlewareFactory):  # type: ignore[misc]
    """`find` gives the principal of a token, None if it opens nothing; `refused` is told of each call that is."""

    def __init__(self, find: Callable[[str], Principal | None], refused: Callable[[str], None]) -> None:
        super().__init__()
        self._find, self._refused = find, refused

    def start_call(self, call: Any, headers: Mapping[str, Sequence[Any]]) -> Authenticated:
        """See pyarrow."""
        with as_flight_errors():
            plain = {name.lower(): values for name, values in headers.items()}
            token, user = presented(plain.get("authorization", ()))
            principal = self._find(token) if token else None
            if principal is None or (user and user not in ("token", principal.name, str(principal))):
                self._refused(token)
                raise unauthenticated()
            if call.method == flight.FlightMethod.GET_SCHEMA:
                # Whatever error that method raises, pyarrow sends it with its traceback. Clients ask for the schema
                # of a query by preparing it.
                raise UsageError("this is not offered: prepare the query to learn its schema.")
            agents = plain.get("user-agent", ())
            return Authenticated(principal, token, str(agents[0])[:200] if agents else None, answers=bool(user))


def presented(headers: Sequence[Any]) -> tuple[str, str]:
    """The token and the user's name in `authorization` headers; empty where there is none, or several that differ.

    >>> presented(["Bearer lh_1_x"]), presented(["Basic YW5hOmxoXzFfeA=="]), presented([])
    (('lh_1_x', ''), ('lh_1_x', 'ana'), ('', ''))
    """
    if len(set(headers)) != 1 or not isinstance(headers[0], str) or len(headers[0]) > _LONGEST:
        return "", ""
    scheme, _, value = headers[0].partition(" ")
    if scheme.lower() == "bearer":
        return value.strip(), ""
    if scheme.lower() != "basic":
        return "", ""
    encoded = value.strip().rstrip("=")
    try:  # Arrow's Go client leaves the padding out
        user, _, password = (
            base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True).decode("utf-8").partition(":")
        )
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return password, user.strip().lower()
