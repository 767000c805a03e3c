"""Charts as geometry: inside their box, in proportion, with a gap where there is no value."""

from __future__ import annotations

import pytest

from lakehouse.quality.column_profile import ColumnProfile
from lakehouse.serving.report_charts import Reading, bar_chart, bin_heights, distribution, line_chart


def readings(*values: float | None) -> list[Reading]:
    return [Reading(value=value, tone="", text=str(value)) for value in values]


def test_a_line_breaks_where_there_is_no_value() -> None:
    chart = line_chart(readings(0.0, 0.5, None, 0.25, 1.0), "t", width=100, height=50)
    assert len(chart.lines) == 2
    assert [mark.x for mark in chart.marks] == sorted(mark.x for mark in chart.marks)
    heights = [mark.y for mark in chart.marks]
    assert heights[0] == heights[2] == 43.0
    assert heights[4] == 7.0
    assert heights[1] == 25.0
    assert chart.top == 1.0


def test_a_scale_that_does_not_blow_up_what_is_small() -> None:
    chart = line_chart(readings(0.0, 0.001), "t", height=50, least_top=0.01)
    assert chart.top == 0.01
    assert chart.marks[1].y > 35


@pytest.mark.parametrize("values", [(), (None,), (0.0,), (0.0, 0.0)])
def test_charts_of_nothing(values: tuple[float | None, ...]) -> None:
    assert len(line_chart(readings(*values), "t").marks) == len(values)
    assert all(bar.height == 0 for bar in bar_chart(readings(*values), "t").bars)


def test_bars_are_in_proportion_and_small_ones_can_be_seen() -> None:
    chart = bar_chart(readings(1000.0, 500.0, 1.0, 0.0), "t", width=40, height=20)
    assert [bar.height for bar in chart.bars] == [20.0, 10.0, 1.0, 0.0]
    assert all(bar.x + bar.width <= 40 for bar in chart.bars)


def test_bins_of_equal_width() -> None:
    even = bin_heights([float(n) for n in range(101)])
    assert even == pytest.approx((1 / 12,) * 12)
    skewed = bin_heights([0.0] * 91 + [float(n) for n in range(10)])
    assert skewed[0] > 0.85
    assert sum(skewed) == pytest.approx(1)
    assert bin_heights([3.0, 3.0]) == (1.0,)


def test_a_column_without_values_has_no_distribution() -> None:
    for type_text in ("int", "string", "binary"):
        assert distribution(ColumnProfile(name="a", type=type_text, rows=1, nulls=1)) is None
