"""Where columns come from, as plain values: what tags and masks are carried along.

The shape is that of `system/lineage`: a column of a table comes from a column of another as `value` or only decides
which rows there are as `condition` (then nothing of it is in the value, and nothing is carried). `copy` is a value that
is the source's own, unchanged. Where only the tables are known (`opaque`), every column comes from every column.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from lakehouse.catalog.policy import Tagged
from lakehouse.catalog.securable import Securable, SecurableKind
from lakehouse.names import RESERVED_SCHEMAS, TableName, quarantine_name

# Framework columns of a table that hold what did not fit its other columns, as JSON: any of their values.
RAW_COLUMNS = frozenset({"_rescued"})
ALL_ROWS = "*"


class FlowKind(str, Enum):
    """How a source matters to a target."""

    COPY = "copy"
    VALUE = "value"
    CONDITION = "condition"
    OPAQUE = "opaque"  # between tables; the columns are `*`


_KINDS = {"copy": FlowKind.COPY, "condition": FlowKind.CONDITION}


@dataclass(frozen=True, slots=True)
class ColumnFlow:
    """`source` flows into `target`, or decides about it; columns are in lower case."""

    source: Tagged
    target: Tagged
    kind: FlowKind = FlowKind.VALUE


@dataclass(frozen=True, slots=True)
class Lineage:
    """All flows of a project, and the columns (lower case) of its tables as far as they are known."""

    flows: tuple[ColumnFlow, ...] = ()
    columns: Mapping[Securable, frozenset[str]] = field(default_factory=dict)

    def has(self, table: Securable, column: str) -> bool:
        """Whether the table has the column, or may have it as its columns are not known."""
        return table not in self.columns or column in self.columns[table]


def lineage_of(
    rows: Iterable[Mapping[str, Any]],
    catalog: str,
    *,
    reads: Mapping[str, Collection[str]] | None = None,
    columns: Mapping[str, Collection[str]] | None = None,
) -> Lineage:
    """Lineage from rows of `system/lineage` of the definitions that the published tables were computed by.

    `reads` are the tables that each table (`schema.name`) was computed from, `columns` those of each table. A table
    that reads others but has no row is opaque: what is not known to come from elsewhere may come from anywhere.
    """
    flows: set[ColumnFlow] = set()
    traced: set[str] = set()
    for row in rows:
        traced.add(row["dataset"])
        if row["source_dataset"] is None or row["column_name"] == ALL_ROWS:
            continue
        source = Tagged(_table(row["source_dataset"], catalog), row["source_column"].lower())
        target = Tagged(_table(row["dataset"], catalog), row["column_name"].lower())
        # A kind that is not known may be any.
        flows.add(ColumnFlow(source, target, _KINDS.get(row["kind"], FlowKind.VALUE)))
    for target_name, sources in (reads or {}).items():
        kind = FlowKind.CONDITION if target_name in traced else FlowKind.OPAQUE
        for source_name in sources:
            source = Tagged(_table(source_name, catalog), ALL_ROWS)
            flows.add(ColumnFlow(source, Tagged(_table(target_name, catalog), ALL_ROWS), kind))
    known = {_table(name, catalog): frozenset(map(str.lower, found)) for name, found in (columns or {}).items()}
    return Lineage(tuple(sorted(flows, key=lambda flow: (flow.target, flow.source, flow.kind.value))), known)


def value_flows(lineage: Lineage, marked: Iterable[Tagged]) -> tuple[ColumnFlow, ...]:
    """Every flow of values from column to column: those recorded, those of opaque tables, from each column into
    `RAW_COLUMNS` of its table, and into the quarantine of each table. `marked` are more columns that there may be.

    A quarantine table has the columns of its dataset as they were given, so each is a copy; its own columns name
    expectations and versions and hold no values. The column `*` of a table stands for those that are not known.
    """
    columns: dict[Securable, set[str]] = {table: {*found, ALL_ROWS} for table, found in lineage.columns.items()}
    ends = [end for flow in lineage.flows for end in (flow.source, flow.target)]
    for end in (*ends, *marked):
        if end.column is not None:
            columns.setdefault(end.securable, {ALL_ROWS}).add(end.column)
    for table, there in columns.items():
        there.update(column for column in RAW_COLUMNS if lineage.has(table, column))
    found = [flow for flow in lineage.flows if flow.kind in (FlowKind.COPY, FlowKind.VALUE)]
    for flow in lineage.flows:
        if flow.kind is FlowKind.OPAQUE:
            found += [
                ColumnFlow(Tagged(flow.source.securable, column), Tagged(flow.target.securable, to))
                for column in sorted(columns[flow.source.securable])
                for to in sorted(columns[flow.target.securable])
            ]
    for table, there in columns.items():
        raw = sorted(RAW_COLUMNS & there)
        found += [ColumnFlow(Tagged(table, column), Tagged(table, to)) for to in raw for column in sorted(there - {to})]
        quarantine = quarantine_of(table)
        if quarantine is not None:
            found += [
                ColumnFlow(Tagged(table, column), Tagged(quarantine, column), FlowKind.COPY) for column in sorted(there)
            ]
    return tuple(found)


def quarantine_of(table: Securable) -> Securable | None:
    """The quarantine of a table that may have one."""
    if table.kind is not SecurableKind.TABLE or table.path[1] in RESERVED_SCHEMAS:
        return None
    name = quarantine_name(TableName(table.path[1], table.path[2]))
    return Securable(SecurableKind.TABLE, (table.path[0], name.schema, name.name))


def _table(name: str, catalog: str) -> Securable:
    schema, _, table = name.lower().partition(".")
    return Securable(SecurableKind.TABLE, (catalog, schema, table))
