"""What came of a check: the verdicts on the published version of each table, and the events that tell of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from lakehouse.definition.expectation import Severity
from lakehouse.errors import ExpectationFailed
from lakehouse.names import TableName
from lakehouse.quality.judgement import Judgement
from lakehouse.quality.verdict import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """One rule on one version. `is_new` is False for a verdict that was there: the same rule on the same version."""

    judgement: Judgement
    judged_at: datetime
    is_new: bool

    @property
    def alarms(self) -> bool:
        """Whether the check fails by it: not met or not to be judged, unless it is declared for information only."""
        bad = self.judgement.verdict.status in (Status.FAILED, Status.ERROR)
        return bad and self.judgement.rule.severity is not Severity.INFO


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedTable:
    """All rules of a table, in the order of their declaration, on its published version."""

    dataset: TableName
    version: int
    checked: tuple[Checked, ...]
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOutcome:
    """What came of one invocation. `unpublished` have expectations, but no version that readers see."""

    check: str
    tables: tuple[CheckedTable, ...] = ()
    unpublished: tuple[TableName, ...] = ()
    started_at: datetime
    ended_at: datetime

    @property
    def alarms(self) -> tuple[tuple[TableName, Checked], ...]:
        """What the check fails by, table by table."""
        return tuple((name, checked) for name, checked in self.all() if checked.alarms)

    @property
    def exit_code(self) -> int:
        """0 all is well, 3 an expectation that is more than information is not met or could not be judged."""
        return ExpectationFailed.exit_code if self.alarms else 0

    def all(self) -> Iterator[tuple[TableName, Checked]]:
        """Every rule with its table."""
        return ((table.dataset, checked) for table in self.tables for checked in table.checked)


@dataclass(frozen=True, slots=True)
class CheckStarted:
    """What is to judge is known: how many rules in how many tables, beside `known` verdicts that are there."""

    check: str
    rules: int
    tables: int
    known: int


@dataclass(frozen=True, slots=True)
class TableStarted:
    """The judging of one table begins."""

    dataset: TableName
    version: int
    rules: int


@dataclass(frozen=True, slots=True)
class TableChecked:
    """All rules of a table have a verdict."""

    table: CheckedTable


CheckEvent = CheckStarted | TableStarted | TableChecked
