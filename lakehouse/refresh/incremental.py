"""Refresh by what changed: from the versions that a view was computed from, and those that it is due, to a staged
commit of the rows that differ. Where that cannot be, a `Fallback` says why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from pyspark.sql import DataFrame, SparkSession

from lakehouse.analysis.algebra import Algebra, read_algebra
from lakehouse.analysis.local_rows import MOST_ROWS, arrow_rows
from lakehouse.analysis.plan_binding import PlanBinder
from lakehouse.errors import ChangeFeedError
from lakehouse.names import TableName
from lakehouse.plan.algebra import used_attributes
from lakehouse.plan.cost import Prediction, predict
from lakehouse.plan.explanation import mode_of
from lakehouse.plan.maintenance import (
    Maintenance,
    Refusal,
    Strategy,
    derive_maintenance,
    is_without_equality,
    not_monotone,
)
from lakehouse.plan.refresh_plan import ReasonCode, RefreshMode
from lakehouse.plan.sieve import QUARANTINED
from lakehouse.plan.table_change import TableChange
from lakehouse.refresh.aggregate_state import AggregateState
from lakehouse.refresh.evaluator import Evaluator, Side
from lakehouse.refresh.kept_rows import KeptRows
from lakehouse.refresh.quarantine import Quarantine, table_change
from lakehouse.refresh.rows_after import rows_after_change, rows_after_write
from lakehouse.refresh.sifting import Sifted, signed_counts
from lakehouse.refresh.source_rows import SourceRows
from lakehouse.refresh.state_refresh import StateTable, first_rows, state_change
from lakehouse.refresh.view_change import ViewChange, classes_change, difference, signed_change, through
from lakehouse.storage.change_commit import StagedChange, stage_change
from lakehouse.storage.change_feed import FeedCache
from lakehouse.storage.change_rows import ChangeRows
from lakehouse.storage.keyed_rows import counted_rows, looked_up_rows, rows_of_keys, table_schema
from lakehouse.storage.staged_write import StagedWrite, TableWrite, WriteMode, stage_write
from lakehouse.storage.table_contents import read_written

_FEW_ROWS = 10_000
_SMALL_TABLE = 16 << 20  # bytes: reading less costs less than choosing rows from it


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceVersions:
    """A table that the view reads: where it lies, and what happened between the version read before and the one to
    be read now. `frame` is the table at the latter."""

    location: str
    change: TableChange
    frame: DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewInputs:
    """What a refresh by change starts from: the view's query as an analysed frame over the new versions, with the
    table's columns; its sources; its table and the version that holds the old rows; its state table and its
    quarantine. `judge`, where given, is shown the rows that the table will have, and what is staged.
    """

    query: DataFrame
    sources: Mapping[TableName, SourceVersions]
    write: TableWrite
    version: int
    state: StateTable
    quarantine: Quarantine
    optimiser: SparkSession
    feeds: FeedCache
    judge: Callable[[DataFrame, StagedWrite | StagedChange], None] | None = None
    ratios: Mapping[str, float] = field(default_factory=dict)
    by_cost: bool = True


@dataclass(frozen=True, slots=True)
class Fallback:
    """Why a view cannot, or should not, be refreshed by what changed: `lacking` says what each way lacked."""

    code: ReasonCode
    text: str
    lacking: tuple[str, ...] = ()
    prediction: Prediction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedIncrement:
    """A refresh by change, staged: `table` is the view's commit, None if its rows stay as they are; `state` the commit
    of what is kept beside it, `quarantine` that of the rows that are set aside. `rows_in` counts the changed rows that
    were read; `counts` are those of the sieve over all rows of the view."""

    mode: RefreshMode
    text: str
    rows_in: int
    table: StagedChange | StagedWrite | None
    state: StagedChange | StagedWrite | None = None
    quarantine: StagedWrite | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    lacking: tuple[str, ...] = ()
    prediction: Prediction | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedDifference:
    """All rows recomputed, and those that differ staged: `table` and `quarantine` are None where none does."""

    table: StagedChange | None
    quarantine: StagedWrite | None
    counts: Mapping[str, int]


def stage_incremental(inputs: ViewInputs) -> StagedIncrement | Fallback:
    """Computes what changes in the view's table and stages it. Raises what Spark and the table raise."""
    obstacle = _obstacle(inputs)
    if obstacle is not None:
        return obstacle
    algebra = read_algebra(inputs.query, inputs.optimiser)
    maintenance = derive_maintenance(algebra.root)
    is_monotone = not_monotone(algebra.root) is None
    may_append = is_monotone and not any(
        source.change.changes_rows and not source.change.append_only for source in inputs.sources.values()
    )
    if isinstance(maintenance, Refusal) and not may_append:
        return Fallback(ReasonCode.NOT_MAINTAINABLE, maintenance.text)
    prediction = None
    if isinstance(maintenance, Maintenance):
        changes = {name: source.change for name, source in inputs.sources.items()}
        mode = RefreshMode.APPEND if may_append else mode_of(maintenance)
        table = read_written(inputs.write.path, inputs.version)
        prediction = predict(maintenance, changes, inputs.ratios, mode.value, table)
        if inputs.by_cost and not prediction.by_change_pays and not may_append:
            return Fallback(ReasonCode.COST, str(prediction), prediction=prediction)
    is_first = isinstance(maintenance, Maintenance) and maintenance.first is not None
    if is_first and inputs.quarantine.sieve.dropped and not may_append:
        text = "its first rows are compared with those that are kept, and its expectations drop some"
        return Fallback(ReasonCode.NOT_MAINTAINABLE, text)
    needs_state = isinstance(maintenance, Maintenance) and maintenance.strategy is Strategy.STATE
    if needs_state and not inputs.state.is_current and not may_append:
        text = "the sums and counts kept beside it are missing or of other versions"
        return Fallback(ReasonCode.STATE_MISSING, text, prediction=prediction)
    try:
        sources, rows_in, inserts_only = _sources(inputs)
    except ChangeFeedError as error:
        return Fallback(ReasonCode.FEED_UNAVAILABLE, error.message)
    evaluator = Evaluator(
        PlanBinder(inputs.query.sparkSession, algebra.operators),
        sources,
        used_attributes(algebra.root),
        expects_few=rows_in <= MOST_ROWS,
    )
    try:
        if inserts_only and is_monotone:
            found = _appended(inputs, algebra, evaluator, rows_in)
        else:
            assert isinstance(maintenance, Maintenance), "an append-only change only inserts"
            found = _maintained(inputs, algebra, maintenance, evaluator, rows_in)
        return replace(found, prediction=prediction)
    finally:
        evaluator.close()


