"""A query from its text to its last row: planned, recorded, sent in batches, within limits, until someone stops it.

What is decided about a query is durable in the audit before its first row leaves: where the audit cannot be written,
no row does.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as WaitedTooLong
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from lakehouse.catalog.principal import Principal
from lakehouse.errors import AccessRefused, LakehouseError, UsageError
from lakehouse.serving.gateway.feed import Feed
from lakehouse.serving.gateway.limits import Limits, Turn, Turns
from lakehouse.serving.gateway.query_service import (
    EngineFailed,
    LimitExceeded,
    QueryCancelled,
    QueryResult,
    QueryService,
)
from lakehouse.storage.audit_log import DENIED, FAILED, MALFORMED, OK, AuditEvent

_AUDIT_SECONDS = 60.0
_SECONDS_TO_END = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, from where, with what."""

    principal: Principal
    address: str | None = None
    agent: str | None = None
    session: str | None = None  # the token's id


class Audit(Protocol):
    """Where decisions are recorded; see `storage.audit_log.AuditLog`."""

    def submit(self, event: AuditEvent) -> Future[None]:
        """Done when the event is durable."""


@dataclass(slots=True, kw_only=True)
class PlannedQuery:
    """A query that may run, and has not yet."""

    query_id: str
    caller: Caller
    text: str
    result: QueryResult
    recorded: Future[None]
    deadline: float  # monotonic seconds
    cancelled: threading.Event = field(default_factory=threading.Event)
    feed: Feed | None = None  # once its rows are being sent


