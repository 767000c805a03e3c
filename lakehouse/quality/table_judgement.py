"""What the evidence about a table says of a rule over it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from lakehouse.quality.bounds import json_value, quantile_within, within_bounds
from lakehouse.quality.counting import RowCounts
from lakehouse.quality.duration import duration
from lakehouse.quality.rule import TableRule, TableRuleKind
from lakehouse.quality.spark_types import is_of_class
from lakehouse.quality.table_rules import role

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Whether a rule holds, None if there is nothing to tell by; what was seen; and rows counted, if it counts rows."""

    passed: bool | None
    observed: Any = None
    counts: RowCounts | None = None
    details: str | None = None


def judgement(rule: TableRule, values: Values) -> Judgement:
    """What the evidence says. `values` holds the rule's metrics by name, and by kind:

    - UNIQUE and REFERENCE: `unexpected`, the rows that violate; for another table's size instead `rows_there`;
    - VALUES: `distinct`, and for a set `outside` (distinct values not in it) and `found` (one boolean a member); for
      the most common value `modes` and `modes_inside` (values that are most frequent, and those of them in the set);
    - QUANTILES: `quantiles`, the values in the order of the arguments, for the median the two around the middle;
    - SCHEMA: `columns`, a mapping of each column to Spark's simple type, in order;
    - HISTORY: `previous`, what was observed of the last version, None if there is none;
    - FRESHNESS: `now`, in microseconds since 1970;
    - DRIFT: `drift`, the measure's value, None if there is nothing to compare with.

    Raises KeyError for evidence that lacks, ValueError or TypeError for bounds that cannot be compared.
    """
    return _KINDS[rule.kind](rule, values)


def metrics(rule: TableRule, values: Values) -> dict[str, Any]:
    """The rule's metrics by their roles."""
    return {role(name): values[name] for name in rule.aggregates}


def _aggregate(rule: TableRule, values: Values) -> Judgement:
    found, arguments = metrics(rule, values), rule.expectation.arguments
    if rule.expectation.type == "expect_table_row_count_to_equal":
        return Judgement(passed=found["rows"] == arguments["value"], observed=found["rows"])
    if rule.expectation.type == "expect_table_row_count_to_be_between":
        value: Any = found["rows"]
    elif rule.expectation.type == "expect_column_proportion_of_non_null_values_to_be_between":
        value = (found["rows"] - found["missing"]) / found["rows"] if found["rows"] else 0
    else:
        value = found["value"]
    return Judgement(passed=within_bounds(value, arguments), observed=json_value(value))


def _counted(rule: TableRule, values: Values) -> Judgement:
    found = metrics(rule, values)
    if "rows_there" in values:
        there = values["rows_there"]
        return Judgement(passed=found["rows"] == there, observed={"self": found["rows"], "other": there})
    counts = RowCounts(elements=found["rows"], missing=found["missing"], unexpected=values["unexpected"])
    return Judgement(passed=None, counts=counts)


def _values(rule: TableRule, values: Values) -> Judgement:
    found, arguments, kind = metrics(rule, values), rule.expectation.arguments, rule.expectation.type
    if kind == "expect_column_unique_value_count_to_be_between":
        return Judgement(passed=within_bounds(values["distinct"], arguments), observed=values["distinct"])
    if kind == "expect_column_proportion_of_unique_values_to_be_between":
        judged = found["rows"] - found["missing"]
        share = values["distinct"] / judged if judged else 0
        return Judgement(passed=within_bounds(share, arguments), observed=share)
    if kind == "expect_column_most_common_value_to_be_in_set":
        modes, inside = values["modes"], values["modes_inside"]
        passed = inside > 0 if arguments.get("ties_okay") else modes == 1 and inside == 1
        return Judgement(passed=passed, observed={"most_common": modes, "in_set": inside})
    outside = values["outside"] if kind != "expect_column_distinct_values_to_contain_set" else 0
    absent = values["found"].count(False) if kind != "expect_column_distinct_values_to_be_in_set" else 0
    return Judgement(
        passed=outside == 0 and absent == 0,
        observed={"distinct": values["distinct"], "not_in_set": outside, "missing": absent},
    )


def _quantiles(rule: TableRule, values: Values) -> Judgement:
    found, arguments = values["quantiles"], rule.expectation.arguments
    ranges = arguments.get("quantile_ranges")
    if ranges is None:
        median = sum(found) / len(found) if found else None
        return Judgement(passed=within_bounds(median, arguments), observed=json_value(median))
    bounds = ranges["value_ranges"]
    observed = list(found) if found else [None] * len(bounds)
    return Judgement(
        passed=all(quantile_within(value, pair) for value, pair in zip(observed, bounds, strict=True)),
        observed=json_value({"quantiles": ranges["quantiles"], "values": observed}),
    )


