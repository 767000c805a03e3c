"""Aggregates kept up to date from sums and counts, without reading a group again.

Beside the view's table a state table holds, for every group: the grouping columns `g0`, `g1`, …; `n`, how many rows
the group has; and for the i-th aggregate function

    count    `v<i>`  how many arguments are not NULL
    sum, avg `s<i>`  their exact sum (decimal)           `v<i>` as above
    min, max `m<i>`  the extremum                        `v<i>` as above

A change adds to these and takes away; a group with no rows left goes. Only where an extremum itself was taken away is
the group read again. The view's values come from Spark's own functions, given these numbers as their buffers, so a sum
whose last value went is NULL, and averages are rounded as Spark rounds them.
"""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import DataFrame

from lakehouse.analysis.plan_binding import WEIGHT, PlanBinder, column, grouped, select
from lakehouse.plan.algebra import AggregateCall, PlanNode
from lakehouse.plan.change_set import CHANGE, Change
from lakehouse.refresh.signed_rows import matched, together

_SUMS = ("Sum", "Average")
_EXTREMA = ("Min", "Max")
_WAS = "was_"  # stands before the names of the columns of a state before a change


class AggregateState:
    """The state of one aggregate node."""

    def __init__(self, binder: PlanBinder, body: PlanNode) -> None:
        self._binder = binder
        self._body = body
        self.keys = tuple(dict.fromkeys(body.keys))
        self.key_columns = tuple(f"g{place}" for place in range(len(self.keys)))

    @property
    def may_read_again(self) -> bool:
        """Whether a group may have to be read again: an extremum was removed, or a sum left the range of its type."""
        return any(call.function in (*_EXTREMA, *_SUMS) for call in self._body.calls)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the state table's columns."""
        found = [*self.key_columns, "n"]
        for place, call in enumerate(self._body.calls):
            found.append(f"v{place}")
            found += [f"s{place}"] if call.function in _SUMS else []
            found += [f"m{place}"] if call.function in _EXTREMA else []
        return tuple(found)

    def totals(self, below: DataFrame) -> DataFrame:
        """The state of the groups in rows of the body's child (columns `c<id>`)."""
        measures = ["CAST(count(1) AS BIGINT) AS n"]
        for place, call in enumerate(self._body.calls):
            measures.append(f"CAST(count(x{place}) AS BIGINT) AS v{place}")
            if call.function in _SUMS:
                measures.append(f"CAST(sum({_exact(place, call)}) AS {_sum_type(call)}) AS s{place}")
            if call.function in _EXTREMA:
                measures.append(f"{call.function.lower()}(x{place}) AS m{place}")
        return self._grouped(below, measures)

    def change(self, delta: DataFrame) -> DataFrame:
        """What signed rows of the body's child do to each group: `n`, `v<i>`, `s<i>` as differences, whether a sum left
        the range of its type (`o<i>`), and the extrema of what came (`m<i>`) and of what went (`r<i>`)."""
        measures = [f"CAST(sum({WEIGHT}) AS BIGINT) AS n"]
        for place, call in enumerate(self._body.calls):
            value = f"x{place}"
            counted = f"CASE WHEN {value} IS NOT NULL THEN {WEIGHT} ELSE 0 END"
            measures.append(f"CAST(sum({counted}) AS BIGINT) AS v{place}")
            if call.function in _SUMS:
                exact = _exact(place, call)
                total = f"sum(CASE WHEN {WEIGHT} > 0 THEN {exact} ELSE -{exact} END)"
                measures.append(f"CAST({total} AS {_sum_type(call)}) AS s{place}")
                measures.append(f"({total} IS NULL AND count({value}) > 0) AS o{place}")
            if call.function in _EXTREMA:
                name = call.function.lower()
                measures.append(f"{name}(CASE WHEN {WEIGHT} > 0 THEN {value} END) AS m{place}")
                measures.append(f"{name}(CASE WHEN {WEIGHT} < 0 THEN {value} END) AS r{place}")
        return self._grouped(delta, measures)

    def applied(self, before: DataFrame, change: DataFrame) -> DataFrame:
        """The touched groups after the change: the state's columns, those of the state before (`was_<name>`; all NULL
        for a new group) and `__again`, whether an extremum has to be looked for again."""
        old = select(before, [f"{name} AS {_WAS}{name}" for name in self.columns])
        pairs = [(name, f"{_WAS}{name}") for name in self.key_columns]
        joined = matched(change, old, pairs, "left")
        columns = [*self.key_columns, f"{_sum_of(f'{_WAS}n', 'n')} AS n"]
        again = ["false"]
        for place, call in enumerate(self._body.calls):
            count = _sum_of(f"{_WAS}v{place}", f"v{place}")
            columns.append(f"{count} AS v{place}")
            if call.function in _SUMS:
                stood = f"{_WAS}s{place}"
                total = _total(stood, f"s{place}", _sum_type(call))
                # More digits than a decimal has give NULL, where they are not an error.
                lost = f"coalesce({_WAS}v{place} > 0 AND {stood} IS NULL, false)"
                again.append(f"(o{place} OR {lost} OR ({count} > 0 AND {total} IS NULL))")
                columns.append(f"CASE WHEN {count} > 0 THEN {total} END AS s{place}")
            if call.function in _EXTREMA:
                stood, came, went = f"{_WAS}m{place}", f"m{place}", f"r{place}"
                best = f"{'least' if call.function == 'Min' else 'greatest'}({stood}, {came})"
                is_beaten = f"({came} IS NOT NULL AND {came} <=> {best} AND NOT ({came} <=> {stood}))"
                again.append(f"({count} > 0 AND {went} <=> {stood} AND {stood} IS NOT NULL AND NOT {is_beaten})")
                columns.append(f"CASE WHEN {count} > 0 THEN {best} END AS m{place}")
        before_columns = [f"{_WAS}{name}" for name in self.columns]
        return select(joined, [*columns, *before_columns, f"({' OR '.join(again)}) AS __again"])

    def again(self, applied: DataFrame) -> DataFrame:
        """The groups that the change does not determine: their keys, and their states before."""
        return select(applied.where("__again"), [*self.key_columns, *[f"{_WAS}{name}" for name in self.columns]])

    def redone(self, applied: DataFrame, again: DataFrame, totals: DataFrame) -> DataFrame:
        """The applied change, with the groups `again` as they were counted anew."""
        was = [f"{_WAS}{name}" for name in self.columns]
        keys = [f"z_{name}" for name in self.key_columns]
        known = select(again, [*[f"{g} AS {z}" for g, z in zip(self.key_columns, keys, strict=True)], *was])
        joined = matched(known, totals, list(zip(keys, self.key_columns, strict=True)), "left")
        counted = [f"{z} AS {g}" for g, z in zip(self.key_columns, keys, strict=True)]
        for name in self.columns[len(keys) :]:  # a group without rows is not among the totals
            counted.append(f"coalesce({name}, 0) AS {name}" if name[0] in "nv" else name)
        return together([applied.where("NOT __again"), select(joined, [*counted, *was, "false AS __again"])])

    def change_rows(self, applied: DataFrame) -> DataFrame:
        """The change set of the state table, keyed by the grouping columns, from `applied`; of a state without
        groups, as a bag."""
        if not self.keys:
            went = select(self.before(applied), ["*", f"'{Change.REMOVE.value}' AS {CHANGE}"])
            came = select(self.after(applied), ["*", f"'{Change.INSERT.value}' AS {CHANGE}"])
            return together([went, came])
        kind = (
            f"CASE WHEN {_WAS}n IS NULL THEN '{Change.INSERT.value}' WHEN n <= 0 THEN '{Change.DELETE.value}' "
            f"ELSE '{Change.UPDATE.value}' END AS {CHANGE}"
        )
        return select(applied.where(f"NOT ({_WAS}n IS NULL AND n <= 0)"), [*self.columns, kind])

    def before(self, applied: DataFrame) -> DataFrame:
        """The touched groups as they were."""
        found = applied.where(f"{_WAS}n IS NOT NULL")
        return select(found, [f"{_WAS}{name} AS {name}" for name in self.columns])

    def after(self, applied: DataFrame) -> DataFrame:
        """The touched groups as they are."""
        return select(applied.where("n > 0") if self.keys else applied, self.columns)

    def results(self, states: DataFrame, *, signed: bool = False) -> DataFrame:
        """The aggregate's rows (columns `c<id>`) from groups' states; with their sign `__w`, if they are `signed`."""
        columns = [f"{name} AS {column(key)}" for name, key in zip(self.key_columns, self.keys, strict=True)]
        for buffer in self._binder.buffers(self._body):
            value = _buffer(self._body.calls[buffer.call], buffer.call, buffer.name)
            columns.append(f"CAST({value} AS {buffer.sql_type}) AS b{buffer.call}_{buffer.part}")
        return self._binder.finished(self._body, select(states, [*columns, *([WEIGHT] if signed else [])]))

    def _grouped(self, below: DataFrame, measures: Sequence[str]) -> DataFrame:
        frame = self._binder.with_arguments(self._body, below, self.keys)
        return grouped(frame, self.key_columns, measures)


