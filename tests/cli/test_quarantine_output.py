"""`quarantine ls`, `show` and `replay`, and what `show` and `history` add, over a warehouse filled without Spark."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake

from cli.conftest import NOON, ORDERS, SILVER, Answer, record, run_outcome, step_outcome
from lakehouse.cli.main import main
from lakehouse.cli.quarantine_command import replayed_text
from lakehouse.definition.dataset import MaterializedView
from lakehouse.plan.records import Publication, PublishedTable, RefreshRecord
from lakehouse.plan.refresh_plan import RefreshMode
from lakehouse.quality.rule import rule_fingerprint
from lakehouse.run.location import locate_quarantine
from lakehouse.run.outcome import RunStatus, StepStatus
from lakehouse.run.workspace import Workspace

Command = Callable[..., Answer]
LATER = NOON + timedelta(hours=2)


def set_aside(workspace: Workspace, rows: list[dict[str, Any]], recorded: RefreshRecord) -> None:
    """A quarantine table of one commit, and a publication that names it."""
    name = ORDERS if recorded.dataset == str(ORDERS) else SILVER
    table = pa.Table.from_pylist(
        [
            {
                **row,
                "_fingerprints": ["f"] * len(row["_failed_expectations"]),
                "_quarantined_by": "r1",
                "_quarantined_epoch": 1,
                "_versions_read": json.dumps(dict(recorded.reads)),
            }
            for row in rows
        ]
    )
    commit = CommitProperties(custom_metadata={"userMetadata": replace(recorded, quarantine=-1).to_json()})
    write_deltalake(locate_quarantine(workspace.project.spec, name), table, commit_properties=commit)
    before = workspace.warehouse.latest_publication()
    assert before is not None
    published = {**before.tables, name: PublishedTable(name=name, version=0, record=replace(recorded, quarantine=0))}
    workspace.warehouse.publish(Publication(sequence=2, run="r4", published_at=LATER, tables=published))


@pytest.fixture
def shop(built: Path) -> Path:
    """The built project with three rows of bronze.orders in quarantine, the newest last."""
    workspace = Workspace(built)
    rows = [
        {
            "id": number,
            "price": price,
            "on": date(2026, 1, number),
            "tags": tags,
            "_source_file": f"in/{number}.csv",
            "_ingested_at": NOON,
            "_epoch": 1,
            "_failed_expectations": reasons,
            "_quarantined_at": NOON + timedelta(hours=number),
        }
        for number, price, tags, reasons in [
            (1, Decimal("1.50"), ["a"], ["plausible"]),
            (2, None, [], ["plausible", "known"]),
            (3, Decimal("3.00"), None, ["known"]),
        ]
    ]
    published = workspace.warehouse.latest_publication()
    assert published is not None
    fingerprint = published.tables[ORDERS].record.fingerprint
    set_aside(workspace, rows, record(ORDERS, fingerprint, mode="append"))
    return built


def test_ls_counts_rows_and_reasons(lakehouse: Command, shop: Path) -> None:
    (found,) = lakehouse("quarantine", "ls", shop, "--json").named("quarantine")
    assert (found["dataset"], found["rows"], found["version"]) == ("bronze.orders", 3, 0)
    assert found["expectations"] == [{"name": "known", "rows": 2}, {"name": "plausible", "rows": 2}]
    assert found["since"] == "2026-01-05T13:00:00+00:00"
    header, line = lakehouse("quarantine", "ls", shop).out.splitlines()
    assert header.index("set aside by") == line.index("known 2, plausible 2")
    assert line.split()[:2] == ["bronze.orders", "3"]


def test_show_gives_the_newest_rows_with_their_reasons(lakehouse: Command, shop: Path) -> None:
    answer = lakehouse("quarantine", "show", "bronze.orders", "--project", shop, "--limit", 2, "--json")
    first, second = answer.named("quarantined_row")
    assert (first["values"]["id"], first["failed_expectations"]) == (3, ["known"])
    assert second["failed_expectations"] == ["plausible", "known"]
    assert first["values"] == {
        "id": 3,
        "price": "3.00",
        "on": "2026-01-03",
        "tags": None,
        "_source_file": "in/3.csv",
        "_ingested_at": "2026-01-05T12:00:00+00:00",
        "_epoch": 1,
    }
    assert (first["run"], first["quarantined_at"]) == ("r1", "2026-01-05T15:00:00+00:00")
    assert answer.named("rows_ended") == [{"event": "rows_ended", "rows": 2, "more": True}]
    lines = lakehouse("quarantine", "show", "bronze.orders", "--project", shop).out.splitlines()
    assert lines[0].split() == ["fails", "id", "price", "on", "tags", "source", "file", "run", "set", "aside", "(UTC)"]
    assert "in/2.csv" in lines[2]
    assert lines[2].startswith("plausible, known  ")
    assert "quarantine replay bronze.orders" in lines[-1]


def test_a_row_too_wide_for_the_terminal_is_a_block(
    shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["quarantine", "show", "bronze.orders", "--project", str(shop), "--limit", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(maxsplit=1) for line in lines[:4]] == [
        ["fails", "known"],
        ["id", "3"],
        ["price", "3.00"],
        ["on", "2026-01-03"],
    ]
    assert len({line.index(line.split()[1]) for line in lines[:4]}) == 1, "values are aligned"


def test_rows_of_a_view_say_which_versions_were_read(lakehouse: Command, built: Path) -> None:
    workspace = Workspace(built)
    row = {"id": 1, "price": 2.5, "_failed_expectations": ["dear"], "_quarantined_at": NOON}
    published = workspace.warehouse.latest_publication()
    assert published is not None
    fingerprint = published.tables[SILVER].record.fingerprint
    set_aside(workspace, [row], record(SILVER, fingerprint, reads={"bronze.orders": 7}))
    (found,) = lakehouse("quarantine", "show", "silver.orders", "--project", built, "--json").named("quarantined_row")
    assert found["versions_read"] == {"bronze.orders": 7}
    lines = lakehouse("quarantine", "show", "silver.orders", "--project", built).out.splitlines()
    assert "versions read" in lines[0]
    assert "bronze.orders 7" in lines[1]


def test_a_mended_row_is_shown_as_a_replay_would_see_it(lakehouse: Command, shop: Path) -> None:
    table = DeltaTable(locate_quarantine(Workspace(shop).project.spec, ORDERS))
    table.delete("id = 3")
    (found,) = lakehouse("quarantine", "ls", shop, "--json").named("quarantine")
    assert (found["rows"], found["version"]) == (2, 1)


@pytest.mark.parametrize("argv", [("show", "silver.orders"), ("show", "priced"), ("replay", "silver.orders", "priced")])
def test_no_quarantine_is_no_error(lakehouse: Command, shop: Path, argv: tuple[str, ...]) -> None:
    answer = lakehouse("quarantine", *argv, "--project", shop)
    assert (answer.code, answer.err) == (0, "")
    assert len(answer.out.splitlines()) == len(argv) - 1
    assert "run " not in answer.out


def test_a_project_without_quarantine_lists_nothing(lakehouse: Command, built: Path) -> None:
    assert lakehouse("quarantine", "ls", built, "--json").events == []
    assert len(lakehouse("quarantine", "ls", built).out.splitlines()) == 1


@pytest.mark.parametrize("action", ["show", "replay"])
def test_an_unknown_dataset_has_a_suggestion(lakehouse: Command, shop: Path, action: str) -> None:
    answer = lakehouse("quarantine", action, "bronze.ordres", "--project", shop, "--json")
    (error,) = answer.events
    assert (answer.code, error["class"], error["nearest"]) == (2, "UnknownName", "bronze.orders")


def test_a_mistyped_action_has_a_suggestion(lakehouse: Command) -> None:
    answer = lakehouse("quarantine", "shwo", "bronze.orders")
    assert (answer.code, answer.out) == (2, "")
    assert "Did you mean 'show'?" in answer.err
    assert lakehouse("quarantine").code == 2


def test_show_tells_the_rows_in_quarantine_and_the_last_verdicts(lakehouse: Command, shop: Path) -> None:
    (shown,) = lakehouse("show", "bronze.orders", "--project", shop, "--json").named("table")
    assert shown["rows_in_quarantine"] == 3
    assert "'lakehouse quarantine show bronze.orders'" in lakehouse("show", "bronze.orders", "--project", shop).out

    workspace = Workspace(shop)
    silver = workspace.project.by_name[SILVER]
    assert isinstance(silver, MaterializedView)
    [expectation] = silver.expectations
    verdict = {"dataset": "silver.orders", "name": "has_id", "status": "failed", "element_count": 5, "run": "r1"}
    known = rule_fingerprint(expectation)
    workspace.warehouse.record_judgements(
        [
            {**verdict, "fingerprint": known, "failed_records": 2, "judged_at": LATER},
            {**verdict, "fingerprint": known, "failed_records": 1, "judged_at": NOON},
            {**verdict, "fingerprint": "of another condition", "failed_records": 9, "judged_at": LATER},
        ]
    )
    (shown,) = lakehouse("show", "silver.orders", "--project", shop, "--json").named("table")
    [state] = shown["expectations"]
    assert (state["status"], state["failed_records"], state["element_count"]) == ("failed", 2, 5)
    text = lakehouse("show", "silver.orders", "--project", shop).out
    [line] = [line for line in text.splitlines() if line.startswith("has_id ")]
    assert line.split()[:9] == ["has_id", "id", "IS", "NOT", "NULL", "fail", "failed", "2", "5"]


def test_history_has_columns_for_what_was_kept_out(lakehouse: Command, built: Path) -> None:
    assert "quarantined" not in lakehouse("history", "bronze.orders", "--project", built).out
    counted = replace(record(ORDERS, "f"), counts={"rows": 9, "dropped": 2, "quarantined": 0})
    at = datetime(2026, 1, 6, tzinfo=timezone.utc)
    ended = step_outcome(
        ORDERS, StepStatus.REFRESHED, mode=RefreshMode.APPEND, at=at, record=counted, rows_in=9, rows_out=7
    )
    skipped = replace(ended, status=StepStatus.SKIPPED, step=replace(ended.step, mode=RefreshMode.SKIP))
    warehouse = Workspace(built).warehouse
    warehouse.record_run_ended(run_outcome("r5", at, (ended,), RunStatus.SUCCEEDED))
    warehouse.record_run_ended(run_outcome("r6", at, (skipped,), RunStatus.SUCCEEDED))
    header = lakehouse("history", "bronze.orders", "--project", built).out.splitlines()[0]
    assert " dropped " in header
    assert "quarantined" not in header
    dropped = [row["rows_dropped"] for row in warehouse.refreshes.rows(filters=[("run", "in", ["r5", "r6"])])]
    assert sorted(dropped) == [0, 2], "what a skipped refresh left out was counted before"


def test_the_closing_sentence_of_a_replay(project: Path) -> None:
    datasets = Workspace(project).project.by_name
    assert replayed_text(datasets[ORDERS], 2, 1, 1) == (
        "bronze.orders: 2 rows admitted, 1 dropped, 1 stays in quarantine."
    )
    of_view = replayed_text(datasets[SILVER], 2, 0, 4)
    assert of_view.startswith("silver.orders: 4 stay in quarantine. They come from its query")
