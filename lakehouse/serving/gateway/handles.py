"""Things that clients refer to by a handle: results to be fetched, prepared statements. A handle is 256 random bits,
belongs to one principal, and ends after a while; one that is foreign looks like one that does not exist.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from lakehouse.catalog.principal import Principal
from lakehouse.errors import AccessRefused
from lakehouse.serving.gateway.query_service import LimitExceeded

Value = TypeVar("Value")
_BYTES = 32


@dataclass(slots=True)
class _Entry(Generic[Value]):
    principal: Principal
    value: Value
    expires: float


class Handles(Generic[Value]):
    """Values by handle. `seconds` is how long one lives after its last use, `most` how many a principal may have,
    `clock` gives monotonic seconds, and `discard` is told of every value that ends unused."""

    def __init__(
        self, *, seconds: float, most: int, clock: Callable[[], float], discard: Callable[[Value], None]
    ) -> None:
        self._seconds, self._most, self._clock, self._discard = seconds, most, clock, discard
        self._entries: dict[bytes, _Entry[Value]] = {}
        self._lock = threading.Lock()

    def add(self, principal: Principal, value: Value) -> bytes:
        """A new handle. Raises LimitExceeded where the principal has too many."""
        self.end_expired()
        with self._lock:
            if sum(entry.principal == principal for entry in self._entries.values()) >= self._most:
                raise LimitExceeded(f"more than {self._most} results or statements are open at once.", limit="handles")
            handle = secrets.token_bytes(_BYTES)
            self._entries[handle] = _Entry(principal, value, self._clock() + self._seconds)
        return handle

    def get(self, principal: Principal, handle: bytes) -> Value:
        """The value, whose life begins anew. Raises AccessRefused."""
        self.end_expired()
        with self._lock:
            entry = self._entries.get(handle)
            if entry is None or entry.principal != principal:
                raise _unknown()
            entry.expires = self._clock() + self._seconds
            return entry.value

    def replace(self, principal: Principal, handle: bytes, value: Value) -> None:
        """Puts another value in its place. Raises AccessRefused."""
        self.get(principal, handle)
        with self._lock:
            if handle in self._entries:
                self._entries[handle].value = value

    def take(self, principal: Principal, handle: bytes) -> Value:
        """The value, which is the caller's from now on; the handle is used up. Raises AccessRefused."""
        value = self.get(principal, handle)
        with self._lock:
            if self._entries.pop(handle, None) is None:  # another call was faster
                raise _unknown()
        return value

    def end_expired(self) -> None:
        """Ends what has outlived its time."""
        now = self._clock()
        with self._lock:
            ended = [handle for handle, entry in self._entries.items() if entry.expires <= now]
            values = [self._entries.pop(handle).value for handle in ended]
        for value in values:
            self._discard(value)

    def end_all(self) -> None:
        """Ends everything."""
        with self._lock:
            values = [entry.value for entry in self._entries.values()]
            self._entries.clear()
        for value in values:
            self._discard(value)


def _unknown() -> AccessRefused:
    return AccessRefused("there is no such result or statement, or it has expired.")
