"""The name under which something is declared: DLT's `LIVE.` is dropped, the framework's own schemas are refused."""

from __future__ import annotations

from lakehouse.definition.project import ProjectSpec
from lakehouse.errors import InvalidValue, SourceLocation
from lakehouse.names import RESERVED_SCHEMAS, TableName, parse_table_name, split_name


def table_name(text: str, spec: ProjectSpec, where: SourceLocation) -> TableName:
    """The name of a declared table; an unqualified one gets the project's database.

    Raises InvalidValue for a foreign catalog, illegal characters, or a schema that the framework keeps for itself.
    """
    name = parse_table_name(
        without_prefix(text, spec.catalog), default_schema=spec.database, catalog=spec.catalog, where=where
    )
    if name.schema in RESERVED_SCHEMAS:
        raise InvalidValue(
            f"'{name}' cannot be declared: the schema '{name.schema}' is the framework's own.",
            where=where,
            hint="Choose another schema.",
        )
    return name


def view_name(text: str, spec: ProjectSpec, where: SourceLocation) -> TableName:
    """The name of a temporary view, which has no schema. Raises InvalidValue if one is given."""
    name = parse_table_name(without_prefix(text, spec.catalog), default_schema="", catalog=spec.catalog, where=where)
    if name.schema:
        raise InvalidValue(
            f"the temporary view '{name}' cannot be in a schema.",
            where=where,
            hint=f"Name it '{name.name}', or declare a materialized view.",
        )
    return name


def without_prefix(name: str, catalog: str | None) -> str:
    """A dotted name without `LIVE.` or the project's own catalog in front; other names stay as they are written.

    >>> without_prefix("LIVE.flights", None), without_prefix("main.silver.flights", "main")
    ('flights', 'silver.flights')
    """
    first, dot, rest = name.strip().partition(".")
    leading = first.strip("`").lower()
    if not dot:
        return name
    if leading == "live" and leading != (catalog or "").lower():
        return rest
    is_catalog = catalog is not None and leading == catalog.lower() and len(split_name(name.strip())) == 3
    return rest if is_catalog else name
