"""A rule and its verdict, as they go into the run's outcome and the history of expectations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from lakehouse.definition.expectation import OnViolation
from lakehouse.quality.rule import EngineRule, RowRule, TableRule
from lakehouse.quality.verdict import Samples, Status, Verdict


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


def with_samples(judgements: Iterable[Judgement], samples: Mapping[str, Samples]) -> tuple[Judgement, ...]:
    """The judgements, with what violates the rules of these names."""
    return tuple(
        Judgement(each.rule, replace(each.verdict, samples=samples[each.rule.name]))
        if each.rule.name in samples
        else each
        for each in judgements
    )
