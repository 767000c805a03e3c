"""Python values and column names as Spark SQL text.

The text means the same whatever `spark.sql.parser.escapedStringLiterals` and ANSI mode say about anything but the
strings themselves: a string is always an ordinary quoted literal with backslash escapes (the setting's default).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

_ESCAPES = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\u0000", "\x1a": "\\Z"}
_TRANSLATION = str.maketrans(_ESCAPES)
_INT_RANGE, _BIGINT_RANGE = 2**31, 2**63
_MOST_DIGITS = 38


def literal(value: Any) -> str:
    """A value as a Spark SQL literal of the type that PySpark's `lit` would give it.

    A whole number is INT, BIGINT or DECIMAL(38, 0), the first that holds it; a float is DOUBLE; a naive datetime is
    TIMESTAMP in the session's time zone, an aware one the same instant. Raises TypeError for other kinds of values,
    ValueError for numbers of more than 38 digits.

    >>> literal("it's"), literal(0.1), literal(None), literal(True)
    ("'it\\\\'s'", '0.1D', 'NULL', 'true')
    """
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        # Spark replaces ${...} in any SQL text by settings of the session, even inside a string.
        return "'" + value.translate(_TRANSLATION).replace("${", "\\u0024{") + "'"
    if isinstance(value, int):
        return _whole(value)
    if isinstance(value, float):
        return _double(value)
    if isinstance(value, Decimal):
        return _decimal(value)
    if isinstance(value, datetime):  # a datetime is a date too, so it comes first
        return f"TIMESTAMP'{_instant(value)}'"
    if isinstance(value, date):
        return f"DATE'{value.isoformat()}'"
    raise TypeError(f"{type(value).__name__} has no SQL literal")


def literals(values: Iterable[Any]) -> str:
    """The literals of several values, separated by commas."""
    return ", ".join(literal(value) for value in values)


def identifier(name: str) -> str:
    """A column's name as SQL: one part, quoted, whatever characters it holds.

    >>> identifier("a`b")
    '`a``b`'
    """
    return f"`{name.replace('`', '``')}`"


def _whole(value: int) -> str:
    # The sign belongs to the literal, but the parser checks the range before it applies the sign: the smallest
    # numbers of each type are written one type wider and cast.
    if -_INT_RANGE < value < _INT_RANGE:
        return str(value)
    if value == -_INT_RANGE:
        return f"CAST({value}L AS INT)"
    if -_BIGINT_RANGE < value < _BIGINT_RANGE:
        return f"{value}L"
    if value == -_BIGINT_RANGE:
        return f"CAST({value}BD AS BIGINT)"
    return _decimal(Decimal(value))


def _double(value: float) -> str:
    if math.isnan(value):
        return "CAST('NaN' AS DOUBLE)"
    if math.isinf(value):
        return f"CAST('{'-' if value < 0 else ''}Infinity' AS DOUBLE)"
    if value == 0 and math.copysign(1, value) < 0:
        return "CAST('-0.0' AS DOUBLE)"  # a minus before a literal is an operator, and 0 has no sign to turn
    return f"{value!r}D"


def _decimal(value: Decimal) -> str:
    if not value.is_finite():
        raise ValueError(f"{value} is no decimal of Spark")
    text = format(value, "f")
    if len(text.lstrip("-").replace(".", "").lstrip("0")) > _MOST_DIGITS:
        raise ValueError(f"{value} has more than {_MOST_DIGITS} digits")
    return f"{text}BD"


def _instant(value: datetime) -> str:
    if value.tzinfo is None:
        return value.isoformat(sep=" ")
    return value.astimezone(timezone.utc).replace(tzinfo=None).isoformat(sep=" ") + " UTC"
