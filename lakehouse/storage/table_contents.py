"""What one version of a Delta table holds, by its log alone: columns, counts, size. No rows are read, no Spark."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from arro3.core import Table
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from lakehouse.plan.cost import WrittenTable
from lakehouse.storage.table_shape import VECTORS, is_on

_SQL_NAMES = {"long": "BIGINT", "integer": "INT", "short": "SMALLINT", "byte": "TINYINT"}
_CONCURRENT = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredColumn:
    """A column of a table as its log has it; `type` as Spark SQL writes it."""

    name: str
    type: str
    nullable: bool
    comment: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableContents:
    """One version of a table. `rows` is None where a file came without statistics; `length` in bytes."""

    version: int
    rows: int | None
    files: int
    length: int
    columns: tuple[StoredColumn, ...]
    properties: Mapping[str, str]
    partition_by: tuple[str, ...]
    comment: str | None


def read_contents(location: str, version: int) -> TableContents | None:
    """The table at `location` (an absolute path or a URI) as of `version`; None if that version cannot be opened."""
    try:
        table = DeltaTable(location, version=version)
        files = read_files(table)
    except (TableNotFoundError, DeltaError, OSError):
        return None
    metadata = table.metadata()
    return TableContents(
        version=version,
        rows=total_rows(files),
        files=len(files),
        length=sum(file.length for file in files),
        columns=tuple(
            StoredColumn(
                name=field["name"],
                type=sql_type(field["type"]),
                nullable=field["nullable"],
                comment=field["metadata"].get("comment"),
            )
            for field in json.loads(table.schema().to_json())["fields"]
        ),
        properties=dict(sorted(metadata.configuration.items())),
        partition_by=tuple(metadata.partition_columns),
        comment=metadata.description,
    )


def read_written(location: str, version: int) -> WrittenTable | None:
    """What a merge into the table as of `version` has to rewrite; None if that version cannot be opened."""
    found = read_contents(location, version)
    if found is None:
        return None
    return WrittenTable(files=found.files, bytes=found.length, marks_rows=is_on(found.properties, VECTORS))


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A data file of one version: `rows` without deleted ones, None without statistics; `length` in bytes."""

    path: str
    rows: int | None
    length: int


def read_files(table: DeltaTable) -> list[StoredFile]:
    """The data files of an opened table."""
    actions = Table.from_arrow(table.get_add_actions(flatten=True))
    count = actions.num_rows
    rows = _column(actions, "num_records") or [None] * count
    deleted = _column(actions, "deletion_vector.cardinality") or [None] * count
    return [
        StoredFile(path, None if number is None else number - (gone or 0), length)
        for path, number, gone, length in zip(
            _column(actions, "path"), rows, deleted, _column(actions, "size_bytes"), strict=True
        )
    ]


def total_rows(files: Iterable[StoredFile]) -> int | None:
    """The rows of these files together, None if one came without statistics."""
    counts = [file.rows for file in files]
    return None if None in counts else sum(count or 0 for count in counts)


def read_all_contents(versions: Iterable[tuple[str, int]]) -> list[TableContents | None]:
    """`read_contents` of many tables at once."""
    with ThreadPoolExecutor(_CONCURRENT) as pool:
        return list(pool.map(lambda wanted: read_contents(*wanted), versions))


def sql_type(kind: Any) -> str:
    """A type of the Delta protocol's schema as Spark SQL writes it.

    >>> sql_type("long"), sql_type("decimal(9,2)"), sql_type({"type": "array", "elementType": "string"})
    ('BIGINT', 'DECIMAL(9,2)', 'ARRAY<STRING>')
    """
    if isinstance(kind, str):
        return _SQL_NAMES.get(kind, kind.upper())
    match kind["type"]:
        case "array":
            return f"ARRAY<{sql_type(kind['elementType'])}>"
        case "map":
            return f"MAP<{sql_type(kind['keyType'])}, {sql_type(kind['valueType'])}>"
        case "struct":
            fields = ", ".join(f"{field['name']}: {sql_type(field['type'])}" for field in kind["fields"])
            return f"STRUCT<{fields}>"
        case _:
            return str(kind["type"]).upper()


def _column(actions: Table, name: str) -> list[Any]:
    return list(actions.column(name).to_pylist()) if name in actions.column_names else []
