"""Expectations as a suite of Great Expectations in its own JSON, and back.

Great Expectations has no place for a SQL condition over a row, for what a violation does, or for our own types. A
condition becomes a query for violating rows; the rest is kept under `meta`, so that reading a suite that was written
here gives the same expectations.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lakehouse.definition.expectation import Expectation
from lakehouse.definition.expectation_types import own_expectation_types
from lakehouse.errors import InvalidValue

_META = "lakehouse"
_QUERY_TYPE = "unexpected_rows_expectation"
_SETS = ("value_set",)


def suite_document(name: str, expectations: Sequence[Expectation]) -> dict[str, Any]:
    """A suite as Great Expectations reads it. Our own types, which it does not know, are in the suite's `meta` only."""
    known: list[dict[str, Any]] = []
    own: list[dict[str, Any]] = []
    for position, expectation in enumerate(expectations):
        if expectation.type in own_expectation_types():
            own.append({"position": position, "expectation": declaration(expectation)})
        else:
            known.append(suite_entry(expectation))
    meta = {_META: {"expectations": own}} if own else {}
    return {"name": name, "expectations": known, "meta": meta}


def read_suite(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The expectations of a suite as YAML would declare them. Raises InvalidValue for what is no suite."""
    entries = document.get("expectations")
    if not isinstance(entries, list):
        raise InvalidValue("a suite of Great Expectations has a list of 'expectations'.")
    found = [_declared(entry) for entry in entries]
    own = (document.get("meta") or {}).get(_META, {}).get("expectations", ())
    for each in sorted(own, key=lambda item: item["position"]):
        found.insert(each["position"], each["expectation"])
    return found


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
        "meta": {**(expectation.arguments.get("meta") or {}), _META: ours},
    }
    if expectation.arguments.get("description"):
        entry["description"] = expectation.arguments["description"]
    return entry


def _declared(entry: Any) -> dict[str, Any]:
    kind = entry.get("type") or entry.get("expectation_type") if isinstance(entry, dict) else None
    if not isinstance(kind, str):
        raise InvalidValue("an expectation of a suite has a 'type' and 'kwargs'.")
    meta = dict(entry.get("meta") or {})
    ours = meta.pop(_META, None) or {}
    if "condition" in ours:
        declared: dict[str, Any] = {"expect": ours["condition"]}
    else:
        arguments = dict(entry.get("kwargs") or {})
        arguments.pop("batch_id", None)
        if meta:
            arguments["meta"] = meta
        if entry.get("description"):
            arguments["description"] = entry["description"]
        declared = {kind: arguments}
    declared.update({key: ours[key] for key in ("name", "on_violation") if key in ours})
    if entry.get("severity"):
        declared["severity"] = entry["severity"]
    return declared
