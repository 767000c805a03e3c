"""Which values of a result its inputs decide to the last bit, so that computing it again must give the same."""

from __future__ import annotations

from dataclasses import dataclass

from lakehouse.plan.algebra import NodeKind, PlanNode


@dataclass(frozen=True, slots=True)
class Exactness:
    """`inexact` are the root's columns that may come out otherwise when the same is computed again; with a `problem`,
    the rows themselves may."""

    inexact: frozenset[int] = frozenset()
    problem: str | None = None


def exactness(node: PlanNode) -> Exactness:
    """What is decided of a node's rows: sums of floating-point numbers are inexact, and so is what comes from them;
    rows that are chosen by an inexact value, or by a limit among equals, may be others."""
    below: set[int] = set()
    for child in node.children:
        found = exactness(child)
        if found.problem is not None:
            return found
        below |= found.inexact
    if node.kind in (NodeKind.LIMIT, NodeKind.OPAQUE):
        reason = "which of equal rows come first" if node.kind is NodeKind.LIMIT else "what is not understood"
        return Exactness(problem=f"its rows depend on {reason}: {node.problem or node.text}")
    matched = {column for key in node.equi for column in (key.left, key.right)}
    if below & (node.decides | set(node.keys) | matched):
        return Exactness(problem=f"its rows depend on inexact values: {node.text}")
    return Exactness(frozenset(number for number in node.ids if _is_inexact(node, number, below)))


def _is_inexact(node: PlanNode, column: int, below: set[int]) -> bool:
    sources = set(node.uses.get(column, ())) | {origin[column] for origin in node.origins if column in origin}
    return column in node.inexact or not below.isdisjoint(sources)
