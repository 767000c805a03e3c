"""Rows that judges disagree about: NULL, NaN, infinities, negative zero, final newlines, and the ends of every type."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from pyspark.sql import DataFrame, SparkSession

SCHEMA = (
    "g int, i int, j int, l bigint, d double, e double, f float, s string, t string, b boolean, day date, "
    "due date, at timestamp, m decimal(38,10), o decimal(38,10), nothing string, nowhere double, `a ``b.c` int"
)
_NAN, _INF = float("nan"), float("inf")
_BIG = Decimal("9999999999999999999999999999.9999999999")
_SMALL = _BIG.copy_negate()  # a minus would round to 28 digits
_COLUMNS: dict[str, list[Any]] = {
    "i": [None, 0, 1, -1, 2147483647, -2147483648, 5, 5, None, 10, 3, 2],
    "j": [None, 0, 2, -1, 2147483647, 7, None, 5, 1, 10, 4, 1],
    "l": [9223372036854775807, -9223372036854775808, None, 0, 1, 9223372036854775807, 5, -5, 10, None, 2, 3],
    "d": [None, _NAN, _INF, -_INF, -0.0, 0.0, 0.1, 0.30000000000000004, 1.0, 5.0, _NAN, 1e308, 5e-324],
    "e": [0.0, _NAN, _INF, _INF, 0.0, -0.0, None, 0.3, 1.0, _NAN, 2.0, -1e308, None],
    "f": [None, _NAN, 0.1, 1.0, -0.0, 3.4e38, _INF, 0.0],
    "s": [
        None, "", "a", "A", "a\n", "abc", "abc\n", "\nabc", "ab c", " a ", "é", "e\u0301", "日本", "it's", 'q"q',
        "back\\slash", "100%", "a_c", "\t", "$5.00", "${x}", "a\x00b", "😀", "2024-02-29", "NULL", "nan",
    ],
    "t": [None, "", "a", "a", "b\n", "abc", "x", None, "zz", "é", "日本", "A", "b"],
    "b": [True, False, None],
    "day": [None, dt.date(1, 1, 1), dt.date(1970, 1, 1), dt.date(2024, 2, 29), dt.date(9999, 12, 31)],
    "due": [dt.date(2024, 2, 29), None, dt.date(1969, 12, 31), dt.date(2024, 2, 29)],
    "at": [None, dt.datetime(1970, 1, 1), dt.datetime(2024, 2, 29, 23, 59, 59, 999999), dt.datetime(2024, 3, 1)],
    "m": [None, _BIG, _SMALL, Decimal(0), Decimal("0.0000000001"), Decimal("0.1"), Decimal(1), Decimal(5)],
    "o": [Decimal("0.2"), None, _BIG, Decimal(0), Decimal("0.1"), Decimal(1), Decimal("0.0000000001")],
    "a `b.c": [1, 2, None, 3],
}  # fmt: skip
_ROWS = 52


def hostile_frame(spark: SparkSession) -> DataFrame:
    """All columns' values against each other: each runs through its own list, so that pairs of columns vary."""
    rows = []
    for number in range(_ROWS):
        values = {name: column[number % len(column)] for name, column in _COLUMNS.items()}
        ordered = [values[name] for name in ("i", "j", "l", "d", "e", "f", "s", "t", "b", "day", "due", "at", "m", "o")]
        rows.append((number % 4, *ordered, None, None, values["a `b.c"]))
    rows.append((0, *[None] * 17))
    # A frame of Python rows would start a Python worker for every query over it.
    return spark.createDataFrame(rows, SCHEMA).coalesce(1).localCheckpoint()


def types_of(frame: DataFrame) -> dict[str, str]:
    """Each column's simple type."""
    return {field.name: field.dataType.simpleString() for field in frame.schema.fields}
