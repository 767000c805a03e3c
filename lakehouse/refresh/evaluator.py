"""What a query's operators give, now and before, in full or for some keys only; and by what that differs.

`state` evaluates a node restricted to keys. The restriction goes down to the leaves along columns that pass through
and along the equi-joins (semi-join reduction, the "magic sets" of deductive databases): the restricted side of a join
tells which rows of the other side can matter. It stops where it would be wrong (see `Restriction.through`'s callers)
and is then applied to what comes out; a missed restriction costs time, never correctness.

`delta` gives the rows by which a node's new result differs from its old one, from its children's, by operator:

    row by row, filter, union   the operator of the children's change
    L join R                    dL join R_old  +  L_new join dR
    L left/semi/anti join R     dL join R_new  +  for the keys of dR: L_old join R_new - L_old join R_old, or where
                                R has many rows of them: L_old join dR, and the L_old whose first match comes or goes
    L full join R               for the keys of dL and dR: new - old
    aggregate, window           for the classes of the change below: new - old

An old result is the new one without the change; only unrestricted ones are read from the tables' old versions.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Literal

from pyspark.sql import DataFrame

from lakehouse.analysis.local_rows import collected_rows, joined_rows, literal_rows
from lakehouse.analysis.plan_binding import WEIGHT, PlanBinder, column, select
from lakehouse.names import TableName
from lakehouse.plan.algebra import CLASS_KINDS, NodeKind, PlanNode
from lakehouse.refresh.changed_matches import HERE, changed_matches
from lakehouse.refresh.kept_rows import KeptRows
from lakehouse.refresh.restriction import Restriction
from lakehouse.refresh.signed_rows import coming, going, net, remaining, reversed_signs, together, unit, unit_if_here
from lakehouse.refresh.source_rows import SourceRows, as_node, needed_columns

_JOINED_HERE: Mapping[NodeKind, Literal["inner", "left", "left_semi", "left_anti"]] = {
    NodeKind.INNER_JOIN: "inner",
    NodeKind.LEFT_JOIN: "left",
    NodeKind.SEMI_JOIN: "left_semi",
    NodeKind.ANTI_JOIN: "left_anti",
}


_MOST_VALUES = 100_000  # that are looked for in a table's files


class Side(str, Enum):
    """Which state of the tables."""

    OLD = "old"
    NEW = "new"


class Evaluator:
    """Evaluates the nodes of one query over its sources' states. Frames that are used twice are kept until `close`.

    `used` are the attributes that the query needs (all, if it is not given); `expects_few` as `KeptRows` takes it."""

    def __init__(
        self,
        binder: PlanBinder,
        sources: Mapping[TableName, SourceRows],
        used: frozenset[int] | None = None,
        *,
        expects_few: bool = True,
    ) -> None:
        self.binder = binder
        self._used = used
        self._sources = sources
        self._changed = frozenset(name for name, rows in sources.items() if rows.change is not None)
        self._deltas: dict[int, DataFrame | None] = {}
        self._known: set[int] = set()
        self._states: dict[tuple[int, Side, int | None], DataFrame] = {}
        self._restrictions: list[Restriction] = []  # kept alive: states are remembered by their identity
        self._kept = KeptRows(expects_few=expects_few)

    def close(self) -> None:
        """Lets go of what was kept."""
        self._kept.close()

    def keep(self, frame: DataFrame) -> DataFrame:
        """The frame's rows, computed once however often they are used. Runs a job."""
        return self._kept.keep(frame)[0]

    def counted(self, frame: DataFrame) -> tuple[DataFrame, int]:
        """The same, and how many rows there are."""
        return self._kept.keep(frame)

    def delta(self, node: PlanNode) -> DataFrame | None:
        """The rows that come and go (columns `c<id>` and `__w`, +1 or -1), None if it is known that there are none."""
        if node.id not in self._deltas:
            self._deltas[node.id] = self._delta(node) if node.is_changed(self._changed) else None
        return self._deltas[node.id]

    def known_delta(self, node: PlanNode) -> DataFrame | None:
        """The same, computed already: for those who use it more than once, or may leave out work if it is empty."""
        if node.id not in self._known:
            change = self.delta(node)
            if change is not None:
                kept, rows = self._kept.keep(change)
                change = self._deltas[node.id] = kept if rows else None
            self._known.add(node.id)
        return self._deltas[node.id]

    def state(self, node: PlanNode, side: Side, wanted: Restriction | None = None) -> DataFrame:
        """The node's rows (columns `c<id>`), all or those `wanted`."""
        if side is Side.OLD and not node.is_changed(self._changed):
            side = Side.NEW
        key = (node.id, side, None if wanted is None else id(wanted))
        if key not in self._states:
            if wanted is not None:
                self._restrictions.append(wanted)
            self._states[key] = self._state(node, side, wanted)
        return self._states[key]

    def classes(self, body: PlanNode, touched: Restriction) -> DataFrame:
        """The rows of an aggregate or a window now, for classes given by its child's columns."""
        return self.over(body, [self.state(body.children[0], Side.NEW, touched)])

    # --- change ---

    def _delta(self, node: PlanNode) -> DataFrame | None:
        match node.kind:
            case NodeKind.SOURCE:
                return self._source_change(node)
            case NodeKind.MAP | NodeKind.FILTER:
                below = self.delta(node.children[0])
                if below is None:
                    return None
                rows = self.over(node, [below])
                return unit_if_here(rows) if node.kind is NodeKind.MAP else rows
            case NodeKind.UNION:
                changes = enumerate(map(self.delta, node.children))
                branches = [self._branch(node, place, frame) for place, frame in changes if frame is not None]
                return together(branches) if branches else None
            case NodeKind.INNER_JOIN:
                return self._inner_join_change(node)
            case NodeKind.LEFT_JOIN | NodeKind.SEMI_JOIN | NodeKind.ANTI_JOIN:
                return self._left_join_change(node)
            case NodeKind.FULL_JOIN:
                return self._full_join_change(node)
            case NodeKind.AGGREGATE | NodeKind.WINDOW | NodeKind.GROUP_MAP:
                return self._class_change(node)
            case _:
                if all(self.known_delta(child) is None for child in node.children):
                    return None
                old, new = self.state(node, Side.OLD), self.state(node, Side.NEW)
                return together([coming(new), going(old)])

    def _source_change(self, node: PlanNode) -> DataFrame:
        assert node.dataset is not None
        change = self._sources[node.dataset].change
        assert change is not None
        needed = needed_columns(node, self._used)
        rows = as_node(node, change, needed)
        if not self._sources[node.dataset].is_unit:
            return unit(rows)
        return rows if len(needed) == len(node.output) else unit_if_here(rows)

    def _inner_join_change(self, node: PlanNode) -> DataFrame | None:
        left, right = node.children
        terms = []
        left_change = self._joining_delta(node, left, right)
        if left_change is not None:
            other = self._matching(node, right, Side.OLD, left_change, from_left=True)
            terms.append(self.over(node, [left_change, other]))
        right_change = self._joining_delta(node, right, left)
        if right_change is not None:
            other = self._matching(node, left, Side.NEW, right_change, from_left=False)
            terms.append(self.over(node, [other, right_change]))
        return together(terms) if terms else None

    def _left_join_change(self, node: PlanNode) -> DataFrame | None:
        left, right = node.children
        terms = []
        left_change = self._joining_delta(node, left, right)
        if left_change is not None:
            other = self._matching(node, right, Side.NEW, left_change, from_left=True)
            terms.append(self.over(node, [left_change, other]))
        right_change = self.known_delta(right)
        terms += self._matches_change(node, right_change) if right_change is not None else []
        return together(terms) if terms else None

    def _matches_change(self, node: PlanNode, right_change: DataFrame) -> list[DataFrame]:
        """What the right side's change does to the left rows that it may match."""
        left, right = node.children
        if not node.equi:  # all of them
            _, count = self._kept.keep(unit(net(right_change)))
            return self._rejoined(node, self.keep(self.state(left, Side.OLD)), None) if count else []
        lefts, rights = [key.left for key in node.equi], [key.right for key in node.equi]
        matching = [f"{column(key.right)} IS NOT NULL" for key in node.equi if not key.null_safe]
        if matching:
            right_change = right_change.where(" AND ".join(matching))
        touched = Restriction.to(right_change, rights)
        stayed = self.keep(self.state(left, Side.OLD, Restriction(tuple(lefts), touched.values)))
        now = self.state(right, Side.NEW, touched)
        if not node.is_equi_only or literal_rows(now) is not None:
            return self._rejoined(node, stayed, touched)
        # Many rows: those that stay match as they did, so it is enough to know which keys match at all.
        nothing = right_change.drop(WEIGHT).where("false")
        terms = [self.over(node, [stayed, right_change])] if node.kind is NodeKind.LEFT_JOIN else []
        here = self._counted(right, touched)
        if here is None:
            here = select(now, [*map(column, rights), f"1L AS {HERE}"])
        flipped = changed_matches(here, right_change, rights, self._kept.keep)
        for keys, is_gained in zip(flipped or (), (True, False), strict=bool(flipped)):
            rows = Restriction(tuple(lefts), keys).applied(stayed)
            is_semi = node.kind is NodeKind.SEMI_JOIN
            found = self.over(node, [rows, right_change.drop(WEIGHT) if is_semi else nothing])
            terms.append(coming(found) if is_gained is is_semi else going(found))
        return terms

    def _rejoined(self, node: PlanNode, rows: DataFrame, touched: Restriction | None) -> list[DataFrame]:
        sides = [self.over(node, [rows, self.state(node.children[1], side, touched)]) for side in (Side.NEW, Side.OLD)]
        return [coming(sides[0]), going(sides[1])]

    def _full_join_change(self, node: PlanNode) -> DataFrame | None:
        left, right = node.children
        lefts, rights = [key.left for key in node.equi], [key.right for key in node.equi]
        changes = [(self.known_delta(left), lefts), (self.known_delta(right), rights)]
        if all(change is None for change, _ in changes):
            return None
        touched: DataFrame | None = None
        for change, ids in changes:
            if change is not None and node.equi:
                keys = Restriction.to(change, ids).values
                touched = keys if touched is None else touched.unionAll(keys).distinct()
        of_left = Restriction(tuple(lefts), touched) if touched is not None else None
        of_right = Restriction(tuple(rights), touched) if touched is not None else None
        states = {
            side: self.over(node, [self.state(left, side, of_left), self.state(right, side, of_right)]) for side in Side
        }
        return together([coming(states[Side.NEW]), going(states[Side.OLD])])

    def _class_change(self, node: PlanNode) -> DataFrame | None:
        child = node.children[0]
        below = self.known_delta(child)
        if below is None:
            return None
        touched = Restriction.to(below, node.keys) if node.keys else None
        new = self.over(node, [self.state(child, Side.NEW, touched)])
        old = self.over(node, [self.state(child, Side.OLD, touched)])
        return together([coming(new), going(old)])

    def _joining_delta(self, node: PlanNode, child: PlanNode, other: PlanNode) -> DataFrame | None:
        """A child's change that joins the other child: used twice where it also chooses the other's rows."""
        return self.known_delta(child) if node.equi and not self._is_small(other) else self.delta(child)

    # --- state ---

    def _state(self, node: PlanNode, side: Side, wanted: Restriction | None) -> DataFrame:
        if wanted is not None and side is Side.OLD:
            # What was there is what is there without what came and with what went.
            new, change = self.state(node, Side.NEW, wanted), self.known_delta(node)
            if change is None:
                return new
            return remaining(together([coming(new), reversed_signs(wanted.applied(change))]))
        match node.kind:
            case NodeKind.SOURCE:
                assert node.dataset is not None
                rows = self._sources[node.dataset]
                if wanted is not None and side is Side.NEW and (found := self._looked_up(node, wanted)) is not None:
                    return found
                needed = needed_columns(node, self._used)
                assert wanted is None or needed.issuperset(wanted.ids), "rows are chosen by columns that are read"
                frame = as_node(node, rows.new() if side is Side.NEW else rows.old(), needed)
                return wanted.applied(frame) if wanted is not None else frame
            case NodeKind.UNION:
                branches = [
                    self._branch(node, i, self.state(child, side, wanted and wanted.through(node.origins[i])))
                    for i, child in enumerate(node.children)
                ]
                return together(branches)
            case NodeKind.INNER_JOIN | NodeKind.LEFT_JOIN | NodeKind.SEMI_JOIN | NodeKind.ANTI_JOIN:
                return self._join_state(node, side, wanted)
            case _ if not node.children:
                frame = self.over(node, [])
                return wanted.applied(frame) if wanted is not None else frame
            case NodeKind.FULL_JOIN | NodeKind.LIMIT | NodeKind.OPAQUE:
                frame = self.over(node, [self.state(child, side) for child in node.children])
                return wanted.applied(frame) if wanted is not None else frame
            case _:
                allowed = frozenset(node.keys) if node.kind in CLASS_KINDS else None
                below = wanted.through(node.origins[0], allowed) if wanted is not None else None
                frame = self.over(node, [self.state(node.children[0], side, below)])
                return frame if wanted is None or wanted.covers(below) else wanted.applied(frame)

    def _join_state(self, node: PlanNode, side: Side, wanted: Restriction | None) -> DataFrame:
        left, right = node.children
        of_left, of_right = self._join_sides(node, wanted)
        if of_left is not None and of_right is None:
            rows = self.keep(self.state(left, side, of_left))
            frames = [rows, self._matching(node, right, side, rows, from_left=True)]
        elif of_right is not None and of_left is None:
            rows = self.keep(self.state(right, side, of_right))
            frames = [self._matching(node, left, side, rows, from_left=False), rows]
        else:
            frames = [self.state(left, side, of_left), self.state(right, side, of_right)]
        joined = self.over(node, frames)
        if wanted is None or wanted.covers(of_left) or (wanted.covers(of_right)):
            return joined
        return wanted.applied(joined)

    def _join_sides(self, node: PlanNode, wanted: Restriction | None) -> tuple[Restriction | None, Restriction | None]:
        """What is asked of each side. Rows of a nullable or a merely tested side may not be chosen by themselves."""
        if wanted is None:
            return None, None
        to_left, to_right = dict(node.origins[0]), dict(node.origins[1])
        if node.kind is not NodeKind.INNER_JOIN:
            by_key = {key.left: key.right for key in node.equi}
            of_left = wanted.through(to_left)
            of_right = wanted.through(by_key)
            return of_left, of_right if wanted.covers(of_right) else None
        for key in node.equi:
            to_left.setdefault(key.right, key.left)
            to_right.setdefault(key.left, key.right)
        return wanted.through(to_left), wanted.through(to_right)

    def _matching(self, node: PlanNode, other: PlanNode, side: Side, frame: DataFrame, *, from_left: bool) -> DataFrame:
        """The other child's rows that can join with the frame's: all, where choosing them is not worth it."""
        if not node.equi or self._is_small(other):
            return self.state(other, side)
        ours = [key.left if from_left else key.right for key in node.equi]
        theirs = [key.right if from_left else key.left for key in node.equi]
        return self.state(other, side, Restriction.to(frame, ours, theirs))

    def _is_small(self, node: PlanNode) -> bool:
        return all(self._sources[name].is_small for name in node.datasets)

    def _looked_up(self, node: PlanNode, wanted: Restriction) -> DataFrame | None:
        """The source's rows that hold what is wanted, without reading them all; None where that cannot be. Runs a job
        where the values are not part of the plan: it costs less than reading a large table."""
        assert node.dataset is not None
        look = self._sources[node.dataset].looked_up
        values = self._few_values(wanted) if look is not None else None
        if look is None or values is None:
            return None
        names = {attribute.id: attribute.name for attribute in node.output}
        needed = needed_columns(node, self._used)
        columns = [name for number, name in names.items() if number in needed]
        rows = look(values.toDF(*(names[number] for number in wanted.ids)), columns)
        if rows is None:
            return None
        found = as_node(node, rows, needed)
        return found if len(wanted.ids) == 1 else Restriction(wanted.ids, values).applied(found)

    def _counted(self, node: PlanNode, wanted: Restriction) -> DataFrame | None:
        """How many rows a node has of each of these keys (columns `c<id>` and `HERE`), each the key of some row that it
        has or had, without reading other columns; None where that cannot be."""
        # One row of each row, or all rows of a key or none, which then it would have none of.
        if node.name == "Project" or (node.kind is NodeKind.FILTER and node.decides.issubset(wanted.ids)):
            below = wanted.through(node.origins[0])
            here = self._counted(node.children[0], below) if below is not None and wanted.covers(below) else None
            return None if here is None else here.toDF(*map(column, wanted.ids), HERE)
        count = self._sources[node.dataset].counted if node.dataset is not None else None
        values = self._few_values(wanted) if count is not None else None
        if count is None or values is None:
            return None
        names = {attribute.id: attribute.name for attribute in node.output}
        rows = count(values.toDF(*(names[number] for number in wanted.ids)))
        return None if rows is None else rows.toDF(*map(column, wanted.ids), HERE)

    def _few_values(self, wanted: Restriction) -> DataFrame | None:
        """The values as rows of a plan, if they can be looked for in files: few, and of every column once."""
        if len(set(wanted.ids)) < len(wanted.ids):
            return None
        known = literal_rows(wanted.values) or collected_rows(wanted.values, _MOST_VALUES)
        return None if known is None else known[0]

    # --- frames ---

    def over(self, node: PlanNode, frames: list[DataFrame], *, ordered: bool = False) -> DataFrame:
        """The node's rows from its children's; their order is kept where it is asked for."""
        if not ordered and node.name in ("Sort", "Repartition", "RepartitionByExpression", "RebalancePartitions"):
            return frames[0]
        here = self._joined_here(node, frames)
        return self.binder.evaluate(node, frames) if here is None else here

    def _joined_here(self, node: PlanNode, frames: list[DataFrame]) -> DataFrame | None:
        """A join of rows of the plan by equal columns alone, without a job; None for another node or other rows."""
        nulls = {key.null_safe for key in node.equi}
        if node.kind not in _JOINED_HERE or not node.is_equi_only or len(nulls) != 1:
            return None
        left, right = frames
        pairs = [(column(key.left), column(key.right)) for key in node.equi]
        found = joined_rows(left, right, pairs, _JOINED_HERE[node.kind], null_safe=nulls == {True})
        if found is None:
            return None
        signs = [WEIGHT] if WEIGHT in found.columns else []
        return select(found, [*dict.fromkeys(map(column, node.ids)), *signs])

    def _branch(self, node: PlanNode, place: int, frame: DataFrame) -> DataFrame:
        origins = node.origins[place]
        columns = [f"{column(origins[number])} AS {column(number)}" for number in node.ids]
        return select(frame, [*columns, *([WEIGHT] if WEIGHT in frame.columns else [])])
