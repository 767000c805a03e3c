"""What a run says, from its events: as JSON, as plain lines, and on a terminal."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import (
    BAD_FILE,
    GOLD,
    NOON,
    ORDERS,
    SILVER,
    Answer,
    failed,
    refreshed,
    run_outcome,
    step,
    step_outcome,
)
from lakehouse.cli import run_command
from lakehouse.cli.run_command import JsonRun, RunView
from lakehouse.cli.run_live import LiveRun
from lakehouse.cli.run_plain import PlainRun
from lakehouse.cli.screen import Screen
from lakehouse.names import TableName
from lakehouse.plan.load_plan import LoadPlan, SourceFile
from lakehouse.plan.records import Publication
from lakehouse.plan.refresh_plan import Reason, ReasonCode, RefreshMode, RefreshPlan
from lakehouse.run.outcome import (
    Notice,
    RefreshEnded,
    RefreshStarted,
    RunEnded,
    RunEvent,
    RunOutcome,
    RunStarted,
    RunStatus,
    StepOutcome,
    StepStatus,
)
from lakehouse.run.request import RunRequest
from lakehouse.run.workspace import Workspace

Command = Callable[..., Answer]
PUBLICATION = Publication(sequence=4, run="r1", published_at=NOON, tables={})
FILE = SourceFile(flow="bronze.orders", path="in/a.csv", uri="file:/in/a.csv", size=1, modified_at=1)
PLAN = RefreshPlan(
    steps=(
        step(ORDERS, RefreshMode.APPEND, load=LoadPlan(full=False, load=(FILE,))),
        step(SILVER, inputs=(ORDERS,), undecided=(ORDERS,), version=2),
        step(GOLD, RefreshMode.SKIP, inputs=(SILVER,)),
    ),
    pinned={TableName("raw", "rates"): 7},
)
NOTHING = RefreshPlan(steps=(step(ORDERS, RefreshMode.SKIP), step(SILVER, RefreshMode.SKIP)))


def events(plan: RefreshPlan, outcome: RunOutcome) -> list[RunEvent]:
    """A run in which every step was really started."""
    told: list[RunEvent] = [
        Notice("1 expectation declared", about="silver.orders"),
        Notice("1 expectation declared", about="bronze.orders"),
        Notice("1 expectation declared", about="gold.revenue"),
        Notice("the spec is old"),
        RunStarted("r1", plan),
    ]
    for ended in outcome.steps:
        if ended.status not in (StepStatus.SKIPPED, StepStatus.BLOCKED):
            told.append(RefreshStarted(ended.step.dataset))
        told.append(RefreshEnded(ended))
    return [*told, RunEnded(outcome)]


def succeeded() -> RunOutcome:
    skipped = step_outcome(GOLD, StepStatus.SKIPPED, mode=RefreshMode.SKIP)
    bronze = replace(refreshed(ORDERS, mode=RefreshMode.APPEND, rows=1200, files=2), notices=("column 'x' was added",))
    unchanged = step_outcome(SILVER, StepStatus.UNCHANGED, rows_in=5)
    return run_outcome("r1", NOON, (bronze, unchanged, skipped), RunStatus.SUCCEEDED, PUBLICATION)


def broken() -> RunOutcome:
    upstream = Reason(ReasonCode.UPSTREAM_FAILED, "silver.orders could not be refreshed")
    blocked = step_outcome(GOLD, StepStatus.BLOCKED, step=replace(step(GOLD, RefreshMode.SKIP), reason=upstream))
    return run_outcome("r1", NOON, (refreshed(ORDERS, rows=3), failed(SILVER), blocked), RunStatus.FAILED)


def idle() -> RunOutcome:
    steps = tuple(step_outcome(name, StepStatus.SKIPPED, mode=RefreshMode.SKIP) for name in (ORDERS, SILVER))
    return run_outcome("r1", NOON, steps, RunStatus.SUCCEEDED)


def shown(make: Callable[[Screen, Path], RunView], told: list[RunEvent], root: Path, *, as_json: bool = False) -> str:
    """What a view prints."""
    out = io.StringIO()
    view = make(Screen(as_json=as_json, out=out, err=io.StringIO()), root)
    for event in told:
        view(event)
    view.close()
    return out.getvalue()


def as_json(told: list[RunEvent], root: Path) -> list[dict[str, Any]]:
    lines = shown(lambda screen, _: JsonRun(screen), told, root, as_json=True)
    return [json.loads(line) for line in lines.splitlines()]


def test_json_tells_the_plan_every_step_and_the_end(project: Path) -> None:
    told = as_json(events(PLAN, succeeded()), project)
    assert [event["event"] for event in told] == [
        *["notice"] * 4,
        "run_started",
        *["refresh_started", "refresh_ended"] * 2,
        "refresh_ended",
        "run_ended",
    ]
    started, ended = told[4], told[-1]
    assert [(s["dataset"], s["mode"], s["undecided"], s["version"]) for s in started["steps"]] == [
        ("bronze.orders", "append", [], None),
        ("silver.orders", "full", ["bronze.orders"], 2),
        ("gold.revenue", "skip", [], None),
    ]
    assert started["steps"][0]["files"] == {"load": 1, "reload": 0, "bad": 0}
    assert started["steps"][0]["reason_code"] == "first_refresh"
    assert started["pinned"] == {"raw.rates": 7}
    assert (ended["status"], ended["exit_code"], ended["publication"], ended["seconds"]) == ("succeeded", 0, 4, 6.0)
    assert ended["datasets"] == {"refreshed": 1, "unchanged": 1, "skipped": 1}
    assert (told[6]["rows_out"], told[6]["files"], told[6]["notices"]) == (1200, 2, ["column 'x' was added"])


def test_json_tells_a_failure_with_its_fields(project: Path) -> None:
    told = as_json(events(PLAN, broken()), project)
    (failure,) = [event for event in told if event.get("status") == "failed" and event["event"] == "refresh_ended"]
    assert failure["error"]["class"] == "QueryError"
    assert failure["error"]["condition"] == "UNRESOLVED_COLUMN.WITH_SUGGESTION"
    assert (failure["error"]["file"], failure["error"]["line"]) == ("tables/silver.sql", 3)
    assert told[-1]["exit_code"] == 1


def test_plain_lines(project: Path) -> None:
    assert shown(PlainRun, events(PLAN, succeeded()), project).splitlines() == [
        "run r1: 2 of 3 datasets to refresh, 1 of them only if what they read changes",
        "note: silver.orders, bronze.orders: 1 expectation declared",  # gold is skipped: no word of it
        "note: the spec is old",
        "bronze.orders: started",
        "bronze.orders: refreshed (append), 1,200 rows from 2 files, version 0, 2.0 s",
        "note: bronze.orders: column 'x' was added",
        "silver.orders: started",
        "silver.orders: unchanged, computed and found the same, 2.0 s",
        "Done in 6.0 s: 1 refreshed, 1 unchanged, 1 skipped; readers see publication 4.",
    ]


@pytest.mark.parametrize("view", [PlainRun, LiveRun])
def test_a_failure_shows_the_line_of_the_file_and_what_is_kept(
    view: Callable[[Screen, Path], RunView], project: Path
) -> None:
    text = shown(view, events(PLAN, broken()), project)
    assert "tables/silver.sql:3: silver.orders cannot be computed: column 'prize' does not exist." in text
    assert "   3 | AS SELECT CAST(id AS BIGINT) AS id, CAST(price AS DOUBLE) AS price" in text
    assert "UNRESOLVED_COLUMN.WITH_SUGGESTION" in text
    assert "stays at version 0" in text
    assert re.search(r"1 refreshed, 1 failed, 1 blocked", text)
    assert "Fix silver.orders" in text.splitlines()[-1]


@pytest.mark.parametrize("view", [PlainRun, LiveRun])
def test_nothing_to_do_is_one_line(view: Callable[[Screen, Path], RunView], project: Path) -> None:
    told = [event for event in events(NOTHING, idle()) if not isinstance(event, Notice) or event.about]
    assert shown(view, told, project).splitlines() == ["Nothing to do: 2 datasets up to date."]


@pytest.mark.parametrize("view", [PlainRun, LiveRun])
def test_files_set_aside_are_named(view: Callable[[Screen, Path], RunView], project: Path) -> None:
    aside = refreshed(ORDERS, rows=3, bad=(BAD_FILE,))
    text = shown(view, events(PLAN, run_outcome("r1", NOON, (aside,), RunStatus.INCOMPLETE, PUBLICATION)), project)
    assert "  in/bad.csv: it is empty" in text.splitlines()


@pytest.mark.parametrize("view", [PlainRun, LiveRun])
def test_a_stopped_run_says_so(view: Callable[[Screen, Path], RunView], project: Path) -> None:
    cancelled = step_outcome(ORDERS, StepStatus.CANCELLED)
    outcome = run_outcome("r1", NOON, (cancelled,), RunStatus.CANCELLED, signal_number=15)
    assert shown(view, events(PLAN, outcome), project).splitlines()[-1].startswith("Stopped after 6.0 s: 1 cancelled.")
    assert outcome.exit_code == 143


def test_a_terminal_ends_with_a_table_of_what_changed(project: Path) -> None:
    lines = shown(LiveRun, events(PLAN, succeeded()), project).splitlines()
    header = next(line for line in lines if line.startswith("dataset"))
    assert header.split()[:6] == ["dataset", "status", "mode", "rows", "version", "took"]
    bronze = next(line for line in lines if line.startswith("bronze.orders "))
    assert bronze.split()[:5] == ["bronze.orders", "refreshed", "append", "1,200", "0"]
    assert not any(line.startswith("gold.revenue ") for line in lines)


def test_a_short_terminal_shows_what_runs_first(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINES", "12")
    names = [TableName("s", f"t{number:02}") for number in range(40)]
    view = LiveRun(Screen(as_json=False, out=io.StringIO(), err=io.StringIO()), project)
    view(RunStarted("r1", RefreshPlan(steps=tuple(step(name) for name in names))))
    view(RefreshStarted(names[30]))
    view(RefreshEnded(failed(names[39])))
    kept = [item.step.dataset for item in view._shown()]
    view.close()
    assert len(kept) < 40
    assert {names[30], names[39]} <= set(kept)


def test_the_second_signal_ends_the_process_at_once() -> None:
    code = (
        "import os, signal\nfrom lakehouse.cli.run_command import SIGNALS, JsonRun, end_at_once\n"
        "from lakehouse.run.stopping import StopRequest\n"
        "class View(JsonRun):\n"
        "    def close(self): print('restored', flush=True)\n"
        "with StopRequest(SIGNALS, lambda number: end_at_once(View(None), number)):\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    print('never')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (130, "restored\n")


def test_run_passes_what_was_asked_and_answers_the_exit_code(
    lakehouse: Command, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[RunRequest] = []

    def fake(workspace: Workspace, request: RunRequest, emit: RunView, stopped: Callable[[], int | None]) -> RunOutcome:
        asked.append(request)
        outcome = broken()
        for event in events(PLAN, outcome):
            emit(event)
        return outcome

    monkeypatch.setattr(run_command, "run_pipeline", fake)
    answer = lakehouse("run", project, "--refresh", "a, b", "--refresh", "c", "--full-refresh", "d", "--json")
    assert (answer.code, answer.err) == (1, "")
    assert answer.named("run_ended")[0]["status"] == "failed"
    assert asked == [RunRequest(refresh=("a", "b", "c"), full_refresh=("d",))]
    selected = lakehouse("run", project, "--select", "+gold.x tag:y", "--exclude", "z", "--full-refresh-all")
    assert selected.code == 1
    assert asked[1] == RunRequest(select=("+gold.x tag:y",), exclude=("z",), full_refresh_all=True)


def test_every_outcome_has_a_closing_sentence(project: Path) -> None:
    for status in RunStatus:
        steps: tuple[StepOutcome, ...] = (refreshed(ORDERS, rows=1, bad=(BAD_FILE,)), failed(SILVER))
        text = shown(PlainRun, events(PLAN, run_outcome("r1", NOON, steps, status)), project)
        assert text.splitlines()[-1].endswith(".")
