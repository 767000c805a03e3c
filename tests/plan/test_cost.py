"""Which refresh is expected to cost less, and how past ones correct that."""

from __future__ import annotations

import pytest

from lakehouse.plan.cost import WrittenTable, learned, predict
from lakehouse.plan.maintenance import Maintenance, derive_maintenance
from lakehouse.plan.table_change import TableChange
from tests.plan.test_maintenance import PERCENTILE, SALES, SUM, aggregate


def change(rows: int, table_rows: int, table_bytes: int) -> TableChange:
    return TableChange(
        from_version=1, to_version=2, changes_rows=True, rows=rows, table_rows=table_rows, table_bytes=table_bytes
    )


def maintained(*calls: object) -> Maintenance:
    made = derive_maintenance(aggregate(*calls))  # type: ignore[arg-type]
    assert isinstance(made, Maintenance)
    return made


def test_a_small_change_of_a_large_table_is_cheaper_than_all_of_it() -> None:
    made = predict(maintained(SUM), {SALES: change(1_000, 6_000_000, 300_000_000)}, {}, "aggregate")
    assert made.by_change_pays
    assert made.by_change < made.full / 6


def test_a_change_of_most_rows_is_recomputed() -> None:
    made = predict(maintained(SUM), {SALES: change(600, 1_000, 300_000_000)}, {}, "aggregate")
    assert made.share == pytest.approx(0.6)
    assert not made.by_change_pays


def test_reading_groups_again_costs_more_than_adding_to_sums() -> None:
    changes = {SALES: change(1_000, 6_000_000, 300_000_000)}
    by_state = predict(maintained(SUM), changes, {}, "aggregate")
    by_groups = predict(maintained(PERCENTILE), changes, {}, "keys")
    assert by_state.by_change < by_groups.by_change < by_groups.full


def test_what_refreshes_took_before_decides_the_next() -> None:
    changes = {SALES: change(1_000, 6_000_000, 300_000_000)}
    ratios = {"aggregate": 20.0, "full": 0.5}
    assert not predict(maintained(SUM), changes, ratios, "aggregate").by_change_pays


def test_ratios_follow_what_was_measured() -> None:
    once = learned({}, "full", predicted=2.0, seconds=3.0)
    assert once["full"] == 1.5
    twice = learned({**once, "keys": 2.0}, "full", predicted=2.0, seconds=1.0)
    assert (twice["full"], twice["keys"]) == (1.0, 2.0)


def test_what_small_changes_took_says_little_of_large_ones() -> None:
    small, large = ({SALES: change(rows, 6_000_000, 300_000_000)} for rows in (1_000, 100_000))
    bare = {
        rows: predict(maintained(SUM), made, {}, "aggregate").by_change for rows, made in ((1, small), (100, large))
    }
    ratios = learned({}, "aggregate", predicted=bare[1], seconds=bare[1] / 4)
    assert predict(maintained(SUM), small, ratios, "aggregate").by_change == pytest.approx(bare[1] / 4, rel=0.01)
    found = predict(maintained(SUM), large, ratios, "aggregate").by_change
    assert found == pytest.approx(bare[100] - bare[1] * 3 / 4, rel=0.01)
    slower = learned({}, "aggregate", predicted=bare[1], seconds=bare[1] * 4)
    assert predict(maintained(SUM), large, slower, "aggregate").by_change == pytest.approx(bare[100] * 4, rel=0.01)
    both = learned(ratios, "aggregate", predicted=bare[100], seconds=bare[100] / 2)
    assert predict(maintained(SUM), large, both, "aggregate").by_change < bare[100] / 2


def test_a_merge_rewrites_the_files_in_which_rows_change() -> None:
    changes = {SALES: change(1_000, 6_000_000, 300_000_000)}
    bare = predict(maintained(SUM), changes, {}, "aggregate").by_change
    for files, marks_rows, more in ((10, False, 10.0), (100_000, False, 0.1), (10, True, 0.0), (0, False, 0.0)):
        table = WrittenTable(files=files, bytes=1_000_000_000, marks_rows=marks_rows)
        made = predict(maintained(SUM), changes, {"aggregate": 1.0}, "aggregate", table)
        assert made.by_change - bare == pytest.approx(more)
        assert made.rewriting == pytest.approx(more)
        assert ("deletion vectors" in str(made)) is (more >= 1)
