"""Random expectations over rows (k, n, t), each with what it means in plain Python."""

from __future__ import annotations

import json
import math
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

Row = tuple[int | None, int | None, str | None]
Test = Callable[[Row], bool]

ACTIONS = ("warn", "drop", "quarantine")
TEXTS = ("x", "y", "z", "bad")


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomRule:
    """An expectation as YAML, what a violation does, which rows it looks at, and which of them violate it."""

    name: str
    text: str
    action: str
    violates: Test
    looks_at: Test = lambda row: True


@dataclass(frozen=True, slots=True)
class Judged:
    """What must be: rows of the table, rows set aside with their reasons, violations and rows looked at by rule, rows
    dropped."""

    kept: Counter[Row]
    aside: Counter[tuple[Row, tuple[str, ...]]]
    failed: Mapping[str, tuple[int, int]]
    dropped: int


def random_rules(rng: random.Random) -> tuple[RandomRule, ...]:
    """Three to seven of them."""
    makers = rng.choices(_MAKERS, k=rng.randrange(3, 8))
    return tuple(_made(rng, f"r{number}", make) for number, make in enumerate(makers))


def judge(rows: Iterable[Row], rules: Iterable[RandomRule]) -> Judged:
    """The rules in plain Python: what one sets aside is not dropped by another."""
    kept: Counter[Row] = Counter()
    aside: Counter[tuple[Row, tuple[str, ...]]] = Counter()
    counts = {rule.name: [0, 0] for rule in rules}
    dropped = 0
    for row in rows:
        looked_at = [rule for rule in rules if rule.looks_at(row)]
        violated = [rule for rule in looked_at if rule.violates(row)]
        for rule in looked_at:
            counts[rule.name][1] += 1
        for rule in violated:
            counts[rule.name][0] += 1
        reasons = tuple(rule.name for rule in violated if rule.action == "quarantine")
        if reasons:
            aside[(row, reasons)] += 1
        elif any(rule.action == "drop" for rule in violated):
            dropped += 1
        else:
            kept[row] += 1
    return Judged(kept, aside, {name: (failed, of) for name, (failed, of) in counts.items()}, dropped)


def _made(rng: random.Random, name: str, make: Callable[[random.Random], tuple[str, Test]]) -> RandomRule:
    what, violates = make(rng)
    action = rng.choice(ACTIONS)
    looks_at: Test = lambda row: True  # noqa: E731
    if what.startswith("expect_") and rng.random() < 0.4:
        least = rng.randrange(6)
        what = what.removesuffix("}") + f', row_condition: "k >= {least}"' + "}"
        looks_at = lambda row: row[0] is not None and row[0] >= least  # noqa: E731
    if what.startswith("expect_") and rng.random() < 0.3:
        what = what.removesuffix("}") + f", mostly: {rng.choice((0.1, 0.5, 0.95))}" + "}"
    text = f"  - {{name: {name}, {what}, on_violation: {action}}}"
    return RandomRule(name=name, text=text, action=action, violates=violates, looks_at=looks_at)


def _remainder(rng: random.Random) -> tuple[str, Test]:
    by = rng.randrange(2, 5)
    return f'expect: "n % {by} = 0"', lambda row: row[1] is None or math.fmod(row[1], by) != 0


def _other_text(rng: random.Random) -> tuple[str, Test]:
    text = rng.choice(TEXTS)
    return (
        f"expect: \"t <> '{text}' OR k = 1\"",
        lambda row: not (row[0] == 1 or (row[2] is not None and row[2] != text)),
    )


def _cast(rng: random.Random) -> tuple[str, Test]:
    return 'expect: "CAST(t AS INT) IS NULL AND CAST(n AS INT) < 9"', lambda row: row[1] is None or row[1] >= 9


def _not_null(rng: random.Random) -> tuple[str, Test]:
    place = rng.randrange(3)
    return f"expect_column_values_to_not_be_null: {{column: {'knt'[place]}}}", lambda row: row[place] is None


def _between(rng: random.Random) -> tuple[str, Test]:
    low = rng.randrange(-4, 8)
    high = low + rng.randrange(10)
    text = f"expect_column_values_to_be_between: {{column: n, min_value: {low}, max_value: {high}}}"
    return text, lambda row: row[1] is not None and not low <= row[1] <= high


def _in_set(rng: random.Random) -> tuple[str, Test]:
    members = rng.sample(TEXTS, rng.randrange(1, 4))
    text = f"expect_column_values_to_be_in_set: {{column: t, value_set: {json.dumps([*members, None])}}}"
    return text, lambda row: row[2] is not None and row[2] not in members


def _not_in_set(rng: random.Random) -> tuple[str, Test]:
    members = rng.sample(range(15), rng.randrange(1, 6))
    text = f"expect_column_values_to_not_be_in_set: {{column: n, value_set: {members}}}"
    return text, lambda row: row[1] in members


def _regex(rng: random.Random) -> tuple[str, Test]:
    pattern = rng.choice(("^[xy]", "d$", "a|z", "^$"))
    text = f"expect_column_values_to_match_regex: {{column: t, regex: '{pattern}'}}"
    return text, lambda row: row[2] is not None and re.search(pattern, row[2]) is None


def _pair(rng: random.Random) -> tuple[str, Test]:
    text = "expect_column_pair_values_a_to_be_greater_than_b: {column_A: n, column_B: k}"
    return text, lambda row: row[0] is not None and row[1] is not None and not row[1] > row[0]


_MAKERS = (_remainder, _other_text, _cast, _not_null, _between, _in_set, _not_in_set, _regex, _pair)
