"""Signals during a run: the first asks the run to stop cleanly, what a second one does is the caller's to say."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence
from types import FrameType, TracebackType
from typing import Any


class StopRequest:
    """While it is entered, remembers the first of `signals`; `again` gets the number of each later one.

    `announce` is called once, outside the signal handler, when the run first asks. Only the main thread can listen to
    signals: entered elsewhere, nobody asks to stop.
    """

    def __init__(
        self,
        signals: Sequence[signal.Signals],
        again: Callable[[int], None],
        announce: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._signals = signals
        self._again = again
        self._announce = announce
        self._number: int | None = None
        self._announced = threading.Lock()
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopRequest:
        if _is_main_thread():
            self._previous = {number: signal.signal(number, self._received) for number in self._signals}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._previous.items():
            signal.signal(number, before)

    def stopped(self) -> int | None:
        """The number of the signal that told the run to stop, or None. Asked again and again by the run."""
        self._listen_again()
        if self._number is not None and self._announced.acquire(blocking=False):
            name = signal.Signals(self._number).name
            self._announce(f"{name}: stopping; the tables that are being refreshed keep their last version. "
                           "Again to end at once.")  # fmt: skip
        return self._number

    def _listen_again(self) -> None:
        # pyspark's SparkContext puts a handler of its own in the way when it starts; only the main thread can tell.
        if _is_main_thread():
            for number in self._previous:
                if signal.getsignal(number) != self._received:
                    signal.signal(number, self._received)

    def _received(self, number: int, frame: FrameType | None) -> None:
        if self._number is None:
            self._number = number
        else:
            self._again(number)


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
