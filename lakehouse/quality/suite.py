"""Expectations as a suite of Great Expectations in its own JSON; `definition.suite_file` reads it back.

Great Expectations has no place for a SQL condition over a row, for what a violation does, or for our own types. A
condition becomes a query for violating rows; the rest is kept under `meta`, so that reading a suite that was written
here gives the same expectations.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lakehouse.definition.expectation import Expectation
from lakehouse.definition.expectation_types import own_expectation_types
from lakehouse.definition.suite_file import META, read_suite

__all__ = ["declaration", "engine_arguments", "read_suite", "suite_document", "suite_entry"]

_QUERY_TYPE = "unexpected_rows_expectation"
_SETS = ("value_set",)


def suite_document(name: str, expectations: Sequence[Expectation]) -> dict[str, Any]:
    """A suite as Great Expectations reads it; our own types, which it does not know, are in its `meta` alone."""
    known: list[dict[str, Any]] = []
    own: list[dict[str, Any]] = []
    for position, expectation in enumerate(expectations):
        if expectation.type in own_expectation_types():
            own.append({"position": position, "expectation": declaration(expectation)})
        else:
            known.append(suite_entry(expectation))
    meta = {META: {"expectations": own}} if own else {}
    return {"name": name, "expectations": known, "meta": meta}


def declaration(expectation: Expectation) -> dict[str, Any]:
    """The mapping that declares an expectation in YAML."""
    what: dict[str, Any] = (
        {"expect": expectation.condition} if expectation.type is None else {expectation.type: expectation.arguments}
    )
    return {
        **what,
        "name": expectation.name,
        "on_violation": expectation.on_violation.value,
        "severity": expectation.severity.value,
    }


def engine_arguments(expectation: Expectation) -> dict[str, Any]:
    """The arguments of a Great Expectations type as its Spark engine takes them.

    Nulls leave value sets: with one, its `IN` lets every row pass. A `row_condition` is Spark SQL unless it says else.
    """
    arguments = {key: value for key, value in expectation.arguments.items() if key not in ("meta", "description")}
    for key in _SETS:
        if isinstance(arguments.get(key), list | tuple):
            arguments[key] = [value for value in arguments[key] if value is not None]
    if arguments.get("row_condition") is not None and arguments.get("condition_parser") is None:
        arguments["condition_parser"] = "spark"
    return arguments


def suite_entry(expectation: Expectation) -> dict[str, Any]:
    """An expectation as one of a suite, with what Great Expectations has no place for under `meta`."""
    ours = {"name": expectation.name, "on_violation": expectation.on_violation.value}
    if expectation.type is None:
        ours["condition"] = expectation.condition or ""
        # The query is a format string of Great Expectations.
        condition = ours["condition"].replace("{", "{{").replace("}", "}}")
        query = f"SELECT * FROM {{batch}} WHERE NOT coalesce((\n{condition}\n), false)"
        kind, arguments = _QUERY_TYPE, {"unexpected_rows_query": query}
    else:
        kind, arguments = expectation.type, engine_arguments(expectation)
    entry = {
        "type": kind,
        "kwargs": arguments,
        "severity": expectation.severity.value,
        "meta": {**(expectation.arguments.get("meta") or {}), META: ours},
    }
    if expectation.arguments.get("description"):
        entry["description"] = expectation.arguments["description"]
    return entry
