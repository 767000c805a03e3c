"""Every type of expectation with its arguments and what a violation can do: the README's table of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lakehouse.definition.expectation import OnViolation
from lakehouse.definition.expectation_types import (
    NOT_ON_SPARK,
    ONLY_THE_ENGINE,
    expectation_types,
    judges_rows,
    own_expectation_types,
)

# Arguments of most types, told of once.
_OF_MOST = frozenset({"condition_parser", "description", "ignore_row_if", "meta", "mostly", "notes", "row_condition"})
# As Great Expectations has them, in the order in which people write them.
_FIRST = ("column", "column_A", "column_B", "column_list", "min_value", "max_value", "strict_min", "strict_max")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectationType:
    """One type: its own arguments (those that must be there, those that may), and the values of `on_violation` that it
    takes; `is_own` if Great Expectations does not have it."""

    name: str
    required: tuple[str, ...]
    optional: tuple[str, ...]
    actions: tuple[OnViolation, ...]
    is_own: bool


def expectation_reference() -> tuple[ExpectationType, ...]:
    """The types that mean something on Spark: those that judge rows, tables, and after the fact, each by name."""
    found = [_described(name) for name in expectation_types() if name not in NOT_ON_SPARK]
    return tuple(sorted(found, key=lambda each: (-len(each.actions), each.name)))


def as_markdown(types: Iterable[ExpectationType]) -> str:
    """The types as a Markdown table; arguments that may be left out stand in brackets."""
    lines = ["| type | arguments | `on_violation` |", "|---|---|---|"]
    for each in types:
        arguments = [f"`{name}`" for name in each.required] + [f"[`{name}`]" for name in each.optional]
        actions = "any" if len(each.actions) == len(OnViolation) else ", ".join(action.value for action in each.actions)
        own = " *" if each.is_own else ""
        lines.append(f"| `{each.name}`{own} | {', '.join(arguments)} | {actions} |")
    return "\n".join(lines)


def actions_of(name: str) -> tuple[OnViolation, ...]:
    """What a violation of a type can do: to rows while they are written, to the table before it is committed, or
    nothing, where only a check can judge."""
    if name in ONLY_THE_ENGINE:
        return (OnViolation.WARN,)
    return tuple(OnViolation) if judges_rows(name) else (OnViolation.WARN, OnViolation.FAIL)


def _described(name: str) -> ExpectationType:
    schema = expectation_types()[name]
    own = [argument for argument in schema["properties"] if argument not in _OF_MOST and argument != "severity"]
    arguments = sorted(own, key=lambda each: (_FIRST.index(each) if each in _FIRST else len(_FIRST), each))
    return ExpectationType(
        name=name,
        required=tuple(each for each in arguments if each in schema["required"]),
        optional=tuple(each for each in arguments if each not in schema["required"]),
        actions=actions_of(name),
        is_own=name in own_expectation_types(),
    )
