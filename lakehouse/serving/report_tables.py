"""The tables of a report: from facts to headings and cells, still without markup. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lakehouse.definition.dataset import TemporaryView
from lakehouse.serving.figures import count, counted, duration
from lakehouse.serving.kinds import kind_of
from lakehouse.serving.report_charts import BarChart, LineChart
from lakehouse.serving.report_facts import Report, RunLine
from lakehouse.serving.report_words import anchor, cut, moment, tone_of
from lakehouse.serving.table_states import TableState

_WORST_FIRST = ("error", "failed", "skipped", "passed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What stands in one place; `tone` is good, bad, warn or empty, `href` the anchor that it leads to."""

    text: str
    tone: str = ""
    href: str = ""
    chart: BarChart | LineChart | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A column; figures stand to the right, and neither they nor short words are broken into lines."""

    text: str
    right: bool = False
    short: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A row; `about` is what the page's filter looks for."""

    about: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """A table; the first cell of each row names it."""

    caption: str
    heads: tuple[Head, ...]
    lines: tuple[Line, ...]


def overview(report: Report) -> Grid:
    """Each dataset with its state, its last refresh, its expectations and what that refresh kept out."""
    judged: dict[str, list[str]] = {}
    for expectation in report.expectations:
        judged.setdefault(expectation.dataset, []).append(expectation.last.status)
    quarantined = _last_quarantined(report.runs)
    heads = [Head(text="dataset"), Head(text="layer", short=True), Head(text="state", short=True)]
    heads += [Head(text="rows", right=True), Head(text="last refresh"), Head(text="mode", short=True)]
    heads += [Head(text="expectations")]
    heads.append(Head(text="quarantined", right=True))
    lines = []
    for state in report.tables:
        name = str(state.dataset.name)
        last = state.last
        cells = (
            Cell(text=name, href=anchor(name)),
            Cell(text=state.dataset.name.schema or "-"),
            Cell(text=state.state, tone=tone_of(state.state)),
            Cell(text=count(state.contents.rows if state.contents else None)),
            Cell(text=f"{moment(last['ended_at'])}, {duration(last['seconds'])}" if last else "-"),
            Cell(text=str(last["mode"]) if last else "-"),
            _expectations_cell(judged.get(name, [])),
            Cell(text=count(quarantined.get(name)), tone="warn" if quarantined.get(name) else ""),
        )
        lines.append(Line(about=name, cells=cells))
    return Grid(caption="Every dataset today", heads=tuple(heads), lines=tuple(lines))


def runs_grid(runs: Sequence[RunLine]) -> Grid:
    """The runs, newest first."""
    heads = (Head(text="run"), Head(text="started (UTC)", short=True), Head(text="status", short=True))
    more = (Head(text="took", right=True), Head(text="modes"), Head(text="rows written", right=True))
    lines = []
    for run in runs:
        written = [refresh for refresh in run.refreshes if refresh.status == "refreshed"]
        modes: dict[str, int] = {}
        for refresh in written:
            modes[refresh.mode] = modes.get(refresh.mode, 0) + 1
        did = _did(run)
        cells = (
            Cell(text=run.run),
            Cell(text=moment(run.started_at)),
            Cell(text=run.status, tone=tone_of(run.status)),
            Cell(text=duration(run.seconds)),
            Cell(text=", ".join(f"{number} {mode}" for mode, number in modes.items()) or "-"),
            Cell(text=count(sum(refresh.rows_out for refresh in written))),
            Cell(text=cut(did) or "nothing was due"),
        )
        lines.append(Line(about=f"{run.run} {did}", cells=cells))
    return Grid(caption="Runs, newest first", heads=(*heads, *more, Head(text="what it did")), lines=tuple(lines))


def facts_of(state: TableState, reads: Sequence[str], readers: Sequence[str]) -> str:
    """What a dataset is, in a line."""
    parts = [kind_of(state.dataset)]
    if state.version >= 0:
        parts.append(f"version {state.version}")
    if not isinstance(state.dataset, TemporaryView) and state.contents:
        parts.append(counted(state.contents.files, "file"))
    parts += [f"reads {', '.join(reads)}"] if reads else []
    parts += [f"read by {', '.join(readers)}"] if readers else []
    return " · ".join(parts)


def _did(run: RunLine) -> str:
    refreshed = ", ".join(refresh.dataset for refresh in run.refreshes if refresh.status == "refreshed")
    others = [f"{line.dataset} {line.status}: {line.why}" for line in run.refreshes if line.status != "refreshed"]
    return "; ".join([*([refreshed] if refreshed else []), *others])


def _expectations_cell(statuses: Sequence[str]) -> Cell:
    if not statuses:
        return Cell(text="-")
    numbers = {status: statuses.count(status) for status in (*_WORST_FIRST, *statuses)}
    bad = numbers["failed"] + numbers["error"]
    return Cell(
        text=", ".join(f"{number} {status}" for status, number in numbers.items() if number),
        tone="bad" if bad else "good" if numbers["passed"] else "",
        href="expectations",
    )


def _last_quarantined(runs: Sequence[RunLine]) -> dict[str, int]:
    """By dataset what its newest refresh that wrote something kept out."""
    found: dict[str, int] = {}
    for run in runs:
        for refresh in run.refreshes:
            if refresh.status == "refreshed":
                found.setdefault(refresh.dataset, refresh.rows_quarantined)
    return found
