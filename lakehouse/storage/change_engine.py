"""What the two engines that apply a change set have in common: where a table stands, what a commit says and did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from delta.exceptions.base import ConcurrentWriteException

TOO_MANY_ATTEMPTS = "DELTA_MAX_COMMIT_RETRIES_EXCEEDED"  # what Delta raises where it may not commit after another
LOST_RACE = "DELTA_CONCURRENT_WRITE"  # Delta's own condition: trying again, from the new version, may help


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """A table's newest version, and the last epoch that the application committed to it; -1 if none."""

    version: int
    epoch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitNote:
    """What a commit says of itself. `alone`: refuse rather than commit after another writer's commit that was not
    there when the engine was opened."""

    application: str
    epoch: int
    metadata: str
    alone: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCounts:
    """How many rows of the table a commit added, replaced by another, and removed."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0


class ChangeEngine(Protocol):
    """One staged change set and the engine that will apply it."""

    def open(self) -> Position:
        """Looks at the table as it is now; `apply` follows. Raises ConcurrentWriteException if it is no longer the
        table that the change was staged for."""
        ...

    def apply(self, note: CommitNote) -> RowCounts:
        """Makes one commit, whether or not the change has an effect. Raises ConcurrentWriteException, or another of
        Delta's conflicts, if another writer came in between."""
        ...

    def release(self, *, committed: bool) -> None:
        """Lets go of what staging took; deletes staged files if they were not committed."""
        ...


def lost_race(path: str, text: str) -> ConcurrentWriteException:
    """The error of a commit that another writer came before."""
    return ConcurrentWriteException(f"{text} (table {path})", errorClass=LOST_RACE)


def commit_settings(note: CommitNote) -> dict[str, str]:
    """The settings of a session in which Delta commits with this note."""
    settings = {"spark.databricks.delta.commitInfo.userMetadata": note.metadata}
    return {**settings, "spark.databricks.delta.maxCommitAttempts": "0"} if note.alone else settings
