"""Tags and masks follow values from table to table: what is made of a tagged or masked column is tagged and masked too.

A column used only in a condition gives nothing on. `declassify` with a reason stops at its column: nothing comes in,
so nothing of it goes on to what is made of that column. A tag has every value that comes in, next to its own.

A mask that comes in masks a copy of the column as it masks the column, if it looks at nothing but `val`; where the
column is computed, or the mask looks at other columns (which may not be there, or mean something else), what is seen
is NULL. A mask declared on the derived column itself does not take its place: unless both are the same, or the column
is declassified, the table cannot be read.

Row filters are not inherited: which rows of a table a row of an aggregate stands for is not to be told. They are
declared on each table; `unfiltered` tells where one may have been forgotten.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from lakehouse.catalog.lineage import ALL_ROWS, ColumnFlow, FlowKind, Lineage, quarantine_of, value_flows
from lakehouse.catalog.policy import VALUE_SEPARATOR, AccessPolicy, ColumnMask, Tagged
from lakehouse.catalog.securable import Securable
from lakehouse.definition.sql_text import significant, tokenize

Chain = tuple[Tagged, ...]

_NOT_COLUMNS = frozenset(
    {
        *("VAL", "CASE", "WHEN", "THEN", "ELSE", "END", "AND", "OR", "NOT", "IS", "NULL", "TRUE", "FALSE"),
        *("LIKE", "ILIKE", "RLIKE", "IN", "BETWEEN", "AS"),
    }
)


@dataclass(frozen=True, slots=True)
class InheritedTag:
    """A tag that a column has: the values, and for each the columns that it came along, from where it is declared to
    this one (one column only: declared here)."""

    chains: Mapping[str, Chain]

    @property
    def value(self) -> str:
        """The value; several stand in one text with `VALUE_SEPARATOR` between them, as `TableShape.tags` has them."""
        return VALUE_SEPARATOR.join(sorted(self.chains))


@dataclass(frozen=True, slots=True)
class UnfilteredFlow:
    """A table with a row filter feeds one without."""

    source: Securable
    target: Securable
    row_filter: str


def effective_tags(policy: AccessPolicy, lineage: Lineage) -> dict[Tagged, dict[str, InheritedTag]]:
    """The tags of every column that has any, declared or inherited. The column `*` stands for columns of a table that
    are not known; `tags_of_table` looks there as well."""
    onward = _onward(value_flows(lineage, [*policy.tags, *policy.declassified]))
    chains: dict[Tagged, dict[str, dict[str, Chain]]] = {}
    for tagged, tags in policy.tags.items():
        if tagged.column is None:
            continue
        for key, value in tags.items():
            for chain, _ in _walk(tagged, onward, policy):
                chains.setdefault(chain[-1], {}).setdefault(key, {}).setdefault(value, chain)
    return {
        tagged: {key: InheritedTag(values) for key, values in sorted(found.items())}
        for tagged, found in sorted(chains.items(), key=lambda item: item[0])
    }


def tags_of_table(
    effective: Mapping[Tagged, Mapping[str, InheritedTag]], table: Securable, columns: Collection[str]
) -> dict[str, dict[str, str]]:
    """`TableShape.tags` of a table with these columns."""
    unknown = effective.get(Tagged(table, ALL_ROWS), {})
    result: dict[str, dict[str, str]] = {}
    for column in columns:
        own = effective.get(Tagged(table, column.lower()), {})
        tags = {
            key: InheritedTag(
                {**(unknown[key].chains if key in unknown else {}), **(own[key].chains if key in own else {})}
            )
            for key in sorted({*unknown, *own})
        }
        if tags:
            result[column] = {key: tag.value for key, tag in tags.items()}
    return result


def container_tags(policy: AccessPolicy, lineage: Lineage, table: Securable) -> dict[str, str]:
    """`TableShape.table_tags` of a table: its own and those of its schema and catalog (the nearest counts, as in Unity
    Catalog), and next to them those of all tables that its values come from, unless the table is declassified."""
    flows = value_flows(lineage, [])
    upstream: dict[Securable, set[Securable]] = {}
    for flow in flows:
        if flow.source.securable != flow.target.securable:
            upstream.setdefault(flow.target.securable, set()).add(flow.source.securable)
    for known in (*lineage.columns, *(tagged.securable for tagged in policy.tags)):
        quarantine = quarantine_of(known)
        if quarantine is not None:
            upstream.setdefault(quarantine, set()).add(known)
    values: dict[str, set[str]] = {}
    reached, todo = {table}, [table]
    while todo:
        found = todo.pop()
        nearest: dict[str, str] = {}
        for part in reversed((found, *found.ancestors())):
            nearest.update(policy.tags.get(Tagged(part), {}))
        for key, value in nearest.items():
            values.setdefault(key, set()).add(value)
        if Tagged(found) not in policy.declassified:
            more = upstream.get(found, set()) - reached
            reached |= more
            todo += more
    return {key: VALUE_SEPARATOR.join(sorted(found)) for key, found in sorted(values.items())}


def inherited_masks(policy: AccessPolicy, lineage: Lineage) -> tuple[ColumnMask, ...]:
    """The masks that come to columns from what they are made of, besides `policy.masks`.

    A table whose columns are not known may get a mask on a column that it does not have: it cannot be read then.
    """
    declared = [Tagged(mask.table, mask.column) for mask in policy.masks]
    onward = _onward(value_flows(lineage, [*declared, *policy.declassified]))
    result: dict[tuple[Tagged, str, ColumnMask], ColumnMask] = {}
    for mask, start in zip(policy.masks, declared, strict=True):
        reached: dict[Tagged, tuple[Chain, bool]] = {}
        for chain, is_copy in _walk(start, onward, policy):
            known = reached.setdefault(chain[-1], (chain, is_copy))
            reached[chain[-1]] = (known[0], known[1] and is_copy)
        for target, (chain, is_copy) in reached.items():
            column = target.column or ALL_ROWS
            if target == start or (not lineage.has(target.securable, column)):
                continue
            expression = mask.expression if is_copy and _looks_at_value_only(mask.expression) else "NULL"
            way = " > ".join(f"{part.securable}.{part.column}" for part in chain)
            made = replace(
                mask,
                table=target.securable,
                column=column,
                expression=expression,
                origin=f"{mask.origin} along {way}",
            )
            result[(target, expression, replace(made, name="", origin=""))] = made
    return tuple(sorted(result.values(), key=lambda made: (made.table, made.column, made.name, made.origin)))


def unfiltered(policy: AccessPolicy, lineage: Lineage) -> tuple[UnfilteredFlow, ...]:
    """Where a table with a row filter feeds, in whatever way, a table without one."""
    filters = {row_filter.table: row_filter.name for row_filter in policy.row_filters}
    pairs = {(flow.source.securable, flow.target.securable) for flow in lineage.flows}
    pairs |= {
        (table, found) for table in filters if (found := quarantine_of(table)) is not None and found in lineage.columns
    }
    return tuple(
        UnfilteredFlow(source, target, filters[source])
        for source, target in sorted(pairs)
        if source in filters and target not in filters
    )


def _onward(flows: tuple[ColumnFlow, ...]) -> dict[Tagged, list[ColumnFlow]]:
    result: dict[Tagged, list[ColumnFlow]] = {}
    for flow in flows:
        result.setdefault(flow.source, []).append(flow)
    return result


def _walk(
    start: Tagged, onward: Mapping[Tagged, list[ColumnFlow]], policy: AccessPolicy
) -> Iterator[tuple[Chain, bool]]:
    """Every column that a value of `start` reaches, itself first, with a shortest way there, and whether it is a copy;
    a column twice if it is reached as a copy and otherwise too."""
    todo: deque[tuple[Chain, bool]] = deque([((start,), True)])
    seen = {(start, True)}
    while todo:
        chain, is_copy = todo.popleft()
        yield chain, is_copy
        for flow in onward.get(chain[-1], ()):
            step = (flow.target, is_copy and flow.kind is FlowKind.COPY)
            if step not in seen and flow.target not in policy.declassified:
                seen.add(step)
                todo.append(((*chain, flow.target), step[1]))


def _looks_at_value_only(expression: str) -> bool:
    """Whether an expression names no column but `val`, as far as words tell; in doubt it does."""
    tokens = significant(tokenize(expression))
    for position, token in enumerate(tokens):
        is_called = position + 1 < len(tokens) and tokens[position + 1].text == "("
        if token.is_word("SELECT") or (token.kind == "quoted" and token.text.lower() != "`val`"):
            return False
        is_type = position > 0 and tokens[position - 1].is_word("AS")
        is_word = token.kind == "word" and not token.text[0].isdigit()
        if is_word and not is_called and not is_type and not token.is_word(*_NOT_COLUMNS):
            return False
    return True
