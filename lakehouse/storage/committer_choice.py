"""Who applies a change set: `deltalake`, in milliseconds, or Spark, in seconds, for what is large or needs it; to a
table with deletion vectors `vector_merge`, which rewrites no file.

Never a difference in result, so `deltalake` gets only what it is known to write exactly as Spark does: everything
not on a list of known things is Spark's. Its known gaps: features it refuses; timestamps as partition values are
written in UTC and read by Spark in the session's zone; lengths of char and varchar are not checked; conditions in
CHECK are another dialect; NaN is looked for bit by bit, and there are several; small negative decimals become
partition values that no one can read (-0.008 is written as 0.0-8); it cannot read the change feed of partitions whose
folder names are escaped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from lakehouse.storage.table_shape import TableColumn, TableShape


class Committer(str, Enum):
    """Which engine applies a change set."""

    DELTALAKE = "deltalake"
    VECTORS = "vectors"  # marks rows in the files where they are
    SPARK = "spark"


class CommitterReason(str, Enum):
    """Why it does."""

    FITS = "fits"  # nothing speaks against deltalake
    UNREADABLE = "unreadable"  # deltalake cannot open the table
    FEATURE = "feature"  # a table feature or setting
    CONSTRAINT = "constraint"
    COLUMN = "column"  # a column's type, name or metadata
    PARTITION = "partition"  # a partition column's type, or a partition value
    CHANGE_SIZE = "change_size"
    TABLE_SIZE = "table_size"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitterChoice:
    """The engine, why it and not the other, and the reason as a clause for people."""

    committer: Committer
    reason: CommitterReason
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSize:
    """A change set as far as it matters here: rows, bytes in memory, how many rows look for a row of the table
    (the others are added unseen), the columns that are compared to do so, whether NaN is among the values sought, and
    texts that become partition values."""

    rows: int
    bytes: int
    seeking: int = 0
    compared: tuple[str, ...] = ()
    seeks_nan: bool = False
    partition_texts: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitterLimits:
    """From where on Spark is the better choice. The driver holds a change set several times over while `deltalake`
    merges it; a merge into a large table may rewrite most of its files, which Spark does with all its cores."""

    rows: int = 1_000_000
    bytes: int = 256 << 20
    table_bytes: int = 4 << 30


LIMITS = CommitterLimits()
UTC_ZONES = frozenset({"UTC", "Etc/UTC", "GMT", "Z", "+00:00"})

_FEATURES = frozenset(
    {"appendOnly", "invariants", "checkConstraints", "changeDataFeed", "generatedColumns", "columnMapping"}
    | {"timestampNtz", "vacuumProtocolCheck"}
)  # may be in the protocol; whether one is in use is told by settings and columns
_UNUSED = frozenset({None, "", "false", "none"})
_WITH_VECTORS = frozenset({"deletionVectors", "clustering", "domainMetadata"})  # the commit is Delta's own then
_SWITCHES = {
    "delta.appendOnly": "may only be added to",
    "delta.columnMapping.mode": "maps column names",
    "delta.enableRowTracking": "tracks rows",
    "delta.enableInCommitTimestamps": "keeps commit times in its commits",
    "delta.enableTypeWidening": "widens types",
}
_PRIMITIVES = frozenset(
    {"string", "long", "integer", "short", "byte", "float", "double", "boolean", "binary", "date"}
    | {"timestamp", "timestamp_ntz"}
)
_DECIMAL = re.compile(r"decimal\(\d+,\s*\d+\)")
_SOUGHT_TYPES = frozenset({"string", "long", "integer", "short", "byte", "boolean", "date"})
_PARTITION_TYPES = frozenset({"string", "long", "integer", "short", "byte", "boolean", "date"})
_PLAIN_TEXT = re.compile(r"[A-Za-z0-9_.-]+")
_ODD_NAME = re.compile(r"[\"'`.\\\x00-\x1f]")


def choose_committer(
    change: ChangeSize, table: TableShape | None, zone: str, limits: CommitterLimits = LIMITS
) -> CommitterChoice:
    """Which engine applies `change` to `table` (None if `deltalake` cannot open it), and why.

    `zone` is the time zone of the Spark session. Pure. Whatever is not known to be safe is Spark's.
    """
    if table is None:
        return _spark(CommitterReason.UNREADABLE, "deltalake cannot open the table")
    for rule in _RULES:
        found = rule(change, table, zone)
        if found is not None:
            return found
    return _by_vectors(change, table, limits) if table.has_vectors else _by_size(change, table, limits)


def needs_escaping(text: str) -> bool:
    """Whether a partition value is spelled differently in the name of its folder.

    >>> needs_escaping("2026-01-05"), needs_escaping("a b"), needs_escaping("é"), needs_escaping("")
    (False, True, True, True)
    """
    return _PLAIN_TEXT.fullmatch(text) is None


def is_flat(kind: Any) -> bool:
    """Whether a type of the Delta protocol is one that both engines compare alike, and not nested."""
    return isinstance(kind, str) and (kind in _PRIMITIVES or _DECIMAL.fullmatch(kind) is not None)


def _by_size(change: ChangeSize, table: TableShape, limits: CommitterLimits) -> CommitterChoice:
    if change.rows > limits.rows or change.bytes > limits.bytes:
        size = f"{change.rows:,} rows of {change.bytes >> 20:,} MiB"
        return _spark(CommitterReason.CHANGE_SIZE, f"the change set is large ({size})")
    if change.seeking and table.bytes > limits.table_bytes:
        return _spark(CommitterReason.TABLE_SIZE, f"the table is large ({table.bytes >> 20:,} MiB)")
    return CommitterChoice(
        committer=Committer.DELTALAKE,
        reason=CommitterReason.FITS,
        text=f"{change.rows:,} rows fit the driver and nothing in the table needs Spark",
    )


def _by_vectors(change: ChangeSize, table: TableShape, limits: CommitterLimits) -> CommitterChoice:
    marks = "the table marks deleted rows by deletion vectors"
    if not table.is_local:
        return _spark(CommitterReason.FEATURE, f"{marks}, and is not in a local folder")
    if table.partition_by:
        return _spark(CommitterReason.PARTITION, f"{marks}, and is partitioned")
    nested = [column.name for column in table.columns if not is_flat(column.type)]
    if nested:
        return _spark(CommitterReason.COLUMN, f"{marks}, and column '{nested[0]}' is nested")
    if change.seeking and not any(table.column(name).type in _SOUGHT_TYPES for name in change.compared):
        return _spark(CommitterReason.COLUMN, f"{marks}, and no column can be looked for by its values")
    found = _by_size(replace(change, seeking=0), table, limits)  # whatever the table's size: no file is rewritten
    return replace(found, committer=Committer.VECTORS) if found.committer is Committer.DELTALAKE else found


def _features(change: ChangeSize, table: TableShape, zone: str) -> CommitterChoice | None:
    unknown = sorted(table.features - _FEATURES - (_WITH_VECTORS if table.has_vectors else frozenset()))
    if unknown:
        return _spark(CommitterReason.FEATURE, f"the table has {', '.join(unknown)}")
    for switch, text in _SWITCHES.items():
        if table.configuration.get(switch, "").lower() not in _UNUSED:
            return _spark(CommitterReason.FEATURE, f"the table {text}")
    return None


def _constraints(change: ChangeSize, table: TableShape, zone: str) -> CommitterChoice | None:
    found = sorted(key for key in table.configuration if key.startswith("delta.constraints."))
    return _spark(CommitterReason.CONSTRAINT, f"the table has {found[0]}") if found else None


def _columns(change: ChangeSize, table: TableShape, zone: str) -> CommitterChoice | None:
    for column in table.columns:
        if obstacle := _obstacle(column):
            return _spark(CommitterReason.COLUMN, f"column '{column.name}' {obstacle}")
    nested = [name for name in change.compared if not is_flat(table.column(name).type)]
    if nested:
        return _spark(CommitterReason.COLUMN, f"rows are compared by the nested column '{nested[0]}'")
    if change.seeks_nan:
        return _spark(CommitterReason.COLUMN, "rows are compared by a column that is NaN")
    inner = [column.name for column in table.columns if not is_flat(column.type) and _has_floats(column.type)]
    if change.seeking and inner:
        return _spark(CommitterReason.COLUMN, f"floating point numbers are nested in column '{inner[0]}'")
    return None


def _obstacle(column: TableColumn) -> str | None:
    if column.marks:
        return f"has {min(column.marks)}"
    if _ODD_NAME.search(column.name):
        return "has an unusual name"
    return None if _is_written_alike(column.type) else f"is of type {column.type}"


def _is_written_alike(kind: Any) -> bool:
    if isinstance(kind, str):
        return is_flat(kind)
    match kind.get("type"):
        case "struct":
            # An inner NOT NULL is enforced by Spark alone.
            return all(
                field["nullable"] and not field["metadata"] and _is_written_alike(field["type"])
                for field in kind["fields"]
            )
        case "array":
            return bool(kind["containsNull"]) and _is_written_alike(kind["elementType"])
        case "map":
            nullable = bool(kind["valueContainsNull"])
            return nullable and _is_written_alike(kind["keyType"]) and _is_written_alike(kind["valueType"])
        case _:
            return False


def _has_floats(kind: Any) -> bool:
    if isinstance(kind, dict):
        return any(_has_floats(part) for part in kind.values())
    if isinstance(kind, list):
        return any(_has_floats(part["type"]) for part in kind)
    return kind in {"float", "double"}


def _partitions(change: ChangeSize, table: TableShape, zone: str) -> CommitterChoice | None:
    for name in table.partition_by:
        kind = table.column(name).type
        if kind not in _PARTITION_TYPES and not (kind == "timestamp" and zone in UTC_ZONES):
            return _spark(CommitterReason.PARTITION, f"it is partitioned by '{name}' of type {kind}")
    escaped = sorted(filter(needs_escaping, change.partition_texts))
    if escaped:
        return _spark(CommitterReason.PARTITION, f"the partition value '{escaped[0]}' is escaped in folder names")
    return None


def _spark(reason: CommitterReason, text: str) -> CommitterChoice:
    return CommitterChoice(committer=Committer.SPARK, reason=reason, text=text)


_Rule = Callable[[ChangeSize, TableShape, str], CommitterChoice | None]
_RULES: Iterable[_Rule] = (_features, _constraints, _columns, _partitions)
