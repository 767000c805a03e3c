"""`ls`, `show`, `history`, `lineage`: what they say of a warehouse, without Spark."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cli.conftest import Answer

Command = Callable[..., Answer]


def test_ls_of_a_project_that_never_ran(lakehouse: Command, project: Path) -> None:
    answer = lakehouse("ls", project, "--json")
    assert answer.code == 0
    found = {event["dataset"]: (event["kind"], event["state"], event["rows"]) for event in answer.named("dataset")}
    assert found == {
        "bronze.orders": ("streaming table", "not built", None),
        "silver.orders": ("materialized view", "not built", None),
        "priced": ("temporary view", "view", None),
        "gold.revenue": ("materialized view", "not built", None),
    }


def test_ls_tells_counts_versions_and_the_last_refresh(lakehouse: Command, built: Path) -> None:
    found = {event["dataset"]: event for event in lakehouse("ls", built, "--json").named("dataset")}
    states = {name: event["state"] for name, event in found.items()}
    assert states == {
        "bronze.orders": "published",
        "silver.orders": "failed",
        "priced": "view",
        "gold.revenue": "blocked",
    }
    assert {name: (event["rows"], event["version"]) for name, event in found.items()} == {
        "bronze.orders": (3, 0),
        "silver.orders": (2, 0),
        "priced": (None, None),
        "gold.revenue": (1, 0),
    }
    bronze = found["bronze.orders"]
    assert bronze["refreshed_at"] == "2026-01-05T12:00:02+00:00", "a skipped refresh does not count"
    assert (bronze["mode"], bronze["layer"], bronze["tags"]) == ("append", "bronze", ["daily"])
    assert bronze["files_aside"] == [{"path": "in/bad.csv", "reason": "it is empty"}]
    assert found["silver.orders"]["error"].startswith("tables/silver.sql:3: ")


def test_ls_forgets_a_bad_file_that_is_gone(lakehouse: Command, built: Path) -> None:
    (built / "in" / "bad.csv").unlink()
    found = lakehouse("ls", built, "--json").named("dataset")
    assert [event["files_aside"] for event in found] == [[], [], [], []]


def test_ls_for_people_is_aligned(lakehouse: Command, built: Path) -> None:
    lines = lakehouse("ls", built).out.splitlines()
    starts = {
        name: next(line for line in lines if name in line).index(name) for name in ("published", "failed", "state")
    }
    assert len(set(starts.values())) == 1
    assert lines[-1] == "  bronze.orders: in/bad.csv: it is empty"


def test_show(lakehouse: Command, built: Path) -> None:
    (shown,) = lakehouse("show", "orders", "--project", built, "--json").named("table")
    assert shown["dataset"] == "silver.orders"
    assert shown["columns"] == [
        {"name": "id", "type": "BIGINT", "nullable": True, "comment": "The key"},
        {"name": "price", "type": "DOUBLE", "nullable": True, "comment": None},
    ]
    assert (shown["rows"], shown["files"], shown["version"]) == (2, 1, 0)
    assert (shown["inputs"], shown["readers"]) == (["bronze.orders"], ["priced"])
    assert (shown["file"], shown["line"]) == ("tables/silver.sql", 1)
    assert [(e["name"], e["expects"], e["on_violation"]) for e in shown["expectations"]] == [
        ("has_id", "id IS NOT NULL", "fail")
    ]
    assert [refresh["status"] for refresh in shown["refreshes"]] == ["failed", "refreshed"]
    assert shown["location"] == str(built / "warehouse" / "silver" / "orders")


def test_show_before_a_run_has_the_declaration(lakehouse: Command, project: Path) -> None:
    (shown,) = lakehouse("show", "silver.orders", "--project", project, "--json").named("table")
    assert [(column["name"], column["comment"]) for column in shown["columns"]] == [("id", "The key")]
    assert shown["refreshes"] == []


@pytest.mark.parametrize("command", [("show",), ("history",), ("lineage",), ("reset", "--yes")])
def test_an_unknown_dataset_has_a_suggestion(lakehouse: Command, project: Path, command: tuple[str, ...]) -> None:
    answer = lakehouse(*command, "gold.revenu", "--project", project, "--json")
    (error,) = answer.events
    assert (answer.code, error["class"], error["nearest"]) == (2, "UnknownName", "gold.revenue")
    assert answer.err == ""


def test_history_of_runs(lakehouse: Command, built: Path) -> None:
    runs = lakehouse("history", "--project", built, "--json").named("run")
    assert [(run["run"], run["status"], run["changed"], run["rows"]) for run in runs] == [
        ("r3", "running", [], 0),  # its process is this one
        ("r2", "failed", [], 0),
        ("r1", "succeeded", ["bronze.orders", "silver.orders", "gold.revenue"], 6),
    ]
    assert (runs[1]["failed"], runs[1]["seconds"], runs[1]["publication"]) == (["silver.orders"], 6.0, None)
    assert runs[2]["publication"] == 1


def test_a_run_whose_process_is_gone_has_died(lakehouse: Command, built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, text=True)
    from lakehouse.run.workspace import Workspace

    monkeypatch.setattr("os.getpid", lambda: int(gone.stdout))
    from datetime import datetime, timezone

    Workspace(built).warehouse.record_run_started("r4", datetime(2026, 1, 7, tzinfo=timezone.utc))
    newest = lakehouse("history", "--project", built, "--json", "--limit", 1).named("run")
    assert [(run["run"], run["status"]) for run in newest] == [("r4", "died")]


def test_history_of_a_table(lakehouse: Command, built: Path) -> None:
    found = lakehouse("history", "bronze.orders", "--project", built, "--json").named("refresh")
    assert [(row["run"], row["mode"], row["rows_out"], row["why"]) for row in found] == [
        ("r1", "append", 3, "there is no table yet")
    ]


def test_lineage_of_a_table_goes_through_views(lakehouse: Command, built: Path) -> None:
    found = lakehouse("lineage", "silver.orders", "--project", built, "--json").named("edge")
    assert {(edge["source"], edge["target"]) for edge in found} == {
        ("bronze.orders", "silver.orders"),
        ("silver.orders", "priced"),
        ("priced", "gold.revenue"),
    }
    lines = lakehouse("lineage", "gold.revenue", "--project", built).out.splitlines()
    assert lines[:5] == [
        "gold.revenue comes from",
        "  priced",
        "    silver.orders",
        "      bronze.orders",
        "        in/*.csv",
    ]


def test_lineage_of_a_column(lakehouse: Command, built: Path) -> None:
    answer = lakehouse("lineage", "gold.revenue.REVENUE", "--project", built, "--json")
    assert [(edge["source"], edge["target"], edge["distance"]) for edge in answer.named("column_edge")] == [
        ("silver.orders.price", "gold.revenue.revenue", 1),
        ("bronze.orders.price", "silver.orders.price", 2),
    ]
    assert [event["source"] for event in answer.named("row_condition")] == ["silver.orders.price"]
    downstream = lakehouse("lineage", "bronze.orders.price", "--project", built, "--json").named("column_edge")
    assert [(edge["direction"], edge["target"]) for edge in downstream] == [
        ("to", "silver.orders.price"),
        ("to", "gold.revenue.revenue"),
    ]


def test_lineage_of_an_unknown_column(lakehouse: Command, built: Path) -> None:
    (error,) = lakehouse("lineage", "silver.orders.pryce", "--project", built, "--json").events
    assert (error["class"], error["nearest"]) == ("UnknownName", "price")
