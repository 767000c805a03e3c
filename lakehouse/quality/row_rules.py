"""The types of Great Expectations that judge each row, as SQL predicates with the very meaning of its Spark engine.

Read from great_expectations 1.24 (`expectations/metrics/*_map_metrics`): a violation is where the predicate is TRUE, so
NULL passes; a column's NULLs, and the ignored rows of several columns, leave the denominator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import combinations
from typing import Any

from lakehouse.errors import InvalidValue
from lakehouse.quality.columns import INTEGRAL, Columns, ordered
from lakehouse.quality.literals import literal, literals
from lakehouse.quality.strptime_pattern import UnsupportedDirective, strptime_predicate

Arguments = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPredicates:
    """`missing` rows do not count, `unexpected` rows violate; `columns` are those that the rule names."""

    missing: str | None
    unexpected: str
    columns: tuple[str, ...]
    is_exact: bool = True


def row_predicates(kind: str, arguments: Arguments, columns: Columns) -> RowPredicates | None:
    """The predicates of an expectation type, None if it does not judge single rows or cannot be written in SQL.

    Raises UnknownName for a column that is not there, InvalidValue for arguments that would fail on every row.
    """
    if kind in _COLUMN_TYPES:
        expected, is_exact = _COLUMN_TYPES[kind]
        name = arguments["column"]
        column = columns.sql(name)
        try:
            fits = expected(column, arguments, columns)
        except UnsupportedDirective:
            return None
        return RowPredicates(
            missing=f"{column} IS NULL", unexpected=f"NOT ({fits})", columns=(name,), is_exact=is_exact
        )
    if kind in _NULL_TYPES:
        column = columns.sql(arguments["column"])
        return RowPredicates(
            missing=None, unexpected=_NULL_TYPES[kind].format(column=column), columns=(arguments["column"],)
        )
    if kind in _PAIR_TYPES:
        names = (arguments["column_A"], arguments["column_B"])
        a, b = (columns.sql(name) for name in names)
        missing = ignored_rows(arguments.get("ignore_row_if") or "both_values_are_missing", (a, b), columns)
        return RowPredicates(missing=missing, unexpected=_PAIR_TYPES[kind](a, b, arguments, columns), columns=names)
    if kind in _LIST_TYPES:
        names = tuple(arguments["column_list"])
        quoted = [columns.sql(name) for name in names]
        missing = ignored_rows(arguments.get("ignore_row_if") or "all_values_are_missing", quoted, columns)
        return RowPredicates(missing=missing, unexpected=_LIST_TYPES[kind](names, arguments, columns), columns=names)
    return None


def ignored_rows(ignore_row_if: str, quoted: list[str] | tuple[str, ...], columns: Columns) -> str | None:
    """The rows that an expectation over several columns leaves out. Raises InvalidValue for an unknown word."""
    nulls = [f"{column} IS NULL" for column in quoted]
    if ignore_row_if in ("both_values_are_missing", "all_values_are_missing"):
        return " AND ".join(nulls)
    if ignore_row_if in ("either_value_is_missing", "any_value_is_missing"):
        return " OR ".join(nulls)
    if ignore_row_if in ("neither", "never"):
        return None
    raise InvalidValue(f"'ignore_row_if' is '{ignore_row_if}'.", where=columns.where)


def value_set(arguments: Arguments, columns: Columns, *, key: str = "value_set") -> list[Any]:
    """The values of a set without null, in order, each once.

    Great Expectations hands a null to `IN`, and then no value is outside the set: every row passes. Raises
    InvalidValue if nothing else is in it, or a value cannot be compared with the column.
    """
    kept: list[Any] = []
    for value in arguments.get(key) or ():
        # True equals 1 in Python, not in SQL.
        if value is not None and not any(value == one and type(value) is type(one) for one in kept):
            columns.comparable(arguments["column"], value)
            kept.append(value)
    if not kept:
        raise InvalidValue(
            f"'{key}' holds no value but null.",
            where=columns.where,
            hint="Nulls never count; use expect_column_values_to_be_null to ask for them.",
        )
    return kept


def _between(column: str, arguments: Arguments, columns: Columns) -> str:
    bounds = {}
    for key in ("min_value", "max_value"):
        bound = arguments.get(key)
        columns.comparable(arguments["column"], bound)
        # Great Expectations reads a number written as text as a float; Spark would cast it to the column's type.
        is_number = isinstance(bound, str) and columns.family(arguments["column"]) == "numeric"
        bounds[key] = float(bound) if is_number and bound is not None else bound
    return _bounds(column, {**arguments, **bounds}, columns)


def _lengths_between(column: str, arguments: Arguments, columns: Columns) -> str:
    columns.require(arguments["column"], ("text", "numeric", "boolean", "temporal"), what="a length")
    for bound in (arguments.get("min_value"), arguments.get("max_value")):
        if bound is not None and (isinstance(bound, str) or not float(bound).is_integer()):
            raise InvalidValue(f"a length is a whole number, not {bound!r}.", where=columns.where)
    return _bounds(f"length({column})", arguments, columns)


def _bounds(value: str, arguments: Arguments, columns: Columns) -> str:
    low, high = arguments.get("min_value"), arguments.get("max_value")
    if not ordered(low, high):
        raise InvalidValue(f"'min_value' {low!r} is above 'max_value' {high!r}.", where=columns.where)
    parts = []
    if low is not None:
        parts.append(f"{value} {'>' if arguments.get('strict_min') else '>='} {literal(low)}")
    if high is not None:
        parts.append(f"{value} {'<' if arguments.get('strict_max') else '<='} {literal(high)}")
    if not parts:
        raise InvalidValue("'min_value' or 'max_value' is needed.", where=columns.where)
    return " AND ".join(parts)


def _length_equals(column: str, arguments: Arguments, _: Columns) -> str:
    return f"length({column}) = {literal(arguments['value'])}"


def _in_set(column: str, arguments: Arguments, columns: Columns) -> str:
    return f"{column} IN ({literals(value_set(arguments, columns))})"


def _not_in_set(column: str, arguments: Arguments, columns: Columns) -> str:
    return f"NOT {column} IN ({literals(value_set(arguments, columns))})"


def _regex(column: str, arguments: Arguments, _: Columns) -> str:
    return f"{column} RLIKE {literal(arguments.get('regex') or '(?s).*')}"


def _no_regex(column: str, arguments: Arguments, _: Columns) -> str:
    return f"NOT {column} RLIKE {literal(arguments['regex'])}"


def _regex_list(column: str, arguments: Arguments, columns: Columns) -> str:
    patterns = _texts("regex_list", arguments, columns)
    if (arguments.get("match_on") or "any") == "all":
        return " AND ".join(f"{column} RLIKE {literal(pattern)}" for pattern in patterns)
    return f"{column} RLIKE {literal('|'.join(patterns))}"  # joined without brackets, as Great Expectations does


def _no_regex_list(column: str, arguments: Arguments, columns: Columns) -> str:
    return " AND ".join(f"NOT {column} RLIKE {literal(each)}" for each in _texts("regex_list", arguments, columns))


def _like(column: str, arguments: Arguments, columns: Columns) -> str:
    return _like_each(column, [arguments["like_pattern"]], arguments, columns)[0]


def _not_like(column: str, arguments: Arguments, columns: Columns) -> str:
    return f"NOT {_like(column, arguments, columns)}"


def _like_list(column: str, arguments: Arguments, columns: Columns) -> str:
    joint = " AND " if (arguments.get("match_on") or "any") == "all" else " OR "
    return joint.join(_like_each(column, _texts("like_pattern_list", arguments, columns), arguments, columns))


def _not_like_list(column: str, arguments: Arguments, columns: Columns) -> str:
    patterns = _texts("like_pattern_list", arguments, columns)
    return " AND ".join(f"NOT {each}" for each in _like_each(column, patterns, arguments, columns))


def _like_each(column: str, patterns: list[str], arguments: Arguments, columns: Columns) -> list[str]:
    escape = arguments.get("escape")
    if escape is not None and len(escape) != 1:
        raise InvalidValue("'escape' is one character.", where=columns.where)
    ending = f" ESCAPE {literal(escape)}" if escape else ""
    return [f"({column} LIKE {literal(pattern)}{ending})" for pattern in patterns]


def _texts(key: str, arguments: Arguments, columns: Columns) -> list[str]:
    texts = [text for text in arguments.get(key) or () if text is not None]
    if not texts:
        raise InvalidValue(f"'{key}' is empty.", where=columns.where)
    return texts


def _json(column: str, arguments: Arguments, columns: Columns) -> str:
    columns.require(arguments["column"], ("text",), what="JSON")
    # Spark reads the first value of a text and ignores what follows. Only a text that is one value, and nothing else,
    # is valid both as an element of an array and as a member of an object.
    inside = (f"concat('[', {column}, ']')", f"concat('{{\"a\":', {column}, '}}')")
    return " AND ".join(f"try_parse_json({text}) IS NOT NULL" for text in inside)


def _strftime(column: str, arguments: Arguments, columns: Columns) -> str:
    columns.require(arguments["column"], ("text",), what="a date format")
    return strptime_predicate(column, arguments["strftime_format"])


def _a_above_b(a: str, b: str, arguments: Arguments, _: Columns) -> str:
    return f"NOT ({a} >= {b} OR {a} <=> {b})" if arguments.get("or_equal") else f"NOT ({a} > {b})"


def _pair_equal(a: str, b: str, arguments: Arguments, _: Columns) -> str:
    return f"NOT ({a} <=> {b})"


def _pair_in_set(a: str, b: str, arguments: Arguments, columns: Columns) -> str:
    pairs = [tuple(pair) for pair in arguments["value_pairs_set"] or ()]
    if not pairs or any(len(pair) != 2 for pair in pairs):
        raise InvalidValue("'value_pairs_set' is a list of pairs.", where=columns.where)
    for x, y in pairs:
        columns.comparable(arguments["column_A"], x)
        columns.comparable(arguments["column_B"], y)
    return f"NOT ({' OR '.join(f'({a} <=> {literal(x)} AND {b} <=> {literal(y)})' for x, y in pairs)})"


def _sum_equals(names: tuple[str, ...], arguments: Arguments, columns: Columns) -> str:
    terms = []
    for name in names:
        columns.require(name, ("numeric",), what="a sum")
        term = f"coalesce({columns.sql(name)}, 0)"
        # Whole numbers are widened, so that their sum cannot overflow.
        terms.append(f"CAST({term} AS DECIMAL(38, 0))" if columns.type_of(name) in INTEGRAL else term)
    # A decimal sum that overflows would fail the write; it equals no total.
    total = reduce(lambda sum_so_far, term: f"try_add({sum_so_far}, {term})", terms)
    return f"NOT coalesce({total} = {literal(arguments['sum_total'])}, false)"


def _all_equal(names: tuple[str, ...], arguments: Arguments, columns: Columns) -> str:
    first, *others = (columns.sql(name) for name in _several(names, columns))
    return f"NOT ({' AND '.join(f'{first} <=> {other}' for other in others)})"


def _all_different(names: tuple[str, ...], arguments: Arguments, columns: Columns) -> str:
    quoted = [columns.sql(name) for name in _several(names, columns)]
    return " OR ".join(f"{a} <=> {b}" for a, b in combinations(quoted, 2))


def _several(names: tuple[str, ...], columns: Columns) -> tuple[str, ...]:
    if len(names) < 2:
        raise InvalidValue("'column_list' needs two columns or more.", where=columns.where)
    return names


_COLUMN_TYPES: Mapping[str, tuple[Callable[[str, Arguments, Columns], str], bool]] = {
    "expect_column_values_to_be_between": (_between, True),
    "expect_column_value_lengths_to_be_between": (_lengths_between, True),
    "expect_column_value_lengths_to_equal": (_length_equals, True),
    "expect_column_values_to_be_in_set": (_in_set, True),
    "expect_column_values_to_not_be_in_set": (_not_in_set, True),
    "expect_column_values_to_match_regex": (_regex, True),
    "expect_column_values_to_not_match_regex": (_no_regex, True),
    "expect_column_values_to_match_regex_list": (_regex_list, True),
    "expect_column_values_to_not_match_regex_list": (_no_regex_list, True),
    # Great Expectations has no LIKE on Spark, and judges dates and JSON in Python.
    "expect_column_values_to_match_like_pattern": (_like, False),
    "expect_column_values_to_not_match_like_pattern": (_not_like, False),
    "expect_column_values_to_match_like_pattern_list": (_like_list, False),
    "expect_column_values_to_not_match_like_pattern_list": (_not_like_list, False),
    "expect_column_values_to_match_strftime_format": (_strftime, False),
    "expect_column_values_to_be_json_parseable": (_json, False),
}
_NULL_TYPES = {
    "expect_column_values_to_be_null": "{column} IS NOT NULL",
    "expect_column_values_to_not_be_null": "{column} IS NULL",
}
_PAIR_TYPES: Mapping[str, Callable[[str, str, Arguments, Columns], str]] = {
    "expect_column_pair_values_a_to_be_greater_than_b": _a_above_b,
    "expect_column_pair_values_to_be_equal": _pair_equal,
    "expect_column_pair_values_to_be_in_set": _pair_in_set,
}
_LIST_TYPES: Mapping[str, Callable[[tuple[str, ...], Arguments, Columns], str]] = {
    "expect_multicolumn_sum_to_equal": _sum_equals,
    "expect_multicolumn_values_to_be_equal": _all_equal,
    "expect_select_column_values_to_be_unique_within_record": _all_different,
}
ROW_TYPES = frozenset({*_COLUMN_TYPES, *_NULL_TYPES, *_PAIR_TYPES, *_LIST_TYPES})
