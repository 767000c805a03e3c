"""The files that hold the rows which changed in a range of commits, read off the log's actions.

The bag of rows at the end is the bag at the start plus the rows of every file added with a data change minus those of
every file removed with one. Where the change feed is on, a commit that rewrote files also has `cdc` files, which hold
only the rows that really changed, and are read instead. (Delta protocol: "Add CDC File", "Deletion Vectors".)
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from lakehouse.storage.commit_log import Commit, row_count

_Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
_UUID_LENGTH = 20  # of a UUID in Z85
# How many rows of the change feed one row of a commit's own count is: an update has an image before and one after.
_ROW_METRICS: Mapping[str, Mapping[str, int]] = {
    "MERGE": {"numTargetRowsInserted": 1, "numTargetRowsUpdated": 2, "numTargetRowsDeleted": 1},
    "UPDATE": {"numUpdatedRows": 2},
    "DELETE": {"numDeletedRows": 1},
}


@dataclass(frozen=True, slots=True)
class SignedFile:
    """A data file (an `add` or `remove` action's contents) whose rows entered (1) or left (-1) the table."""

    sign: int
    action: dict[str, Any]

    @property
    def identity(self) -> tuple[str, str]:
        """A data file is another one with another deletion vector."""
        vector = self.action.get("deletionVector") or {}
        return self.action["path"], f"{vector.get('pathOrInlineDv', '')}@{vector.get('offset', '')}"


def signed_files(commits: Iterable[Commit]) -> list[SignedFile]:
    """The data files that entered and left over these commits; one that did both is in neither."""
    balance: dict[tuple[str, str], int] = {}
    known: dict[tuple[str, str], dict[str, Any]] = {}
    for commit in commits:
        for sign, kind in ((-1, "remove"), (1, "add")):
            for action in commit.changed(kind):
                file = SignedFile(sign, action)
                balance[file.identity] = balance.get(file.identity, 0) + sign
                if kind == "add" or file.identity not in known:  # an add has the statistics
                    known[file.identity] = action
    return [SignedFile(sign, known[identity]) for identity, sign in balance.items() if sign]


def feed_files(commits: Iterable[Commit]) -> list[dict[str, Any]]:
    """The files that the change feed of these commits is read from, as their actions' contents."""
    found: list[dict[str, Any]] = []
    for commit in commits:
        found += list(commit.of("cdc")) or [*commit.changed("add"), *commit.changed("remove")]
    return found


def first_missing(location: str, files: Iterable[Mapping[str, Any]]) -> str | None:
    """The first of these files, or of their deletion vectors, that the table's folder does not have (any more).

    Nothing is missing where the table is not in a local folder: looking would cost a request a file.
    """
    if "://" in location:
        return None
    root = Path(location)
    for file in files:
        for path in (file["path"], _vector_path(file.get("deletionVector") or {})):
            if path is not None and not _exists(root, path):
                return path
    return None


def byte_count(location: str, files: Iterable[Mapping[str, Any]]) -> int:
    """The size of these files; those whose action does not tell are looked at where they are local."""
    return sum(file["size"] if file.get("size") is not None else _local_size(location, file["path"]) for file in files)


def row_bound(commits: Iterable[Commit], rows_before: Callable[[], Mapping[str, int]]) -> int | None:
    """At most how many rows the change feed of these commits holds, None where the log does not tell.

    `rows_before` gives the rows of the files of the version before: asked for removals that come without statistics.
    """
    added_rows: dict[str, int] = {}
    total = 0

    def known() -> dict[str, int]:
        return {**rows_before(), **added_rows}

    for commit in commits:
        added, removed = commit.changed("add"), commit.changed("remove")
        counted = _by_metrics(commit)
        if counted is None and any(commit.of("cdc")):
            return None
        if counted is None:
            counted = _total_rows([*added, *removed], known)
        if counted is None:
            return None
        total += counted
        added_rows |= {file["path"]: count for file in added if (count := row_count(file)) is not None}
    return total


def file_rows(files: Sequence[SignedFile], rows_before: Callable[[], Mapping[str, int]]) -> int | None:
    """The rows of these files together, None where the log does not tell."""
    return _total_rows([file.action for file in files], rows_before)


def _total_rows(files: list[dict[str, Any]], known: Callable[[], Mapping[str, int]]) -> int | None:
    counts = [row_count(file) for file in files]
    if None in counts:
        rows = known()
        counts = [rows.get(file["path"]) if count is None else count for file, count in zip(files, counts, strict=True)]
    return None if None in counts else sum(count or 0 for count in counts)


def _by_metrics(commit: Commit) -> int | None:
    """The rows by the writer's own count: Spark writes numUpdatedRows as text, deltalake num_updated_rows."""
    weights = _ROW_METRICS.get(str(commit.note.get("operation")))
    metrics = {_camel(key): value for key, value in (commit.note.get("operationMetrics") or {}).items()}
    if weights is None or not all(str(metrics.get(name, "")).isdigit() for name in weights):
        return None
    return sum(int(metrics[name]) * weight for name, weight in weights.items())


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(part.capitalize() for part in others)


def _vector_path(vector: Mapping[str, Any]) -> str | None:
    """Where a deletion vector is kept: None if there is none, or if it is written in the log itself."""
    match vector.get("storageType"):
        case "u":
            text = str(vector["pathOrInlineDv"])
            prefix, encoded = text[:-_UUID_LENGTH], text[-_UUID_LENGTH:]
            name = f"deletion_vector_{uuid.UUID(bytes=_from_z85(encoded))}.bin"
            return f"{prefix}/{name}" if prefix else name
        case "p":
            return str(vector["pathOrInlineDv"])
        case _:
            return None


def _from_z85(text: str) -> bytes:
    found = b""
    for start in range(0, len(text), 5):
        value = 0
        for character in text[start : start + 5]:
            value = value * 85 + _Z85.index(character)
        found += value.to_bytes(4, "big")
    return found


def is_absolute(path: str) -> bool:
    """Whether a file of the log lies outside the table's folder, as in a shallow clone."""
    return path.startswith("/") or bool(urlsplit(path).scheme)


def _exists(root: Path, path: str) -> bool:
    found = _local_path(root, path)
    return found is None or found.exists()


def _local_path(root: Path, path: str) -> Path | None:
    parts = urlsplit(path)
    if parts.scheme and parts.scheme != "file":
        return None
    return root / unquote(parts.path if parts.scheme else path)


def _local_size(location: str, path: str) -> int:
    found = None if "://" in location else _local_path(Path(location), path)
    return found.stat().st_size if found is not None and found.exists() else 0
