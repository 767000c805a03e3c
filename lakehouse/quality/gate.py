"""From compiled rules to what a refresh does with each row, and from its counts to the verdicts and the refusal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lakehouse.definition.expectation import OnViolation
from lakehouse.errors import ExpectationFailed
from lakehouse.names import TableName
from lakehouse.plan.sieve import NO_SIEVE, RejectReason, Sieve
from lakehouse.quality.counting import ALL_ROWS, counters, read_counts
from lakehouse.quality.judgement import Judgement
from lakehouse.quality.rule import CompiledRules, RowRule
from lakehouse.quality.verdict import Status, judge_row_rule, samples_text


def make_sieve(rules: CompiledRules) -> Sieve:
    """What the row rules do with a row: each predicate once, however many rules and counters use it."""
    if not rules.rows:
        return NO_SIEVE
    places: dict[str, int] = {}
    counted = {
        name: places.setdefault(text, len(places)) for name, text in counters(rules.rows).items() if name != ALL_ROWS
    }
    by_action: dict[OnViolation, set[int]] = {action: set() for action in OnViolation}
    reasons = []
    for rule in rules.rows:
        place = places.setdefault(rule.violation, len(places))
        by_action[rule.on_violation].add(place)
        if rule.on_violation is OnViolation.QUARANTINE:
            reasons.append(RejectReason(place, rule.name, rule.fingerprint))
    return Sieve(
        predicates=tuple(places),
        counters=counted,
        dropped=frozenset(by_action[OnViolation.DROP]),
        quarantined=frozenset(by_action[OnViolation.QUARANTINE]),
        reasons=tuple(reasons),
    )


def judge_rows(rules: CompiledRules, counts: Mapping[str, int]) -> tuple[Judgement, ...]:
    """The verdicts on all row rules, from the counts of their sieve."""
    found = read_counts(rules.rows, counts)
    return tuple(Judgement(rule, judge_row_rule(rule, found[rule.name])) for rule in rules.rows)


def refusal(name: TableName, judgements: Sequence[Judgement]) -> ExpectationFailed | None:
    """The error that refuses a refresh, with what violates its rules; None if nothing stands against it."""
    refusing = [judgement for judgement in judgements if judgement.refuses]
    if not refusing:
        return None
    return ExpectationFailed(
        f"{name} does not meet {'; '.join(map(_in_words, refusing))}. Its table stays as it is.",
        expectations=tuple(judgement.rule.name for judgement in refusing),
        where=refusing[0].rule.expectation.location,
        hint="Mend the data or the expectation, or choose on_violation: "
        + ("quarantine." if any(isinstance(judgement.rule, RowRule) for judgement in refusing) else "warn."),
    )


def _in_words(judgement: Judgement) -> str:
    rule, verdict = judgement.rule, judgement.verdict
    if verdict.status is Status.ERROR:
        return f"'{rule.name}', which cannot be judged: {verdict.details}"
    if verdict.failed_records is None:
        observed = "" if verdict.observed is None else f" (observed: {verdict.observed})"
        return f"'{rule.name}'{observed}"
    rows = f"{verdict.failed_records:,} of {verdict.elements:,} rows violate it"
    return f"'{rule.name}': {rows}" + (f", such as {samples_text(verdict.samples)}" if verdict.samples else "")
