"""Values of Spark's types as SQL literals that mean exactly them, whatever the time zone.

A value travels in a form that Python reads without loss: `carried` is the SQL that Spark computes it with, `as_literal`
makes the literal of it. Types are those of a schema's JSON form (`StructType.jsonValue()`), as the Delta protocol
writes them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from lakehouse.definition.sql_literals import identifier, literal
from lakehouse.errors import InvalidValue

_NAMES = {"long": "BIGINT", "integer": "INT", "short": "SMALLINT", "byte": "TINYINT", "void": "VOID"}
_AS_TEXT = frozenset(
    {"long", "integer", "short", "byte", "float", "double", "timestamp_ntz"}  # their text, cast back, is the same value
)
_TEXT_PATTERN = re.compile(r"decimal(\(\d+,\s*-?\d+\))?|interval [a-z ]+")
_STRING = re.compile(r"string|(char|varchar)\(\d+\)")


def ddl(kind: Any) -> str:
    """A type as Spark SQL writes it, names of fields quoted.

    >>> ddl({"type": "struct", "fields": [{"name": "a b", "type": "long"}]})
    'STRUCT<`a b`: BIGINT>'
    """
    if isinstance(kind, str):
        return _NAMES.get(kind, kind.upper())
    match kind["type"]:
        case "array":
            return f"ARRAY<{ddl(kind['elementType'])}>"
        case "map":
            return f"MAP<{ddl(kind['keyType'])}, {ddl(kind['valueType'])}>"
        case "struct":
            fields = (f"{identifier(field['name'])}: {ddl(field['type'])}" for field in kind["fields"])
            return f"STRUCT<{', '.join(fields)}>"
    raise _no_literal(str(kind["type"]))


def carried(expression: str, kind: Any, depth: int = 0) -> str:
    """SQL that computes the form in which a value of `expression` travels. Raises InvalidValue for a type that has no
    literals."""
    if isinstance(kind, str):
        if kind == "boolean" or _STRING.fullmatch(kind):
            return expression
        if kind in _AS_TEXT or _TEXT_PATTERN.fullmatch(kind):
            return f"CAST({expression} AS STRING)"
        if kind in _CARRIERS:
            return f"{_CARRIERS[kind]}({expression})"
        raise _no_literal(kind)
    item = f"x{depth}"
    match kind["type"]:
        case "array":
            return f"transform({expression}, {item} -> {carried(item, kind['elementType'], depth + 1)})"
        case "map":
            pair = [carried(f"{item}.{side}", kind[f"{side}Type"], depth + 1) for side in ("key", "value")]
            return f"transform(map_entries({expression}), {item} -> struct({', '.join(pair)}))"
        case "struct":
            fields = [carried(f"({expression}).{identifier(f['name'])}", f["type"], depth) for f in kind["fields"]]
            return f"CASE WHEN ({expression}) IS NOT NULL THEN struct({', '.join(fields)}) END"
    raise _no_literal(str(kind["type"]))


_CARRIERS = {"timestamp": "unix_micros", "date": "unix_date", "binary": "hex", "void": ""}


def as_literal(value: Any, kind: Any) -> str:
    """The literal of a value that `carried` brought. Raises InvalidValue for a type that has no literals."""
    if value is None:
        return f"CAST(NULL AS {ddl(kind)})"
    if isinstance(kind, str):
        return _scalar(value, kind)
    return _nested(value, kind)


def _scalar(value: Any, kind: str) -> str:
    if kind == "boolean":
        return literal(bool(value))
    if _STRING.fullmatch(kind):
        return literal(str(value))
    match kind:
        case "integer":
            return literal(int(value))
        case "timestamp":
            return f"timestamp_micros({literal(int(value))})"
        case "date":
            return f"date_from_unix_date({literal(int(value))})"
        case "binary":
            return f"X'{value}'"
    return f"CAST({literal(str(value))} AS {ddl(kind)})"


def _nested(value: Any, kind: Mapping[str, Any]) -> str:
    match kind["type"]:
        case "array":
            text = f"array({_joined(as_literal(item, kind['elementType']) for item in value)})"
        case "map":
            pairs = (
                as_literal(pair[0], kind["keyType"]) + ", " + as_literal(pair[1], kind["valueType"]) for pair in value
            )
            text = f"map({_joined(pairs)})"
        case "struct":
            fields = _joined(
                f"{literal(field['name'])}, {as_literal(item, field['type'])}"
                for field, item in zip(kind["fields"], value, strict=True)
            )
            text = f"named_struct({fields})"
        case _:
            raise _no_literal(str(kind["type"]))
    return f"CAST({text} AS {ddl(kind)})"


def _joined(texts: Iterable[str]) -> str:
    return ", ".join(texts)


def _no_literal(kind: str) -> InvalidValue:
    return InvalidValue(f"a value of the type {kind.upper()} cannot be written as a literal.")