class Queries:
    """Plans and runs queries of a service. `clock` gives the time of day for the audit."""

    def __init__(self, service: QueryService, audit: Audit, limits: Limits, clock: Callable[[], datetime]) -> None:
        self._service, self._audit, self._limits, self._clock = service, audit, limits, clock
        self._turns = Turns(limits)
        # A fixed number of threads: each that calls into a JVM keeps a connection and a thread there.
        self._planners = ThreadPoolExecutor(limits.queries, thread_name_prefix="lakehouse-plan")
        self._workers = ThreadPoolExecutor(limits.queries, thread_name_prefix="lakehouse-query")
        self._running: dict[str, PlannedQuery] = {}
        self._lock = threading.Lock()

    def plan(self, caller: Caller, text: str) -> PlannedQuery:
        """Asks the service for a query's plan, and hands the decision to the audit. Raises what the service raises,
        and LimitExceeded."""
        query_id, deadline = uuid.uuid4().hex, time.monotonic() + self._limits.seconds
        try:
            self._limits.require_statement(text)
            with self._turns.take(caller.principal):
                result = self._planned(lambda: self._service.execute(caller.principal, text, query_id), deadline)
        except BaseException as error:
            self._service.cancel(query_id)
            self._wait(self._record(caller, "query", query_id, text, error))
            raise
        recorded = self._record(caller, "query", query_id, text, tables=list(result.tables))
        return PlannedQuery(
            query_id=query_id, caller=caller, text=text, result=result, recorded=recorded, deadline=deadline
        )

    def schema_of(self, caller: Caller, text: str) -> Any:
        """The schema of a query's result. A refusal is recorded."""
        deadline = time.monotonic() + self._limits.seconds
        try:
            self._limits.require_statement(text)
            with self._turns.take(caller.principal):
                return self._planned(lambda: self._service.schema_of(caller.principal, text), deadline)
        except BaseException as error:
            self._wait(self._record(caller, "prepare", "", text, error))
            raise

    def ask(self, question: Callable[[QueryService], Any]) -> Any:
        """What the service answers to another question, on one of the threads that may ask it."""
        return self._planned(lambda: question(self._service), time.monotonic() + self._limits.seconds)

    def stream(self, query: PlannedQuery, is_gone: Callable[[], bool]) -> Iterator[Any]:
        """The query's batches. `is_gone` tells that its client is not there any more. Raises what the service raises,
        LimitExceeded, QueryCancelled, AuditUnwritable."""
        rows = size = 0
        failure: BaseException | None = None
        with self._lock:
            self._running[query.query_id] = query
        try:
            with self._turns.take(query.caller.principal) as turn:
                # A client that does not read leaves this generator where it is: someone else must look at the time.
                timer = threading.Timer(query.deadline - time.monotonic(), self._out_of_time, (query, turn))
                timer.daemon = True
                timer.start()
                feed = query.feed = Feed(query.result.batches, self._workers)
                try:
                    self._wait(query.recorded)  # meanwhile the first rows are made; none leaves before
                    for batch in feed.taken(lambda: self._look(query, is_gone)):
                        rows, size = rows + batch.num_rows, size + batch.nbytes
                        self._limits.require_result(rows, size)
                        yield batch
                except EngineFailed:
                    self._look(query, is_gone)  # an engine that was told to stop fails
                    raise
                finally:
                    timer.cancel()
                    feed.close()
                    if not feed.done.done():
                        self._service.cancel(query.query_id)
        except BaseException as error:  # GeneratorExit too: the client went away
            failure = error
            raise
        finally:
            with self._lock:
                self._running.pop(query.query_id, None)
            self._record(query.caller, "queryEnd", query.query_id, None, failure, rows=rows, bytes=size)

    def cancel(self, query: PlannedQuery) -> None:
        """Stops a query that was not fetched yet, or runs."""
        query.cancelled.set()
        self._stop(query)

    def cancel_running(self, principal: Principal, query_id: str) -> bool:
        """Stops a running query of this principal; answers whether there was one."""
        with self._lock:
            query = self._running.get(query_id)
        if query is None or query.caller.principal != principal:
            return False
        self.cancel(query)
        return True

    def discard(self, query: PlannedQuery) -> None:
        """Ends a query that no one has fetched."""
        query.cancelled.set()
        close = getattr(query.result.batches, "close", None)
        if close is not None:
            close()

    def close(self) -> None:
        """Stops every query and waits for the threads, but not for ever for one that cannot be stopped."""
        with self._lock:
            running = list(self._running.values())
        for query in running:
            self.cancel(query)
        ending = threading.Thread(target=self._end_threads, name="lakehouse-end", daemon=True)
        ending.start()
        ending.join(_SECONDS_TO_END)

    def _end_threads(self) -> None:
        self._planners.shutdown(wait=True, cancel_futures=True)
        self._workers.shutdown(wait=True, cancel_futures=True)

    def _stop(self, query: PlannedQuery) -> None:
        """Ends the query's work; whoever takes its rows learns why when they ask for more."""
        if query.feed is not None:
            query.feed.close()
        self._service.cancel(query.query_id)

    def _out_of_time(self, query: PlannedQuery, turn: Turn) -> None:
        self._stop(query)
        turn.give_back()

    def _look(self, query: PlannedQuery, is_gone: Callable[[], bool]) -> None:
        if query.cancelled.is_set() or is_gone():
            raise QueryCancelled("the query was cancelled.")
        if time.monotonic() >= query.deadline:
            raise LimitExceeded(f"the query took longer than {self._limits.seconds:g} seconds.", limit="seconds")

    def _planned(self, work: Callable[[], Any], deadline: float) -> Any:
        future = self._planners.submit(work)
        try:
            return future.result(max(0.0, deadline - time.monotonic()))
        except WaitedTooLong:
            future.cancel()
            limit = f"planning the query took longer than {self._limits.seconds:g} seconds."
            raise LimitExceeded(limit, limit="seconds") from None

    def _wait(self, recorded: Future[None]) -> None:
        recorded.result(_AUDIT_SECONDS)

    def _record(
        self,
        caller: Caller,
        action: str,
        query_id: str,
        text: str | None,
        error: BaseException | None = None,
        **result: Any,
    ) -> Future[None]:
        event = AuditEvent(
            event_time=self._clock(),
            action_name=action,
            user=str(caller.principal),
            status_code=status_code(error),
            error_message=None if error is None else _words(error),
            request_id=query_id,
            request_params={} if text is None else {"commandText": text[: self._limits.statement_bytes]},
            result=result,
            source_ip_address=caller.address,
            user_agent=caller.agent,
            session_id=caller.session,
        )
        return self._audit.submit(event)


def status_code(error: BaseException | None) -> int:
    """What the audit calls an outcome."""
    if error is None:
        return OK
    if isinstance(error, AccessRefused):
        return DENIED
    if isinstance(error, UsageError | LimitExceeded | QueryCancelled | EngineFailed | GeneratorExit):
        return MALFORMED
    return FAILED


def _words(error: BaseException) -> str:
    if isinstance(error, GeneratorExit):
        return "QueryCancelled: the client went away."
    return f"{type(error).__name__}: {error}" if isinstance(error, LakehouseError) else type(error).__name__
