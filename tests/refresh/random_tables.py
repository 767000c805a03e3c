"""Random source tables: typed columns of small domains, rows with NULLs and duplicates, and literals that hit them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa

Row = dict[str, Any]

FIRST_DAY = date(2026, 1, 5)
WORDS = ("", "a", "ab", "b", "ba", "Zz", "é")
NULL_SHARE = 0.15
ARROW_TYPES = {
    "int": pa.int32(),
    "bigint": pa.int64(),
    "decimal": pa.decimal128(10, 2),
    "double": pa.float64(),
    "string": pa.string(),
    "date": pa.date32(),
    "boolean": pa.bool_(),
}
# Columns that tables share, so that joins between them find partners: name, kind.
KEYS = (("k", "int"), ("g", "string"), ("h", "bigint"), ("y", "date"))
VALUES = (
    ("n", "int"),
    ("big", "bigint"),
    ("m", "decimal"),
    ("x", "double"),
    ("d", "date"),
    ("f", "boolean"),
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table or query. `domain` names the small set of values it draws from (for joins and groups), or
    is empty. An inexact column holds floating-point results that depend on the order of additions: it may be handed
    on, but nothing may be decided by it."""

    name: str
    kind: str
    domain: str = ""
    exact: bool = True

    @property
    def decides(self) -> bool:
        """Whether rows may be compared, grouped, joined or ordered by it."""
        return self.exact and self.kind != "array"

    def of(self, alias: str) -> Column:
        """The column as seen through a table alias."""
        return replace(self, name=f"{alias}.{self.name}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An external table and the features it is created with. `keyed`: `id` is unique, as long as changes keep it."""

    name: str
    columns: tuple[Column, ...]
    keyed: bool
    rows: tuple[Row, ...]
    files: int = 1
    change_feed: bool = True
    deletion_vectors: bool = False

    def features(self) -> str:
        """How it is created, in words."""
        named = {"change feed": self.change_feed, "deletion vectors": self.deletion_vectors, "unique id": self.keyed}
        return ", ".join([f"{len(self.rows)} rows in {self.files} files", *(name for name, on in named.items() if on)])


def random_source(rng: random.Random, name: str) -> Source:
    """A table with an id, two to four of the shared key columns and two to five columns of values."""
    keys = [KEYS[0], *rng.sample(KEYS[1:], rng.randint(1, 3))]
    values = [value for value in VALUES if rng.random() < 0.6] or [VALUES[0]]
    columns = (
        Column("id", "bigint"),
        *(Column(key, kind, domain=key) for key, kind in keys),
        *(Column(value, kind) for value, kind in values),
        Column("s", "string"),
    )
    keyed = rng.random() < 0.5
    count = rng.choice((0, 3, 10, 15, 20, 25, 30, 40))
    rows = [random_row(rng, columns, position if keyed else rng.randint(1, 9)) for position in range(1, count + 1)]
    if not keyed and rows:
        rows += [dict(rng.choice(rows)) for _ in range(rng.randint(0, 4))]
    return Source(
        name=name,
        columns=columns,
        keyed=keyed,
        rows=tuple(rows),
        files=rng.randint(1, 3),
        change_feed=rng.random() < 0.7,
        deletion_vectors=rng.random() < 0.25,
    )


def random_row(rng: random.Random, columns: Sequence[Column], identifier: int) -> Row:
    """One row; its `id` is `identifier`."""
    return {
        column.name: identifier
        if column.name == "id"
        else (None if rng.random() < NULL_SHARE else random_value(rng, column))
        for column in columns
    }


def random_value(rng: random.Random, column: Column) -> Any:
    """A value of the column's domain that is not NULL."""
    match column.kind, bool(column.domain):
        case (("int" | "bigint"), True):
            return rng.randint(0, 5)
        case "string", True:
            return rng.choice("abcdef")
        case "date", True:
            return FIRST_DAY + timedelta(days=rng.randint(0, 4))
        case "int", _:
            return rng.randint(-4, 12)
        case "bigint", _:
            return rng.choice((0, 1, 2, 3, 5, 8, -7, 4_000_000_000))
        case "decimal", _:
            return Decimal(rng.randint(-300, 900)).scaleb(-2)
        case "double", _:
            return rng.choice((0.1, 0.7, 1.5, -2.25, 3.0, 1e6, 1e-3, -0.0, float("nan"), float("inf")))
        case "string", _:
            return rng.choice(WORDS)
        case "date", _:
            return FIRST_DAY + timedelta(days=rng.randint(-4, 8))
        case "boolean", _:
            return rng.random() < 0.5
    raise AssertionError(f"no values for {column}")


def literal(value: Any) -> str:
    """The value as Spark SQL and DataFusion both write it."""
    match value:
        case None:
            return "NULL"
        case bool():
            return "TRUE" if value else "FALSE"
        case str():
            return "'" + value.replace("'", "''") + "'"
        case date():
            return f"DATE '{value.isoformat()}'"
        case float():
            return f"CAST('{value!r}' AS DOUBLE)"
        case _:
            return str(value)


def arrow_table(columns: Sequence[Column], rows: Sequence[Row]) -> pa.Table:
    """The rows as Arrow, every column nullable; a column that a row lacks is NULL."""
    schema = pa.schema([(column.name, ARROW_TYPES[column.kind]) for column in columns])
    return pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema=schema)
