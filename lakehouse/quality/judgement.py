"""A rule and its verdict, as they go into the run's outcome and the history of expectations."""

from __future__ import annotations

from dataclasses import dataclass

from lakehouse.definition.expectation import OnViolation
from lakehouse.quality.rule import EngineRule, RowRule, TableRule
from lakehouse.quality.verdict import Status, Verdict


@dataclass(frozen=True, slots=True)
class Judgement:
    """A rule, and what came of it."""

    rule: RowRule | TableRule | EngineRule
    verdict: Verdict

    @property
    def refuses(self) -> bool:
        """Whether a refresh may not be committed: the rule says `fail`, and was not met or could not be judged."""
        bad = self.verdict.status in (Status.FAILED, Status.ERROR)
        return bad and self.rule.on_violation is OnViolation.FAIL
