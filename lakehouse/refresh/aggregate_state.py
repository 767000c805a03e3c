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
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import DecimalType

from lakehouse.analysis.plan_binding import WEIGHT, PlanBinder, column
from lakehouse.plan.algebra import AggregateCall, PlanNode
from lakehouse.plan.change_set import CHANGE, Change
from lakehouse.refresh.signed_rows import null_safe

_SUMS = ("Sum", "Average")
_EXTREMA = ("Min", "Max")
_BEFORE, _BY = "__before", "__by"


@dataclass(frozen=True, slots=True)
class GroupChange:
    """Groups before and after a change: `before` and `after` are frames of state columns, without the groups that did
    not or do not exist; `rows` is the change set of the state table."""

    before: DataFrame
    after: DataFrame
    rows: DataFrame


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

    def totals(self, below: DataFrame) -> DataFrame:
        """The state of the groups in rows of the body's child (columns `c<id>`)."""
        measures: list[Column] = [F.count(F.lit(1)).cast("bigint").alias("n")]
        for place, call in enumerate(self._body.calls):
            value = F.col(f"x{place}")
            measures.append(F.count(value).cast("bigint").alias(f"v{place}"))
            if call.function in _SUMS:
                measures.append(F.sum(_exact(value, call)).cast(_sum_type(call)).alias(f"s{place}"))
            if call.function in _EXTREMA:
                measures.append(_extremum(call)(value).alias(f"m{place}"))
        return self._grouped(self._with_values(below), measures)

    def change(self, delta: DataFrame) -> DataFrame:
        """What signed rows of the body's child do to each group: `n`, `v<i>`, `s<i>` as differences, whether a sum left
        the range of its type (`o<i>`), and the extrema of what came (`m<i>`) and of what went (`r<i>`)."""
        sign = F.col(WEIGHT)
        measures: list[Column] = [F.sum(sign).cast("bigint").alias("n")]
        for place, call in enumerate(self._body.calls):
            value = F.col(f"x{place}")
            counted = F.when(value.isNotNull(), sign).otherwise(F.lit(0))
            measures.append(F.sum(counted).cast("bigint").alias(f"v{place}"))
            if call.function in _SUMS:
                exact = _exact(value, call)
                signed = F.when(sign > 0, exact).otherwise(-exact)
                measures.append(F.sum(signed).cast(_sum_type(call)).alias(f"s{place}"))
                measures.append((F.sum(signed).isNull() & (F.count(value) > 0)).alias(f"o{place}"))
            if call.function in _EXTREMA:
                measures.append(_extremum(call)(F.when(sign > 0, value)).alias(f"m{place}"))
                measures.append(_extremum(call)(F.when(sign < 0, value)).alias(f"r{place}"))
        return self._grouped(self._with_values(delta), measures)

    def applied(self, before: DataFrame, change: DataFrame) -> DataFrame:
        """The touched groups after the change: state columns, `__before` (the state before as a struct, NULL for a
        new group) and `__again`, whether an extremum has to be looked for again."""
        keys = list(self.key_columns)
        old_names = [f"{_BEFORE}_{name}" for name in keys]
        old = before.select(
            *[F.col(name).alias(kept) for name, kept in zip(keys, old_names, strict=True)],
            F.struct(*map(F.col, before.columns)).alias(_BEFORE),
        )
        joined = change.join(old, null_safe(keys, old_names), "left") if keys else change.join(old, how="left")
        columns = [F.col(name) for name in keys]
        columns.append(_sum_of(F.col(f"{_BEFORE}.n"), F.col("n")).alias("n"))
        again = F.lit(False)
        for place, call in enumerate(self._body.calls):
            count = _sum_of(F.col(f"{_BEFORE}.v{place}"), F.col(f"v{place}"))
            columns.append(count.alias(f"v{place}"))
            if call.function in _SUMS:
                stood = F.col(f"{_BEFORE}.s{place}")
                total = _total(stood, F.col(f"s{place}"), _sum_type(call))
                # More digits than a decimal has give NULL, where they are not an error.
                lost = (F.col(f"{_BEFORE}.v{place}") > 0) & stood.isNull()
                again = again | F.col(f"o{place}") | F.coalesce(lost, F.lit(False)) | ((count > 0) & total.isNull())
                columns.append(F.when(count > 0, total).alias(f"s{place}"))
            if call.function in _EXTREMA:
                stood, came, went = F.col(f"{_BEFORE}.m{place}"), F.col(f"m{place}"), F.col(f"r{place}")
                best = F.least(stood, came) if call.function == "Min" else F.greatest(stood, came)
                is_beaten = came.isNotNull() & came.eqNullSafe(best) & ~came.eqNullSafe(stood)
                again = again | ((count > 0) & went.eqNullSafe(stood) & stood.isNotNull() & ~is_beaten)
                columns.append(F.when(count > 0, best).alias(f"m{place}"))
        return joined.select(*columns, F.col(_BEFORE), again.alias("__again"))

    def change_rows(self, applied: DataFrame) -> DataFrame:
        """The change set of the state table, keyed by the grouping columns, from `applied`; of a state without
        groups, as a bag."""
        if not self.keys:
            before = self.before(applied).withColumn(CHANGE, F.lit(Change.REMOVE.value))
            return before.unionByName(self.after(applied).withColumn(CHANGE, F.lit(Change.INSERT.value)))
        gone = F.col("n") <= 0
        kind = (
            F.when(F.col(_BEFORE).isNull(), Change.INSERT.value)
            .when(gone, Change.DELETE.value)
            .otherwise(Change.UPDATE.value)
        )
        states = [F.col(name) for name in applied.columns if name not in (_BEFORE, "__again")]
        is_effective = ~(F.col(_BEFORE).isNull() & gone)
        return applied.where(is_effective).select(*states, kind.alias(CHANGE))

    def before(self, applied: DataFrame) -> DataFrame:
        """The touched groups as they were."""
        states = [name for name in applied.columns if name not in (_BEFORE, "__again")]
        found = applied.where(F.col(_BEFORE).isNotNull())
        return found.select(*[F.col(f"{_BEFORE}.{name}").alias(name) for name in states])

    def after(self, applied: DataFrame) -> DataFrame:
        """The touched groups as they are."""
        found = applied.where(F.col("n") > 0) if self.keys else applied
        return found.drop(_BEFORE, "__again")

    def results(self, states: DataFrame) -> DataFrame:
        """The aggregate's rows (columns `c<id>`) from groups' states."""
        columns = [F.col(name).alias(column(key)) for name, key in zip(self.key_columns, self.keys, strict=True)]
        for buffer in self._binder.buffers(self._body):
            value = _buffer(self._body.calls[buffer.call], buffer.call, buffer.name)
            columns.append(value.cast(buffer.sql_type).alias(f"b{buffer.call}_{buffer.part}"))
        return self._binder.finished(self._body, states.select(*columns))

    def _with_values(self, below: DataFrame) -> DataFrame:
        """The child's rows with the i-th function's argument as `x<i>`, NULL where its filter leaves the row out."""
        frame = self._binder.with_arguments(self._body, below)
        names = frozenset(frame.columns)
        for place, call in enumerate(self._body.calls):
            arguments = [F.col(f"a{place}_{part}") for part in range(len(call.arguments))]
            value = arguments[0]
            for other in arguments[1:]:  # count(a, b) counts rows in which neither is NULL
                value = F.when(other.isNotNull(), value)
            frame = frame.withColumn(f"x{place}", F.when(F.col(f"f{place}"), value) if f"f{place}" in names else value)
        return frame

    def _grouped(self, frame: DataFrame, measures: Sequence[Column]) -> DataFrame:
        groups = [F.col(column(key)).alias(name) for key, name in zip(self.keys, self.key_columns, strict=True)]
        return frame.groupBy(*groups).agg(*measures) if groups else frame.agg(*measures)


