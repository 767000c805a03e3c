"""A view's aggregate refreshed from the state table beside it (`aggregate_state` says what that holds)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame, SparkSession

from lakehouse.analysis.local_rows import arrow_rows, literal_rows
from lakehouse.analysis.plan_binding import column, select
from lakehouse.plan.maintenance import Maintenance
from lakehouse.plan.sieve import NO_SIEVE, Sieve
from lakehouse.refresh.aggregate_state import AggregateState
from lakehouse.refresh.evaluator import Evaluator, Side
from lakehouse.refresh.restriction import Restriction
from lakehouse.refresh.sifting import marked, masks
from lakehouse.refresh.signed_rows import coming, going, matched, net, quoted, together
from lakehouse.refresh.view_change import ViewChange, key_names, keyed_change, through
from lakehouse.storage.keyed_rows import rows_of_keys
from lakehouse.storage.staged_write import TableWrite


@dataclass(frozen=True, slots=True, kw_only=True)
class StateTable:
    """Where a view's state is kept; `version` is the one that belongs to the view's rows, -1 if there is none."""

    write: TableWrite
    version: int

    @property
    def is_current(self) -> bool:
        """Whether there is a state that belongs to the view's rows."""
        return self.version >= 0

    def rows(self, session: SparkSession, keys: DataFrame | None = None) -> DataFrame:
        """The groups' states: all, or at least those of these keys."""
        return rows_of_keys(session, self.write.path, self.version, None if keys is None else arrow_rows(keys))


@dataclass(frozen=True, slots=True)
class ChangedState:
    """The groups that a change touches: `applied` as `AggregateState.applied` gives them, up to date, `groups` at
    most."""

    state: AggregateState
    evaluator: Evaluator
    maintenance: Maintenance
    applied: DataFrame
    groups: int
    table: StateTable
    session: SparkSession

    @property
    def rows(self) -> DataFrame:
        """The change set of the state table."""
        return self.state.change_rows(self.applied)

    @property
    def most_rows(self) -> int:
        """More rows than these it does not have; the row of a state without groups goes and comes."""
        return self.groups if self.state.keys else 2 * self.groups

    @property
    def key(self) -> tuple[str, ...] | None:
        """Its key; None for the state of a query without groups."""
        return self.state.key_columns or None

    def view_change(self, columns: Sequence[str], sieve: Sieve = NO_SIEVE) -> ViewChange:
        """By what the view's rows change: the touched groups' rows before and after."""
        both = together([coming(self.state.after(self.applied)), going(self.state.before(self.applied))])
        rows = through(self.evaluator, self.maintenance, self.state.results(both, signed=True), columns)
        signed = net(rows)
        if sieve.predicates:
            signed = self.evaluator.keep(marked(signed, sieve))
        hidden = masks(sieve)
        return keyed_change(signed, [*columns, *hidden], key_names(self.maintenance, columns), hidden)

    def all_after(self) -> DataFrame:
        """The states of all groups after the change."""
        names = self.state.key_columns
        touched = select(self.applied, [f"{name} AS k{place}" for place, name in enumerate(names)])
        pairs = [(name, f"k{place}") for place, name in enumerate(names)]
        untouched = matched(self.table.rows(self.session), touched, pairs, "left_anti")
        return together([select(untouched, self.state.columns), self.state.after(self.applied)])


def state_change(
    evaluator: Evaluator, maintenance: Maintenance, table: StateTable, session: SparkSession
) -> ChangedState | None:
    """What the change does to the groups; None if it touches none."""
    body = maintenance.body
    below = evaluator.delta(body.children[0])
    if below is None:
        return None
    state = AggregateState(evaluator.binder, body)
    if (here := literal_rows(below)) is not None:
        below = here[0].coalesce(1)  # in one partition: groups of few rows need no exchange
    change, rows = evaluator.counted(state.change(below))
    if not rows:
        return None
    keys = state.key_columns
    stored = table.rows(session, select(change, keys) if keys else None)
    touched = select(change, [f"{name} AS k{place}" for place, name in enumerate(keys)]) if keys else None
    pairs = [(name, f"k{place}") for place, name in enumerate(keys)]
    before = stored if touched is None else matched(stored, touched, pairs, "left_semi")
    applied, groups = evaluator.counted(state.applied(before, change))
    if state.may_read_again:
        applied = _read_again(evaluator, state, maintenance, applied)
    return ChangedState(state, evaluator, maintenance, applied, groups, table, session)


def first_rows(evaluator: Evaluator, maintenance: Maintenance, columns: Sequence[str], states: DataFrame) -> DataFrame:
    """The first rows in the query's order, chosen anew from all groups, under the view's column names."""
    state = AggregateState(evaluator.binder, maintenance.body)
    frame = state.results(states)
    for node in reversed(maintenance.above):
        frame = evaluator.over(node, [frame], ordered=True)
    limit = maintenance.first
    assert limit is not None
    frame = evaluator.binder.first_rows(limit, frame)
    for node in reversed(maintenance.beyond):
        frame = evaluator.over(node, [frame], ordered=True)
    names = [column(number) for number in maintenance.root.ids]
    return select(frame, [f"{found} AS {quoted(name)}" for found, name in zip(names, columns, strict=True)])


def _read_again(evaluator: Evaluator, state: AggregateState, maintenance: Maintenance, applied: DataFrame) -> DataFrame:
    """The applied change with the groups read again that it does not determine."""
    again, rows = evaluator.counted(state.again(applied))
    if not rows:
        return applied
    wanted = None
    if state.keys:
        named = select(again, [f"{g} AS {column(k)}" for g, k in zip(state.key_columns, state.keys, strict=True)])
        wanted = Restriction.to(named, state.keys)
    totals = evaluator.keep(state.totals(evaluator.state(maintenance.body.children[0], Side.NEW, wanted)))
    return evaluator.keep(state.redone(applied, again, totals))
