"""Errors as Flight errors. Whatever else a method of a Flight server raises reaches the client with its traceback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow.flight as flight

from lakehouse.errors import AccessRefused, DefinitionError, LakehouseError, UsageError
from lakehouse.serving.gateway.query_service import EngineFailed, LimitExceeded, QueryCancelled
from lakehouse.serving.gateway.wire import MalformedMessage


@contextmanager
def as_flight_errors() -> Iterator[None]:
    """Turns every exception of its body into one of Flight's, with words that are meant for the client and no more."""
    try:
        yield
    except (flight.FlightError, GeneratorExit):
        raise
    except BaseException as error:
        reply = flight_error(error)
        reply.__cause__ = None
        raise reply from None


def flight_error(error: BaseException) -> flight.FlightError:
    """The Flight error for a client: its status, a sentence, and the class and facts as JSON in `extra_info`."""
    if isinstance(error, AccessRefused):
        return _error(flight.FlightUnauthorizedError, AccessRefused(error.message))
    if isinstance(error, QueryCancelled):
        return _error(flight.FlightCancelledError, error)
    if isinstance(error, LimitExceeded):
        kinds = {"seconds": flight.FlightTimedOutError, "queries": flight.FlightUnavailableError}
        return _error(kinds.get(error.limit, flight.FlightServerError), error, limit=error.limit)
    if isinstance(error, EngineFailed):
        return _error(flight.FlightServerError, error, condition=error.condition, sql_state=error.sql_state)
    if isinstance(error, UsageError):
        return _error(flight.FlightServerError, error)
    if isinstance(error, MalformedMessage):
        return _error(flight.FlightServerError, UsageError(f"{error}."))
    if isinstance(error, LakehouseError) and not isinstance(error, DefinitionError):
        # AuditUnwritable and its kin: the class says what is wrong, its words may name places.
        return _error(flight.FlightUnavailableError, LakehouseError(f"{type(error).__name__}."))
    return _error(flight.FlightInternalError, LakehouseError("the gateway failed."))


def unauthenticated() -> flight.FlightError:
    """The one answer to whoever brings no valid token, whatever is wrong with it."""
    return flight.FlightUnauthenticatedError("a valid token is required.", _facts("Unauthenticated", "", {}))


def _error(kind: type[flight.FlightError], error: LakehouseError, **facts: Any) -> flight.FlightError:
    return kind(error.message, _facts(type(error).__name__, error.message, facts))


def _facts(name: str, message: str, facts: dict[str, Any]) -> bytes:
    return json.dumps({"class": name, "message": message, **facts}).encode()
