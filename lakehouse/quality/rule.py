"""A rule: an expectation compiled to SQL, or marked as one that only Great Expectations' engine can judge."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from lakehouse.definition.expectation import Expectation, OnViolation, Severity
from lakehouse.definition.fingerprint import sql_tokens

# Arguments that say nothing of which rows violate; `mostly` has its own place in the fingerprint.
_PROSE = frozenset({"description", "meta", "mostly", "notes"})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Named:
    """What every rule says of itself: its name, what it means as a hash, and what its violation does."""

    name: str
    fingerprint: str
    on_violation: OnViolation
    severity: Severity
    mostly: float = 1.0
    columns: tuple[str, ...] = ()
    expectation: Expectation


@dataclass(frozen=True, slots=True, kw_only=True)
class RowRule(_Named):
    """A rule over single rows. All predicates are SQL over the table's columns.

    `element` picks the rows that the rule looks at (None: all), `missing` those of them that do not count (None: none;
    NULLs of a column, ignored rows of a pair), `unexpected` is TRUE for a violation; NULL is no violation.
    `is_exact` is False where Great Expectations judges in Python and may differ in edge cases.
    """

    element: str | None = None
    missing: str | None = None
    unexpected: str
    is_exact: bool = True

    @property
    def violation(self) -> str:
        """One SQL boolean, never NULL: whether a row is looked at, counts, and violates."""
        parts = [] if self.element is None else [certain(self.element)]
        if self.missing is not None:
            parts.append(f"NOT {certain(self.missing)}")
        return " AND ".join([*parts, certain(self.unexpected)])


class TableRuleKind(str, Enum):
    """What judging a table needs: one aggregate, a pass of its own, another table, or facts from elsewhere."""

    AGGREGATE = "aggregate"
    UNIQUE = "unique"
    VALUES = "values"
    QUANTILES = "quantiles"
    REFERENCE = "reference"
    SCHEMA = "schema"
    HISTORY = "history"
    DRIFT = "drift"
    FRESHNESS = "freshness"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRule(_Named):
    """A rule over a table as a whole; its arguments are those of its expectation.

    `element` picks the rows that count (None: all). `aggregates` maps the names of metrics, unique across rules and
    equal for equal texts, to SQL aggregate expressions over all rows of the table (AGGREGATE, FRESHNESS and HISTORY).
    """

    kind: TableRuleKind
    element: str | None = None
    aggregates: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRule(_Named):
    """A rule that only Great Expectations' own engine judges."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledRules:
    """The rules of one dataset, in the order of their declaration within each kind."""

    rows: tuple[RowRule, ...] = ()
    tables: tuple[TableRule, ...] = ()
    engine: tuple[EngineRule, ...] = ()


def certain(predicate: str) -> str:
    """A SQL predicate with FALSE in place of NULL."""
    return f"coalesce(({predicate}), false)"


def rule_fingerprint(expectation: Expectation) -> str:
    """SHA-256 (hex) of what an expectation asks: condition or type, arguments and `mostly`; not what follows from it.

    Blanks and comments of a condition, the order of arguments, and arguments that are absent or null do not count.
    """
    condition = None if expectation.condition is None else sql_tokens(expectation.condition)
    arguments = {key: value for key, value in expectation.arguments.items() if key not in _PROSE and value is not None}
    parts: list[Any] = [condition, expectation.type, arguments, mostly(expectation)]
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def mostly(expectation: Expectation) -> float:
    """The share of rows that must fit, 0 to 1; 1 if the expectation does not say."""
    share = expectation.arguments.get("mostly")
    return 1.0 if share is None else float(share)
