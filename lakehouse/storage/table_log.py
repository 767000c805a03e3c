"""What a Delta table's own log says, without Spark: newest version, our last commit, whether others wrote after it.

A local log is read file by file from the newest backwards (0.1 ms a commit); elsewhere, and where old log files
are gone, through `deltalake`. (Delta protocol: "Delta Log Entries", "Commit Provenance Information".)
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from lakehouse.plan.records import RefreshRecord, TableFacts

_COMMIT = re.compile(r"(\d{20})\.json")
# Operations that move rows between files but change none of them.
_MAINTENANCE = frozenset({"OPTIMIZE", "VACUUM START", "VACUUM END", "CHECKPOINT", "REORG"})


def read_table_facts(location: str) -> TableFacts:
    """The facts of the Delta table at `location` (an absolute path or a URI); of no table, if there is none."""
    if "://" in location:
        return _through_deltalake(location)
    versions = _local_versions(Path(location) / "_delta_log")
    if not versions:
        return TableFacts()
    return _walk_back(Path(location) / "_delta_log", versions) or _through_deltalake(location)


def newest_version(location: str) -> int:
    """The newest version of the table at `location`, -1 if there is no table."""
    if "://" not in location:
        return max(_local_versions(Path(location) / "_delta_log"), default=-1)
    try:
        return DeltaTable(location).version()
    except TableNotFoundError:
        return -1


def version_of_epoch(location: str, application: str, epoch: int) -> int | None:
    """The version whose commit carries this transaction identifier; None where the log no longer has it.

    Away from local filesystems the identifier is told by the record in the commit.
    """
    if "://" in location:
        for commit in DeltaTable(location).history():
            record = RefreshRecord.from_json(commit.get("userMetadata"))
            if record is not None and record.epoch == epoch:
                return int(commit["version"])
        return None
    log = Path(location) / "_delta_log"
    for version in reversed(_local_versions(log)):
        for action in _actions(log / f"{version:020d}.json"):
            identifier = action.get("txn")
            if identifier and identifier["appId"] == application and identifier["version"] == epoch:
                return version
    return None


def rows_changed_between(location: str, after: int, until: int) -> bool:
    """Whether a commit in (after, until] added or removed rows; True where the log no longer tells."""
    if "://" in location:
        commits = [commit for commit in DeltaTable(location).history() if after < commit["version"] <= until]
        return len(commits) < until - after or any(commit.get("operation") not in _MAINTENANCE for commit in commits)
    log = Path(location) / "_delta_log"
    try:
        return after > until or any(
            _changes_rows(list(_actions(log / f"{version:020d}.json"))) for version in range(after + 1, until + 1)
        )
    except FileNotFoundError:
        return True


def _local_versions(log: Path) -> list[int]:
    try:
        names = os.listdir(log)
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(int(match[1]) for match in map(_COMMIT.fullmatch, names) if match)


def _walk_back(log: Path, versions: list[int]) -> TableFacts | None:
    newest, foreign, expected = versions[-1], False, versions[-1]
    for version in reversed(versions):
        if version != expected:
            return None  # a gap: older commits live in a checkpoint only
        commit = list(_actions(log / f"{version:020d}.json"))
        record = _record_of(commit)
        if record is not None:
            return TableFacts(version=newest, record=record, record_version=version, foreign_change=foreign)
        foreign = foreign or _changes_rows(commit)
        expected = version - 1
    return TableFacts(version=newest, foreign_change=foreign) if expected < 0 else None


def _actions(file: Path) -> Iterator[dict[str, dict[str, object]]]:
    with file.open(encoding="utf-8") as lines:
        for line in lines:
            if line.strip():
                yield json.loads(line)


def _record_of(commit: list[dict[str, dict[str, object]]]) -> RefreshRecord | None:
    for action in commit:
        if "commitInfo" in action:
            metadata = action["commitInfo"].get("userMetadata")
            return RefreshRecord.from_json(metadata if isinstance(metadata, str) else None)
    return None


def _changes_rows(commit: list[dict[str, dict[str, object]]]) -> bool:
    return any(
        action[kind].get("dataChange", True) for action in commit for kind in ("add", "remove") if kind in action
    )


def _through_deltalake(location: str) -> TableFacts:
    try:
        table = DeltaTable(location)
    except TableNotFoundError:
        return TableFacts()
    foreign = False
    for commit in table.history():
        record = RefreshRecord.from_json(commit.get("userMetadata"))
        if record is not None:
            return TableFacts(
                version=table.version(), record=record, record_version=commit["version"], foreign_change=foreign
            )
        foreign = foreign or commit.get("operation") not in _MAINTENANCE
    return TableFacts(version=table.version(), foreign_change=foreign)
