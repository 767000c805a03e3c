"""Which rows leave and which come, held to the rules of change sets by random ones."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from lakehouse.storage.row_moves import CHANGE_TYPE, equal_numbers, row_moves
from tests.storage.change_tables import arrow, changes, netted, plain
from tests.storage.test_change_commit_random import SCENARIOS, TYPES, Scenario, applied, draw_change, draw_table, seeds

FLAT = [scenario for scenario in SCENARIOS if scenario.key is None or scenario.name == "all"]
_KEYS = {"text": ("text",), "real": ("real",), "several": ("small", "truth", "day"), "bytes": ("binary",)}
KEYED = [Scenario(name, key, tuple(TYPES)) for name, key in _KEYS.items()]


@pytest.mark.parametrize("scenario", [*FLAT, *KEYED], ids=lambda scenario: scenario.name)
def test_rows_move_as_the_rules_say(scenario: Scenario) -> None:
    for seed in seeds(40):
        source = random.Random(seed)
        rows = draw_table(scenario, source)
        change = list({plain(row): row for row in draw_change(scenario, rows, source) if row[0] == "remove"}.values())
        if scenario.key is not None:
            change = draw_change(scenario, rows, source)
        else:
            change += [row for row in draw_change(scenario, rows, source) if row[0] == "insert"]
        match = scenario.key or scenario.columns
        found = arrow(rows, scenario.schema)
        moves = row_moves(changes(change, scenario.schema), found, match)
        expected, counts = applied(scenario, rows, change)
        left = [*found.filter(pa.array(~moves.leaves)).to_pylist(), *moves.enters.to_pylist()]
        assert Counter(plain(tuple(row.values())) for row in left) == Counter(map(plain, expected)), f"seed {seed}"
        assert (moves.counts.inserted, moves.counts.updated, moves.counts.deleted) == counts, f"seed {seed}"
        feed: Counter[object] = Counter()
        for row in moves.feed.to_pylist():
            feed[row.pop(CHANGE_TYPE), plain(tuple(row.values()))] += 1
        difference = Counter(map(plain, expected))
        difference.subtract(Counter(map(plain, rows)))
        assert netted(feed) == {row: count for row, count in difference.items() if count}, f"seed {seed}"


def test_equal_rows_have_one_number_across_tables() -> None:
    kinds = pa.schema([("a", pa.float64()), ("b", pa.string())])
    one = pa.table({"a": [0.0, float("nan"), None, 1.0], "b": ["x", "y", None, "x"]}, schema=kinds)
    other = pa.table({"a": [-0.0, float("nan"), None, 1.0, None], "b": ["x", "y", None, "z", ""]}, schema=kinds)
    first, second = equal_numbers(one, other)
    assert np.array_equal(first[:3], second[:3])
    assert len({*first.tolist(), *second.tolist()}) == 6
    empty = one.slice(0, 0)
    assert [len(numbers) for numbers in equal_numbers(empty, empty)] == [0, 0]


def test_one_row_of_a_key_may_stand_for_several_in_the_table() -> None:
    schema = pa.schema([("k", pa.int64()), ("v", pa.string())])
    found = arrow([(1, "a"), (1, "b"), (2, "c")], schema)
    moves = row_moves(changes([("update", 1, "b"), ("delete", 3, None)], schema), found, ("k",))
    assert moves.leaves.tolist() == [True, False, False]
    assert moves.enters.to_pylist() == [{"k": 1, "v": "b"}]
