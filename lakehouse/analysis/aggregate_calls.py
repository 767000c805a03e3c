"""Aggregate and window functions of a plan: which there are, and whether their value depends on more than the rows.

Sums of floating-point numbers depend on the order of addition; collected lists and ties in an order on the order of
rows. Recomputing them may give another value for the same rows, so nothing may be told apart by them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lakehouse.analysis.catalyst import elements, patterns_in, without_identifiers
from lakehouse.plan.algebra import AggregateCall

_EXACT = frozenset(
    {
        "Count",
        "Min",
        "Max",
        "BitAndAgg",
        "BitOrAgg",
        "BitXorAgg",
        "Percentile",
        "Median",
        "HyperLogLogPlusPlus",
        # The optimiser makes these itself, for groups that hold one such row.
        "First",
    }
)
_EXACT_IF_NOT_FLOATING = frozenset({"Sum", "Average"})
_RANKS = frozenset({"Rank", "DenseRank", "PercentRank", "CumeDist"})
_FLOATING = ("float", "double")


def aggregate_calls(expression: Any) -> tuple[list[AggregateCall], bool]:
    """The aggregate functions in an expression, in the order of `aggregate_expressions`, and whether the rows decide
    all of their values exactly."""
    calls = [_call(found) for found in aggregate_expressions(expression)]
    return calls, all(is_exact(call) for call in calls)


def aggregate_expressions(expression: Any) -> list[Any]:
    """The `AggregateExpression`s in an expression, depth first."""
    pattern = patterns_in(expression, "AGGREGATE_EXPRESSION")
    if not pattern:
        return []
    if str(expression.getClass().getSimpleName()) == "AggregateExpression":
        return [expression]
    return [found for child in elements(expression.children()) for found in aggregate_expressions(child)]


def is_exact(call: AggregateCall) -> bool:
    """Whether the rows of a group decide the value to the last bit."""
    if call.function in _EXACT:
        return True
    floating = any(argument in _FLOATING for argument in call.arguments)
    return call.function in _EXACT_IF_NOT_FLOATING and not floating


def inexact_window_columns(ids: Sequence[int], expressions: Sequence[Any]) -> frozenset[int]:
    """Those columns of a window operator that ties in its order may change."""
    return frozenset(number for number, each in zip(ids, expressions, strict=True) if not _is_exact_window(each))


def _is_exact_window(expression: Any) -> bool:
    window = expression.child()
    function = window.windowFunction()
    name = str(function.getClass().getSimpleName())
    if name in _RANKS:
        return True
    if name != "AggregateExpression" or not is_exact(_call(function)):
        return False
    specification = window.windowSpec()
    is_whole = not elements(specification.orderSpec())
    return is_whole or "RangeFrame" in str(specification.frameSpecification().toString())


def _call(found: Any) -> AggregateCall:
    function = found.aggregateFunction()
    arguments = tuple(str(child.dataType().simpleString()) for child in elements(function.children()))
    return AggregateCall(
        function=str(function.getClass().getSimpleName()),
        arguments=arguments,
        is_distinct=bool(found.isDistinct()),
        text=without_identifiers(str(found.toString())),
    )
