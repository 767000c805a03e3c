"""What a table's log says happened between two of its versions: the facts that a refresh by change is planned from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class FeedObstacle(str, Enum):
    """Why the rows that changed between two versions cannot be known."""

    MISSING_COMMITS = "missing_commits"  # log files or data files of the range are gone (VACUUM, log clean-up)
    SCHEMA_CHANGED = "schema_changed"  # columns were renamed, dropped or changed their type within the range
    REPLACED = "replaced"  # another table stands there now, or an older version than the one read before


class FeedReader(str, Enum):
    """What reads the changed rows rightly: a matter of the table's features and of what was recorded."""

    ANY = "any"  # the change feed, by Spark or by `deltalake`
    SPARK = "spark"  # the change feed, by Spark alone
    FILES = "files"  # no change feed: the rows of whole files that came minus those of files that went, by Spark


@dataclass(frozen=True, slots=True, kw_only=True)
class TableChange:
    """The commits of a table in (`from_version`, `to_version`].

    `changes_rows` is False if all of them left the rows as they were (OPTIMIZE, VACUUM, merges without effect, new
    columns). `append_only` means that they only added rows. `reader` says how the changed rows are read, `bytes` is
    what has to be read for it, and `rows` an upper bound of the rows it gives before they are netted (an update
    counts twice), or None where the log does not tell. `table_rows` and `table_bytes` are the table's size at
    `to_version` (None and 0 if only Spark can open it). With an `obstacle` the changed rows cannot be read, and
    `obstacle_text` says why in a clause.
    """

    from_version: int
    to_version: int
    changes_rows: bool
    append_only: bool = False
    reader: FeedReader = FeedReader.ANY
    rows: int | None = None
    bytes: int = 0
    table_rows: int | None = None
    table_bytes: int = 0
    obstacle: FeedObstacle | None = None
    obstacle_text: str = ""
