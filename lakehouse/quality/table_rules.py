"""The types that judge a table as a whole: what has to be computed for each, as SQL."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from lakehouse.errors import InvalidValue, nearest
from lakehouse.names import TableName, parse_table_name
from lakehouse.quality.columns import INTEGRAL, Columns, ordered
from lakehouse.quality.condition import certain
from lakehouse.quality.duration import duration
from lakehouse.quality.literals import literal
from lakehouse.quality.row_rules import Arguments, ignored_rows, value_set
from lakehouse.quality.spark_types import TYPE_CLASSES


class TableRuleKind(str, Enum):
    """What judging a table needs: one aggregate, a pass of its own, another table, or facts from elsewhere."""

    AGGREGATE = "aggregate"
    UNIQUE = "unique"
    VALUES = "values"
    QUANTILES = "quantiles"
    REFERENCE = "reference"
    SCHEMA = "schema"
    HISTORY = "history"
    DRIFT = "drift"
    FRESHNESS = "freshness"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableNeeds:
    """What judging needs; the fields are those of `rule.TableRule`."""

    kind: TableRuleKind
    columns: tuple[str, ...] = ()
    aggregates: Mapping[str, str] = field(default_factory=dict)
    missing: str | None = None
    members: tuple[str, ...] = ()
    reads: TableName | None = None
    read_columns: tuple[str, ...] = ()


def table_needs(kind: str, arguments: Arguments, columns: Columns, element: str | None) -> TableNeeds | None:
    """What an expectation type needs, None if it is not one that judges a table here.

    `element` is the SQL of the rows that it looks at. Raises UnknownName and InvalidValue.
    """
    make = _TYPES.get(kind)
    return None if make is None else make(kind, arguments, columns, element)


def metric(role: str, aggregate: str) -> tuple[str, str]:
    """A metric's name, which depends on its role and text alone, and its SQL."""
    return f"{role}_{hashlib.sha256(aggregate.encode()).hexdigest()[:16]}", aggregate


def role(name: str) -> str:
    """The role in a metric's name."""
    return name.rpartition("_")[0]


def _counts(element: str | None, missing: str | None) -> dict[str, str]:
    rows = "count(1)" if element is None else f"count_if({certain(element)})"
    parts = [certain(part) for part in (element, missing) if part is not None]
    without = f"count_if({' AND '.join(parts)})" if missing is not None else "count_if(false)"
    return dict([metric("rows", rows), metric("missing", without)])


def _of_rows(value: str, element: str | None) -> str:
    return value if element is None else f"CASE WHEN {certain(element)} THEN {value} END"


def _aggregate(kind: str, arguments: Arguments, columns: Columns, element: str | None) -> TableNeeds:
    name, function = arguments["column"], _AGGREGATES[kind]
    column = columns.sql(name)
    if function in ("min", "max"):
        for bound in (arguments.get("min_value"), arguments.get("max_value")):
            columns.comparable(name, bound)
    else:
        columns.require(name, ("numeric",), what=f"'{kind}'")
    _check_bounds(arguments, columns)
    # A sum of whole numbers could overflow; Great Expectations sums them as doubles too.
    widened = function == "sum" and columns.type_of(name) in INTEGRAL
    value = _of_rows(f"CAST({column} AS DOUBLE)" if widened else column, element)
    return TableNeeds(
        kind=TableRuleKind.AGGREGATE, columns=(name,), aggregates=dict([metric("value", f"{function}({value})")])
    )


def _check_bounds(arguments: Arguments, columns: Columns) -> None:
    low, high = arguments.get("min_value"), arguments.get("max_value")
    if not ordered(low, high):
        raise InvalidValue(f"'min_value' {low!r} is above 'max_value' {high!r}.", where=columns.where)


def _row_count(kind: str, arguments: Arguments, columns: Columns, element: str | None) -> TableNeeds:
    _check_bounds(arguments, columns)
    return TableNeeds(kind=TableRuleKind.AGGREGATE, aggregates=_counts(element, None))


def _share_of_values(kind: str, arguments: Arguments, columns: Columns, element: str | None) -> TableNeeds:
    _check_bounds(arguments, columns)
    missing = f"{columns.sql(arguments['column'])} IS NULL"
    return TableNeeds(
        kind=TableRuleKind.AGGREGATE, columns=(arguments["column"],), aggregates=_counts(element, missing)
    )


