"""Judging a table in Spark: one aggregate for all that one pass can tell, further passes only for what it cannot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from pyspark.errors import PySparkException
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import IntegralType

from lakehouse.analysis.failure import describe_failure
from lakehouse.errors import LakehouseError
from lakehouse.names import TableName
from lakehouse.quality.columns import Columns
from lakehouse.quality.condition import certain
from lakehouse.quality.counting import ALL_ROWS, counters, read_counts
from lakehouse.quality.rule import CompiledRules, RowRule, TableRule, TableRuleKind
from lakehouse.quality.table_judgement import metrics
from lakehouse.quality.verdict import Status, Verdict, judge_row_rule, judge_table_rule, without_judgement

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgingContext:
    """What judging needs beside the rows: an aware `now`, other tables, what was observed of the last version
    (`row_count`, and by column `null_share` and `mean`), and who measures drift."""

    now: datetime
    table: Callable[[TableName], DataFrame]
    previous: Mapping[str, Any] | None = None
    drift: Callable[[TableRule], float | None] | None = None


def judge_frame(frame: DataFrame, rules: CompiledRules, context: JudgingContext) -> tuple[Verdict, ...]:
    """A verdict for each row rule and table rule, in their order; rules of the engine are not judged here.

    A rule that Spark refuses or that fails becomes an ERROR with one sentence; the others are judged all the same.
    """
    values, broken = _one_pass(frame, rules)
    columns = {field.name: field.dataType.simpleString() for field in frame.schema.fields}
    evidence = _Evidence(frame, columns, context)
    verdicts = [*_row_verdicts(rules.rows, values, broken)]
    found: dict[str, Verdict] = {}
    for rule in rules.tables:
        failure = next((broken[name] for name in rule.aggregates if name in broken), None)
        if failure is not None:
            found[rule.name] = without_judgement(rule, Status.ERROR, failure)
            continue
        if rule.kind is TableRuleKind.DRIFT and context.drift is None:
            found[rule.name] = without_judgement(rule, Status.SKIPPED, "no profiles are at hand")
            continue
        try:
            found[rule.name] = judge_table_rule(rule, {**values, **evidence.of(rule, values)})
        except (PySparkException, LakehouseError, ValueError, TypeError, ArithmeticError) as error:
            found[rule.name] = without_judgement(rule, Status.ERROR, _sentence(error))
    return (*verdicts, *(found[rule.name] for rule in rules.tables))


def violating_keys(frame: DataFrame, rule: TableRule, context: JudgingContext, at_most: int) -> list[tuple[Any, ...]]:
    """Keys that violate a rule of kind UNIQUE or REFERENCE, in the order of its columns."""
    columns = {field.name: field.dataType.simpleString() for field in frame.schema.fields}
    found = _Evidence(frame, columns, context).violating(rule)
    return [tuple(row)[: len(rule.columns)] for row in found.limit(at_most).collect()]


def _one_pass(frame: DataFrame, rules: CompiledRules) -> tuple[dict[str, Any], dict[str, str]]:
    """The values of all counters and metrics by name, and why the others have none."""
    aggregates = {name: f"count_if({predicate})" for name, predicate in counters(rules.rows).items()}
    for rule in rules.tables:
        aggregates.update(rule.aggregates)
    if not rules.rows and aggregates.keys() == {ALL_ROWS}:
        return {}, {}  # no rule asks for anything that is counted
    return _aggregate(frame, aggregates)


def _aggregate(frame: DataFrame, aggregates: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """All at once; if that fails, in halves, so that only what fails by itself has no value."""
    try:
        return _values_of(frame, aggregates), {}
    except PySparkException as error:
        if len(aggregates) == 1:
            return {}, dict.fromkeys(aggregates, _sentence(error))
    try:
        _values_of(frame, {ALL_ROWS: "count(1)"})
    except PySparkException as error:  # the rows themselves cannot be computed
        return {}, dict.fromkeys(aggregates, _sentence(error))
    return _in_halves(frame, list(aggregates.items()))


def _in_halves(frame: DataFrame, aggregates: Sequence[tuple[str, str]]) -> tuple[dict[str, Any], dict[str, str]]:
    values: dict[str, Any] = {}
    broken: dict[str, str] = {}
    for half in (aggregates[: len(aggregates) // 2], aggregates[len(aggregates) // 2 :]):
        try:
            values.update(_values_of(frame, dict(half)))
        except PySparkException as error:
            if len(half) == 1:
                broken[half[0][0]] = _sentence(error)
                continue
            some, others = _in_halves(frame, half)
            values.update(some)
            broken.update(others)
    return values, broken


def _values_of(frame: DataFrame, aggregates: Mapping[str, str]) -> dict[str, Any]:
    row = frame.agg(*(F.expr(text).alias(name) for name, text in aggregates.items())).first()
    assert row is not None, "an aggregate without keys returns one row"
    return row.asDict()


def _row_verdicts(rules: Sequence[RowRule], values: Mapping[str, int], broken: Mapping[str, str]) -> Iterator[Verdict]:
    for rule in rules:
        failure = next((broken[name] for name in counters([rule]) if name in broken), None)
        if failure is None:
            yield judge_row_rule(rule, read_counts([rule], values)[rule.name])
        else:
            yield without_judgement(rule, Status.ERROR, failure)


class _Evidence:
    """The passes of their own that table rules need; rules over the same rows and columns share one."""

    def __init__(self, frame: DataFrame, columns: Mapping[str, str], context: JudgingContext) -> None:
        self.frame, self.columns, self.context = frame, columns, context
        self._counted: dict[tuple[Any, ...], tuple[int, int]] = {}
        self._frequencies: dict[tuple[Any, ...], tuple[int, int]] = {}

    def of(self, rule: TableRule, values: Mapping[str, Any]) -> dict[str, Any]:
        """The evidence of a rule's kind; `values` are the metrics of the one pass."""
        match rule.kind:
            case TableRuleKind.UNIQUE:
                distinct, rows = self._counts(rule)
                return {"unexpected": 0 if distinct == rows else self._frequency(rule)[1]}
            case TableRuleKind.VALUES:
                return self._values(rule)
            case TableRuleKind.QUANTILES:
                return {"quantiles": self._quantiles(rule, metrics(rule, values)["rows"])}
            case TableRuleKind.REFERENCE:
                return self._reference(rule)
            case TableRuleKind.SCHEMA:
                return {"columns": self.columns}
            case TableRuleKind.HISTORY:
                return {"previous": self.context.previous}
            case TableRuleKind.FRESHNESS:
                return {"now": (self.context.now - _EPOCH) // timedelta(microseconds=1)}
            case TableRuleKind.DRIFT:
                return {"drift": None if self.context.drift is None else self.context.drift(rule)}
            case _:
                return {}

    def violating(self, rule: TableRule) -> DataFrame:
        """The distinct keys that violate a rule of kind UNIQUE or REFERENCE, in columns k0, k1, …"""
        if rule.kind is TableRuleKind.UNIQUE:
            return self._groups(rule).where("n > 1")
        return self._unknown(rule).distinct()

    def _keys(self, rule: TableRule) -> DataFrame:
        """The rule's columns of the rows that it judges, called k0, k1, …"""
        frame = self.frame
        if rule.element is not None:
            frame = frame.where(F.expr(certain(rule.element)))
        if rule.missing is not None:
            frame = frame.where(F.expr(f"NOT {certain(rule.missing)}"))
        named = Columns(self.columns, rule.expectation.location)
        return frame.select(*(F.expr(named.sql(name)).alias(f"k{at}") for at, name in enumerate(rule.columns)))

    def _groups(self, rule: TableRule) -> DataFrame:
        keys = self._keys(rule)
        return keys.groupBy(*keys.columns).agg(F.count(F.lit(1)).alias("n"))

    def _counts(self, rule: TableRule) -> tuple[int, int]:
        """How many distinct keys there are, and in how many rows at least: equal only where no key repeats.

        A whole number is one bit of a word of 64 that lie side by side, so that keys which are dense, as most that
        count something, take a 64th of the groups, and others no more than they would. Rows whose key is NULL are rows.
        """
        keys = self._keys(rule)
        if len(keys.columns) > 1 or not isinstance(keys.schema[0].dataType, IntegralType):
            distinct, repeated = self._frequency(rule)
            return distinct, distinct + repeated
        key = (rule.element, rule.missing, rule.columns)
        if key not in self._counted:
            value = F.col("k0").cast("bigint")
            bit = F.call_function("shiftleft", F.lit(1).cast("bigint"), value.bitwiseAND(F.lit(63)).cast("int"))
            words = keys.groupBy(F.shiftright(value, 6)).agg(F.bit_or(bit).alias("bits"), F.count(F.lit(1)).alias("n"))
            row = words.selectExpr("coalesce(sum(bit_count(bits)), 0)", "coalesce(sum(n), 0)").first()
            assert row is not None, "an aggregate without keys returns one row"
            self._counted[key] = (row[0], row[1])
        return self._counted[key]

    def _frequency(self, rule: TableRule) -> tuple[int, int]:
        """How many distinct keys there are, and how many rows share theirs with another."""
        key = (rule.element, rule.missing, rule.columns)
        if key not in self._frequencies:
            row = self._groups(rule).selectExpr("count(1)", "coalesce(sum(if(n > 1, n, 0)), 0)").first()
            assert row is not None, "an aggregate without keys returns one row"
            self._frequencies[key] = (row[0], row[1])
        return self._frequencies[key]

    def _values(self, rule: TableRule) -> dict[str, Any]:
        if not rule.members:
            return {"distinct": self._counts(rule)[0]}
        inside = f"k0 IN ({', '.join(rule.members)})"
        if rule.expectation.type == "expect_column_most_common_value_to_be_in_set":
            by_count = (
                self._groups(rule)
                .groupBy("n")
                .agg(F.count(F.lit(1)).alias("modes"), F.expr(f"count_if({inside})").alias("inside"))
            )
            top = by_count.orderBy(F.col("n").desc()).first()
            return {"modes": 0, "modes_inside": 0} if top is None else {"modes": top[1], "modes_inside": top[2]}
        found = (f"coalesce(bool_or(k0 = {member}), false)" for member in rule.members)
        row = self._keys(rule).distinct().selectExpr("count(1)", f"count_if(NOT {inside})", *found).first()
        assert row is not None, "an aggregate without keys returns one row"
        return {"distinct": row[0], "outside": row[1], "found": list(row)[2:]}

    def _quantiles(self, rule: TableRule, rows: int) -> list[float]:
        arguments = rule.expectation.arguments
        ranges = arguments.get("quantile_ranges")
        # The median as Great Expectations takes it: the mean of the two values around the middle.
        shares = [0.5, 0.5 + 1 / (2 + 2 * rows)] if ranges is None else [float(s) for s in ranges["quantiles"]]
        error = arguments.get("allow_relative_error") or 0.0
        return self._keys(rule).approxQuantile("k0", shares, float(error))

    def _reference(self, rule: TableRule) -> dict[str, Any]:
        assert rule.reads is not None, "a reference names the table that it reads"
        if not rule.read_columns:
            return {"rows_there": self.context.table(rule.reads).count()}
        return {"unexpected": self._unknown(rule).count()}

    def _unknown(self, rule: TableRule) -> DataFrame:
        """The rows whose key the other table does not have."""
        assert rule.reads is not None, "a reference names the table that it reads"
        there = self.context.table(rule.reads)
        types = {field.name: field.dataType.simpleString() for field in there.schema.fields}
        named = Columns(types, rule.expectation.location)
        known = there.select(*(F.expr(named.sql(name)).alias(f"r{at}") for at, name in enumerate(rule.read_columns)))
        same = [F.col(f"k{at}") == F.col(f"r{at}") for at in range(len(rule.columns))]
        return self._keys(rule).join(known, on=same, how="left_anti")


def _sentence(error: BaseException) -> str:
    if isinstance(error, LakehouseError):
        return str(error)
    return describe_failure(error).message
