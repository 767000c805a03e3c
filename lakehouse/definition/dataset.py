"""The nouns of a project. Each value says what is declared; none of them does anything.

Dataset            anything declared
  StreamingTable     appended by flows from files, each input row once
  MaterializedView   its rows are the result of its query
  TemporaryView      a named query other queries of the project may read; not stored
  ExternalTable      a Delta table that others write; read at a pinned version, never written
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from lakehouse.definition.expectation import Expectation
from lakehouse.errors import SourceLocation
from lakehouse.names import TableName


class SchemaEvolution(str, Enum):
    """What a load does with columns the table does not have."""

    ADD_COLUMNS = "add_columns"
    RESCUE = "rescue"
    FAIL = "fail"
    IGNORE = "ignore"


class OnChange(str, Enum):
    """What a load does when a file it loaded before has changed in place."""

    ERROR = "error"
    RELOAD = "reload"


class RefreshPolicy(str, Enum):
    """How a materialized view may be refreshed when its inputs changed."""

    AUTO = "auto"  # whatever is expected to cost least
    INCREMENTAL = "incremental"  # by what changed wherever that is possible
    INCREMENTAL_STRICT = "incremental_strict"  # by what changed, or not at all
    FULL = "full"  # always recomputed


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSource:
    """Files that feed a streaming table.

    `files` is a path or glob (`*`, `?`, `[…]`, `**`), relative to the project, or a URI. `options` go to Spark's
    reader. `schema` is a DDL string, or None to infer. `select` is SQL over the files, which it names
    `{source}`; None takes every column. `max_bad_files` is how many unreadable files a run tolerates.
    """

    files: str
    format: str
    options: tuple[tuple[str, str], ...] = ()
    schema: str | None = None
    schema_evolution: SchemaEvolution = SchemaEvolution.ADD_COLUMNS
    on_change: OnChange = OnChange.ERROR
    deduplicate_content: bool = False
    max_bad_files: int = 0
    select: str | None = None
    location: SourceLocation


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlQuery:
    """A query as Spark SQL text; `location` is where its text begins."""

    text: str
    location: SourceLocation


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonQuery:
    """A query as a function without arguments that returns a DataFrame.

    `code` identifies what the function computes: its own code and that of the project's functions it uses.
    """

    function: Callable[[], Any] = field(compare=False)
    code: str
    location: SourceLocation


Query = SqlQuery | PythonQuery


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """One way in which rows get into a streaming table."""

    name: str
    source: FileSource
    location: SourceLocation


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A declared column: its Spark SQL type, or None where the query decides; its comment; whether it may be null."""

    name: str
    type: str | None = None
    comment: str | None = None
    nullable: bool = True


PROPERTY_PREFIX = "lakehouse."
PROFILE_PROPERTY = f"{PROPERTY_PREFIX}profile"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How a stored dataset's table looks: everything but its rows."""

    columns: tuple[Column, ...] = ()
    properties: tuple[tuple[str, str], ...] = ()
    partition_by: tuple[str, ...] = ()
    cluster_by: tuple[str, ...] = ()
    primary_key: tuple[str, ...] = ()

    @property
    def is_profiled(self) -> bool:
        """Whether a profile of each version is asked for by a table property."""
        return dict(self.properties).get(PROFILE_PROPERTY, "").lower() == "true"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Anything declared. `location` is where."""

    name: TableName
    comment: str | None = None
    tags: tuple[str, ...] = ()
    location: SourceLocation


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamingTable(Dataset):
    """A stored dataset that flows append to."""

    flows: tuple[Flow, ...]
    layout: Layout = Layout()
    expectations: tuple[Expectation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MaterializedView(Dataset):
    """A stored dataset whose rows are the result of its query. `spark_conf` holds while it is computed."""

    query: Query
    layout: Layout = Layout()
    expectations: tuple[Expectation, ...] = ()
    spark_conf: tuple[tuple[str, str], ...] = ()
    refresh_policy: RefreshPolicy = RefreshPolicy.AUTO


@dataclass(frozen=True, slots=True, kw_only=True)
class TemporaryView(Dataset):
    """A query under a name; read by other datasets, not stored."""

    query: Query
    expectations: tuple[Expectation, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExternalTable(Dataset):
    """A Delta table outside the warehouse; `path` is a folder (relative to the project) or a URI."""

    path: str


StoredDataset = StreamingTable | MaterializedView
