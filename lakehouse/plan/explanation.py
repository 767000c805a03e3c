"""How a view can be kept up to date, as values: what its query allows, and what has changed in what it reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lakehouse.names import TableName
from lakehouse.plan.algebra import NodeKind, PlanNode
from lakehouse.plan.cost import Prediction
from lakehouse.plan.maintenance import Maintenance, Refusal, RefusalCode, Strategy, derive_maintenance, not_monotone
from lakehouse.plan.refresh_plan import RefreshMode, RefreshStep
from lakehouse.plan.table_change import TableChange


@dataclass(frozen=True, slots=True)
class KeyColumn:
    """A column of the result that tells the classes of rows apart, and the columns (`schema.table.column`, sorted)
    that its value comes from."""

    name: str
    sources: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedWays:
    """How a query lets its view be refreshed by what changed, cheapest first. `refusal` says why there is no way, or
    none but `append` where rows change or go.

    `key` are the columns whose classes of rows are replaced, and `is_unique` says that a class is one row; without a
    key, rows are told apart by all columns. `lacking` says what the cheaper ways lacked.
    """

    modes: tuple[RefreshMode, ...]
    key: tuple[KeyColumn, ...] = ()
    is_unique: bool = False
    refusal: Refusal | None = None
    lacking: tuple[Refusal, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceChange:
    """What has changed in a table that a view reads, as far as it is known without reading rows.

    From the version read before to `to_version`; that is None where this run decides it, and then `files` and
    `file_bytes` are those of the files that it would load. `change` is what the log says of the versions between.
    """

    dataset: TableName
    from_version: int
    to_version: int | None
    change: TableChange | None = None
    files: int = 0
    file_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepExplanation:
    """A step of a plan with what speaks for its mode. `allowed` is None for a streaming table; `sources` are those
    that changed, for a step that is refreshed by change; `state_is_missing` tells that the sums and counts that it
    would be refreshed from have to be made first, `prediction` what it is expected to take, where the change is known.
    """

    step: RefreshStep
    allowed: AllowedWays | None = None
    sources: tuple[SourceChange, ...] = ()
    state_is_missing: bool = False
    prediction: Prediction | None = None


def mode_of(maintenance: Maintenance) -> RefreshMode:
    """What a refresh by this way of maintaining a view is called."""
    return RefreshMode.AGGREGATE if maintenance.strategy is Strategy.STATE else RefreshMode.KEYS


def allowed_ways(root: PlanNode, columns: Sequence[str], unstable: Sequence[str] = ()) -> AllowedWays:
    """What the rules of change say of a query by its algebra: `columns` are the names of its result's columns,
    `unstable` the expressions that may give other values for the same rows."""
    if unstable:
        text = f"{', '.join(unstable)} may give other values each time"
        return AllowedWays(modes=(), refusal=Refusal(RefusalCode.NOT_DETERMINISTIC, text))
    found, lacks_append = derive_maintenance(root), not_monotone(root)
    append = () if lacks_append else (RefreshMode.APPEND,)
    if isinstance(found, Refusal):
        return AllowedWays(modes=append, refusal=found)
    names = dict(zip(root.ids, columns, strict=True))
    return AllowedWays(
        modes=(*append, mode_of(found)),
        key=tuple(
            KeyColumn(names[at_root], column_sources(found.body.children[0], below)) for below, at_root in found.key
        ),
        is_unique=found.is_unique,
        lacking=(*((lacks_append,) if lacks_append else ()), *found.lacking),
    )


def column_sources(node: PlanNode, column: int) -> tuple[str, ...]:
    """The columns of datasets, as `schema.table.column`, that a node's column comes from; sorted."""
    return tuple(sorted(_sources(node, column)))


def _sources(node: PlanNode, column: int) -> frozenset[str]:
    if node.kind is NodeKind.SOURCE:
        return frozenset(f"{node.dataset}.{attribute.name}" for attribute in node.output if attribute.id == column)
    found: frozenset[str] = frozenset()
    for place, child in enumerate(node.children):
        below = set(node.uses.get(column, ()))
        if place < len(node.origins) and column in node.origins[place]:
            below.add(node.origins[place][column])
        for number in below & set(child.ids):
            found |= _sources(child, number)
    return found
