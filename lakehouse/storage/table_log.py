"""What a Delta table's own log says, without Spark: newest version, our last commit, whether others wrote after it.

A local log is read file by file from the newest backwards (0.1 ms a commit); elsewhere, and where old log files
are gone, through `deltalake`. (Delta protocol: "Delta Log Entries", "Commit Provenance Information".)
"""

from __future__ import annotations

from deltalake import DeltaTable
from deltalake.exceptions import TableNotFoundError

from lakehouse.plan.records import RefreshRecord, TableFacts
from lakehouse.storage.commit_log import Commit, CommitLog

# Operations that move rows between files but change none of them.
_MAINTENANCE = frozenset({"OPTIMIZE", "VACUUM START", "VACUUM END", "CHECKPOINT", "REORG"})


def read_table_facts(location: str) -> TableFacts:
    """The facts of the Delta table at `location` (an absolute path or a URI); of no table, if there is none."""
    if "://" in location:
        return _through_deltalake(location)
    log = CommitLog(location)
    newest = log.newest()
    if newest < 0:
        return TableFacts()
    return _walk_back(log, newest) or _through_deltalake(location)


def newest_version(location: str) -> int:
    """The newest version of the table at `location`, -1 if there is no table."""
    return CommitLog(location).newest()


def version_of_epoch(location: str, application: str, epoch: int) -> int | None:
    """The version whose commit carries this transaction identifier; None where the log no longer has it."""
    log = CommitLog(location)
    for version in range(log.newest(), -1, -1):
        commit = log.commit(version)
        if commit is None:
            return None
        if any(txn["appId"] == application and txn["version"] == epoch for txn in commit.of("txn")):
            return version
    return None


def rows_changed_between(location: str, after: int, until: int) -> bool:
    """Whether a commit in (after, until] added or removed rows; True where the log no longer tells."""
    log = CommitLog(location)
    commits = [log.commit(version) for version in range(after + 1, until + 1)]
    return after > until or any(commit is None or commit.changes_rows for commit in commits)


def _walk_back(log: CommitLog, newest: int) -> TableFacts | None:
    foreign = False
    for version in range(newest, -1, -1):
        commit = log.commit(version)
        if commit is None:
            return None  # a gap: older commits live in a checkpoint only
        record = _record_of(commit)
        if record is not None:
            return TableFacts(version=newest, record=record, record_version=version, foreign_change=foreign)
        foreign = foreign or commit.changes_rows
    return TableFacts(version=newest, foreign_change=foreign)


def _record_of(commit: Commit) -> RefreshRecord | None:
    metadata = commit.note.get("userMetadata")
    return RefreshRecord.from_json(metadata if isinstance(metadata, str) else None)


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
