"""The columns that a rule names: that they exist, how SQL writes them, and what their values compare with."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from lakehouse.errors import InvalidValue, SourceLocation, UnknownName
from lakehouse.quality.literals import identifier

INTEGRAL = frozenset({"tinyint", "smallint", "int", "bigint"})
_FAMILIES = {
    **dict.fromkeys((*INTEGRAL, "float", "double"), "numeric"),
    **dict.fromkeys(("date", "timestamp", "timestamp_ntz"), "temporal"),
    "string": "text",
    "boolean": "boolean",
}
_WORDS = {"numeric": "a number", "temporal": "a date or timestamp", "text": "text", "boolean": "true or false"}


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of one table as far as they are known: name → Spark's simple type, or None if nothing is known.

    Every error is one of the expectation that is declared at `where`.
    """

    schema: Mapping[str, str] | None
    where: SourceLocation

    def sql(self, name: str) -> str:
        """A column's name as SQL; `a.b` is a struct's field if no column has that very name. Raises UnknownName."""
        if self.schema is None or self._type(name) is not None:
            return identifier(name)
        first, dot, rest = name.partition(".")
        if dot and (self._type(first) or "").startswith("struct<"):
            return ".".join(identifier(part) for part in (first, *rest.split(".")))
        raise UnknownName(name, self.schema, what="column", where=self.where)

    def type_of(self, name: str) -> str | None:
        """A column's type, None if it is not known."""
        return self._type(name)

    def family(self, name: str) -> str | None:
        """numeric, temporal, text or boolean; None for another or an unknown type."""
        found = self._type(name)
        return None if found is None else family(found)

    def require(self, name: str, families: Iterable[str], *, what: str) -> None:
        """Raises InvalidValue if a column's type is known and of none of these families."""
        found = self._type(name)
        allowed = tuple(families)
        if found is not None and family(found) not in allowed:
            expected = " or ".join(_WORDS[each] for each in allowed)
            raise InvalidValue(f"column '{name}' is {found}; {what} needs {expected}.", where=self.where)

    def comparable(self, name: str, value: Any) -> None:
        """Raises InvalidValue if comparing a column with this value would fail in Spark.

        Text beside a number, a date or a boolean is what Spark casts it to, if it can be cast.
        """
        kind = self.family(name)
        if kind is None or value is None or _fits(kind, value):
            return
        raise InvalidValue(
            f"column '{name}' is {self._type(name)} and cannot be compared with {value!r}.",
            where=self.where,
            hint=f"Write {_WORDS[kind]}.",
        )

    def _type(self, name: str) -> str | None:
        if self.schema is None:
            return None
        if name in self.schema:
            return self.schema[name].lower()
        # Spark finds columns whatever their case.
        return next((found.lower() for key, found in self.schema.items() if key.lower() == name.lower()), None)


def family(type_text: str) -> str | None:
    """The family of one of Spark's simple types.

    >>> family("decimal(10,2)"), family("array<int>")
    ('numeric', None)
    """
    if type_text.startswith("decimal"):
        return "numeric"
    if type_text.startswith(("varchar", "char")):
        return "text"
    return _FAMILIES.get(type_text)


def _fits(kind: str, value: Any) -> bool:
    if kind == "boolean":
        return isinstance(value, bool) or (isinstance(value, str) and value.strip().lower() in {"true", "false"})
    if kind == "text":
        return isinstance(value, str)
    if kind == "temporal":
        return isinstance(value, date) or (isinstance(value, str) and _is_instant(value.strip()))
    if isinstance(value, bool):
        return False
    return isinstance(value, int | float | Decimal) or (isinstance(value, str) and _is_number(value.strip()))


def _is_number(text: str) -> bool:
    try:
        Decimal(text)
    except InvalidOperation:
        return False
    return True


def _is_instant(text: str) -> bool:
    # Only what is certainly no date is refused: Spark takes more forms than Python.
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return text[:4].isdigit() or text[:1] in "+-"
    return True


def ordered(low: Any, high: Any) -> bool:
    """Whether two bounds are in order, as far as Python can tell; a missing or NaN bound is."""
    if low is None or high is None or any(isinstance(bound, float) and math.isnan(bound) for bound in (low, high)):
        return True
    try:
        return bool(low <= high)
    except TypeError:
        return True