def stage_difference(inputs: ViewInputs) -> StagedDifference:
    """Everything recomputed, and the rows that differ staged.

    Raises ChangeError for columns that rows cannot be told apart by (see `can_differ`).
    """
    kept = KeptRows(expects_few=False)
    quarantine, sieve = inputs.quarantine, inputs.quarantine.sieve
    try:
        sifted = Sifted(inputs.query, sieve)
        old = quarantine.with_rows(_stored(inputs), inputs.query.columns)
        change = difference(sifted.undropped, old, None, sieve, keep=lambda frame: kept.keep(frame)[0])
        table, aside = _staged(inputs, kept.keep, change)
        counts = sifted.counts() if sieve.predicates else {}
        return StagedDifference(table=table, quarantine=aside, counts=counts)
    finally:
        kept.close()


def can_differ(query: DataFrame) -> bool:
    """Whether the rows of a query can be compared with those of its table."""
    return not any(is_without_equality(field.dataType.simpleString()) for field in query.schema.fields)


def full_with_state(query: DataFrame, optimiser: SparkSession) -> tuple[DataFrame, DataFrame] | None:
    """For a view that is maintained from sums and counts: its rows computed from them, and they themselves, as one
    frame each that are computed once; None for another view."""
    algebra = read_algebra(query, optimiser)
    maintenance = derive_maintenance(algebra.root)
    if isinstance(maintenance, Refusal) or maintenance.strategy is not Strategy.STATE:
        return None
    session = query.sparkSession
    binder = PlanBinder(session, algebra.operators)
    sources = {
        node.dataset: SourceRows(
            new=partial(session.table, node.dataset.quoted), old=partial(session.table, node.dataset.quoted)
        )
        for node in algebra.root.walk()
        if node.dataset is not None
    }
    evaluator = Evaluator(binder, sources)
    state = AggregateState(binder, maintenance.body)
    totals = state.totals(evaluator.state(maintenance.body.children[0], Side.NEW))
    totals.persist()
    if maintenance.first is not None:
        return first_rows(evaluator, maintenance, algebra.columns, totals), totals
    return through(evaluator, maintenance, state.results(totals), algebra.columns), totals


