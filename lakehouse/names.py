"""Names of datasets. Case does not matter in Spark, so names are kept in lower case.

A table is `schema.name`; a temporary view has no schema. The project's own catalog may stand in front and is
dropped: one project writes into one catalog.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lakehouse.errors import InvalidValue, SourceLocation

RESERVED_SCHEMAS = frozenset({"system", "quarantine"})

_PART = re.compile(r"`((?:[^`]|``)+)`|([^.`\s]+)")
_LEGAL = re.compile(r"\w+")


@dataclass(frozen=True, slots=True, order=True)
class TableName:
    """`schema.name`, lower case; `schema` is empty for a temporary view."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name

    @property
    def quoted(self) -> str:
        """The name as Spark SQL text."""
        return f"`{self.schema}`.`{self.name}`" if self.schema else f"`{self.name}`"


def quarantine_name(name: TableName) -> TableName:
    """The table of the rows that a dataset's expectations set aside.

    >>> str(quarantine_name(TableName("silver", "flights")))
    'quarantine.silver_flights'
    """
    return TableName("quarantine", f"{name.schema}_{name.name}")


def split_name(text: str, *, where: SourceLocation | None = None) -> tuple[str, ...]:
    """The parts of a dotted name, unquoted and in lower case.

    >>> split_name("main.`Silver`.flights")
    ('main', 'silver', 'flights')
    """
    parts: list[str] = []
    position = 0
    while True:
        match = _PART.match(text, position)
        if match is None:
            raise InvalidValue(f"'{text}' is not a table name; expected [catalog.][schema.]name.", where=where)
        parts.append((match.group(1) or match.group(2)).replace("``", "`").lower())
        position = match.end()
        if position == len(text):
            return tuple(parts)
        if text[position] != ".":
            raise InvalidValue(f"'{text}' is not a table name; expected [catalog.][schema.]name.", where=where)
        position += 1


def is_legal(part: str) -> bool:
    """Whether a schema or a table may be called this: letters, digits and _.

    >>> is_legal("silver"), is_legal("a.b"), is_legal("")
    (True, False, False)
    """
    return _LEGAL.fullmatch(part) is not None


def parse_table_name(
    text: str, *, default_schema: str, catalog: str | None = None, where: SourceLocation | None = None
) -> TableName:
    """A declared or referenced table; an unqualified name gets `default_schema`.

    Raises InvalidValue for a foreign catalog, more than three parts, or characters other than letters, digits, _.
    """
    parts = split_name(text.strip(), where=where)
    own_catalogs = {"spark_catalog", *([catalog.lower()] if catalog else [])}
    if len(parts) == 3:
        if parts[0] not in own_catalogs:
            raise InvalidValue(
                f"'{text}' names the catalog '{parts[0]}', but the project writes to '{catalog or 'spark_catalog'}'.",
                where=where,
            )
        parts = parts[1:]
    if len(parts) > 2:
        raise InvalidValue(f"'{text}' has too many parts; expected [catalog.][schema.]name.", where=where)
    for part in parts:
        if not is_legal(part):
            raise InvalidValue(f"'{part}' in '{text}' may hold letters, digits and _ only.", where=where)
    schema, name = parts if len(parts) == 2 else (default_schema.lower(), parts[0])
    return TableName(schema, name)