def _unique(kind: str, arguments: Arguments, columns: Columns, element: str | None) -> TableNeeds:
    if "column" in arguments:
        names: tuple[str, ...] = (arguments["column"],)
        missing: str | None = f"{columns.sql(names[0])} IS NULL"
    else:
        names = tuple(arguments["column_list"])
        ignore = arguments.get("ignore_row_if") or "all_values_are_missing"
        missing = ignored_rows(ignore, [columns.sql(name) for name in names], columns)
    return TableNeeds(kind=TableRuleKind.UNIQUE, columns=names, missing=missing, aggregates=_counts(element, missing))


def _values(kind: str, arguments: Arguments, columns: Columns, element: str | None) -> TableNeeds:
    name = arguments["column"]
    missing = f"{columns.sql(name)} IS NULL"
    members: tuple[str, ...] = ()
    if "value_set" in arguments:
        members = tuple(literal(value) for value in value_set(arguments, columns))
    else:
        _check_bounds(arguments, columns)
    return TableNeeds(
        kind=TableRuleKind.VALUES,
        columns=(name,),
        missing=missing,
        members=members,
        aggregates=_counts(element, missing),
    )


def _quantiles(kind: str, arguments: Arguments, columns: Columns, element: str | None) -> TableNeeds:
    name = arguments["column"]
    columns.sql(name)
    columns.require(name, ("numeric",), what=f"'{kind}'")
    ranges = arguments.get("quantile_ranges")
    if ranges is None:
        _check_bounds(arguments, columns)
    else:
        quantiles, bounds = ranges.get("quantiles") or (), ranges.get("value_ranges") or ()
        shares = [share for share in quantiles if isinstance(share, int | float) and 0 <= share <= 1]
        pairs = [pair for pair in bounds if isinstance(pair, list | tuple) and len(pair) == 2 and ordered(*pair)]
        if not quantiles or len(shares) != len(quantiles) or len(pairs) != len(quantiles) or len(bounds) != len(pairs):
            raise InvalidValue(
                "'quantile_ranges' needs 'quantiles' from 0 to 1 and for each of them one [lowest, highest] in "
                "'value_ranges'.",
                where=columns.where,
            )
    return TableNeeds(kind=TableRuleKind.QUANTILES, columns=(name,), aggregates=_counts(element, None))


def _schema(kind: str, arguments: Arguments, columns: Columns, element: str | None) -> TableNeeds:
    _check_bounds(arguments, columns)
    single = arguments.get("type_")
    for name in [single] if single is not None else arguments.get("type_list") or ():
        if name not in TYPE_CLASSES:
            near = nearest(str(name), {known.lower() for known in TYPE_CLASSES})
            found = next((known for known in TYPE_CLASSES if known.lower() == near), None)
            raise InvalidValue(
                f"'{name}' is no type of Spark.",
                where=columns.where,
                hint=f"Did you mean '{found}'?" if found else "Write the class of pyspark.sql.types, as LongType.",
            )
    named = (arguments["column"],) if "column" in arguments else ()
    if named and kind != "expect_column_to_exist":
        columns.sql(named[0])
    return TableNeeds(kind=TableRuleKind.SCHEMA, columns=named)


def _reference(kind: str, arguments: Arguments, columns: Columns, element: str | None) -> TableNeeds:
    single, several, target = arguments.get("column"), arguments.get("columns"), arguments["references"]
    names = tuple(several or ()) if single is None else (single,)
    targets = [target] if isinstance(target, str) else list(target)
    split = [text.rpartition(".") for text in targets]
    tables = {parse_table_name(table, default_schema="", where=columns.where) for table, _, _ in split if table}
    if (
        (single is not None and several)
        or len(names) != len(targets)
        or len(tables) != 1
        or any(not table or not column for table, _, column in split)
        or not next(iter(tables)).schema
    ):
        raise InvalidValue(
            "'references' names for each column one of another table, as 'schema.table.column', all of one table.",
            where=columns.where,
        )
    missing = " OR ".join(f"{columns.sql(name)} IS NULL" for name in names)
    return TableNeeds(
        kind=TableRuleKind.REFERENCE,
        columns=names,
        missing=missing,
        aggregates=_counts(element, missing),
        reads=tables.pop(),
        read_columns=tuple(column.strip("`") for _, _, column in split),
    )


