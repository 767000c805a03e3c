"""What people and programs are told of refreshes by change, of verifications, and of plans."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import GOLD, NOON, ORDERS, SILVER, Answer, refreshed, run_outcome, step
from lakehouse.cli import dry_run_command, explain_command, run_command
from lakehouse.cli.run_command import JsonRun, RunView
from lakehouse.cli.run_live import LiveRun
from lakehouse.cli.run_plain import PlainRun
from lakehouse.cli.screen import Screen
from lakehouse.definition.dataset import RefreshPolicy
from lakehouse.errors import QueryError
from lakehouse.plan.explanation import AllowedWays, KeyColumn, SourceChange, StepExplanation
from lakehouse.plan.load_plan import LoadPlan, SourceFile
from lakehouse.plan.maintenance import Refusal, RefusalCode
from lakehouse.plan.records import Publication
from lakehouse.plan.refresh_plan import Reason, ReasonCode, RefreshMode, RefreshPlan, RefreshStep
from lakehouse.plan.table_change import FeedObstacle, TableChange
from lakehouse.run.outcome import (
    RefreshEnded,
    RefreshVerified,
    RowsChanged,
    RunEnded,
    RunEvent,
    RunOutcome,
    RunStarted,
    RunStatus,
    StepOutcome,
    Verification,
)
from lakehouse.run.request import RunRequest
from lakehouse.run.verification import RowSample
from lakehouse.run.workspace import Workspace

Command = Callable[..., Answer]
FILE = SourceFile(flow="bronze.orders", path="in/a.csv", uri="file:/in/a.csv", size=1200, modified_at=1)
LOAD = LoadPlan(full=False, load=(FILE,))
LOADED = refreshed(ORDERS, mode=RefreshMode.APPEND, rows=3, files=1)
MERGED = replace(
    refreshed(GOLD, mode=RefreshMode.AGGREGATE, rows=1207),
    rows_changed=RowsChanged(1, 1204, 2),
    lacking=("added rows can change others: Aggregate",),
)
ADDED = replace(refreshed(SILVER, mode=RefreshMode.APPEND, rows=2), rows_changed=RowsChanged(2, 0, 0))
OUTCOME = run_outcome("r1", NOON, (LOADED, ADDED, MERGED), RunStatus.SUCCEEDED)
HOLDS = Verification(dataset=SILVER, version=1, rows=20, compared=5, left_out=("weight",))
WRONG = Verification(dataset=GOLD, version=4, rows=9, compared=9, missing=2, surplus=1)
UNCOMPARED = Verification(dataset=SILVER, problem="rand may give other values each time")
BROKEN = Verification(dataset=SILVER, error=QueryError("its file is gone", condition=None))


def shown(make: Callable[[Screen, Path], RunView], told: list[RunEvent], *, as_json: bool = False) -> list[str]:
    out = io.StringIO()
    view = make(Screen(as_json=as_json, out=out, err=io.StringIO()), Path())
    for event in told:
        view(event)
    view.close()
    return out.getvalue().splitlines()


def events(outcome: RunOutcome) -> list[RunEvent]:
    plan = RefreshPlan(steps=tuple(ended.step for ended in outcome.steps))
    verified = [RefreshVerified(verification) for verification in outcome.verified]
    return [RunStarted("r1", plan), *map(RefreshEnded, outcome.steps), *verified, RunEnded(outcome)]


def as_json(outcome: RunOutcome) -> list[dict[str, Any]]:
    return [json.loads(line) for line in shown(lambda screen, _: JsonRun(screen), events(outcome), as_json=True)]


def test_plain_lines_tell_mode_and_rows_changed() -> None:
    lines = shown(PlainRun, events(OUTCOME))
    assert lines[1:4] == [
        "bronze.orders: refreshed (append), 3 rows from 1 file, version 0, 2.0 s",
        "silver.orders: refreshed (append), +2 ~0 -0 rows, version 0, 2.0 s",
        "gold.revenue: refreshed (aggregate), +1 ~1,204 -2 rows, version 0, 2.0 s",
    ]


def test_a_terminal_tells_the_same() -> None:
    lines = shown(LiveRun, events(OUTCOME))
    rows = {line.split()[0]: line.split()[1:] for line in lines if line.startswith(("bronze.", "silver.", "gold."))}
    assert rows["bronze.orders"][:3] == ["refreshed", "append", "3"]
    assert rows["gold.revenue"][:5] == ["refreshed", "aggregate", "+1", "~1,204", "-2"]


def test_json_tells_the_counts_and_what_was_lacking() -> None:
    ended = {event["dataset"]: event for event in as_json(OUTCOME) if event["event"] == "refresh_ended"}
    gold = ended["gold.revenue"]
    assert (gold["mode"], gold["rows_inserted"], gold["rows_updated"], gold["rows_deleted"]) == (
        "aggregate",
        1,
        1204,
        2,
    )
    assert gold["lacking"] == ["added rows can change others: Aggregate"]


@pytest.mark.parametrize("view", [PlainRun, LiveRun])
def test_a_difference_is_told_with_its_rows_and_what_to_do(view: Any) -> None:
    outcome = replace(OUTCOME, verified=(HOLDS, WRONG))
    lines = shown(view, events(outcome))
    [silver] = [line for line in lines if line.startswith("silver.orders: verified")]
    assert "5 rows of 20" in silver
    assert "without weight" in silver
    [gold] = [line for line in lines if line.startswith("gold.revenue: WRONG")]
    assert "version 4" in gold
    assert "2 missing, 1 not to be there" in gold
    assert "--full-refresh gold.revenue" in lines[-1]


@pytest.mark.parametrize("view", [PlainRun, LiveRun])
def test_what_could_not_be_compared_says_why(view: Any) -> None:
    lines = shown(view, events(replace(OUTCOME, verified=(UNCOMPARED, BROKEN))))
    assert any("not verified, rand may" in line for line in lines)
    assert any("could not be verified" in line and "its file is gone" in line for line in lines)
    assert lines[-1].startswith("Done in"), "no view is named that is to be rebuilt"


def test_json_tells_verifications_and_the_exit_code() -> None:
    told = as_json(replace(OUTCOME, verified=(HOLDS, WRONG)))
    verified = [event for event in told if event["event"] == "refresh_verified"]
    assert [(event["dataset"], event["holds"], event["missing"], event["surplus"]) for event in verified] == [
        ("silver.orders", True, 0, 0),
        ("gold.revenue", False, 2, 1),
    ]
    assert (told[-1]["exit_code"], told[-1]["verified"]) == (1, {"views": 2, "differing": ["gold.revenue"]})
    assert as_json(OUTCOME)[-1]["exit_code"] == 0


@pytest.mark.parametrize(
    ("argv", "sample"),
    [
        ([], None),
        (["--verify"], RowSample()),
        (["--verify", "all"], RowSample(None)),
        (["--verify", "250"], RowSample(250)),
    ],
)
def test_run_asks_for_a_sample(
    lakehouse: Command, project: Path, monkeypatch: pytest.MonkeyPatch, argv: list[str], sample: RowSample | None
) -> None:
    asked: list[RunRequest] = []

    def fake(workspace: Workspace, request: RunRequest, emit: RunView, stopped: object) -> RunOutcome:
        asked.append(request)
        return replace(OUTCOME, verified=(WRONG,)) if request.verify else OUTCOME

    monkeypatch.setattr(run_command, "run_pipeline", fake)
    answer = lakehouse("run", "--project", project, *argv)
    assert asked == [RunRequest(verify=sample)]
    assert answer.code == (1 if sample else 0)


@pytest.mark.parametrize("argument", ["0", "some", "-3"])
def test_a_wrong_sample_is_wrong_usage(lakehouse: Command, project: Path, argument: str) -> None:
    assert lakehouse("run", "--project", project, f"--verify={argument}").code == 2


def test_history_tells_mode_rows_and_reason(lakehouse: Command, built: Path) -> None:
    warehouse = Workspace(built).warehouse
    later = NOON + timedelta(hours=5)
    by_change = Reason(ReasonCode.INPUTS_CHANGED, "silver.orders went from version 0 to 1")
    merged = replace(MERGED, step=replace(MERGED.step, reason=by_change), started_at=later)
    merged = replace(merged, ended_at=later + timedelta(seconds=3))
    warehouse.record_run_ended(run_outcome("r9", later, (merged,), RunStatus.SUCCEEDED))
    newest, *older = lakehouse("history", "gold.revenue", "--project", built, "--json").named("refresh")
    assert (newest["run"], newest["mode"], newest["seconds"], newest["rows"]) == ("r9", "aggregate", 3.0, 1207)
    assert (newest["rows_inserted"], newest["rows_updated"], newest["rows_deleted"]) == (1, 1204, 2)
    assert newest["changed"] == "+1 ~1,204 -2"
    assert newest["why"] == "silver.orders went from version 0 to 1"
    assert newest["lacking"] == ["added rows can change others: Aggregate"]
    assert [(row["mode"], row["changed"], row["lacking"]) for row in older] == [
        ("skip", None, []),
        ("full", None, []),
    ]
    header, first, *_ = lakehouse("history", "gold.revenue", "--project", built).out.splitlines()
    assert header.split() == ["run", "took", "status", "mode", "version", "rows", "changed", "why"]
    assert first.split()[:10] == ["r9", "3.0", "s", "refreshed", "aggregate", "0", "1,207", "+1", "~1,204", "-2"]


def due(name: Any, text: str, **fields: Any) -> RefreshStep:
    return replace(step(name, RefreshMode.INCREMENTAL), reason=Reason(ReasonCode.INPUTS_CHANGED, text), **fields)


EXPLAINED = (
    StepExplanation(step=step(ORDERS, RefreshMode.APPEND, load=LOAD)),
    StepExplanation(
        step=due(SILVER, "if this run changes bronze.orders", undecided=(ORDERS,)),
        allowed=AllowedWays(modes=(RefreshMode.APPEND, RefreshMode.KEYS)),
        sources=(SourceChange(dataset=ORDERS, from_version=0, to_version=None, files=1, file_bytes=1200),),
    ),
    StepExplanation(
        step=due(GOLD, "silver.orders went from version 0 to 2", policy=RefreshPolicy.INCREMENTAL),
        allowed=AllowedWays(
            modes=(RefreshMode.AGGREGATE,),
            key=(KeyColumn("day", ("silver.orders.ts",)),),
            is_unique=True,
            lacking=(Refusal(RefusalCode.NOT_MONOTONE, "added rows can change others: Aggregate"),),
        ),
        state_is_missing=True,
        sources=(
            SourceChange(
                dataset=SILVER,
                from_version=0,
                to_version=2,
                change=TableChange(
                    from_version=0, to_version=2, changes_rows=True, append_only=True, rows=7, bytes=2048
                ),
            ),
        ),
    ),
)
PLAN = RefreshPlan(steps=tuple(each.step for each in EXPLAINED))


class FakeSurvey:
    """A survey of which only the plan is looked at."""

    plan = PLAN


@pytest.fixture
def planned(monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan without Spark."""
    monkeypatch.setattr(dry_run_command, "dry_run", lambda workspace, request: FakeSurvey())
    monkeypatch.setattr(dry_run_command, "explain_steps", lambda workspace, found: EXPLAINED)
    by_name = {each.step.dataset: each for each in EXPLAINED}
    monkeypatch.setattr(explain_command, "explain", lambda workspace, request, name: by_name[name])


