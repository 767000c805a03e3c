"""SQL conditions over one row, as a rule can embed them: checked, without comments, and casts that cannot fail."""

from __future__ import annotations

import re
from typing import Any

from lakehouse.definition.sql_text import place, significant, tokenize
from lakehouse.errors import InvalidValue, SourceLocation
from lakehouse.quality.columns import Columns
from lakehouse.quality.literals import literal

_SPARK = "spark"
_OWN_LANGUAGES = frozenset({"great_expectations", "great_expectations__experimental__"})
# The whole of Great Expectations' condition language: one comparison of one column.
_COMPARISON = re.compile(
    r"""\s*col\("(?P<column>[^"]+)"\)\s*
    (?: (?P<not_null>\.notnull\(\))
      | (?P<operator>>=|<=|==|!=|>|<)\s*
        (?: (?P<number>[+-]?\d+(?:\.\d*)?(?:e[+-]?\d+)?)
          | (?P<date>date\(\s*)?(?:"(?P<double>[^"']+)"|'(?P<single>[^"']+)')\s*(?(date)\)) ) )\s*""",
    re.VERBOSE | re.IGNORECASE,
)
_AGGREGATES = frozenset({"COUNT", "SUM", "AVG", "MEAN", "MIN", "MAX", "STDDEV", "COUNT_IF", "COLLECT_SET"})


def sql_condition(text: str, where: SourceLocation | None) -> str:
    """A user's condition as text that stays one expression wherever it is put, on one line's worth of tokens.

    A failing CAST would fail the whole write, so CAST becomes TRY_CAST: what cannot be cast is NULL. Raises
    InvalidValue for what is no single expression over one row: unbalanced brackets, `;`, a subquery, an aggregate
    function or a window.
    """
    tokens = significant(tokenize(text, where))
    parts: list[str] = []
    depth, end = 0, 0
    for index, token in enumerate(tokens):
        following = tokens[index + 1].text if index + 1 < len(tokens) else ""
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth < 0 or token.text == ";":
            raise InvalidValue(f"unexpected '{token.text}' in a condition.", where=place(text, token.start, where))
        if token.is_word("SELECT", "OVER") or (following == "(" and token.is_word(*_AGGREGATES)):
            raise InvalidValue(
                f"a condition looks at one row; '{token.text}' needs others.",
                where=place(text, token.start, where),
                hint="Use an expectation about the table, such as expect_column_values_to_be_in_table_column.",
            )
        parts.append(" " if token.start > end else "")
        parts.append("TRY_CAST" if following == "(" and token.is_word("CAST") else token.text)
        end = token.end
    if depth:
        raise InvalidValue("a '(' in a condition is never closed.", where=where)
    if not tokens:
        raise InvalidValue("a condition is empty.", where=where)
    return "".join(parts).strip()


def row_condition(arguments: dict[str, Any], columns: Columns) -> str | None:
    """The rows an expectation looks at, as SQL; None for all.

    `row_condition` is Spark SQL, or one comparison in Great Expectations' own language if `condition_parser` says so.
    Raises InvalidValue for text that is neither, UnknownName for a column that is not there.
    """
    text = arguments.get("row_condition")
    if text is None:
        return None
    parser = arguments.get("condition_parser") or _SPARK
    if parser == _SPARK:
        return sql_condition(text, columns.where)
    if parser in _OWN_LANGUAGES:
        return _comparison(text, columns)
    raise InvalidValue(
        f"'condition_parser' is '{parser}'.", where=columns.where, hint="On Spark it is spark or great_expectations."
    )


def _comparison(text: str, columns: Columns) -> str:
    match = _COMPARISON.fullmatch(text)
    if match is None:
        raise InvalidValue(
            f"'{text}' is no condition of Great Expectations.",
            where=columns.where,
            hint="Write 'condition_parser: spark' and a SQL condition.",
        )
    column = columns.sql(match["column"])
    if match["not_null"]:
        return f"{column} IS NOT NULL"
    value: Any = match["double"] or match["single"]
    if match["number"]:
        value = _number(match["number"])
    elif columns.family(match["column"]) == "numeric":
        value = _number(value) if re.fullmatch(r"\s*[+-]?[\d.]+(e[+-]?\d+)?\s*", value, re.IGNORECASE) else value
    columns.comparable(match["column"], value)
    return f"{column} {match['operator']} {literal(value)}"


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def certain(predicate: str) -> str:
    """A SQL predicate with FALSE in place of NULL."""
    return f"coalesce(({predicate}), false)"