def _obstacle(inputs: ViewInputs) -> Fallback | None:
    for name, source in inputs.sources.items():
        if source.change.obstacle is not None:
            text = f"what changed in {name} is not known: {source.change.obstacle_text}"
            return Fallback(ReasonCode.FEED_UNAVAILABLE, text)
    stored = table_schema(inputs.write.path, inputs.version) or _stored(inputs).schema
    wanted = inputs.query.schema
    if [(f.name, f.dataType) for f in stored] != [(f.name, f.dataType) for f in wanted]:
        return Fallback(ReasonCode.SCHEMA_CHANGED, "the columns that its query returns changed")
    return None


def _rows_of_keys(inputs: ViewInputs, keys: DataFrame) -> DataFrame:
    there = rows_of_keys(inputs.query.sparkSession, inputs.write.path, inputs.version, arrow_rows(keys))
    return inputs.quarantine.with_rows(there, inputs.query.columns)


def _stored(inputs: ViewInputs) -> DataFrame:
    session = inputs.query.sparkSession
    return session.read.format("delta").option("versionAsOf", inputs.version).load(inputs.write.path)


def _sources(inputs: ViewInputs) -> tuple[dict[TableName, SourceRows], int, bool]:
    """The sources' rows, how many changed, and whether all changes are insertions."""
    session = inputs.query.sparkSession
    rows: dict[TableName, SourceRows] = {}
    total, inserts_only = 0, True
    for name, source in inputs.sources.items():
        is_small = _is_small(source.change)
        change, is_unit = None, False
        if source.change.changes_rows:
            feed = inputs.feeds.read(source.location, source.change)
            total += feed.rows
            inserts_only = inserts_only and feed.inserts_only
            change, is_unit = feed.frame if feed.rows else None, feed.is_unit
        rows[name] = SourceRows(
            new=partial(_table_rows, session, source, source.change.to_version),
            old=partial(_table_rows, session, source, source.change.from_version),
            change=change,
            is_unit=is_unit,
            is_small=is_small,
            looked_up=None if is_small else partial(_looked_up, session, source),
            counted=None if is_small else partial(_counted, session, source),
        )
    return rows, total, inserts_only


def _is_small(change: TableChange) -> bool:
    rows = change.table_rows
    return rows is not None and rows <= _FEW_ROWS and change.table_bytes <= _SMALL_TABLE


def _table_rows(session: SparkSession, source: SourceVersions, version: int) -> DataFrame:
    if _is_small(source.change):
        return rows_of_keys(session, source.location, version, None)
    if version == source.change.to_version:
        return source.frame
    return session.read.format("delta").option("versionAsOf", version).load(source.location)


def _looked_up(
    session: SparkSession, source: SourceVersions, keys: DataFrame, columns: Sequence[str]
) -> DataFrame | None:
    return looked_up_rows(session, source.location, source.change.to_version, arrow_rows(keys), columns)


def _counted(session: SparkSession, source: SourceVersions, keys: DataFrame) -> DataFrame | None:
    return counted_rows(session, source.location, source.change.to_version, arrow_rows(keys))


