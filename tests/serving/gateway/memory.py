"""What processes hold in memory. Linux only."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def resident(process: int) -> int:
    """Bytes that a process and those below it hold."""
    found = 0
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
            if int(status.parent.name) == process or int(fields[1]) == process:
                found += int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
        except OSError:
            continue  # it has ended meanwhile
    return found


@contextmanager
def watched(process: int, every: float = 0.2) -> Iterator[list[int]]:
    """What `process` holds, looked at again and again while the body runs; the first before it."""
    found, ended = [resident(process)], threading.Event()

    def look() -> None:
        while not ended.wait(every):
            found.append(resident(process))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()
