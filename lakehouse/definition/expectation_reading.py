"""A declared expectation becomes a value: a SQL condition, or a type (mostly Great Expectations') and its arguments."""

from __future__ import annotations

from typing import Any, TypeVar

from lakehouse.definition.document import Document
from lakehouse.definition.document import Path as DocumentPath
from lakehouse.definition.expectation import Expectation, OnViolation, Severity
from lakehouse.definition.expectation_types import (
    NOT_ON_SPARK,
    ONLY_THE_ENGINE,
    expectation_types,
    judges_rows,
    mismatch,
)
from lakehouse.errors import DefinitionError, DefinitionErrors, DuplicateName, InvalidValue, UnknownKey, nearest

_BESIDE = ("name", "on_violation", "severity")
_Choice = TypeVar("_Choice", OnViolation, Severity)


def read_expectations(document: Document, path: DocumentPath, value: Any) -> tuple[Expectation, ...]:
    """The list of expectations at `path`. Raises DefinitionErrors with all that is wrong in it."""
    if not isinstance(value, list | tuple):
        raise InvalidValue("'expectations' must be a list.", where=document.where(*path))
    found: dict[str, Expectation] = {}
    problems: list[DefinitionError] = []
    for index, item in enumerate(value):
        try:
            expectation = read_expectation(document, (*path, index), item)
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
        raise DefinitionErrors(problems)
    return tuple(found.values())


def read_expectation(document: Document, path: DocumentPath, value: Any) -> Expectation:
    """One expectation. Raises UnknownKey, InvalidValue, or DefinitionErrors with several of them."""
    where = document.where(*path)
    if not isinstance(value, dict):
        raise InvalidValue(
            "an expectation must be a mapping.", where=where, hint="Write '- expect: <SQL condition>' or a GX type."
        )
    kinds = [key for key in value if key not in _BESIDE]
    for key in kinds:
        if key != "expect" and key not in expectation_types():
            valid = ["expect", *_BESIDE, *expectation_types()]
            raise UnknownKey(key, valid, inside="an expectation", where=document.where(*path, key))
    if len(kinds) != 1:
        raise InvalidValue(
            f"an expectation needs exactly one of 'expect' and a Great Expectations type; found {len(kinds)}.",
            where=where,
        )
    kind = kinds[0]
    name = value.get("name")
    if name is not None and (not isinstance(name, str) or not name):
        raise InvalidValue("the 'name' of an expectation must be text.", where=document.where(*path, "name"))
    on_violation = _choice(OnViolation, document, (*path, "on_violation"), value.get("on_violation", "warn"))
    if kind == "expect":
        condition = value["expect"]
        if not isinstance(condition, str) or not condition.strip():
            raise InvalidValue("'expect' must be a SQL condition.", where=document.where(*path, "expect"))
        severity = _choice(Severity, document, (*path, "severity"), value.get("severity", "critical"))
        return Expectation(
            name=name or condition.strip(),
            condition=condition.strip(),
            on_violation=on_violation,
            severity=severity,
            location=where,
        )
    return _great_expectation(document, path, value, kind, on_violation)


def _great_expectation(
    document: Document, path: DocumentPath, value: dict[str, Any], kind: str, on_violation: OnViolation
) -> Expectation:
    arguments = {} if value[kind] is None else value[kind]
    if not isinstance(arguments, dict):
        raise InvalidValue(f"the arguments of '{kind}' must be a mapping.", where=document.where(*path, kind))
    arguments = dict(arguments)
    inner = arguments.pop("severity", "critical")  # GX has it among the arguments
    severity = _choice(Severity, document, (*path, "severity"), value.get("severity", inner))
    problems = list(_argument_problems(document, (*path, kind), kind, arguments))
    problems += _violation_problems(document, path, kind, on_violation)
    if problems:
        raise DefinitionErrors(problems) if len(problems) > 1 else problems[0]
    columns = [str(arguments[key]) for key in ("column", "column_A", "column_B") if key in arguments]
    columns += [str(column) for key in ("column_list", "columns") for column in arguments.get(key) or ()]
    return Expectation(
        name=value.get("name") or (f"{kind}({', '.join(columns)})" if columns else kind),
        type=kind,
        arguments=arguments,
        on_violation=on_violation,
        severity=severity,
        location=document.where(*path),
    )


def _violation_problems(
    document: Document, path: DocumentPath, kind: str, on_violation: OnViolation
) -> list[DefinitionError]:
    """What a type cannot do on Spark, or cannot do to a violation."""
    if kind in NOT_ON_SPARK:
        return [
            InvalidValue(f"'{kind}' cannot be judged on Spark.", where=document.where(*path), hint=NOT_ON_SPARK[kind])
        ]
    where = document.where(*path, "on_violation")
    if kind in ONLY_THE_ENGINE and on_violation is not OnViolation.WARN:
        return [
            InvalidValue(
                f"'{kind}' is judged by the scheduled check alone, after the rows are written, so "
                f"'on_violation: {on_violation.value}' cannot act on them.",
                where=where,
                hint="Use warn.",
            )
        ]
    if on_violation in (OnViolation.DROP, OnViolation.QUARANTINE) and not judges_rows(kind):
        return [
            InvalidValue(
                f"'{kind}' judges the table as a whole, so 'on_violation: {on_violation.value}' has no row to act on.",
                where=where,
                hint="Use warn or fail.",
            )
        ]
    return []


def _argument_problems(
    document: Document, path: DocumentPath, kind: str, arguments: dict[str, Any]
) -> list[DefinitionError]:
    schema = expectation_types()[kind]
    problems: list[DefinitionError] = []
    for key, argument in arguments.items():
        where = document.where(*path, key)
        if key not in schema["properties"]:
            problems.append(UnknownKey(key, schema["properties"], inside=f"'{kind}'", where=where))
            continue
        if argument is None and key not in schema["required"]:
            continue
        expected = mismatch(argument, schema["properties"][key])
        if expected:
            problems.append(InvalidValue(f"'{key}' of '{kind}' is {argument!r}; expected {expected}.", where=where))
    problems += [
        InvalidValue(f"'{kind}' needs the argument '{key}'.", where=document.where(*path))
        for key in schema["required"]
        if key not in arguments
    ]
    if schema["any_of"] and all(arguments.get(key) is None for key in schema["any_of"]):
        either = " or ".join(f"'{key}'" for key in schema["any_of"])
        problems.append(InvalidValue(f"'{kind}' needs {either}.", where=document.where(*path)))
    return problems


def _choice(kind: type[_Choice], document: Document, path: DocumentPath, value: Any) -> _Choice:
    valid = [member.value for member in kind]
    if value in valid:
        return kind(value)
    near = nearest(str(value), valid)
    raise InvalidValue(
        f"'{path[-1]}' is '{value}'; expected one of {', '.join(valid)}.",
        where=document.where(*path),
        hint=f"Did you mean '{near}'?" if near else None,
    )
