"""Values in place of the `?` of a prepared query: as literals of the SQL, so that what is checked is what runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lakehouse.definition.sql_literals import literal
from lakehouse.definition.sql_text import Token, tokenize
from lakehouse.errors import InvalidValue, UsageError

_NULL = "NULL"


def count_parameters(text: str) -> int:
    """How many `?` a query has outside of strings, names and comments. Raises UsageError."""
    return len(_places(text))


def bind(text: str, values: Sequence[Any]) -> str:
    """The query with a literal for each `?`. Raises UsageError for another number of values, or a value that has no
    literal.

    >>> bind("SELECT ? + id FROM t WHERE name = ? -- ?", [-1, "it's"])
    "SELECT (-1) + id FROM t WHERE name = 'it\\\\'s' -- ?"
    """
    places = _places(text)
    if len(places) != len(values):
        raise UsageError(f"the query has {len(places)} parameters, and {len(values)} values are bound.")
    parts, position = [], 0
    for place, value in zip(places, values, strict=True):
        parts += [text[position : place.start], _literal(value)]
        position = place.end
    return "".join(parts) + text[position:]


def with_nulls(text: str) -> tuple[str, tuple[int, ...]]:
    """The query with NULL for each `?`, and where in it they stand. Raises UsageError."""
    places = [place.start + number * (len(_NULL) - 1) for number, place in enumerate(_places(text))]
    return bind(text, [None] * len(places)), tuple(places)


def _places(text: str) -> list[Token]:
    try:
        return [token for token in tokenize(text) if token.kind == "symbol" and token.text == "?"]
    except InvalidValue as error:
        raise UsageError(error.message) from None


def _literal(value: Any) -> str:
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    try:
        written = literal(value)
    except (TypeError, ValueError):
        raise UsageError(
            f"a parameter of type {type(value).__name__} cannot be bound.",
            hint="Numbers, strings, booleans, dates, timestamps, binaries and NULL can.",
        ) from None
    # A minus sign must not meet another one: together they would begin a comment.
    return f"({written})" if written.startswith("-") else written
