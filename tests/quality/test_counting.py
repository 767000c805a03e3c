from __future__ import annotations

import pytest

from lakehouse.quality.counting import ALL_ROWS, RowCounts, counters, read_counts
from lakehouse.quality.rule import compile_rules
from tests.quality.cases import expectation

RULES = compile_rules(
    [
        expectation("expect_column_values_to_be_between", {"column": "n", "min_value": 1}, name="between"),
        expectation("expect_column_values_to_be_in_set", {"column": "n", "value_set": [1]}, name="set"),
        expectation("expect_column_values_to_not_be_null", {"column": "n"}, name="not null"),
        expectation(
            "expect_column_values_to_be_null", {"column": "n", "row_condition": "s = 'a'"}, name="null where a"
        ),
        expectation(None, condition="n > 0", name="positive"),
    ],
    {"n": "int", "s": "string"},
).rows


def test_counts_add_up() -> None:
    assert RowCounts(3, 1, 2) + RowCounts(10, 20, 30) == RowCounts(13, 21, 32)
    assert RowCounts() + RowCounts(1, 0, 1) == RowCounts(1, 0, 1)


def test_equal_predicates_share_a_counter() -> None:
    found = counters(RULES)
    # rows; n is null (missing of two rules); violations of five rules (not null has that of being null too); s = 'a'
    assert len(found) == len(set(found.values())) == 7
    assert found[ALL_ROWS] == "true"
    assert set(found) == set(counters(RULES[:2])) | set(counters(RULES[2:]))


def test_there_is_always_a_counter_of_all_rows() -> None:
    assert counters([]) == {ALL_ROWS: "true"}


def test_counts_are_read_by_rule() -> None:
    texts = counters(RULES)
    values = {name: 100 + at for at, name in enumerate(texts)}
    by_text = {text: values[name] for name, text in texts.items()}
    counts = read_counts(RULES, values)
    assert counts["positive"] == RowCounts(100, 0, by_text[RULES[4].violation])
    assert counts["between"].missing == counts["set"].missing == by_text["coalesce((`n` IS NULL), false)"]
    assert counts["null where a"].elements == by_text["coalesce((s = 'a'), false)"]
    assert counts["not null"] == RowCounts(100, 0, by_text[RULES[2].violation])


def test_a_counter_that_lacks() -> None:
    with pytest.raises(KeyError):
        read_counts(RULES, {ALL_ROWS: 1})