def _appended(inputs: ViewInputs, algebra: Algebra, evaluator: Evaluator, rows_in: int) -> StagedIncrement:
    change = evaluator.delta(algebra.root)
    table, aside, counts = None, None, dict(inputs.quarantine.counts)
    if change is not None:
        names = [f"c{number}" for number in algebra.root.ids]
        quarantine = inputs.quarantine
        sifted = Sifted(change.select(*names).toDF(*algebra.columns), quarantine.sieve, quarantine.watch)
        staged = stage_write(sifted.kept, _append(inputs.write))
        if inputs.quarantine.sieve.predicates:
            found = sifted.counts(staged.rows)
            counts = _sum(counts, found)
            if found[QUARANTINED]:
                aside = inputs.quarantine.stage_more(sifted.rejected())
        if staged.rows:
            table = staged
            if inputs.judge is not None:
                inputs.judge(rows_after_write(_stored(inputs), staged, sifted.kept), staged)
        else:
            staged.discard()
    text = f"{rows_in} rows were added to what it reads"
    return StagedIncrement(
        mode=RefreshMode.APPEND, text=text, rows_in=rows_in, table=table, quarantine=aside, counts=counts
    )


def _append(write: TableWrite) -> TableWrite:
    return TableWrite(path=write.path, application=write.application, mode=WriteMode.APPEND)


def _maintained(
    inputs: ViewInputs, algebra: Algebra, maintenance: Maintenance, evaluator: Evaluator, rows_in: int
) -> StagedIncrement:
    lacking = tuple(refusal.text for refusal in maintenance.lacking)
    state = None
    sieve = inputs.quarantine.sieve
    if maintenance.strategy is Strategy.STATE:
        changed = state_change(evaluator, maintenance, inputs.state, inputs.query.sparkSession)
        if changed is None:
            change = None
        elif maintenance.first is not None:
            rows = first_rows(evaluator, maintenance, algebra.columns, changed.all_after())
            old = inputs.quarantine.with_rows(_stored(inputs), algebra.columns)
            change = difference(rows, old, None, sieve, keep=evaluator.keep)
        else:
            change = changed.view_change(algebra.columns, sieve)
        state_rows = None if changed is None else _change_rows(changed.rows, changed.key, changed.most_rows)
        state = stage_change(inputs.query.sparkSession, inputs.state.write, state_rows) if state_rows else None
    else:
        by = classes_change if maintenance.strategy is Strategy.CLASSES else signed_change
        change = by(evaluator, maintenance, algebra.columns, partial(_rows_of_keys, inputs), sieve)
    counts = dict(inputs.quarantine.counts)
    if sieve.predicates and change is not None:
        counts = _sum(counts, signed_counts(change.signed, sieve))
    table, aside = _staged(inputs, evaluator.counted, change)
    return StagedIncrement(
        mode=mode_of(maintenance),
        text=f"{rows_in} rows changed in what it reads",
        rows_in=rows_in,
        table=table,
        state=state,
        quarantine=aside,
        counts=counts,
        lacking=lacking,
    )


def _staged(
    inputs: ViewInputs, counted: Callable[[DataFrame], tuple[DataFrame, int]], change: ViewChange | None
) -> tuple[StagedChange | None, StagedWrite | None]:
    """What becomes of the table, and of the rows set aside; None where that is nothing."""
    if change is None:
        return None, None
    sieve = inputs.quarantine.sieve
    if sieve.rejects:  # three ways to go for one row: it is computed once
        change = replace(change, rows=counted(change.rows)[0])
    aside = inputs.quarantine.stage_change(change) if sieve.quarantined else None
    of_table = table_change(change, sieve)
    rows, count = counted(of_table.rows)
    if not count:
        return None, aside
    session = inputs.query.sparkSession
    found = _change_rows(rows, change.key, count)
    staged = stage_change(session, inputs.write, found, expected_version=inputs.version)
    if inputs.judge is not None:
        inputs.judge(rows_after_change(_stored(inputs), replace(of_table, rows=rows)), staged)
    return staged, aside


def _change_rows(rows: DataFrame, key: tuple[str, ...] | None, at_most: int) -> ChangeRows:
    return ChangeRows(rows=arrow_rows(rows) if at_most <= MOST_ROWS else rows, key=key, at_most=at_most)


def _sum(before: Mapping[str, int], by: Mapping[str, int]) -> dict[str, int]:
    return {name: before.get(name, 0) + by.get(name, 0) for name in {**before, **by}}
