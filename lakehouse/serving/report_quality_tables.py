"""The tables of a report about the quality of rows: quarantine, samples, drift, profiles. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timezone

from lakehouse.quality.column_profile import ColumnProfile, ColumnShape
from lakehouse.quality.drift import DriftResult
from lakehouse.serving.figures import count, counted, duration, instant
from lakehouse.serving.report_charts import LineChart, Reading, distribution, line_chart
from lakehouse.serving.report_facts import Comparison, ExpectationHistory, Judgement, ProfileHistory
from lakehouse.serving.report_tables import Cell, Grid, Head, Line
from lakehouse.serving.report_words import anchor, cut, moment, number, percent, plain, tone_of


def quarantine_grid(expectations: Iterable[ExpectationHistory]) -> Grid:
    """Rows that were quarantined by reason, an expectation each: at its newest refresh, and in all verdicts kept."""
    heads = (Head(text="dataset"), Head(text="reason"), Head(text="expects"))
    more = (Head(text="last refresh", right=True), Head(text="all refreshes shown", right=True))
    lines = []
    for expectation in expectations:
        counts = [judged.failed or 0 for judged in expectation.judgements if judged.origin == "refresh"]
        if expectation.on_violation != "quarantine" or not sum(counts):
            continue
        cells = (
            Cell(text=expectation.dataset, href=anchor(expectation.dataset)),
            Cell(text=expectation.name),
            Cell(text=cut(expectation.expectation)),
            Cell(text=count(counts[-1]), tone="warn" if counts[-1] else ""),
            Cell(text=count(sum(counts))),
        )
        lines.append(Line(about=expectation.dataset, cells=cells))
    return Grid(caption="Quarantined rows by reason", heads=(*heads, *more), lines=tuple(lines))


def samples_grid(expectation: ExpectationHistory) -> Grid | None:
    """Records that violate the expectation, from its newest verdict."""
    samples = expectation.last.samples
    names = tuple(dict.fromkeys(name for sample in samples for name in sample))
    if not names:
        return None
    lines = tuple(
        Line(about=expectation.dataset, cells=tuple(Cell(text=cut(plain(sample.get(name)))) for name in names))
        for sample in samples
    )
    caption = (
        f"{counted(len(samples), 'record')} that {'violates' if len(samples) == 1 else 'violate'} {expectation.name}"
    )
    return Grid(caption=caption, heads=tuple(Head(text=name) for name in names), lines=lines)


def drift_grid(history: ProfileHistory) -> Grid:
    """Each column's newest comparison, with the stability index of the ones before as a chart."""
    newest = history.comparisons[-1]
    names = ("column", "stability index", "so far", "Kolmogorov-Smirnov", "Jensen-Shannon", "Wasserstein", "NULLs")
    heads = tuple(Head(text=name, right=name not in {"column", "so far"}) for name in (*names, "categories"))
    lines = tuple(
        Line(about=history.dataset, cells=_drift_cells(result, history.comparisons)) for result in newest.results
    )
    return Grid(
        caption=f"{history.dataset}: version {newest.current} against version {newest.baseline}",
        heads=heads,
        lines=lines,
    )


def profile_grid(history: ProfileHistory) -> Grid:
    """Each column of the newest profile."""
    heads = [Head(text="column"), Head(text="type"), Head(text="NULLs", right=True), Head(text="distinct", right=True)]
    heads += [Head(text="values"), Head(text="least"), Head(text="greatest"), Head(text="mean", right=True)]
    heads += [Head(text="deviation", right=True)]
    newest = history.newest
    rows = counted(newest.profile.rows, "row")
    lines = tuple(Line(about=history.dataset, cells=_profile_cells(column)) for column in newest.profile.columns)
    what = f"{rows} added by version {newest.version}" if newest.is_increment else f"{rows}, version {newest.version}"
    return Grid(caption=f"{history.dataset}: {what}", heads=tuple(heads), lines=lines)


