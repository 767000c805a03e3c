"""What a principal sees of a table as one query over the raw table: masks, filters, hidden columns left out.

The order of things is what protects hidden rows. A reader's predicate that fails or tells of a row by failing must
never be evaluated on a row that the filters hide, so:

- a condition that is NULL is made FALSE beside itself (`c AND coalesce(c, false)`): an AND whose left side is NULL
  evaluates its right side, and Spark joins the reader's predicate to ours with AND. The condition alone stays, because
  it skips files; `c IS TRUE` would not do, Spark takes it for `c` in a filter;
- a table with a visible partition column gets a barrier, unless its filters choose whole partitions and nothing else:
  predicates on partition columns alone are evaluated on the list of all partitions, before any other filter.

`READER_SETTINGS` are the other half: without them Spark puts predicates that it concludes from the reader's in front
of ours, or evaluates a common part of the reader's before any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from lakehouse.catalog.mapping_query import Ask, answered
from lakehouse.catalog.policy import TableShape
from lakehouse.catalog.policy_expression import Invoker, bound, expression_tokens, folded, names_used
from lakehouse.catalog.table_access import AppliedFilter, AppliedMask, TableAccess
from lakehouse.definition.sql_literals import identifier
from lakehouse.errors import AccessRefused, LakehouseError

READER_SETTINGS: Mapping[str, str] = {
    "spark.sql.runSQLOnFiles": "false",  # no format.`path` in a query
    "spark.sql.variable.substitute": "false",  # no ${env:…}
    # Policies and literals are read and written with these rules of text and names.
    "spark.sql.parser.escapedStringLiterals": "false",
    "spark.sql.ansi.doubleQuotedIdentifiers": "false",
    "spark.sql.caseSensitive": "false",
    # `a = b AND cast(b AS int) = 1` lets Spark conclude `cast(a AS int) = 1`, and evaluate it before a view's filter.
    "spark.sql.constraintPropagation.enabled": "false",
    # What two conjuncts have in common is evaluated before the first of them, if the expressions are not compiled as
    # a whole, which any function without generated code brings about.
    "spark.sql.subexpressionElimination.skipForShortcutExpr": "true",
    # Would evaluate a predicate on the bounds of files of a clustered table.
    "spark.databricks.delta.skipping.partitionLikeFilters.enabled": "false",
}
"""What a session must be set to for secured views to hold."""

_MASKED_VALUE = "val"
# With these and partition columns alone a condition chooses whole partitions: the same answer for all their rows.
_PLAIN_WORDS = frozenset(
    {"and", "or", "not", "in", "is", "null", "true", "false", "between", "like", "cast", "as", "string", "int", "date"}
)


@dataclass(frozen=True, slots=True)
class _Policy:
    kind: str
    name: str


def resolved_access(access: TableAccess, shape: TableShape, invoker: Invoker, ask: Ask) -> TableAccess:
    """The same access for one reader, its expressions without functions of identity and without subqueries.

    Raises AccessRefused for an expression that cannot be resolved: its table cannot be read then.
    """
    columns = frozenset(name.lower() for name, _ in shape.columns)

    def text(policy: _Policy, expression: str, names: Iterable[str]) -> str:
        known = columns.union(name.lower() for name in names)
        return _applied(access, policy, lambda: answered(folded(expression, invoker, known), ask))

    def mask(found: AppliedMask) -> AppliedMask:
        resolved = text(_Policy("mask", found.policy), found.expression, [*found.bindings, _MASKED_VALUE])
        return replace(found, expression=resolved)

    def row_filter(found: AppliedFilter) -> AppliedFilter:
        return replace(found, condition=text(_Policy("row filter", found.policy), found.condition, found.bindings))

    return replace(
        access,
        columns=tuple(replace(column, mask=mask(column.mask)) if column.mask else column for column in access.columns),
        filters=tuple(map(row_filter, access.filters)),
    )


def secured_query(access: TableAccess, shape: TableShape, raw: str) -> str:
    """SQL text of the rows and columns that `access`, resolved, leaves of `raw`, the raw table as SQL writes it.

    Filters see raw values and hidden columns; masks are cast to their column's type. Raises AccessRefused for access
    that is refused, and for an expression that does not fit.
    """
    if not access or not access.columns:
        raise AccessRefused(f"'{access.table}' cannot be read.")
    conditions = [_condition(access, each) for each in access.filters]
    select = f"SELECT {', '.join(_columns(access))} FROM {raw}"
    if not conditions:
        return select
    filtered = f"{select} WHERE {' AND '.join(f'({each}) AND coalesce(({each}), false)' for each in conditions)}"
    return (
        f"SELECT * FROM ({filtered}) WHERE monotonically_increasing_id() >= 0" if _exposes(access, shape) else filtered
    )


def _columns(access: TableAccess) -> Iterable[str]:
    for column in access.columns:
        name = identifier(column.name)
        if column.mask is None:
            yield name
            continue
        mask = column.mask
        names = {**_quoted(mask.bindings), _MASKED_VALUE: name}
        value = _applied(access, _Policy("mask", mask.policy), lambda: bound(mask.expression, names))  # noqa: B023
        yield f"CAST(({value}) AS {column.type}) AS {name}"


def _condition(access: TableAccess, row_filter: AppliedFilter) -> str:
    return _applied(
        access,
        _Policy("row filter", row_filter.policy),
        lambda: bound(row_filter.condition, _quoted(row_filter.bindings)),
    )


def _exposes(access: TableAccess, shape: TableShape) -> bool:
    """Whether a reader's predicate could be evaluated on partitions of which the filters hide a row."""
    partitions = frozenset(name.lower() for name in shape.partition_columns)
    shown: set[str] = set()
    for column in access.columns:
        shown |= {column.name.lower()}
        if column.mask:
            shown |= names_used(column.mask.expression) | {name.lower() for name in column.mask.bindings.values()}
    if not shown & partitions:
        return False
    return any(_chooses_rows(_condition(access, each), partitions) for each in access.filters)


def _chooses_rows(condition: str, partitions: frozenset[str]) -> bool:
    """Whether a condition may be true for one row and not for another of the same partition."""
    for token in expression_tokens(condition):
        if token.kind == "quoted" and token.text[1:-1].lower() not in partitions:
            return True
        if token.kind == "word" and not (token.text.lower() in partitions | _PLAIN_WORDS or token.text.isdigit()):
            return True
    return False


def _applied(access: TableAccess, policy: _Policy, change: Callable[[], str]) -> str:
    try:
        return change()
    except LakehouseError as error:
        raise unusable(access, f"{policy.kind} '{policy.name}'", error) from error


def unusable(access: TableAccess, what: str, error: LakehouseError | None = None) -> AccessRefused:
    """The error that a rule of a table cannot be applied, so that nothing of the table can be read."""
    cause = f": {error.message}" if error else "."
    return AccessRefused(
        f"'{access.table}' cannot be read: its {what} cannot be applied{cause}",
        hint="Who manages its access must correct the rule.",
    )


def _quoted(bindings: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): identifier(column) for name, column in bindings.items()}