def _exact(value: Column, call: AggregateCall) -> Column:
    return value.cast(DecimalType(20, 0)) if not call.arguments[0].startswith("decimal") else value


def _sum_type(call: AggregateCall) -> DecimalType:
    argument = call.arguments[0]
    if not argument.startswith("decimal"):
        return DecimalType(38, 0)
    return DecimalType(38, int(argument.rpartition(",")[2].removesuffix(")")))


def _extremum(call: AggregateCall):  # type: ignore[no-untyped-def]
    return F.min if call.function == "Min" else F.max


def _sum_of(before: Column, by: Column) -> Column:
    return F.coalesce(before, F.lit(0)) + F.coalesce(by, F.lit(0))


def _total(before: Column, by: Column, kind: DecimalType) -> Column:
    # Spark gives the sum of two decimals one digit more; of 38 it would take that from behind the point.
    narrow = DecimalType(37, kind.scale)
    parts = [F.coalesce(part.cast(narrow), F.lit(0).cast(narrow)) for part in (before, by)]
    return (parts[0] + parts[1]).cast(kind)


def _buffer(call: AggregateCall, place: int, name: str) -> Column:
    """Spark's buffer of this name, from the state."""
    if name == "isEmpty":
        return F.col(f"v{place}") == 0
    if name == "count":
        return F.col(f"v{place}")
    if name == "sum":
        total = F.col(f"s{place}")
        # Spark starts the sums that know by other means whether they are empty from 0.
        return (
            total
            if call.function == "Sum" and not call.arguments[0].startswith("decimal")
            else F.coalesce(total, F.lit(0))
        )
    return F.col(f"m{place}")
