"""One run at a time: an OS lock on a file in the warehouse, with a note on who holds it.

The kernel drops an `flock` when its process ends, however it ends, so the lock of a dead process is free. The note
beside it only serves the message. A warehouse that is not a local folder is locked through the folder of the
project, which keeps one machine from running it twice; two machines must be kept apart by their scheduler.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

from lakehouse.errors import RunInProgress


@contextlib.contextmanager
def hold_project(folder: Path, project: str, run: str) -> Iterator[None]:
    """Holds the project while the context lasts. Raises RunInProgress, naming the holder, if someone else does."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{project}.lock"
    with path.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(path)
            raise RunInProgress(
                f"another run holds the project '{project}': {holder}. Wait for it to end, or stop that process.",
                holder=holder,
            ) from None
        note = {
            "run": run,
            "process": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        }
        file.seek(0)
        file.truncate()
        file.write(json.dumps(note))
        file.flush()
        try:
            yield
        finally:
            file.seek(0)
            file.truncate()


def _holder(path: Path) -> str:
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
        return f"run {note['run']}, process {note['process']} on {note['host']}, since {note['since']}"
    except (OSError, ValueError, KeyError):
        return "a run that is just starting or ending"
