"""A rule: an expectation compiled to SQL, or marked as one that only Great Expectations' engine can judge."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from lakehouse.definition.expectation import Expectation, OnViolation, Severity
from lakehouse.definition.fingerprint import sql_tokens
from lakehouse.errors import DefinitionError, DefinitionErrors, InvalidValue
from lakehouse.names import TableName
from lakehouse.quality.columns import Columns
from lakehouse.quality.condition import certain, row_condition, sql_condition
from lakehouse.quality.row_rules import row_predicates
from lakehouse.quality.table_rules import TableRuleKind, table_needs

__all__ = ["CompiledRules", "EngineRule", "RowRule", "TableRule", "TableRuleKind", "compile_rules", "rule_fingerprint"]

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
    `is_exact` is False where Great Expectations judges in Python, or not at all on Spark, and may differ in edge cases.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRule(_Named):
    """A rule over a table as a whole; its arguments are those of its expectation.

    `element` picks the rows that count (None: all), `missing` those of them that have no value. `aggregates` maps the
    names of metrics, equal for equal roles and texts, to SQL aggregates over all rows of the table. `members` are the
    values of a set as SQL literals. `reads` is another table that judging needs, `read_columns` its columns.
    """

    kind: TableRuleKind
    element: str | None = None
    missing: str | None = None
    aggregates: Mapping[str, str] = field(default_factory=dict)
    members: tuple[str, ...] = ()
    reads: TableName | None = None
    read_columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRule(_Named):
    """A rule that only Great Expectations' own engine judges."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledRules:
    """The rules of one dataset, in the order of their declaration within each kind."""

    rows: tuple[RowRule, ...] = ()
    tables: tuple[TableRule, ...] = ()
    engine: tuple[EngineRule, ...] = ()


def compile_rules(expectations: Iterable[Expectation], schema: Mapping[str, str] | None) -> CompiledRules:
    """The rules of a dataset whose columns have these Spark simple types; without a schema nothing is checked of them.

    Raises UnknownName for a column that is not there, InvalidValue for arguments that do not fit their column or each
    other; several problems together as DefinitionErrors.
    """
    rules: list[RowRule | TableRule | EngineRule] = []
    problems: list[DefinitionError] = []
    for expectation in expectations:
        try:
            rules.append(_compile(expectation, Columns(schema, expectation.location)))
        except DefinitionError as problem:
            problems.append(problem)
    if problems:
        raise DefinitionErrors(problems) if len(problems) > 1 else problems[0]
    return CompiledRules(
        rows=tuple(rule for rule in rules if isinstance(rule, RowRule)),
        tables=tuple(rule for rule in rules if isinstance(rule, TableRule)),
        engine=tuple(rule for rule in rules if isinstance(rule, EngineRule)),
    )


def rule_fingerprint(expectation: Expectation) -> str:
    """SHA-256 (hex) of what an expectation asks: condition or type, arguments and `mostly`; not what follows from it.

    Blanks and comments of a condition, the order of arguments, and arguments that are absent or null do not count.
    """
    condition = None if expectation.condition is None else sql_tokens(expectation.condition)
    arguments = {key: value for key, value in expectation.arguments.items() if key not in _PROSE and value is not None}
    parts: list[Any] = [condition, expectation.type, arguments, _mostly(expectation)]
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _compile(expectation: Expectation, columns: Columns) -> RowRule | TableRule | EngineRule:
    # First, since it knows where a text is wrong.
    condition = None if expectation.condition is None else sql_condition(expectation.condition, columns.where)
    named: dict[str, Any] = {
        "name": expectation.name,
        "fingerprint": rule_fingerprint(expectation),
        "on_violation": expectation.on_violation,
        "severity": expectation.severity,
        "mostly": _mostly(expectation),
        "expectation": expectation,
    }
    if condition is not None:
        # What cannot be told to hold is a violation, so NULL is one.
        return RowRule(**named, unexpected=f"NOT {certain(condition)}")
    assert expectation.type is not None, "an expectation has a condition or a type"
    try:
        element = row_condition(expectation.arguments, columns)
        rows = row_predicates(expectation.type, expectation.arguments, columns)
        if rows is not None:
            return RowRule(**named, element=element, **_fields(rows))
        table = table_needs(expectation.type, expectation.arguments, columns, element)
    except (TypeError, ValueError) as error:  # a value without a SQL literal
        raise InvalidValue(f"an argument of '{expectation.type}': {error}.", where=expectation.location) from error
    if table is not None:
        if expectation.on_violation in (OnViolation.DROP, OnViolation.QUARANTINE):
            raise _no_row_to_act_on(expectation)
        return TableRule(**named, element=element, **_fields(table))
    if expectation.on_violation is not OnViolation.WARN:
        raise _no_row_to_act_on(expectation)
    if "column" in expectation.arguments:
        columns.sql(expectation.arguments["column"])
    return EngineRule(**named)


def _no_row_to_act_on(expectation: Expectation) -> InvalidValue:
    return InvalidValue(
        f"'{expectation.type}' does not judge single rows while they are written, so "
        f"'on_violation: {expectation.on_violation.value}' cannot act on them.",
        where=expectation.location,
        hint="Use warn.",
    )


def _fields(value: Any) -> dict[str, Any]:
    return {each.name: getattr(value, each.name) for each in fields(value)}


def _mostly(expectation: Expectation) -> float:
    share = expectation.arguments.get("mostly")
    return 1.0 if share is None else float(share)
