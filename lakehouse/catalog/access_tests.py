"""The `access_tests` of a policy: those about privileges are decided here; those about queries are run by others."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lakehouse.catalog.access_trace import explain
from lakehouse.catalog.compiled_policy import CompiledPolicy
from lakehouse.catalog.decision import Decision
from lakehouse.catalog.policy import AccessTest


@dataclass(frozen=True, slots=True)
class TestOutcome:
    """Whether a test passed, and what was decided; `problem` is empty if it did."""

    __test__ = False  # for pytest: this is no test of its own

    test: AccessTest
    passed: bool
    problem: str = ""
    decision: Decision | None = None


def decide_tests(compiled: CompiledPolicy) -> tuple[TestOutcome, ...]:
    """The outcome of every `can` and `cannot` of the policy, in their order. Needs no data."""
    return tuple(_decided(compiled, test) for test in compiled.policy.tests if test.query is None)


def query_tests(compiled: CompiledPolicy) -> tuple[AccessTest, ...]:
    """The tests whose query has to be run as their principal; `judge_rows` then tells the outcome."""
    return tuple(test for test in compiled.policy.tests if test.query is not None)


def judge_rows(test: AccessTest, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> TestOutcome:
    """The outcome of a query test from what the query gave, without showing any of it.

    Every value of a column in `matches`, as text, must match in full; NULL does not. A column that is not there, or a
    `matches` without any row, is a failure: nothing was shown.
    """
    missing = [name for name in test.matches if name not in columns]
    if missing:
        return TestOutcome(test, False, f"the query gives no column '{missing[0]}'.")
    patterns = {name: re.compile(pattern) for name, pattern in test.matches.items()}
    count = 0
    misses = dict.fromkeys(patterns, 0)
    for row in rows:
        count += 1
        for name, pattern in patterns.items():
            misses[name] += row[name] is None or not pattern.fullmatch(str(row[name]))
    for name, number in misses.items():
        if number:
            return TestOutcome(test, False, f"{number} of {count} values of '{name}' do not match.")
    if test.rows is not None and count != test.rows:
        return TestOutcome(test, False, f"the query gives {count} rows, not {test.rows}.")
    if patterns and not count and test.rows is None:
        return TestOutcome(test, False, "the query gives no row, so nothing was matched.")
    return TestOutcome(test, True)


def _decided(compiled: CompiledPolicy, test: AccessTest) -> TestOutcome:
    assert test.privilege is not None
    assert test.securable is not None
    decision = explain(compiled, test.principal, test.privilege, test.securable)
    if decision.allowed == test.allowed:
        return TestOutcome(test, True, decision=decision)
    word = "may" if decision.allowed else "may not"
    problem = f"{test.principal} {word} {test.privilege.value} on {test.securable}: {decision.reason.value}."
    return TestOutcome(test, False, problem, decision)
