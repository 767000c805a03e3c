"""What a query may use, and how many queries at once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType

from lakehouse.catalog.principal import Principal
from lakehouse.serving.gateway.query_service import LimitExceeded


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`seconds`, `rows` and `bytes` (of Arrow data) of one query, from its plan to its last row; `queries` at once,
    `queries_each` of one principal; `wait_seconds` for a turn; `statement_bytes` of a query's text."""

    seconds: float = 600
    rows: int = 100_000_000
    bytes: int = 16 << 30
    queries: int = 32
    queries_each: int = 16
    wait_seconds: float = 60
    statement_bytes: int = 64 << 10

    def require_statement(self, text: str) -> None:
        """Raises LimitExceeded for a text that is too long."""
        if len(text.encode("utf-8", "surrogatepass")) > self.statement_bytes:
            raise LimitExceeded(f"the statement is longer than {self.statement_bytes} bytes.", limit="statement")

    def require_result(self, rows: int, size: int) -> None:
        """Raises LimitExceeded for a result that has grown beyond this many rows or bytes."""
        if rows > self.rows:
            raise LimitExceeded(f"the result has more than {self.rows} rows.", limit="rows")
        if size > self.bytes:
            raise LimitExceeded(f"the result is larger than {self.bytes} bytes.", limit="bytes")


class Turn:
    """One query's turn, until it is given back; giving it back again does nothing. A context manager."""

    def __init__(self, end: Callable[[], None]) -> None:
        self._end: Callable[[], None] | None = end
        self._lock = threading.Lock()

    def give_back(self) -> None:
        """Lets another query work."""
        with self._lock:
            end, self._end = self._end, None
        if end is not None:
            end()

    def __enter__(self) -> Turn:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.give_back()


class Turns:
    """Lets as many queries work at once as the limits say; the others wait for their turn."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._working: Counter[Principal] = Counter()
        self._changed = threading.Condition()

    def take(self, principal: Principal) -> Turn:
        """A turn for one query. Raises LimitExceeded when none comes in time."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._is_free(principal), self._limits.wait_seconds):
                raise LimitExceeded("too many queries run at once; try again later.", limit="queries")
            self._working[principal] += 1
        return Turn(lambda: self._give_back(principal))

    def _give_back(self, principal: Principal) -> None:
        with self._changed:
            self._working[principal] -= 1
            self._working += Counter()  # drops who has none
            self._changed.notify_all()

    def _is_free(self, principal: Principal) -> bool:
        return (
            self._working[principal] < self._limits.queries_each and sum(self._working.values()) < self._limits.queries
        )
