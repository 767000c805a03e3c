"""By which rows a view's table has to change, from how the view is maintained (`plan.maintenance`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.analysis.local_changes import netted_rows, paired_rows, repeated_rows
from lakehouse.analysis.local_rows import literal_rows
from lakehouse.analysis.plan_binding import WEIGHT, column, select
from lakehouse.plan.change_set import CHANGE, Change
from lakehouse.plan.maintenance import Maintenance
from lakehouse.plan.sieve import NO_SIEVE, Sieve
from lakehouse.refresh.evaluator import Evaluator, Side
from lakehouse.refresh.restriction import Restriction
from lakehouse.refresh.sifting import is_dropped, marked, masks
from lakehouse.refresh.signed_rows import (
    NEW_COUNT,
    OLD_COUNT,
    coming,
    going,
    matched,
    named,
    net,
    quoted,
    together,
)

WAS = "was"  # stands before the names of the hidden columns of the row that another replaces


Stored = Callable[[DataFrame], DataFrame]
"""The rows of the view that are kept somewhere, at least those whose columns hold the values of a frame of the same
names."""


@dataclass(frozen=True, slots=True)
class ViewChange:
    """A change set of the view's rows: its columns and `_change`; `key` as in `plan.change_set`, None for a bag.

    With a sieve, the rows have its hidden columns, too, a keyed change also those of the row that goes (after `WAS`),
    and `signed` holds all rows that come and go with them (and `__w`), netted or not.
    """

    rows: DataFrame
    key: tuple[str, ...] | None
    signed: DataFrame


def classes_change(
    evaluator: Evaluator, maintenance: Maintenance, columns: Sequence[str], stored: Stored, sieve: Sieve = NO_SIEVE
) -> ViewChange | None:
    """The touched classes recomputed, against the rows that are kept of them; None if none is touched."""
    body = maintenance.body
    below = evaluator.known_delta(body.children[0])
    if below is None:
        return None
    touched = Restriction.to(below, [inner for inner, _ in maintenance.key])
    touched = Restriction(touched.ids, evaluator.keep(touched.values))
    new = through(evaluator, maintenance, evaluator.classes(body, touched), columns)
    names = key_names(maintenance, columns)
    keys = [f"k{place}" for place in range(len(names))]
    target = stored(touched.values.toDF(*names))
    old = matched(target, touched.values, list(zip(names, keys, strict=True)), "left_semi")
    if sieve.dropped:  # those rows are kept nowhere: what they were is computed
        before = evaluator.over(body, [evaluator.state(body.children[0], Side.OLD, touched)])
        gone = marked(through(evaluator, maintenance, before, columns), sieve).where(is_dropped(sieve))
        old = old.unionAll(gone.select(*map(named, columns)))
    if literal_rows(old) is not None:  # as few rows as are there will be there: the driver compares them
        new = evaluator.keep(new)
    return difference(new, old, names if maintenance.is_unique else None, sieve, keep=evaluator.keep)


def signed_change(
    evaluator: Evaluator, maintenance: Maintenance, columns: Sequence[str], stored: Stored, sieve: Sieve = NO_SIEVE
) -> ViewChange | None:
    """The query's own change: rows that go are taken from those that are kept, whose duplicates have to be counted.
    None if nothing changes."""
    change = evaluator.delta(maintenance.root)
    if change is None:
        return None
    chosen = [f"{column(n)} AS {quoted(name)}" for n, name in zip(maintenance.root.ids, columns, strict=True)]
    netted, rows = evaluator.counted(marked(net(select(change, [*chosen, WEIGHT])), sieve))
    if not rows:
        return None
    hidden = masks(sieve)
    every = [*map(quoted, columns), *hidden]
    arriving = select(netted.where(f"{WEIGHT} > 0"), [*every, f"0 AS {OLD_COUNT}", f"{WEIGHT} AS {NEW_COUNT}"])
    going_rows, rows = evaluator.counted(select(netted.where(f"{WEIGHT} < 0"), [*every, WEIGHT]))
    if not rows:
        return ViewChange(_from_counts(arriving, [*columns, *hidden]), None, netted)
    places = [f"d{place}" for place in range(len(columns))]
    pairs = list(zip(columns, places, strict=True))
    doomed = select(going_rows, [f"{quoted(name)} AS {place}" for name, place in pairs])
    there = net(coming(matched(stored(select(going_rows, list(map(quoted, columns)))), doomed, pairs, "left_semi")))
    there = select(there, [*[f"{quoted(name)} AS {place}" for name, place in pairs], f"{WEIGHT} AS {OLD_COUNT}"])
    found = f"coalesce({OLD_COUNT}, 0)"
    counted = matched(going_rows, there, pairs, "left")
    leaving = select(counted, [*every, f"{found} AS {OLD_COUNT}", f"{found} + {WEIGHT} AS {NEW_COUNT}"])
    return ViewChange(_from_counts(together([leaving, arriving]), [*columns, *hidden]), None, netted)


def difference(
    new: DataFrame,
    old: DataFrame,
    key: Sequence[str] | None,
    sieve: Sieve = NO_SIEVE,
    keep: Callable[[DataFrame], DataFrame] = lambda frame: frame,
) -> ViewChange:
    """What turns the old rows into the new ones. With a `key` no two rows of either have the same. With a sieve the
    rows that come and go are used twice, and computed once by `keep`."""
    signed = together([coming(new), going(old)])
    if key is not None:
        signed = net(signed)
    if sieve.predicates:
        signed = keep(marked(signed, sieve))
    columns = [name for name in signed.columns if name != WEIGHT]
    if key is not None:
        return keyed_change(signed, columns, key, masks(sieve))
    if (here := netted_rows(signed, "counts")) is not None:
        return ViewChange(_from_counts(here, columns), None, signed)
    counted = signed.groupBy(*map(named, columns)).agg(
        F.count_if(F.col(WEIGHT) < 0).cast("int").alias(OLD_COUNT),
        F.count_if(F.col(WEIGHT) > 0).cast("int").alias(NEW_COUNT),
    )
    rows = _from_counts(counted.where(F.col(OLD_COUNT) != F.col(NEW_COUNT)), columns)
    return ViewChange(rows, None, signed)


def keyed_change(
    netted: DataFrame, columns: Sequence[str], key: Sequence[str], hidden: Sequence[str] = ()
) -> ViewChange:
    """A netted change whose rows have a unique key, old and new ones each; `columns` include the `hidden` ones."""
    if not key:
        one = F.lit(1)  # a single row is there before and after
        counted = netted.withColumn(OLD_COUNT, F.when(F.col(WEIGHT) < 0, one).otherwise(0))
        counted = counted.withColumn(NEW_COUNT, F.when(F.col(WEIGHT) > 0, one).otherwise(0))
        return ViewChange(_from_counts(counted, columns), None, netted)
    ordered = select(netted, [*map(quoted, columns), WEIGHT])
    if (here := paired_rows(ordered, key, hidden, WAS)) is not None:
        return ViewChange(here, tuple(key), netted)
    row = F.max_by(F.struct(*map(named, columns)), F.col(WEIGHT)).alias("__row")
    signs = [F.max(WEIGHT).alias("__high"), F.min(WEIGHT).alias("__low")]
    signs += [F.min_by(name, F.col(WEIGHT)).alias(f"{WAS}{name}") for name in hidden]
    grouped = netted.groupBy(*[named(name).alias(f"__k{place}") for place, name in enumerate(key)]).agg(row, *signs)
    kind = (
        F.when(F.col("__high") < 0, Change.DELETE.value)
        .when(F.col("__low") < 0, Change.UPDATE.value)
        .otherwise(Change.INSERT.value)
    )
    values = [F.col("__row")[name].alias(name) for name in columns]
    before = [F.col(f"{WAS}{name}") for name in hidden]
    return ViewChange(grouped.select(*values, *before, kind.alias(CHANGE)), tuple(key), netted)


def through(evaluator: Evaluator, maintenance: Maintenance, frame: DataFrame, columns: Sequence[str]) -> DataFrame:
    """The body's rows as rows of the view, under its column names; a sign is kept."""
    for node in reversed(maintenance.above):
        frame = evaluator.over(node, [frame])
    ids = [column(number) for number in maintenance.root.ids]
    chosen = [f"{found} AS {quoted(name)}" for found, name in zip(ids, columns, strict=True)]
    return select(frame, [*chosen, *([WEIGHT] if WEIGHT in frame.columns else [])])


def key_names(maintenance: Maintenance, columns: Sequence[str]) -> list[str]:
    """The names of the view's columns that its classes are made of."""
    places = {number: place for place, number in enumerate(maintenance.root.ids)}
    return [columns[places[outer]] for _, outer in maintenance.key]


def _from_counts(counted: DataFrame, columns: Sequence[str]) -> DataFrame:
    """Change rows from how often each distinct row is there (`__old`) and has to be (`__new`). Equal rows can only be
    removed together, so where some stay they are added again."""
    ordered = select(counted, [*map(quoted, columns), OLD_COUNT, NEW_COUNT])
    if (here := repeated_rows(ordered)) is not None:
        return here
    old, new = F.col(OLD_COUNT), F.col(NEW_COUNT)
    inserts = F.array_repeat(F.lit(Change.INSERT.value), F.when(new > old, new - old).otherwise(new))
    removal = F.when(new < old, F.array(F.lit(Change.REMOVE.value))).otherwise(F.array().cast("array<string>"))
    return counted.select(*map(named, columns), F.explode(F.concat(removal, inserts)).alias(CHANGE))
