"""What happened to a table between two versions, read from its log without Spark: which rows can have changed, how
many, and what reads them. Milliseconds for a local log.

Which reader is right is settled here, from what the commits hold. `deltalake` reads change feeds ten times faster
than Spark, but it returns wrong rows where deletion vectors have to be compared and wrong instants outside 1677 to
2262, and it fails on column mapping and on partition values that are escaped in paths. Where no feed was recorded, a
VACUUM took it, or its writer is known to get it wrong, whole files are compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from typing import Any

from deltalake import DeltaTable

from lakehouse.plan.column_changes import breaking_change, changed_inside
from lakehouse.plan.table_change import FeedObstacle, FeedReader, TableChange
from lakehouse.storage.changed_files import (
    byte_count,
    feed_files,
    file_rows,
    first_missing,
    is_absolute,
    row_bound,
    signed_files,
)
from lakehouse.storage.commit_log import Commit, CommitLog
from lakehouse.storage.instant_range import has_instants, instants_fit
from lakehouse.storage.table_contents import read_files, total_rows
from lakehouse.storage.table_metadata import (
    TableMetadata,
    metadata_at,
    metadata_of_action,
    metadata_of_table,
    open_version,
)

_LONGEST_WALK = 1000  # commits; 0.1 ms each
_PLAIN_VALUE = re.compile(r"[\w.\-]*", re.ASCII)  # partition values that stand in paths as they are
_UNDERSTOOD = frozenset({"timestampNtz", "columnMapping", "deletionVectors", "vacuumProtocolCheck", "v2Checkpoint"})


def read_table_change(location: str, from_version: int, to_version: int, *, identity: str | None = None) -> TableChange:
    """What the commits in (`from_version`, `to_version`] of the table at `location` (absolute path or URI) did.

    `identity` is what `commit_identity` gave for `from_version` when that version was read. Without it a table that
    was dropped, made again and has reached `to_version` since cannot be told from the one read before.
    """
    log = CommitLog(location)
    if to_version < from_version:
        return _obstructed(from_version, to_version, FeedObstacle.REPLACED, f"the table is at version {to_version} now")
    commits, missing = [], None
    for version in range(from_version + 1, to_version + 1):
        commit = log.commit(version)
        if commit is None:
            missing = f"commit {version} is no longer in the log"
            break
        commits.append(commit)
    table = open_version(location, to_version)
    newest = metadata_of_table(table) if table is not None else metadata_at(location, to_version)
    steps = [metadata_of_action(action) for commit in commits for action in commit.of("metaData")]
    before = newest if not steps and missing is None else metadata_at(location, from_version)
    if identity is not None and not _is_same(identity, log, from_version, before or newest):
        text = f"version {from_version} is another table's than the one read before"
        return _obstructed(from_version, to_version, FeedObstacle.REPLACED, text)
    if missing is None and (newest is None or before is None):
        missing = f"the columns of version {from_version if before is None else to_version} are no longer in the log"
    if missing is not None or newest is None or before is None:
        return _obstructed(from_version, to_version, FeedObstacle.MISSING_COMMITS, missing or "", table)
    if broken := _broken_columns([before, *steps]):
        return _obstructed(from_version, to_version, FeedObstacle.SCHEMA_CHANGED, broken, table)
    return _change(location, commits, [before, *steps, newest], table) if commits else _unchanged(to_version, table)


def data_version(location: str) -> int:
    """The newest version that changed rows or columns, -1 if there is no table.

    Goes back over maintenance, at most 1,000 commits and not past the end of the log: it may give a newer version
    then, never an older one. Rows are the same from there to the newest version; read the newest one, as the files
    of older ones may be gone.
    """
    log = CommitLog(location)
    newest = log.newest()
    for version in range(newest, max(newest - _LONGEST_WALK, 0), -1):
        commit = log.commit(version)
        if commit is None or commit.changes_rows or _changes_columns(location, commit):
            return version
    return max(newest - _LONGEST_WALK, min(newest, 0))


def commit_identity(location: str, version: int) -> str | None:
    """What tells this version from one of the same number in another table at this place, None if the log has no
    such version: the table's id and the commit's time in milliseconds."""
    metadata = metadata_at(location, version)
    if metadata is None:
        return None
    commit = CommitLog(location).commit(version)
    return f"{metadata.table_id}@{_time(commit) if commit is not None else ''}"


def _is_same(identity: str, log: CommitLog, version: int, metadata: TableMetadata | None) -> bool:
    """Whether this version is the one with that identity, as far as the log still tells."""
    table_id, _, time = identity.rpartition("@")
    commit = log.commit(version)
    if metadata is not None and metadata.table_id != table_id:
        return False
    return commit is None or not time or _time(commit) == time


def _time(commit: Commit) -> str:
    return str(commit.note.get("inCommitTimestamp") or commit.note.get("timestamp") or "")


def _changes_columns(location: str, commit: Commit) -> bool:
    """Whether a commit gave the table other columns; one that sets properties repeats the columns as they are."""
    for action in commit.of("metaData"):
        before = metadata_at(location, commit.version - 1)
        if before is None or _columns(before) != _columns(metadata_of_action(action)):
            return True
    return False


def _columns(metadata: TableMetadata) -> list[tuple[str, Any]]:
    return [(field["name"], field["type"]) for field in metadata.schema["fields"]]


def _broken_columns(steps: list[TableMetadata]) -> str | None:
    for before, after in pairwise(steps):
        if before.partition_by != after.partition_by:
            return "the table is partitioned by other columns now"
        if before.column_mapping != after.column_mapping:
            return "columns are stored under other names now"
        if broken := breaking_change(before.schema, after.schema):
            return broken
    return None


def _obstructed(
    from_version: int, to_version: int, obstacle: FeedObstacle, text: str, table: DeltaTable | None = None
) -> TableChange:
    rows, length = _size(table)
    return TableChange(
        from_version=from_version,
        to_version=to_version,
        changes_rows=True,
        table_rows=rows,
        table_bytes=length,
        obstacle=obstacle,
        obstacle_text=text,
    )


def _unchanged(version: int, table: DeltaTable | None) -> TableChange:
    rows, length = _size(table)
    return TableChange(
        from_version=version, to_version=version, changes_rows=False, table_rows=rows, table_bytes=length
    )


def _size(table: DeltaTable | None) -> tuple[int | None, int]:
    files = read_files(table) if table is not None else []
    return (total_rows(files) if table is not None else None), sum(file.length for file in files)


def _change(location: str, commits: list[Commit], steps: list[TableMetadata], table: DeltaTable | None) -> TableChange:
    from_version, to_version = commits[0].version - 1, commits[-1].version
    moved = signed_files(commits)
    reader, missing = _reader(location, commits, steps)
    if missing is not None:
        text = f"file '{missing}' is gone"
        return _obstructed(from_version, to_version, FeedObstacle.MISSING_COMMITS, text, table)
    rows_before = cache(lambda: _rows_before(location, from_version))
    files = [file.action for file in moved] if reader is FeedReader.FILES else feed_files(commits)
    rows, length = _size(table)
    changes = any(commit.changes_rows for commit in commits)
    return TableChange(
        from_version=from_version,
        to_version=to_version,
        changes_rows=changes,
        append_only=changes and not any(commit.changed("remove") for commit in commits),
        reader=reader,
        rows=file_rows(moved, rows_before) if reader is FeedReader.FILES else row_bound(commits, rows_before),
        bytes=byte_count(location, files),
        table_rows=rows,
        table_bytes=length,
    )


def _reader(location: str, commits: list[Commit], steps: list[TableMetadata]) -> tuple[FeedReader, str | None]:
    """What reads these commits, and the file that is gone if nothing can."""
    is_recorded = all(step.has_feed for step in steps) and not any(map(_is_wrong_feed, commits))
    if is_recorded and first_missing(location, feed_files(commits)) is None:
        plain = _is_plain(commits, steps) and _has_plain_instants(location, commits, steps[-1])
        return (FeedReader.ANY if plain else FeedReader.SPARK), None
    moved = [file.action for file in signed_files(commits)]
    missing = first_missing(location, moved)
    if missing is None and steps[-1].partition_by:  # a remove need not repeat the file's partition
        missing = next((file["path"] for file in moved if file.get("partitionValues") is None), None)
    return FeedReader.FILES, missing


def _is_wrong_feed(commit: Commit) -> bool:
    """Whether the feed that a commit recorded may lack rows: that of an UPDATE by delta-rs (1.6 and before) does where
    a row becomes equal to one that the same file held."""
    writer = str(commit.note.get("clientVersion") or commit.note.get("engineInfo") or "")
    return commit.note.get("operation") == "UPDATE" and writer.startswith("delta-rs") and any(commit.of("cdc"))


def _is_plain(commits: list[Commit], steps: list[TableMetadata]) -> bool:
    """Whether `deltalake` reads the feed of these commits rightly."""
    newest = steps[-1]
    fields = {field["name"]: field for field in newest.schema["fields"]}
    return (
        newest.features <= _UNDERSTOOD
        and newest.column_mapping == "none"
        # It makes a column without a type of a partition's NULL, and then cannot join it with the others.
        and not any(None in (file.get("partitionValues") or {}).values() for file in feed_files(commits))
        and not any(changed_inside(step.schema, newest.schema) for step in steps)
        and not any("__CHAR_VARCHAR_TYPE_STRING" in (field.get("metadata") or {}) for field in fields.values())
        and not any(fields[column]["type"] == "timestamp" for column in newest.partition_by)
        and all(_is_plain_file(file) for commit in commits for file in _files(commit))
        # Where the commit has files of its feed, no vectors are compared.
        and not any(file.get("deletionVector") for file in feed_files(commits))
    )


def _has_plain_instants(location: str, commits: list[Commit], newest: TableMetadata) -> bool:
    if not has_instants(newest.schema):
        return True
    return instants_fit(newest.schema, commits, open_version(location, commits[0].version - 1))


def _files(commit: Commit) -> Iterator[Mapping[str, Any]]:
    for kind in ("add", "remove", "cdc"):
        yield from commit.of(kind)


def _is_plain_file(file: Mapping[str, Any]) -> bool:
    values = (file.get("partitionValues") or {}).values()
    return (
        "%" not in file["path"]
        and not is_absolute(file["path"])
        and all(_PLAIN_VALUE.fullmatch(value or "") for value in values)
    )


def _rows_before(location: str, version: int) -> dict[str, int]:
    """The rows of each file of a version, as far as they are known."""
    table = open_version(location, version)
    files = read_files(table) if table is not None else []
    return {file.path: file.rows for file in files if file.rows is not None}
