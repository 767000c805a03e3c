"""Small charts as geometry: points and bars in a box of pixels. Drawing them is the page's part. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from lakehouse.quality.column_profile import ColumnProfile, ColumnShape
from lakehouse.quality.drift import share_up_to

_BARS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A point of a chart: its centre, what it is, and what it says."""

    x: float
    y: float
    tone: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LineChart:
    """Values in order. `lines` are SVG point lists, one for each unbroken stretch; `top` is the value at the upper
    edge, 0 is at the lower."""

    width: int
    height: int
    marks: tuple[Mark, ...]
    lines: tuple[str, ...]
    top: float
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A bar from the lower edge up."""

    x: float
    y: float
    width: float
    height: float
    tone: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BarChart:
    """Bars side by side."""

    width: int
    height: int
    bars: tuple[Bar, ...]
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A value to be drawn, None where there is none; `tone` is good, bad, warn or empty."""

    value: float | None
    tone: str
    text: str


def line_chart(
    readings: Sequence[Reading], title: str, *, width: int = 280, height: int = 72, least_top: float = 0.0
) -> LineChart:
    """Readings from left to right. What has no value has a mark on the lower edge and breaks the line. The scale ends
    at the greatest value, or at `least_top` if that is more."""
    edge = 7.0
    top = max([least_top, *(reading.value for reading in readings if reading.value is not None)], default=0.0)
    step = (width - 2 * edge) / max(len(readings) - 1, 1)
    marks: list[Mark] = []
    stretches: list[list[str]] = [[]]
    for position, reading in enumerate(readings):
        x = _short(edge + position * step)
        share = (reading.value or 0.0) / top if top else 0.0
        y = _short(height - edge - share * (height - 2 * edge))
        marks.append(Mark(x=x, y=y, tone=reading.tone, text=reading.text))
        if reading.value is None:
            stretches.append([])
        else:
            stretches[-1].append(f"{x},{y}")
    lines = tuple(" ".join(points) for points in stretches if len(points) > 1)
    return LineChart(width=width, height=height, marks=tuple(marks), lines=lines, top=top, title=title)


def bar_chart(
    readings: Sequence[Reading], title: str, *, width: int = 96, height: int = 28, least_places: int = 1
) -> BarChart:
    """A bar for each reading, the greatest as high as the chart; what is not 0 can be seen. There is room for at least
    `least_places` bars."""
    top = max((reading.value or 0.0 for reading in readings), default=0.0)
    step = width / max(len(readings), least_places)
    bars = []
    for position, reading in enumerate(readings):
        value = reading.value or 0.0
        tall = max(value / top * height, 1.0) if top and value else 0.0
        bars.append(
            Bar(
                x=_short(position * step),
                y=_short(height - tall),
                width=_short(max(step - 1, 1)),
                height=_short(tall),
                tone=reading.tone,
                text=reading.text,
            )
        )
    return BarChart(width=width, height=height, bars=tuple(bars), title=title)


def distribution(column: ColumnProfile) -> BarChart | None:
    """How the column's values are spread: over bins of equal width, or the most frequent categories. None where that
    is not known."""
    title = f"{column.name}: how its values are spread"
    if column.shape is ColumnShape.CATEGORY:
        counts = column.top[:_BARS]
        return bar_chart([Reading(value=count, tone="", text="") for _, count in counts], title) if counts else None
    if len(column.quantiles) < 2:
        return None
    return bar_chart([Reading(value=share, tone="", text="") for share in bin_heights(column.quantiles)], title)


def bin_heights(quantiles: Sequence[float]) -> tuple[float, ...]:
    """The shares of values in bins of equal width from the least to the greatest; one bin where they are equal."""
    low, high = quantiles[0], quantiles[-1]
    if low == high:
        return (1.0,)
    edges = [low + (high - low) * number / _BARS for number in range(1, _BARS)]
    reached = [0.0, *(share_up_to(quantiles, edge) for edge in edges), 1.0]
    return tuple(after - before for before, after in pairwise(reached))


def _short(number: float) -> float:
    return round(number, 1)