def trend(expectation: ExpectationHistory) -> LineChart:
    """The share of failed records, verdict by verdict."""
    readings = [
        Reading(value=judged.failed_share, tone=tone_of(judged.status), text=verdict_text(judged))
        for judged in expectation.judgements
    ]
    last = expectation.last
    title = f"{expectation.name} on {expectation.dataset}: {counted(len(readings), 'verdict')}, the last {last.status}"
    if last.failed_share is not None:
        title += f" with {percent(last.failed_share)} failed"
    is_counted = any(reading.value is not None for reading in readings)
    return line_chart(readings, title, height=72 if is_counted else 22, least_top=0.01)


def verdict_text(judged: Judgement) -> str:
    """A verdict in a line."""
    version = "no version" if judged.version is None else f"version {judged.version}"
    share = "" if judged.failed_share is None else f", {percent(judged.failed_share)} failed"
    return f"{version}, {moment(judged.judged_at)}: {judged.status}{share}"


def _drift_cells(result: DriftResult, comparisons: Sequence[Comparison]) -> tuple[Cell, ...]:
    index = result.population_stability_index
    so_far = [
        Reading(
            value=before.population_stability_index,
            tone=tone_of(before.band),
            text=f"version {comparison.current}: {number(before.population_stability_index)}",
        )
        for comparison in comparisons
        for before in comparison.results
        if before.column == result.column
    ]
    title = f"{result.column}: stability index of {counted(len(so_far), 'comparison')}, the last {number(index)}"
    chart = line_chart(so_far, title, width=110, height=32, least_top=0.25) if index is not None else None
    appeared = _categories("new", result.appeared)
    changed = "; ".join(text for text in (appeared, _categories("gone", result.vanished)) if text)
    return (
        Cell(text=result.column),
        Cell(text="-" if index is None else f"{number(index)} {result.band}", tone=tone_of(result.band)),
        Cell(text="" if chart else "-", chart=chart),
        Cell(text=number(result.kolmogorov_smirnov)),
        Cell(text=number(result.jensen_shannon)),
        Cell(text=number(result.wasserstein)),
        Cell(text=_change(result.missing), tone="warn" if abs(result.missing or 0) >= 0.01 else ""),
        Cell(text=changed or "-"),
    )


def _categories(word: str, values: Sequence[str]) -> str:
    shown = values[:3]
    more = f" and {len(values) - len(shown)} more" if len(values) > len(shown) else ""
    return f"{word}: {cut(', '.join(shown))}{more}" if values else ""


def _change(share: float | None) -> str:
    if share is None:
        return "-"
    return "0" if share == 0 else f"{'+' if share > 0 else '-'}{percent(abs(share)).removesuffix(' %')} points"


def _profile_cells(column: ColumnProfile) -> tuple[Cell, ...]:
    chart = distribution(column)
    return (
        Cell(text=column.name),
        Cell(text=column.type),
        Cell(text=percent(column.null_share)),
        Cell(text="-" if column.distinct is None else f"~{count(column.distinct)}"),
        Cell(text=_frequent(column) if chart else "-", chart=chart),
        Cell(text=cut(column.low or "-")),
        Cell(text=cut(column.high or "-")),
        Cell(text=_mean(column)),
        Cell(text=_span(column.deviation) if column.shape is ColumnShape.TIME else number(column.deviation)),
    )


def _mean(column: ColumnProfile) -> str:
    if column.shape is not ColumnShape.TIME or column.mean is None:
        return number(column.mean)
    try:
        return instant(datetime.fromtimestamp(column.mean, timezone.utc)).replace("T", " ")
    except (OverflowError, ValueError, OSError):  # years that the calendar of Python does not have
        return number(column.mean)


def _span(seconds: float | None) -> str:
    """A stretch of time; `duration` counts hours, and these may be years."""
    return duration(seconds) if seconds is None or seconds < 2 * 86400 else f"{number(seconds / 86400)} days"


def _frequent(column: ColumnProfile) -> str:
    """The most frequent categories with their shares."""
    shown = [f"{cut(str(category))} {percent(count / column.measured)}" for category, count in column.top[:3]]
    return ", ".join(shown)
