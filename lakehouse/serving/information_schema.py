"""`information_schema` for one principal: what it may know of, as queries over literal rows.

Names of views and columns are those of the SQL standard's information schema, as Unity Catalog has them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from lakehouse.catalog.policy import Rule
from lakehouse.catalog.table_access import ColumnAccess
from lakehouse.definition.sql_literals import identifier, literals
from lakehouse.names import RESERVED_SCHEMAS, TableName


class Catalogue(NamedTuple):
    """What there is for a principal: the tables it may know of, the columns it sees of those that it may read, and
    the grants that reach it on a table, in order."""

    catalog: str
    tables: tuple[TableName, ...]
    columns: Mapping[TableName, tuple[ColumnAccess, ...]]
    grants: Callable[[TableName], Iterable[Rule]]


_Row = tuple[object, ...]


def information_query(view: str, known: Catalogue) -> str:
    """The query of one of VIEWS."""
    columns, rows = VIEWS[view]
    found = [f"({literals(row)})" for row in rows(known)]
    names = ", ".join(map(identifier, columns))
    if found:
        return f"SELECT * FROM VALUES {', '.join(found)} AS t({names})"
    blank = ", ".join(f"CAST(NULL AS {kind}) AS {identifier(name)}" for name, kind in columns.items())
    return f"SELECT {blank} WHERE false"


def _catalogs(known: Catalogue) -> list[_Row]:
    return [(known.catalog,)]


def _schemata(known: Catalogue) -> list[_Row]:
    schemas = sorted({table.schema for table in known.tables})
    return [(known.catalog, schema) for schema in [*schemas, "information_schema"]]


def _tables(known: Catalogue) -> list[_Row]:
    own = [(known.catalog, table.schema, table.name, _kind(table), "NO", "DELTA") for table in known.tables]
    return [*own, *((known.catalog, "information_schema", view, "VIEW", "NO", "") for view in sorted(VIEWS))]


def _columns(known: Catalogue) -> list[_Row]:
    return [
        (known.catalog, table.schema, table.name, column.name, position, column.type, _data_type(column.type))
        for table, columns in sorted(known.columns.items())
        for position, column in enumerate(columns, start=1)
    ]


def _table_privileges(known: Catalogue) -> list[_Row]:
    return [
        (str(rule.principal), known.catalog, table.schema, table.name, rule.privilege.value, _from(rule, table))
        for table in known.tables
        for rule in known.grants(table)
    ]


def _kind(table: TableName) -> str:
    return "SYSTEM TABLE" if table.schema in RESERVED_SCHEMAS else "MANAGED"


def _data_type(kind: str) -> str:
    return kind.partition("<")[0].partition("(")[0]


def _from(rule: Rule, table: TableName) -> str:
    return "NONE" if len(rule.securable.path) == 3 else rule.securable.kind.value


_TABLE = {"table_catalog": "STRING", "table_schema": "STRING", "table_name": "STRING"}
VIEWS: Mapping[str, tuple[Mapping[str, str], Callable[[Catalogue], list[_Row]]]] = {
    "catalogs": ({"catalog_name": "STRING"}, _catalogs),
    "schemata": ({"catalog_name": "STRING", "schema_name": "STRING"}, _schemata),
    "tables": (
        {**_TABLE, "table_type": "STRING", "is_insertable_into": "STRING", "data_source_format": "STRING"},
        _tables,
    ),
    "columns": (
        {
            **_TABLE,
            "column_name": "STRING",
            "ordinal_position": "INT",
            "full_data_type": "STRING",
            "data_type": "STRING",
        },
        _columns,
    ),
    "table_privileges": (
        {"grantee": "STRING", **_TABLE, "privilege_type": "STRING", "inherited_from": "STRING"},
        _table_privileges,
    ),
}
"""Each view's columns with their types, and the rows of it."""
