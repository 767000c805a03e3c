"""The metrics that Great Expectations judges by, from the numbers of a verdict. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lakehouse.quality.verdict import Verdict

# Metrics that are the one value that a verdict observed.
_OBSERVED = frozenset(
    {
        "column.distinct_values.count",
        "column.max",
        "column.mean",
        "column.median",
        "column.min",
        "column.non_null_proportion",
        "column.standard_deviation",
        "column.sum",
        "column.unique_proportion",
        "table.column_count",
        "table.columns",
        "table.row_count",
    }
)
# Where violations are: only asked for beside samples, and told of none, as Great Expectations' Spark engine may.
_PLACES = (".unexpected_index_list", ".unexpected_index_query")
_QUERY_ROWS, _QUERY_COUNT = "unexpected_rows_query.table", "unexpected_rows_query.row_count"


def violating_values(arguments: Mapping[str, Any], verdict: Verdict) -> list[Any]:
    """The samples of a verdict as Great Expectations lists violations of a type with these arguments: values of its
    column, pairs (tuples) of two, mappings of several; none where it names no column or a sample lacks one."""
    several = arguments.get("column_list")
    names = several or [arguments[key] for key in ("column", "column_A", "column_B") if key in arguments]
    found: list[Any] = []
    for sample in verdict.samples:
        there = {name.lower(): value for name, value in sample.items()}
        values = [there[name.lower()] for name in names if name.lower() in there]
        if not values or len(values) != len(names):
            return []
        if several:
            found.append(dict(zip(names, values, strict=True)))
        else:
            found.append(values[0] if len(values) == 1 else tuple(values))
    return found


def metric_values(
    names: Iterable[str], map_metric: str | None, verdict: Verdict, values: Sequence[Any] = ()
) -> dict[str, Any] | None:
    """A value for each of the metrics; `map_metric` is what a type over rows counts violations of, `values` are some
    of these.

    None if the verdict does not have one of them.
    """
    found: dict[str, Any] = {}
    for name in names:
        if name == _QUERY_ROWS:
            found[name] = []  # samples are not asked for
        elif name.endswith(_PLACES):
            found[name] = None
        elif verdict.elements is not None:
            value = list(values) if name.endswith(".unexpected_values") else _counted(name, map_metric, verdict)
            if value is None:
                return None
            found[name] = value
        elif name == "column.quantile_values" and isinstance(verdict.observed, dict):
            found[name] = verdict.observed["values"]
        elif name in _OBSERVED:
            found[name] = verdict.observed
        else:
            return None
    return found


def _counted(name: str, map_metric: str | None, verdict: Verdict) -> Any:
    judged = (verdict.elements or 0) - (verdict.missing or 0)
    if name in (f"{map_metric}.unexpected_count", _QUERY_COUNT):
        return verdict.failed_records
    if name == "column_values.nonnull.unexpected_count":
        return verdict.missing
    if name.endswith(".filtered_row_count"):
        return judged
    return verdict.elements if name == "table.row_count" else None
