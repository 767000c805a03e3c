"""A few rows that violate each rule, to be shown to people: the key, and the columns that the rule speaks of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from typing import Any

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from lakehouse.definition.sql_text import tokenize
from lakehouse.quality.bounds import json_value
from lakehouse.quality.columns import family
from lakehouse.quality.judging import JudgingContext, violating_keys
from lakehouse.quality.literals import identifier
from lakehouse.quality.rule import RowRule, TableRule, TableRuleKind
from lakehouse.quality.verdict import Samples

AT_MOST = 5  # rows of a rule
_LOOKED_AT = 2_000  # rows that violate some rule
_FIRST = 3  # columns, where no column is known to matter
_RULE = "__rule"
_OF_KEYS = (TableRuleKind.UNIQUE, TableRuleKind.REFERENCE)


def violating_rows(frame: DataFrame, rules: Sequence[RowRule], key: Iterable[str]) -> dict[str, Samples]:
    """Rows of a frame that violate each of the rules, by its name: at most `AT_MOST` of each, as JSON values by
    column. One job that ends when `_LOOKED_AT` rows violate some rule, and another for rules of which it saw too few;
    none without rules."""
    if not rules:
        return {}
    wanted = [_columns(rule, frame, key) for rule in rules]
    every = list(dict.fromkeys(name for names in wanted for name in names))
    shown = [_shown(frame, name).alias(f"c{place}") for place, name in enumerate(every)]
    found: list[list[Mapping[str, Any]]] = [[] for _ in rules]

    def note(number: int, row: Row) -> None:
        if len(found[number]) < AT_MOST:
            found[number].append({name: json_value(row[f"c{every.index(name)}"]) for name in wanted[number]})

    numbers = range(len(rules))
    tests = [F.coalesce(F.expr(rule.violation), F.lit(False)) for rule in rules]
    verdicts = [test.alias(f"v{number}") for number, test in enumerate(tests)]
    seen = frame.where(reduce(Column.__or__, tests)).select(*verdicts, *shown).limit(_LOOKED_AT).collect()
    for row in seen:
        for number in numbers:
            if row[f"v{number}"]:
                note(number, row)
    scarce = [number for number in numbers if len(found[number]) < AT_MOST] if len(seen) == _LOOKED_AT else []
    if scarce:
        parts = [
            frame.where(tests[number]).limit(AT_MOST).select(F.lit(number).alias(_RULE), *shown) for number in scarce
        ]
        for number in scarce:
            found[number].clear()
        for row in reduce(DataFrame.unionAll, parts).collect():
            note(row[_RULE], row)
    return {rule.name: tuple(rows) for rule, rows in zip(rules, found, strict=True)}


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
