"""Folders for what a process leaves on disk while it works, such as Spark's shuffled and stored rows: no other user may
enter them, and they go with the process, however that ends.

Spark makes the folder for its blocks open to all users, unless it lies in one that is not. A process that is killed
removes nothing; so who makes the next folder removes those whose process is gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

_PREFIX = "lakehouse-private-"
_LOCK = ".lock"


class PrivateFolder:
    """A new folder of mode 700 in `parent`, until `remove` or the next one made there after this process has died.

    OSError where none can be made.
    """

    def __init__(self, parent: Path) -> None:
        parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(parent)
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        # Locked before it has its name: a lock that can be taken is one whose process is gone.
        unnamed = self.path / f"{_LOCK}.new"
        self._lock: int | None = os.open(unnamed, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        unnamed.rename(self.path / _LOCK)

    def remove(self) -> None:
        """Removes it with all that is in it; doing it again does nothing."""
        lock, self._lock = self._lock, None
        if lock is not None:
            shutil.rmtree(self.path, ignore_errors=True)
            os.close(lock)


def _remove_abandoned(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # another's, or removed meanwhile
            if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
                continue
            lock = os.open(folder / _LOCK, os.O_RDWR)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
