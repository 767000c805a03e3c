"""A dataset's rows as a query's leaf: in their two states, and what changed between these."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame

from lakehouse.analysis.plan_binding import WEIGHT, column, select
from lakehouse.plan.algebra import PlanNode
from lakehouse.refresh.signed_rows import quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRows:
    """A dataset's rows in its two states, read when asked for: frames with the dataset's own column names. `change`
    has `__w` beside them, of +1 and -1 only if `is_unit`, and is None where nothing changed. `is_small` tells that
    reading it whole costs no more than choosing. `looked_up` finds the new rows of a few key values (a frame of columns
    of the dataset), of the columns named and, where it is one column, no others; `counted` how many there are of each
    (and perhaps of other values), in `COUNT`. Both give None where reading it all is as quick."""

    new: Callable[[], DataFrame]
    old: Callable[[], DataFrame]
    change: DataFrame | None = None
    is_unit: bool = False
    is_small: bool = False
    looked_up: Callable[[DataFrame, Sequence[str]], DataFrame | None] | None = None
    counted: Callable[[DataFrame], DataFrame | None] | None = None


def needed_columns(node: PlanNode, used: frozenset[int] | None) -> frozenset[int]:
    """The columns of a source that are read, if the query uses these of all nodes (None: all). A nested type's text is
    not always SQL (names of fields), so no NULL can stand in for such a column."""
    return frozenset(a.id for a in node.output if used is None or a.id in used or "<" in a.type)


def as_node(node: PlanNode, frame: DataFrame, needed: frozenset[int]) -> DataFrame:
    """A source's rows under the names that the node's columns have, and `__w`, where it is there. NULL stands in for
    columns that are not needed: in every state and every change, so that rows of one equal those of the other."""
    columns = [
        f"{quoted(attribute.name) if attribute.id in needed else f'CAST(NULL AS {attribute.type})'} "
        f"AS {column(attribute.id)}"
        for attribute in node.output
    ]
    return select(frame, [*columns, *([WEIGHT] if WEIGHT in frame.columns else [])])
