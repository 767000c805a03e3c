"""What row rules need counted, as SQL predicates, and what the counts say of each rule.

A caller turns each predicate into `count_if(p)`, an observed metric, or `sum(if(p, weight, 0))` over signed rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lakehouse.quality.condition import certain
from lakehouse.quality.rule import RowRule

ALL_ROWS = "rows"


@dataclass(frozen=True, slots=True)
class RowCounts:
    """Rows that a rule looked at, those of them that do not count, and those that violate it."""

    elements: int = 0
    missing: int = 0
    unexpected: int = 0

    def __add__(self, other: RowCounts) -> RowCounts:
        return RowCounts(
            self.elements + other.elements, self.missing + other.missing, self.unexpected + other.unexpected
        )


def counters(rules: Sequence[RowRule]) -> Mapping[str, str]:
    """Name of each counter → SQL predicate that is never NULL. Equal predicates share a counter.

    A name depends on the predicate alone, so counts of different sets of rules can be added. The counter of all rows
    is called `rows` and is always there.
    """
    found = {ALL_ROWS: "true"}
    for rule in rules:
        found.update({_alias(predicate): predicate for predicate in _predicates(rule) if predicate is not None})
    return found


def read_counts(rules: Sequence[RowRule], values: Mapping[str, int]) -> Mapping[str, RowCounts]:
    """Name of each rule → its counts, from the values of `counters(rules)`. Raises KeyError if one lacks."""
    return {rule.name: _counts(rule, values) for rule in rules}


def _counts(rule: RowRule, values: Mapping[str, int]) -> RowCounts:
    elements, missing, unexpected = _predicates(rule)
    return RowCounts(
        elements=values[ALL_ROWS] if elements is None else values[_alias(elements)],
        missing=0 if missing is None else values[_alias(missing)],
        unexpected=0 if unexpected is None else values[_alias(unexpected)],
    )


def _predicates(rule: RowRule) -> Iterator[str | None]:
    """Which rows are looked at (None: all), do not count (None: none), and violate."""
    element = None if rule.element is None else certain(rule.element)
    yield element
    if rule.missing is None:
        yield None
    else:
        yield " AND ".join([*([element] if element else []), certain(rule.missing)])
    yield rule.violation


def _alias(predicate: str) -> str:
    return f"n_{hashlib.sha256(predicate.encode()).hexdigest()[:16]}"
