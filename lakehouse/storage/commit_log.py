"""The commits of a Delta table as its log holds them, read file by file without Spark (0.1 ms a commit).

A local log is read from its folder, any other through the object store that `deltalake` opens. (Delta protocol:
"Delta Log Entries".)
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from deltalake import DeltaTable
from deltalake._internal import DeltaFileSystemHandler
from deltalake.exceptions import DeltaError, TableNotFoundError

_COMMIT = re.compile(r"(\d{20})\.json")


@dataclass(frozen=True, slots=True)
class Commit:
    """One version of a table: its actions as the log has them, each a dictionary of one kind (`add`, `metaData`…)."""

    version: int
    actions: tuple[dict[str, dict[str, Any]], ...]

    def of(self, kind: str) -> Iterator[dict[str, Any]]:
        """The contents of the actions of this kind."""
        return (action[kind] for action in self.actions if kind in action)

    def changed(self, kind: str) -> list[dict[str, Any]]:
        """The `add` or `remove` actions whose rows enter or leave the table: not those of OPTIMIZE, which moves rows
        between files, and not those of files known to be empty."""
        return [file for file in self.of(kind) if file.get("dataChange", True) and row_count(file) != 0]

    @property
    def note(self) -> dict[str, Any]:
        """What the writer says of its commit: operation, metrics, metadata. Empty if it says nothing."""
        return next(self.of("commitInfo"), {})

    @property
    def changes_rows(self) -> bool:
        """Whether rows enter or leave the table."""
        return bool(self.changed("add") or self.changed("remove"))


class CommitLog:
    """The log of the table at `location` (an absolute path or a URI); of no table, if there is none."""

    def __init__(self, location: str) -> None:
        self._location = location
        self._folder = None if "://" in location else Path(location) / "_delta_log"
        self._store: DeltaFileSystemHandler | None = None

    def newest(self) -> int:
        """The newest version, -1 if there is no table."""
        if self._folder is not None:
            return max(self.local_versions(), default=-1)
        try:
            return DeltaTable(self._location).version()
        except TableNotFoundError:
            return -1

    def local_versions(self) -> list[int]:
        """The versions whose commits a local log still has, in order."""
        try:
            names = os.listdir(self._folder) if self._folder is not None else []
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(int(match[1]) for match in map(_COMMIT.fullmatch, names) if match)

    def commit(self, version: int) -> Commit | None:
        """The commit of this version, None if the log does not have it (any more)."""
        try:
            text = self._read(f"{version:020d}.json")
        except (FileNotFoundError, NotADirectoryError, DeltaError):
            return None
        return Commit(version, tuple(json.loads(line) for line in text.splitlines() if line.strip()))

    def committed_at(self, version: int) -> datetime | None:
        """When this version was committed, by its writer's clock, in UTC; None if the log does not say."""
        commit = self.commit(version)
        stamp = None if commit is None else commit.note.get("timestamp")
        return None if stamp is None else datetime.fromtimestamp(stamp / 1000, timezone.utc)

    def _read(self, name: str) -> bytes:
        if self._folder is not None:
            return (self._folder / name).read_bytes()
        if self._store is None:
            self._store = DeltaFileSystemHandler(self._location, None)
        file = self._store.open_input_file(f"_delta_log/{name}")
        return file.read(file.size())


def row_count(file: dict[str, Any]) -> int | None:
    """The rows that an `add` or `remove` action stands for, without deleted ones; None if it has no statistics."""
    stats = file.get("stats")
    records = (json.loads(stats) if isinstance(stats, str) and stats else {}).get("numRecords")
    if records is None:
        return None
    return int(records) - int((file.get("deletionVector") or {}).get("cardinality", 0))
