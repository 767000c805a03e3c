"""What came of a check that was started from Python, in a form that prints."""

from __future__ import annotations

from dataclasses import dataclass

from lakehouse.run.check_outcome import Checked, CheckOutcome


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CheckReport:
    """`str()` is a line per expectation that is not met or could not be judged, and a sum. `outcome` has all."""

    outcome: CheckOutcome

    @property
    def succeeded(self) -> bool:
        """Whether nothing but expectations of severity `info` is left unmet."""
        return self.outcome.exit_code == 0

    def __str__(self) -> str:
        found = list(self.outcome.all())
        counts: dict[str, int] = {}
        for _, checked in found:
            status = checked.judgement.verdict.status.value
            counts[status] = counts.get(status, 0) + 1
        total = ", ".join(f"{number} {status}" for status, number in sorted(counts.items())) or "nothing to judge"
        lines = [f"check {self.outcome.check}: {total}"]
        shown = [(name, checked) for name, checked in found if checked.judgement.verdict.status.value != "passed"]
        lines += [f"  {name} {checked.judgement.rule.name}: {_what(checked)}" for name, checked in shown]
        lines += [f"  {name}: not published yet" for name in self.outcome.unpublished]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return str(self)


def _what(checked: Checked) -> str:
    verdict = checked.judgement.verdict
    text = f"{verdict.status.value} ({checked.judgement.rule.severity.value})"
    if verdict.failed_records is not None:
        text += f", {verdict.failed_records:,} of {verdict.elements:,} rows"
    elif verdict.observed is not None:
        text += f", observed {verdict.observed}"
    return text + (f": {verdict.details}" if verdict.details else "")
