"""What Flight SQL's metadata commands answer, as Arrow tables. Columns and order: FlightSql.proto of Apache Arrow."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from lakehouse.serving.gateway.messages import GetSchemas, GetTables
from lakehouse.serving.gateway.query_service import TableEntry

TABLE_TYPES = ("TABLE", "VIEW")


def _required(name: str, kind: Any) -> Any:
    return pa.field(name, kind, nullable=False)


CATALOGS = pa.schema([_required("catalog_name", pa.string())])
SCHEMAS = pa.schema([pa.field("catalog_name", pa.string()), _required("db_schema_name", pa.string())])
TABLES = pa.schema(
    [
        pa.field("catalog_name", pa.string()),
        pa.field("db_schema_name", pa.string()),
        _required("table_name", pa.string()),
        _required("table_type", pa.string()),
    ]
)
TABLES_WITH_COLUMNS = TABLES.append(_required("table_schema", pa.binary()))
KINDS = pa.schema([_required("table_type", pa.string())])
PRIMARY_KEYS = pa.schema(
    [
        pa.field("catalog_name", pa.string()),
        pa.field("db_schema_name", pa.string()),
        _required("table_name", pa.string()),
        _required("column_name", pa.string()),
        pa.field("key_name", pa.string()),
        _required("key_sequence", pa.int32()),
    ]
)
FOREIGN_KEYS = pa.schema(
    [
        *(
            pa.field(f"{side}_{name}", pa.string(), nullable=name not in ("table_name", "column_name"))
            for side in ("pk", "fk")
            for name in ("catalog_name", "db_schema_name", "table_name", "column_name")
        ),
        _required("key_sequence", pa.int32()),
        pa.field("fk_key_name", pa.string()),
        pa.field("pk_key_name", pa.string()),
        _required("update_rule", pa.uint8()),
        _required("delete_rule", pa.uint8()),
    ]
)


def catalogs_table(names: Iterable[str]) -> Any:
    """The answer to GetCatalogs."""
    return pa.table([pa.array(sorted(names), pa.string())], schema=CATALOGS)


def schemas_table(found: Iterable[tuple[str, str]], asked: GetSchemas) -> Any:
    """The answer to GetDbSchemas."""
    rows = sorted(
        (catalog, schema)
        for catalog, schema in found
        if asked.catalog in (None, catalog) and is_like(schema, asked.schema_pattern)
    )
    return _table(rows, SCHEMAS)


def tables_table(found: Iterable[TableEntry], asked: GetTables) -> Any:
    """The answer to GetTables. A table whose columns are not to be known has none."""
    rows: list[tuple[Any, ...]] = []
    for entry in found:
        named = is_like(entry.schema, asked.schema_pattern) and is_like(entry.name, asked.table_pattern)
        if named and asked.catalog in (None, entry.catalog) and (not asked.types or entry.kind in asked.types):
            row = (entry.catalog, entry.schema, entry.name, entry.kind)
            rows.append((*row, _serialized(entry)) if asked.with_columns else row)
    return _table(sorted(rows, key=lambda row: tuple(row[:4])), TABLES_WITH_COLUMNS if asked.with_columns else TABLES)


def table_types_table() -> Any:
    """The answer to GetTableTypes."""
    return _table([(kind,) for kind in TABLE_TYPES], KINDS)


def no_keys_table(*, foreign: bool) -> Any:
    """The answer to what asks for keys: none are declared to clients."""
    return (FOREIGN_KEYS if foreign else PRIMARY_KEYS).empty_table()


def is_like(text: str, pattern: str | None) -> bool:
    """Whether a name satisfies a pattern of LIKE, whatever the case; None is satisfied by all.

    >>> is_like("orders", "ord%"), is_like("a_b", "a\\\\_b"), is_like("axb", "a\\\\_b"), is_like("Ab", "_B")
    (True, True, False, True)
    """
    if pattern is None:
        return True
    wanted = re.sub(r"\\(.)|(.)", _as_expression, pattern, flags=re.DOTALL)
    return re.fullmatch(wanted, text, re.IGNORECASE | re.DOTALL) is not None


def _as_expression(match: re.Match[str]) -> str:
    if match.group(1) is not None:
        return re.escape(match.group(1))
    return {"%": ".*", "_": "."}.get(match.group(2), re.escape(match.group(2)))


def _serialized(entry: TableEntry) -> bytes:
    columns = pa.schema([]) if entry.columns is None else entry.columns
    place = {"CATALOG_NAME": entry.catalog, "DB_SCHEMA_NAME": entry.schema, "TABLE_NAME": entry.name}
    told = {**{f"ARROW:FLIGHT:SQL:{key}": value for key, value in place.items()}, "ARROW:FLIGHT:SQL:IS_READ_ONLY": "1"}
    return bytes(pa.schema([column.with_metadata(told) for column in columns]).serialize())


def _table(rows: Sequence[Sequence[Any]], schema: Any) -> Any:
    columns = [pa.array([row[index] for row in rows], field.type) for index, field in enumerate(schema)]
    return pa.table(columns, schema=schema)
