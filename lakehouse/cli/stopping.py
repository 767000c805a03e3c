"""Ctrl-C and SIGTERM: the first asks the run to stop cleanly, a second one ends the process at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """While it is entered, remembers the first signal. `announce` is called once, outside the signal handler, when
    the run first asks; `before_abort` on the way out of a process that is ended at once."""

    def __init__(self, announce: Callable[[str], None], before_abort: Callable[[], None] = lambda: None) -> None:
        self._announce = announce
        self._before_abort = before_abort
        self._number: int | None = None
        self._announced = threading.Lock()
        self._previous: dict[signal.Signals, object] = {}

    def __enter__(self) -> StopRequest:
        for number in SIGNALS:
            self._previous[number] = signal.signal(number, self._received)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, before in self._previous.items():
            signal.signal(number, before)  # type: ignore[arg-type]

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
        if threading.current_thread() is threading.main_thread():
            for number in self._previous:
                if signal.getsignal(number) != self._received:
                    signal.signal(number, self._received)

    def _received(self, number: int, frame: FrameType | None) -> None:
        if self._number is None:
            self._number = number
            return
        # Whatever hangs, the user wants out: the kernel drops the lock, and the next run settles what is half done.
        self._before_abort()
        os._exit(128 + number)