@pytest.mark.usefixtures("planned")
def test_dry_run_tells_for_each_view_what_its_query_allows(lakehouse: Command, project: Path) -> None:
    lines = lakehouse("dry-run", project).out.splitlines()
    assert lines[0].split()[:4] == ["dataset", "mode", "by", "change"]
    assert lines[1].split()[:3] == ["bronze.orders", "append", "-"]
    assert lines[2].split()[:4] == ["silver.orders", "incremental", "append,", "keys"]
    part = lines[lines.index("gold.revenue") :]
    assert part[1:6] == [
        "  refresh policy incremental",
        "  by what changed: aggregate",
        "  key column day from silver.orders.ts",
        "  not cheaper: not_monotone: added rows can change others: Aggregate",
        "  the sums and counts to refresh it from are not there yet: it is recomputed once",
    ]
    assert part[6] == "  reads silver.orders, version 0 to 2: at most 7 rows in 2,048 bytes, only added"
    assert "  reads bronze.orders, which this run may change, 1 file of 1,200 bytes to load" in lines


@pytest.mark.usefixtures("planned")
def test_dry_run_tells_programs_the_plan_and_every_explanation(lakehouse: Command, project: Path) -> None:
    answer = lakehouse("dry-run", project, "--json")
    assert [event["event"] for event in answer.events] == ["plan", *["explanation"] * 3]
    assert [event["ways"] for event in answer.named("explanation")] == [None, ["append", "keys"], ["aggregate"]]
    gold = answer.named("explanation")[2]
    assert (gold["policy"], gold["unique_key"], gold["state_is_missing"]) == ("incremental", True, True)
    assert gold["key"] == [{"column": "day", "sources": ["silver.orders.ts"]}]
    assert [refusal["code"] for refusal in gold["lacking"]] == ["not_monotone"]
    [source] = gold["sources"]
    assert (source["rows"], source["bytes"], source["append_only"], source["obstacle"]) == (7, 2048, True, None)


