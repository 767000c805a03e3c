"""What a refresh is expected to cost, in full and by what changed, so that the cheaper one is chosen.

Both predictions are lines through measured points of a two-core machine, corrected by what this view's own refreshes
cost before: the ratio of actual to predicted seconds, kept a mode in the view's records. What is expected beyond the
largest of them is not taken for quicker than the lines say: small changes tell of fixed costs only. What a merge into
the table rewrites comes on top. A change of more than half of the rows is recomputed without further thought.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lakehouse.names import TableName
from lakehouse.plan.algebra import CLASS_KINDS, JOINS, NodeKind, PlanNode
from lakehouse.plan.maintenance import Maintenance, Strategy
from lakehouse.plan.table_change import TableChange

MOST_CHANGED = 0.5  # of all rows; above, a refresh by change does more work than a full one
_MEMORY = 0.5  # how much the last refresh counts against those before
_FULL_SECONDS, _FULL_BYTES = 0.9, 30e6  # fixed, and bytes of tables a second
_FIXED_SECONDS, _STEP_SECONDS = 0.3, 0.1
_SCAN_BYTES, _CHANGED_ROWS = 300e6, 40e3  # a second
_SMALL_BYTES = 16 << 20
_REWRITTEN_BYTES = 100e6  # of the table's own files, a second
_LARGEST = " up to"  # after a mode's name: the bare prediction up to which its ratio was learned


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenTable:
    """The view's own table: its data files, their bytes, and whether rows that go are only marked in them."""

    files: int
    bytes: int
    marks_rows: bool

    def rewriting(self, rows: int) -> float:
        """Seconds to rewrite the files in which so many rows change, each perhaps in another."""
        if self.marks_rows or not self.files:
            return 0.0
        return self.bytes * min(rows / self.files, 1.0) / _REWRITTEN_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Seconds that a refresh is expected to take in full, and by change in `mode`, `rewriting` of it for files in which
    rows change; the bare ones are not corrected."""

    mode: str
    full: float
    by_change: float
    bare_full: float
    bare_by_change: float
    rewriting: float
    share: float | None

    @property
    def by_change_pays(self) -> bool:
        """Whether to refresh by what changed."""
        return (self.share is None or self.share <= MOST_CHANGED) and self.by_change <= self.full

    def __str__(self) -> str:
        rewriting = (
            f" ({self.rewriting:.1f} s to rewrite files; none with deletion vectors)" if self.rewriting >= 1 else ""
        )
        return f"expected {self.by_change:.1f} s by what changed{rewriting}, {self.full:.1f} s in full"


def predict(
    maintenance: Maintenance,
    changes: Mapping[TableName, TableChange],
    ratios: Mapping[str, float],
    mode: str,
    table: WrittenTable | None = None,
) -> Prediction:
    """The expected seconds of a refresh of `table` by change, in `mode`, and of a full one."""
    root = maintenance.root
    changed = {name for name, change in changes.items() if change.changes_rows}
    sources = [node for node in root.walk() if node.kind is NodeKind.SOURCE and node.dataset in changes]
    sizes = {node.id: changes[node.dataset].table_bytes for node in sources if node.dataset is not None}
    bare_full = _FULL_SECONDS + sum(sizes.values()) / _FULL_BYTES
    read_again = maintenance.strategy is Strategy.CLASSES
    scanned = sum(
        sizes[node.id]
        for node in sources
        if sizes[node.id] > _SMALL_BYTES and (read_again or changed - {node.dataset} or _below_class(root, node))
    )
    rows = sum(change.rows or 0 for change in changes.values() if change.changes_rows)
    steps = sum(node.kind in JOINS or node.kind in CLASS_KINDS for node in root.walk())
    bare = _FIXED_SECONDS + steps * _STEP_SECONDS + scanned / _SCAN_BYTES + rows / _CHANGED_ROWS
    known = [change for change in changes.values() if change.table_rows and change.rows is not None]
    table_rows = sum(change.table_rows or 0 for change in known)
    rewriting = table.rewriting(rows) if table is not None else 0.0
    return Prediction(
        mode=mode,
        full=_corrected(bare_full, ratios, "full"),
        by_change=_corrected(bare, ratios, mode) + rewriting,
        bare_full=bare_full,
        bare_by_change=bare,
        rewriting=rewriting,
        share=sum(change.rows or 0 for change in known if change.changes_rows) / table_rows if table_rows else None,
    )


def learned(ratios: Mapping[str, float], mode: str, predicted: float, seconds: float) -> dict[str, float]:
    """The ratios after a refresh in `mode` took `seconds` where the bare prediction was `predicted`."""
    ratio = seconds / max(predicted, 1e-3)
    before = ratios.get(mode)
    mixed = ratio if before is None else before * (1 - _MEMORY) + ratio * _MEMORY
    largest = max(ratios.get(mode + _LARGEST, 0.0) * _MEMORY, predicted)
    return {**ratios, mode: round(mixed, 3), mode + _LARGEST: round(largest, 3)}


def _corrected(bare: float, ratios: Mapping[str, float], mode: str) -> float:
    ratio = ratios.get(mode, 1.0)
    known = min(bare, ratios.get(mode + _LARGEST, bare))
    return known * ratio + (bare - known) * max(ratio, 1.0)


def _below_class(root: PlanNode, source: PlanNode) -> bool:
    """Whether the source's rows are read again for the classes that its own change touches, inside the query."""
    return any(
        node is not root and node.kind in CLASS_KINDS and any(found is source for found in node.walk())
        for node in root.walk()
    )
