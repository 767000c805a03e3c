"""From the values of a report to one HTML file that needs nothing else: no network, no script to be read."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from lakehouse.names import TableName
from lakehouse.serving.figures import count, counted, duration
from lakehouse.serving.report_charts import BarChart, LineChart, Reading, bar_chart
from lakehouse.serving.report_facts import ExpectationHistory, ProfileHistory, Report, RunLine
from lakehouse.serving.report_graph import draw_graph
from lakehouse.serving.report_quality_tables import (
    drift_grid,
    profile_grid,
    quarantine_grid,
    samples_grid,
    trend,
    verdict_text,
)
from lakehouse.serving.report_tables import Grid, facts_of, overview, runs_grid
from lakehouse.serving.report_words import anchor, cut, moment, percent, tone_of
from lakehouse.serving.table_states import TableState

_PAGE = Path(__file__).parent / "report_page"
_LONGEST_LABEL = 18  # characters of a name that fit into a box of the graph


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectationCard:
    """An expectation as the page shows it."""

    history: ExpectationHistory
    chart: LineChart
    verdict: str
    tone: str
    samples: Grid | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableCard:
    """A dataset as the page shows it."""

    name: str
    tone: str
    state: str
    comment: str
    facts: str
    error: str
    profile: Grid | None


def render_report(report: Report) -> str:
    """The whole page. Every text that is not the page's own is escaped; a policy in the page forbids everything that
    is not in the file, and every script but its own."""
    environment = Environment(
        loader=FileSystemLoader(_PAGE, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"anchor": anchor, "count": count, "moment": moment, "percent": percent}
    style, script = (_own(name) for name in ("page.css", "page.js"))
    states = {state.dataset.name: state for state in report.tables}
    return environment.get_template("page.html").render(
        report=report,
        style=style,
        script=script,
        policy=f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'",
        summary=summary(report),
        overview=overview(report),
        drawing=draw_graph(report.graph),
        label=_label,
        tone=lambda name: _tone(report, states.get(name)),
        tables=[_table_card(report, state) for state in report.tables],
        runs=runs_grid(report.runs),
        run_chart=run_chart(report.runs),
        expectations=[_expectation_card(history) for history in report.expectations],
        quarantine=quarantine_grid(report.expectations),
        drifts=[drift_grid(history) for history in report.profiles if history.comparisons],
    )


def summary(report: Report) -> tuple[tuple[str, str, str], ...]:
    """The page's first look: what, how it stands, and its tone."""
    judged = [history.last.status for history in report.expectations]
    bad = sum(status in {"failed", "error"} for status in judged)
    drifted = sum(
        any(result.band == "large" for result in history.comparisons[-1].results)
        for history in report.profiles
        if history.comparisons
    )
    last = report.runs[0] if report.runs else None
    lines = [
        (
            "last run",
            f"{last.status}, {moment(last.started_at)}" if last else "none",
            tone_of(last.status) if last else "",
        ),
        ("publication", f"{report.publication}, {moment(report.published_at)}" if report.publication else "none", ""),
        ("datasets", count(len(report.tables)), ""),
        ("expectations", _of(bad, len(judged), "not met"), "bad" if bad else "good" if judged else ""),
    ]
    if report.profiles:
        lines.append(
            (
                "drift",
                f"large in {counted(drifted, 'table')}" if drifted else "none large",
                "warn" if drifted else "good",
            )
        )
    return tuple(lines)


def run_chart(runs: tuple[RunLine, ...]) -> BarChart:
    """How long the runs took, oldest first."""
    readings = [
        Reading(value=run.seconds, tone=tone_of(run.status), text=f"{run.run}: {run.status}, {duration(run.seconds)}")
        for run in reversed(runs)
    ]
    longest = max((run.seconds or 0.0 for run in runs), default=0.0)
    title = f"How long {counted(len(runs), 'run')} took, oldest first; the longest {duration(longest)}"
    return bar_chart(readings, title, width=320, height=64, least_places=10)


def _expectation_card(history: ExpectationHistory) -> ExpectationCard:
    return ExpectationCard(
        history=history,
        chart=trend(history),
        verdict=verdict_text(history.last),
        tone=tone_of(history.last.status),
        samples=samples_grid(history),
    )


def _table_card(report: Report, state: TableState) -> TableCard:
    name = state.dataset.name
    profiles: dict[str, ProfileHistory] = {history.dataset: history for history in report.profiles}
    history = profiles.get(str(name))
    failed = state.last and state.last["status"] == "failed"
    return TableCard(
        name=str(name),
        tone=tone_of(state.state),
        state=state.state,
        comment=state.dataset.comment or "",
        facts=facts_of(
            state,
            [str(read) for read in report.graph.inputs.get(name, ())],
            [str(reader) for reader in report.graph.outputs.get(name, ())],
        ),
        error=cut(str(state.last["error"] or "")) if failed and state.last else "",
        profile=profile_grid(history) if history else None,
    )


def _tone(report: Report, state: TableState | None) -> str:
    """How a dataset's box looks: as its state, but bad if an expectation of it is not met."""
    if state is None:
        return ""
    name = str(state.dataset.name)
    last = {history.last.status for history in report.expectations if history.dataset == name}
    return "bad" if {"failed", "error"} & last else tone_of(state.state)


def _label(name: TableName) -> str:
    short = name.name or str(name)
    return short if len(short) <= _LONGEST_LABEL else short[: _LONGEST_LABEL - 1] + "…"


def _of(some: int, every: int, what: str) -> str:
    if not every:
        return "none judged"
    return f"{some} of {every} {what}" if some else f"all {every} met"


def _own(name: str) -> Markup:
    """A file of the page's own, as it stands between its tags."""
    return Markup((_PAGE / name).read_text(encoding="utf-8"))  # noqa: S704  # not from data


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