def _schema(rule: TableRule, values: Values) -> Judgement:
    columns, arguments, kind = values["columns"], rule.expectation.arguments, rule.expectation.type
    names = list(columns)
    if kind == "expect_column_to_exist":
        index = arguments.get("column_index")  # 0 asks for no place, as in Great Expectations
        there = arguments["column"] in columns if not index else names[index : index + 1] == [arguments["column"]]
        return Judgement(passed=there, observed=names)
    if kind == "expect_table_column_count_to_equal":
        return Judgement(passed=len(names) == arguments["value"], observed=len(names))
    if kind == "expect_table_column_count_to_be_between":
        return Judgement(passed=within_bounds(len(names), arguments), observed=len(names))
    if kind == "expect_table_columns_to_match_ordered_list":
        expected = arguments.get("column_list")
        return Judgement(passed=expected is None or names == list(expected), observed=names)
    if kind == "expect_table_columns_to_match_set":
        wanted = set(arguments.get("column_set") or ())
        exact = arguments.get("exact_match")
        passed = wanted == set(names) if exact is None or exact else wanted <= set(names)
        return Judgement(passed=passed, observed=names)
    found = next((found for name, found in columns.items() if name.lower() == arguments["column"].lower()), None)
    wanted_types = [arguments["type_"]] if arguments.get("type_") is not None else arguments.get("type_list")
    if found is None:
        return Judgement(passed=False, details=f"column '{arguments['column']}' does not exist")
    return Judgement(
        passed=wanted_types is None or any(is_of_class(found, wanted_type) for wanted_type in wanted_types),
        observed=found,
    )


def _history(rule: TableRule, values: Values) -> Judgement:
    found, arguments = metrics(rule, values), rule.expectation.arguments
    rows = found["rows"]
    now: dict[str, Any] = {"row_count": rows, "null_share": {}, "mean": {}}
    for position, name in enumerate(rule.columns):
        if f"nulls_{position}" in found:
            now["null_share"][name] = found[f"nulls_{position}"] / rows if rows else 0.0
        if f"mean_{position}" in found:
            now["mean"][name] = found[f"mean_{position}"]
    before = values["previous"]
    if before is None:
        return Judgement(passed=None, observed=json_value(now), details="there is no earlier version to compare with")
    worse = list(_worse(now, before, arguments))
    return Judgement(
        passed=not worse, observed=json_value(now), details="worse: " + ", ".join(worse) if worse else None
    )


def _worse(now: Values, before: Values, arguments: Values) -> list[str]:
    """What got worse by more than its tolerance: fewer rows, more nulls, a mean that moved either way."""
    worse = []
    allowed = arguments.get("row_count")
    if allowed is not None and now["row_count"] < before.get("row_count", 0) * (1 - allowed):
        worse.append("row_count")
    allowed = arguments.get("null_share")
    for name, share in now["null_share"].items():
        if allowed is not None and share - before.get("null_share", {}).get(name, share) > allowed:
            worse.append(f"null_share of {name}")
    allowed = arguments.get("mean")
    for name, mean in now["mean"].items():
        earlier = before.get("mean", {}).get(name)
        if allowed is None or not isinstance(earlier, int | float):
            continue  # a new column, or one that had no value or no finite mean
        if mean is None or not abs(mean - earlier) <= allowed * abs(earlier):
            worse.append(f"mean of {name}")
    return worse


def _freshness(rule: TableRule, values: Values) -> Judgement:
    latest = metrics(rule, values)["latest"]
    if latest is None:
        return Judgement(passed=False, details="there is no value to tell the age by")
    age = timedelta(microseconds=values["now"] - latest)
    allowed = duration(rule.expectation.arguments["max_age"])
    return Judgement(passed=age <= allowed, observed={"age_seconds": age.total_seconds()})


def _drift(rule: TableRule, values: Values) -> Judgement:
    drift = values["drift"]
    if drift is None:
        return Judgement(passed=None, details="there is no baseline to compare with")
    return Judgement(passed=drift <= rule.expectation.arguments["threshold"], observed=json_value(drift))


_KINDS: Mapping[TableRuleKind, Callable[[TableRule, Values], Judgement]] = {
    TableRuleKind.AGGREGATE: _aggregate,
    TableRuleKind.UNIQUE: _counted,
    TableRuleKind.VALUES: _values,
    TableRuleKind.QUANTILES: _quantiles,
    TableRuleKind.REFERENCE: _counted,
    TableRuleKind.SCHEMA: _schema,
    TableRuleKind.HISTORY: _history,
    TableRuleKind.DRIFT: _drift,
    TableRuleKind.FRESHNESS: _freshness,
}
