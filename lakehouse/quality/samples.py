"""A few rows that violate each rule, to be shown to people: the key, and the columns that the rule speaks of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from itertools import islice

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakehouse.definition.sql_text import tokenize
from lakehouse.quality.bounds import json_value
from lakehouse.quality.columns import family
from lakehouse.quality.judging import JudgingContext, violating_keys
from lakehouse.quality.literals import identifier
from lakehouse.quality.rule import RowRule, TableRule, TableRuleKind
from lakehouse.quality.verdict import Samples

AT_MOST = 5  # rows of a rule
_FEW = 200  # rows, so few that all of them are looked for
_LOOKED_AT = 2_000  # rows that violate any of several rules
_FIRST = 3  # columns, where no column is known to matter
_OF_KEYS = (TableRuleKind.UNIQUE, TableRuleKind.REFERENCE)


def violating_rows(
    frame: DataFrame, rules: Sequence[RowRule], key: Iterable[str], counts: Mapping[str, int | None]
) -> dict[str, Samples]:
    """Rows of a frame that violate each of the rules, by its name: at most `AT_MOST` of each, as JSON values by
    column. `counts` are how many rows violate each of them, by name, as far as that is known.

    One job brings all rows of the rules that few violate, and reads the columns of these rules alone. Another looks
    for the rest and ends when it has `_LOOKED_AT` rows; one more follows for rules of which it saw too few by then.
    """
    wanted = {rule.name: _columns(rule, frame, key) for rule in rules}
    few = _few(rules, counts)
    found, _ = _look(frame, few, wanted, None)
    left = [rule for rule in rules if rule not in few]
    while left:
        seen, is_all = _look(frame, left, wanted, _LOOKED_AT)
        found |= seen
        scarce = [rule for rule in left if len(seen[rule.name]) < AT_MOST]
        left = scarce if not is_all and len(scarce) < len(left) else []
    return {rule.name: found[rule.name] for rule in rules}


def _few(rules: Sequence[RowRule], counts: Mapping[str, int | None]) -> list[RowRule]:
    """The rules that the fewest rows violate, as many as one job can bring all rows of."""
    few: list[RowRule] = []
    known = 0
    for count, rule in sorted(
        ((count, rule) for rule in rules if (count := counts.get(rule.name)) is not None), key=lambda each: each[0]
    ):
        known += count
        if known > _FEW:
            break
        few.append(rule)
    return few


def _look(
    frame: DataFrame, rules: Sequence[RowRule], wanted: Mapping[str, Sequence[str]], at_most: int | None
) -> tuple[dict[str, Samples], bool]:
    """The first rows that violate each of the rules, and whether all that violate one were looked at. One job for all
    of them, over `at_most` rows."""
    if not rules:
        return {}, True
    every = list(dict.fromkeys(name for rule in rules for name in wanted[rule.name]))
    tests = [F.coalesce(F.expr(rule.violation), F.lit(False)) for rule in rules]
    rows = frame.where(reduce(Column.__or__, tests)).select(
        *(test.alias(f"v{number}") for number, test in enumerate(tests)),
        *(_shown(frame, name).alias(f"c{place}") for place, name in enumerate(every)),
    )
    seen = (rows if at_most is None else rows.limit(at_most)).collect()
    found: dict[str, Samples] = {
        rule.name: tuple(
            {name: json_value(row[f"c{every.index(name)}"]) for name in wanted[rule.name]}
            for row in islice((row for row in seen if row[f"v{number}"]), AT_MOST)
        )
        for number, rule in enumerate(rules)
    }
    return found, len(seen) != at_most


def violating_tables(frame: DataFrame, rules: Iterable[TableRule], context: JudgingContext) -> dict[str, Samples]:
    """Keys that are there more than once, or that the table they refer to does not have, by the name of each rule that
    asks for that: at most `AT_MOST` of each. A job a rule."""
    return {
        rule.name: tuple(
            {name: json_value(value) for name, value in zip(rule.columns, key, strict=True)}
            for key in violating_keys(frame, rule, context, AT_MOST)
        )
        for rule in rules
        if has_keys(rule)
    }


def has_keys(rule: TableRule) -> bool:
    """Whether a rule over a table is violated by single keys."""
    return rule.kind in _OF_KEYS and bool(rule.columns)


def _columns(rule: RowRule, frame: DataFrame, key: Iterable[str]) -> list[str]:
    """The key and the columns of the rule, in the spelling of the frame where it has them; the first few of the frame
    where neither is known."""
    there = {name.lower(): name for name in frame.columns}
    named = list(rule.columns)
    if rule.expectation.condition is not None:
        words = [token.text.strip("`") for token in tokenize(rule.expectation.condition)]
        named += [there[word.lower()] for word in words if word.lower() in there]
    return list(dict.fromkeys(there.get(name.lower(), name) for name in (*key, *named))) or frame.columns[:_FIRST]


def _shown(frame: DataFrame, name: str) -> Column:
    kinds = {field.name: field.dataType.simpleString() for field in frame.schema.fields}
    if name in kinds:
        column = F.col(identifier(name))
        return column if family(kinds[name]) is not None else column.cast("string")
    return F.col(".".join(identifier(part) for part in name.split("."))).cast("string")  # a field of a struct