def _same_row_count(kind: str, arguments: Arguments, columns: Columns, element: str | None) -> TableNeeds:
    table = parse_table_name(arguments["other_table_name"], default_schema="", where=columns.where)
    if not table.schema:
        raise InvalidValue("'other_table_name' needs its schema, as 'schema.table'.", where=columns.where)
    return TableNeeds(kind=TableRuleKind.REFERENCE, aggregates=_counts(element, None), reads=table)


def _freshness(kind: str, arguments: Arguments, columns: Columns, element: str | None) -> TableNeeds:
    name = arguments["column"]
    column = columns.sql(name)
    columns.require(name, ("temporal", "text"), what="freshness")
    try:
        duration(arguments["max_age"])
    except ValueError as error:
        raise InvalidValue(
            f"'max_age' is {arguments['max_age']!r}.", where=columns.where, hint="Write '1 day 2 hours'."
        ) from error
    latest = f"unix_micros(max(try_cast({_of_rows(column, element)} AS TIMESTAMP)))"
    return TableNeeds(kind=TableRuleKind.FRESHNESS, columns=(name,), aggregates=dict([metric("latest", latest)]))


def _history(kind: str, arguments: Arguments, columns: Columns, element: str | None) -> TableNeeds:
    declared = arguments.get("columns")
    names = tuple(columns.schema or ()) if declared is None else tuple(declared)
    aggregates = _counts(element, None)
    for position, name in enumerate(names):
        column = columns.sql(name)
        if arguments.get("null_share") is not None:
            aggregates.update([metric(f"nulls_{position}", _counts_of_nulls(column, element))])
        is_number = columns.family(name) == "numeric" or (columns.schema is None and declared is not None)
        if arguments.get("mean") is not None and is_number:
            aggregates.update([metric(f"mean_{position}", f"avg(CAST({_of_rows(column, element)} AS DOUBLE))")])
    return TableNeeds(kind=TableRuleKind.HISTORY, columns=names, aggregates=aggregates)


def _counts_of_nulls(column: str, element: str | None) -> str:
    parts = [*([] if element is None else [certain(element)]), f"{column} IS NULL"]
    return f"count_if({' AND '.join(parts)})"


def _drift(kind: str, arguments: Arguments, columns: Columns, element: str | None) -> TableNeeds:
    name = arguments["column"]
    columns.sql(name)
    if arguments.get("measure") in ("kolmogorov_smirnov", "wasserstein"):
        columns.require(name, ("numeric", "temporal"), what=f"the measure {arguments['measure']}")
    return TableNeeds(kind=TableRuleKind.DRIFT, columns=(name,))


_AGGREGATES = {
    "expect_column_max_to_be_between": "max",
    "expect_column_min_to_be_between": "min",
    "expect_column_mean_to_be_between": "avg",
    "expect_column_sum_to_be_between": "sum",
    "expect_column_stdev_to_be_between": "stddev_samp",
}
_TYPES: Mapping[str, Callable[[str, Any, Columns, str | None], TableNeeds]] = {
    **dict.fromkeys(_AGGREGATES, _aggregate),
    "expect_table_row_count_to_be_between": _row_count,
    "expect_table_row_count_to_equal": _row_count,
    "expect_column_proportion_of_non_null_values_to_be_between": _share_of_values,
    "expect_column_values_to_be_unique": _unique,
    "expect_compound_columns_to_be_unique": _unique,
    "expect_column_distinct_values_to_be_in_set": _values,
    "expect_column_distinct_values_to_contain_set": _values,
    "expect_column_distinct_values_to_equal_set": _values,
    "expect_column_most_common_value_to_be_in_set": _values,
    "expect_column_unique_value_count_to_be_between": _values,
    "expect_column_proportion_of_unique_values_to_be_between": _values,
    "expect_column_median_to_be_between": _quantiles,
    "expect_column_quantile_values_to_be_between": _quantiles,
    "expect_column_to_exist": _schema,
    "expect_column_type_to_be": _schema,
    "expect_column_values_to_be_of_type": _schema,
    "expect_column_values_to_be_in_type_list": _schema,
    "expect_table_column_count_to_be_between": _schema,
    "expect_table_column_count_to_equal": _schema,
    "expect_table_columns_to_match_ordered_list": _schema,
    "expect_table_columns_to_match_set": _schema,
    "expect_column_values_to_be_in_table_column": _reference,
    "expect_table_row_count_to_equal_other_table": _same_row_count,
    "expect_table_freshness": _freshness,
    "expect_table_no_worse_than_last_version": _history,
    "expect_drift_below": _drift,
}
TABLE_TYPES = frozenset(_TYPES)
