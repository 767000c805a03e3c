"""The columns a query returns as plain values, and the empty query that stands for them before any table exists."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pyspark.sql import DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputColumn:
    """A column of a query's result. `type` is Spark SQL text that parses back to the same type."""

    name: str
    type: str
    nullable: bool = True
    comment: str | None = None


def output_columns(frame: DataFrame) -> tuple[OutputColumn, ...]:
    """The columns the frame returns, in order. Nothing is executed."""
    java_fields = frame._jdf.schema().fields()
    written: dict[str, str] = {}  # one call to Spark for each different type
    columns = []
    for index, field in enumerate(frame.schema.fields):
        key = field.dataType.json()
        if key not in written:
            written[key] = str(java_fields[index].dataType().sql())
        comment = field.metadata.get("comment")
        columns.append(OutputColumn(name=field.name, type=written[key], nullable=field.nullable, comment=comment))
    return tuple(columns)


def empty_select(columns: Iterable[OutputColumn]) -> str:
    """SQL text of a query with these columns and no rows; comments go into `view_columns`, a SELECT has none.

    >>> empty_select([OutputColumn(name="a b", type="DECIMAL(9,2)")])
    'SELECT CAST(NULL AS DECIMAL(9,2)) AS `a b` WHERE false'
    """
    typed = ", ".join(f"CAST(NULL AS {column.type}) AS {quote_identifier(column.name)}" for column in columns)
    return f"SELECT {typed} WHERE false"


def table_columns(columns: Iterable[OutputColumn]) -> str:
    """The parenthesised column list of a CREATE TABLE with these columns.

    >>> table_columns([OutputColumn(name="a b", type="DECIMAL(9,2)"), OutputColumn(name="c", type="INT")])
    '(`a b` DECIMAL(9,2), `c` INT)'
    """
    return f"({', '.join(f'{quote_identifier(column.name)} {column.type}' for column in columns)})"


def view_columns(columns: Iterable[OutputColumn]) -> str:
    """The parenthesised column list of a CREATE VIEW, which names the columns and keeps their comments.

    >>> view_columns([OutputColumn(name="a", type="INT", comment="the key"), OutputColumn(name="b", type="INT")])
    "(`a` COMMENT 'the key', `b`)"
    """
    return f"({', '.join(_view_column(column) for column in columns)})"


def quote_identifier(name: str) -> str:
    """A column or table name as Spark SQL text."""
    return "`" + name.replace("`", "``") + "`"


def quote_string(text: str) -> str:
    """A string literal as Spark SQL text."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
    return f"'{escaped}'"


def _view_column(column: OutputColumn) -> str:
    comment = f" COMMENT {quote_string(column.comment)}" if column.comment is not None else ""
    return quote_identifier(column.name) + comment
