"""Which refresh is expected to cost less, and how past ones correct that."""

from __future__ import annotations

import pytest

from lakehouse.plan.cost import learned, predict
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
    assert learned({}, "full", predicted=2.0, seconds=3.0) == {"full": 1.5}
    assert learned({"full": 1.5, "keys": 2.0}, "full", predicted=2.0, seconds=1.0) == {"full": 1.0, "keys": 2.0}
