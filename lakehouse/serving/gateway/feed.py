"""Batches made on a thread of their own and taken on another, a few ahead at most: the maker works while the taker
sends, and who takes can stop at any moment, even while the maker is stuck.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import Any, NamedTuple

_AHEAD = 2
_LOOK_SECONDS = 0.1  # how often the two sides look whether the other wants to stop


class _Failed(NamedTuple):
    error: BaseException


_END = object()


class Feed:
    """The batches of an iterator, made by `workers`. `close` tells the maker to stop and does not wait for it."""

    def __init__(self, batches: Iterator[Any], workers: Executor) -> None:
        self._batches = batches
        self._ready: queue.Queue[Any] = queue.Queue(_AHEAD)
        self._closed = threading.Event()
        self.done = workers.submit(self._make)

    def taken(self, look: Callable[[], None]) -> Iterator[Any]:
        """The batches as they come. `look` is called now and then, and ends it by raising."""
        while True:
            look()
            try:
                item = self._ready.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                continue
            if item is _END:
                return
            if isinstance(item, _Failed):
                raise item.error
            yield item

    def close(self) -> None:
        """Nobody takes any more."""
        self._closed.set()

    def _make(self) -> None:
        try:
            for batch in self._batches:
                if not self._put(batch):
                    return
            self._put(_END)
        except BaseException as error:  # it belongs to who takes
            self._put(_Failed(error))
        finally:
            close = getattr(self._batches, "close", None)
            if close is not None:
                close()

    def _put(self, item: Any) -> bool:
        while not self._closed.is_set():
            try:
                self._ready.put(item, timeout=_LOOK_SECONDS)
            except queue.Full:
                continue
            return True
        return False
