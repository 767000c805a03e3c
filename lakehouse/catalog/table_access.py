"""What a principal sees of a table: which columns, each masked by what, and which rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from lakehouse.catalog.decision import Decision
from lakehouse.names import TableName


@dataclass(frozen=True, slots=True)
class AppliedMask:
    """What stands in place of a column: `expression`, SQL over `val` (the column's raw value) and other raw columns;
    `bindings` say which column each further name of a tag policy stands for."""

    policy: str
    expression: str
    origin: str = ""
    bindings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AppliedFilter:
    """A condition over raw columns, hidden ones included; only rows for which it is true are seen."""

    policy: str
    condition: str
    origin: str = ""
    bindings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ColumnAccess:
    """A visible column with its Spark type (DDL text), to which the mask's value is cast; `mask` None: raw."""

    name: str
    type: str
    mask: AppliedMask | None = None


@dataclass(frozen=True, slots=True)
class TableAccess:
    """What may be read of a table. Refused: no columns and no filters. Columns are in the table's order; all filters
    hold together (AND), sorted by policy. As a truth value: whether the table may be read."""

    table: TableName
    decision: Decision
    columns: tuple[ColumnAccess, ...] = ()
    filters: tuple[AppliedFilter, ...] = ()

    def __bool__(self) -> bool:
        return self.decision.allowed
