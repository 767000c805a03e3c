"""What the expectation decorators leave on a query function until its file is read to the end.

They may stand above or below the dataset's decorator, so a dataset learns of them only when its file has been read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_ATTRIBUTE = "__lakehouse_expectations__"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedExpectation:
    """An expectation as it is declared: the mapping that YAML would have, and its line."""

    file: str
    line: int
    declared: dict[str, Any] = field(default_factory=dict)


def record_expectations(function: Callable[..., Any], expectations: tuple[RecordedExpectation, ...]) -> None:
    """Puts expectations before those that the function has: decorators are applied from the bottom up."""
    setattr(function, _ATTRIBUTE, (*expectations, *recorded_expectations(function)))


def recorded_expectations(function: Callable[..., Any]) -> tuple[RecordedExpectation, ...]:
    """The function's expectations from top to bottom."""
    found: tuple[RecordedExpectation, ...] = getattr(function, _ATTRIBUTE, ())
    return found