@pytest.mark.usefixtures("planned")
def test_explain_tells_how_it_came_about_and_what_is_due(lakehouse: Command, built: Path) -> None:
    lines = [line.strip() for line in lakehouse("explain", "gold.revenue", "--project", built).out.splitlines()]
    assert lines[0] == "gold.revenue"
    assert "version 0, 1 row" in lines
    assert "would be refreshed: incremental, because silver.orders went from version 0 to 2" in lines
    assert "key column day from silver.orders.ts" in lines
    [told] = lakehouse("explain", "gold.revenue", "--project", built, "--json").events
    assert (told["event"], told["dataset"], told["ways"]) == ("explanation", "gold.revenue", ["aggregate"])
    assert (told["published"]["version"], told["published"]["run"]) == (0, "r1")


@pytest.mark.usefixtures("planned")
def test_explain_of_what_is_not_published_yet(lakehouse: Command, project: Path) -> None:
    [told] = lakehouse("explain", "silver.orders", "--project", project, "--json").events
    assert told["published"] is None
    assert "not published yet" in lakehouse("explain", "silver.orders", "--project", project).out


def test_explain_of_what_nothing_refreshes(lakehouse: Command, project: Path) -> None:
    [error] = lakehouse("explain", "priced", "--project", project, "--json").events
    assert (error["class"], error["exit_code"]) == ("UsageError", 2)
    [error] = lakehouse("explain", "gold.revenu", "--project", project, "--json").events
    assert (error["class"], error["nearest"]) == ("UnknownName", "gold.revenue")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (TableChange(from_version=0, to_version=2, changes_rows=False), "the same rows"),
        (TableChange(from_version=0, to_version=2, changes_rows=True, bytes=5), "rows not counted"),
        (
            TableChange(
                from_version=0,
                to_version=2,
                changes_rows=True,
                obstacle=FeedObstacle.MISSING_COMMITS,
                obstacle_text="commit 1 is no longer in the log",
            ),
            "missing_commits: commit 1 is no longer in the log",
        ),
    ],
)
def test_a_change_that_is_not_simply_rows(
    lakehouse: Command, project: Path, monkeypatch: pytest.MonkeyPatch, change: TableChange, told: str
) -> None:
    source = SourceChange(dataset=SILVER, from_version=0, to_version=2, change=change)
    refusal = Refusal(RefusalCode.NO_KEY, "no columns divide its rows: Window")
    found = replace(EXPLAINED[2], allowed=AllowedWays(modes=(), refusal=refusal), sources=(source,))
    monkeypatch.setattr(explain_command, "explain", lambda workspace, request, name: found)
    text = lakehouse("explain", "gold.revenue", "--project", project).out
    assert told in text
    assert "in no way (no_key: no columns divide its rows: Window)" in text


