"""Python's `strptime` formats as SQL: a regular expression for the text, and a check that the day exists.

The expressions are those of CPython's `_strptime.TimeRE` for English names. Directives that depend on a locale, a time
zone's name or the week of a year have no SQL here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from lakehouse.quality.literals import literal, literals


class UnsupportedDirective(ValueError):
    """A format holds a directive that SQL cannot judge."""


def _names(names: Iterable[str]) -> str:
    return "(" + "|".join(sorted(names, key=len, reverse=True)) + ")"


_MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_DIRECTIVES = {
    "d": r"(3[0-1]|[1-2]\d|0[1-9]|[1-9]| [1-9])",
    "f": r"([0-9]{1,6})",
    "H": r"(2[0-3]|[0-1]\d|\d)",
    "I": r"(1[0-2]|0[1-9]|[1-9]| [1-9])",
    "j": r"(36[0-6]|3[0-5]\d|[1-2]\d\d|0[1-9]\d|00[1-9]|[1-9]\d|0[1-9]|[1-9])",
    "m": r"(1[0-2]|0[1-9]|[1-9])",
    "M": r"([0-5]\d|\d)",
    "S": r"([0-5]\d|\d)",  # strptime reads leap seconds, but no datetime has one
    "Y": r"(\d\d\d\d)",
    "y": r"(\d\d)",
    "z": r"([+-]\d\d:?[0-5]\d(?::?[0-5]\d(?:\.\d{1,6})?)?|Z)",
    "p": "(am|pm)",
    "b": _names(name[:3] for name in _MONTHS),
    "B": _names(_MONTHS),
    "a": _names(name[:3] for name in _DAYS),
    "A": _names(_DAYS),
}
_YEAR_WITHOUT_ONE = 1900


def strptime_predicate(column: str, strftime_format: str) -> str:
    """SQL that is TRUE where `datetime.strptime(column, strftime_format)` would succeed.

    Raises UnsupportedDirective.
    """
    pattern, groups = _pattern(strftime_format)
    regex = literal(f"^(?i:{pattern})\\z")
    parts = [f"{column} RLIKE {regex}"]
    if "d" in groups and ("m" in groups or "b" in groups or "B" in groups):
        parts.append(_day_exists(column, regex, groups))
    if "Y" in groups:
        parts.append(f"{_part(column, regex, groups['Y'])} <> '0000'")
    return " AND ".join(parts)


def _pattern(strftime_format: str) -> tuple[str, dict[str, int]]:
    """The regular expression of a format, and the number of each directive's group."""
    groups: dict[str, int] = {}
    parts: list[str] = []
    position = 0
    while position < len(strftime_format):
        character = strftime_format[position]
        if character == "%":
            directive = strftime_format[position + 1 : position + 2]
            position += 2
            if directive == "%":
                parts.append("%")
                continue
            if directive not in _DIRECTIVES or directive in groups:
                raise UnsupportedDirective(f"%{directive}")
            groups[directive] = len(groups) + 1
            parts.append(_DIRECTIVES[directive])
        elif character.isspace():
            while strftime_format[position : position + 1].isspace():
                position += 1
            parts.append(r"\s+")
        else:
            parts.append(re.escape(character))
            position += 1
    return "".join(parts), groups


def _day_exists(column: str, regex: str, groups: dict[str, int]) -> str:
    if "Y" in groups:
        year = _part(column, regex, groups["Y"])
    elif "y" in groups:  # POSIX: 69 to 99 are the last century's
        short = f"try_cast({_part(column, regex, groups['y'])} AS INT)"
        year = f"CAST({short} + if({short} <= 68, 2000, 1900) AS STRING)"
    else:
        year = f"'{_YEAR_WITHOUT_ONE}'"
    if "m" in groups:
        month = _part(column, regex, groups["m"])
    else:
        name = f"lower(substr({_part(column, regex, groups.get('b') or groups['B'])}, 1, 3))"
        months = literals(month[:3] for month in _MONTHS)
        month = f"CAST(array_position(array({months}), {name}) AS STRING)"
    day = f"trim({_part(column, regex, groups['d'])})"
    return f"try_cast(concat_ws('-', {year}, {month}, {day}) AS DATE) IS NOT NULL"


def _part(column: str, regex: str, group: int) -> str:
    return f"regexp_extract({column}, {regex}, {group})"
