"""Expectations from a suite of Great Expectations, the JSON file that its contexts keep.

What Great Expectations has no place for, a SQL condition, what a violation does, our own types, is kept under `meta`
of a suite that was written here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from lakehouse.definition.document import Document
from lakehouse.definition.expectation import Expectation
from lakehouse.definition.expectation_reading import read_expectation
from lakehouse.definition.sql_literals import identifier, literal, literals
from lakehouse.definition.yaml_text import read_yaml
from lakehouse.errors import DefinitionError, DefinitionErrors, DuplicateName, InvalidValue, SourceLocation

META = "lakehouse"


def with_suite(
    declared: tuple[Expectation, ...], root: Path, name: str, where: SourceLocation
) -> tuple[Expectation, ...]:
    """Declared expectations, and those of a suite after them; see `suite_expectations`. Raises DuplicateName, too."""
    found = suite_expectations(root, name, where)
    first = {expectation.name: expectation.location for expectation in declared}
    problems = [DuplicateName(each.name, first=first[each.name], where=where) for each in found if each.name in first]
    if problems:
        raise DefinitionErrors(problems) if len(problems) > 1 else problems[0]
    return (*declared, *found)


def suite_expectations(root: Path, name: str, where: SourceLocation) -> tuple[Expectation, ...]:
    """The expectations of the suite in the file `name`, relative to the project's folder `root`; they stand at
    `where`, the place that names the file.

    Raises InvalidValue for a file that is not there or is no suite, and DefinitionErrors with all that is wrong in
    it; what is wrong with an expectation names the line of the file.
    """
    try:
        text = (root / name).read_text(encoding="utf-8-sig")
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidValue(f"this is no JSON: {error.msg}.", where=SourceLocation(name, error.lineno)) from error
    except (OSError, UnicodeDecodeError) as error:
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else "it cannot be read"
        raise InvalidValue(
            f"the suite '{name}': {reason}.", where=where, hint="Its path is relative to the project's folder."
        ) from error
    if not isinstance(document, dict):
        raise InvalidValue("a suite of Great Expectations is an object.", where=SourceLocation(name, 1))
    try:
        declared = read_suite(document)
    except InvalidValue as problem:
        raise InvalidValue(problem.message, where=SourceLocation(name, 1)) from problem
    # Our own types, kept elsewhere in the file, move the others.
    lines = _lines(text, name) if len(declared) == len(document["expectations"]) else {}
    return _read(Document(value=declared, file=name, line=1, lines=lines), where)


def _read(document: Document, where: SourceLocation) -> tuple[Expectation, ...]:
    found: dict[str, Expectation] = {}
    problems: list[DefinitionError] = []
    for index, item in enumerate(document.value):
        try:
            expectation = read_expectation(document, (index,), item)
        except DefinitionErrors as several:
            problems.extend(several.problems)
            continue
        except DefinitionError as problem:
            problems.append(problem)
            continue
        if expectation.name in found:
            first = found[expectation.name].location
            problems.append(DuplicateName(expectation.name, first=first, where=expectation.location))
        found[expectation.name] = expectation
    if problems:
        raise DefinitionErrors(problems) if len(problems) > 1 else problems[0]
    return tuple(replace(expectation, location=where) for expectation in found.values())


def _lines(text: str, name: str) -> dict[tuple[str | int, ...], int]:
    """Where each expectation stands. JSON is nearly YAML, whose reader knows lines; where it is not, nothing is said
    of them."""
    documents, problems = read_yaml(text, name)
    if problems or len(documents) != 1:
        return {}
    places = documents[0].lines.items()
    return {(path[1],): line for path, line in places if len(path) == 2 and path[0] == "expectations"}


def read_suite(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The expectations of a suite as YAML would declare them. Raises InvalidValue for what is no suite."""
    entries = document.get("expectations")
    if not isinstance(entries, list):
        raise InvalidValue("a suite of Great Expectations has a list of 'expectations'.")
    found = [_declared(entry) for entry in entries]
    own = (document.get("meta") or {}).get(META, {}).get("expectations", ())
    for each in sorted(own, key=lambda item: item["position"]):
        found.insert(each["position"], each["expectation"])
    return found


def _declared(entry: Any) -> dict[str, Any]:
    kind = entry.get("type") or entry.get("expectation_type") if isinstance(entry, dict) else None
    if not isinstance(kind, str):
        raise InvalidValue("an expectation of a suite has a 'type' and 'kwargs'.")
    meta = dict(entry.get("meta") or {})
    ours = meta.pop(META, None) or {}
    if "condition" in ours:
        declared: dict[str, Any] = {"expect": ours["condition"]}
    else:
        arguments = dict(entry.get("kwargs") or {})
        arguments.pop("batch_id", None)
        if isinstance(arguments.get("row_condition"), dict):
            arguments.update(row_condition=_condition(arguments["row_condition"]), condition_parser="spark")
        if meta:
            arguments["meta"] = meta
        if entry.get("description"):
            arguments["description"] = entry["description"]
        declared = {kind: arguments}
    declared.update({key: ours[key] for key in ("name", "on_violation") if key in ours})
    if entry.get("severity"):
        declared["severity"] = entry["severity"]
    return declared


def _condition(value: Mapping[str, Any]) -> str:
    """One of Great Expectations' condition objects as SQL."""
    match value.get("type"):
        case "pass_through":
            return str(value["pass_through_filter"])
        case "and" | "or":
            joint = f" {value['type'].upper()} "
            return joint.join(f"({_condition(each)})" for each in value["conditions"])
        case "nullity":
            return f"{identifier(value['column']['name'])} IS {'' if value['is_null'] else 'NOT '}NULL"
        case "comparison":
            column, operator, parameter = identifier(value["column"]["name"]), value["operator"], value["parameter"]
            if operator not in ("IN", "NOT_IN"):
                return f"{column} {operator} {literal(parameter)}"
            if not parameter:
                return "false" if operator == "IN" else "true"
            return f"{column} {operator.replace('_', ' ')} ({literals(parameter)})"
    raise InvalidValue(f"a 'row_condition' of the type '{value.get('type')}' is not known.")