def test_the_counts_of_a_run_that_published_add_up(lakehouse: Command, built: Path) -> None:
    later = NOON + timedelta(hours=5)
    publication = Publication(sequence=2, run="r9", published_at=later, tables={})
    Workspace(built).warehouse.record_run_ended(
        run_outcome("r9", later, (LOADED, MERGED), RunStatus.SUCCEEDED, publication)
    )
    newest = lakehouse("history", "--project", built, "--json").named("run")[0]
    assert (newest["run"], newest["rows"], newest["changed"]) == ("r9", 1210, ["bronze.orders", "gold.revenue"])


def test_outcomes_say_whether_they_are_by_change() -> None:
    def by_change(outcome: StepOutcome) -> bool:
        return outcome.is_by_change

    assert [by_change(each) for each in (LOADED, ADDED, MERGED, refreshed(GOLD, rows=1))] == [False, True, True, False]
    assert not by_change(replace(ADDED, step=replace(ADDED.step, load=LOAD)))


def test_show_tells_the_policy(lakehouse: Command, project: Path) -> None:
    file = project / "tables" / "silver.sql"
    file.write_text(file.read_text().replace("\nAS SELECT", "\nREFRESH POLICY INCREMENTAL STRICT AS SELECT"))
    [shown] = lakehouse("show", "silver.orders", "--project", project, "--json").named("table")
    assert shown["refresh_policy"] == "incremental_strict"
    assert "incremental_strict" in lakehouse("show", "silver.orders", "--project", project).out
    [shown] = lakehouse("show", "bronze.orders", "--project", project, "--json").named("table")
    assert shown["refresh_policy"] is None