def _exact(place: int, call: AggregateCall) -> str:
    return f"x{place}" if call.arguments[0].startswith("decimal") else f"CAST(x{place} AS DECIMAL(20, 0))"


def _scale(call: AggregateCall) -> int:
    argument = call.arguments[0]
    return int(argument.rpartition(",")[2].removesuffix(")")) if argument.startswith("decimal") else 0


def _sum_type(call: AggregateCall) -> str:
    return f"DECIMAL(38, {_scale(call)})"


def _sum_of(before: str, by: str) -> str:
    return f"(coalesce({before}, 0) + coalesce({by}, 0))"


def _total(before: str, by: str, kind: str) -> str:
    # Spark gives the sum of two decimals one digit more; of 38 it would take that from behind the point.
    narrow = kind.replace("(38,", "(37,")
    parts = [f"coalesce(CAST({part} AS {narrow}), CAST(0 AS {narrow}))" for part in (before, by)]
    return f"CAST({parts[0]} + {parts[1]} AS {kind})"


def _buffer(call: AggregateCall, place: int, name: str) -> str:
    """Spark's buffer of this name, from the state."""
    if name == "isEmpty":
        return f"(v{place} = 0)"
    if name == "count":
        return f"v{place}"
    if name == "sum":
        # Spark starts the sums that know by other means whether they are empty from 0.
        starts_null = call.function == "Sum" and not call.arguments[0].startswith("decimal")
        return f"s{place}" if starts_null else f"coalesce(s{place}, 0)"
    return f"m{place}"
