"""One committer at a time on a table of a local filesystem: an OS lock on a file in the table's folder.

Delta's log store there is check-then-rename under a lock that only one JVM sees, so Spark and `deltalake` must keep
each other out. Away from local filesystems the store itself refuses the second of two commits, and no lock is taken.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

LOCK_FILE = ".lakehouse.lock"  # hidden: neither engine reads it or vacuums it away


@contextlib.contextmanager
def table_lock(location: str) -> Iterator[None]:
    """Holds the table at `location` (an existing folder) while the context lasts; waits for whoever holds it.

    Keeps threads of one process apart too, and must not be nested. The kernel frees the lock of a dead process.
    """
    if "://" in location:
        yield
        return
    path = Path(location) / LOCK_FILE
    while True:
        with path.open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not _is_same_file(file.fileno(), path):
                continue  # the table was dropped, and perhaps made anew, while we waited
            yield
            return


def _is_same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
