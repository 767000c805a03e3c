"""An expectation: a statement about a dataset's rows, and what becomes of rows that violate it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from lakehouse.errors import SourceLocation


class OnViolation(str, Enum):
    """What a violation does: record it, drop the row, move it to quarantine, or refuse the refresh."""

    WARN = "warn"
    DROP = "drop"
    QUARANTINE = "quarantine"
    FAIL = "fail"


class Severity(str, Enum):
    """How much a violation matters to those who are told of it, in Great Expectations' words."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """Either a SQL `condition` over one row, or a Great Expectations `type` with its own `arguments`.

    `type` is the snake_case name (`expect_column_values_to_not_be_null`); `arguments` is a plain JSON value.
    """

    name: str
    condition: str | None = None
    type: str | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    on_violation: OnViolation = OnViolation.WARN
    severity: Severity = Severity.CRITICAL
    location: SourceLocation
