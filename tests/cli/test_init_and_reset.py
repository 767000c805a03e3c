"""`init` makes a project that is valid; `reset` asks for a rebuild and touches no table."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from cli.conftest import ORDERS, SILVER, Answer, refreshed, run_outcome
from lakehouse.errors import RunInProgress
from lakehouse.run.outcome import RunStatus
from lakehouse.run.resets import pending_resets
from lakehouse.run.workspace import Workspace

Command = Callable[..., Answer]


def test_init_makes_a_valid_project(lakehouse: Command, tmp_path: Path) -> None:
    (created,) = lakehouse("init", "my-shop", "--folder", tmp_path / "made", "--json").events
    assert created["files"] == sorted(
        path.relative_to(tmp_path / "made").as_posix() for path in (tmp_path / "made").rglob("*") if path.is_file()
    )
    assert {".gitignore", "README.md", "spark-pipeline.yml"} <= set(created["files"])
    assert any(file.startswith("tests/test_") for file in created["files"])
    (valid,) = lakehouse("validate", tmp_path / "made", "--json").events
    assert (valid["project"], valid["kinds"]) == ("my-shop", {"streaming table": 1, "materialized view": 2})
    assert "__NAME__" not in "".join(path.read_text() for path in (tmp_path / "made").rglob("*") if path.is_file())


def test_init_is_made_here_by_name(lakehouse: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert lakehouse("init", "shop").code == 0
    assert (tmp_path / "shop" / "spark-pipeline.yml").is_file()


def test_init_overwrites_nothing(lakehouse: Command, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    answer = lakehouse("init", "shop", "--folder", tmp_path, "--json")
    assert (answer.code, answer.events[0]["class"]) == (2, "UsageError")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    assert lakehouse("init", "shop", "--folder", tmp_path / "mine.txt").code == 2


def test_reset_holds_until_a_full_refresh_stands(lakehouse: Command, built: Path) -> None:
    before = sorted(path for path in (built / "warehouse").rglob("*") if "system" not in path.parts)
    answer = lakehouse("reset", "silver.orders", "bronze.orders", "--project", built, "--yes", "--json")
    assert [event["dataset"] for event in answer.named("reset")] == ["silver.orders", "bronze.orders"]
    workspace = Workspace(built)
    assert pending_resets(workspace) == {SILVER, ORDERS}
    assert sorted(path for path in (built / "warehouse").rglob("*") if "system" not in path.parts) == before
    later = datetime.now(timezone.utc) + timedelta(minutes=1)
    steps = (refreshed(SILVER, rows=2), refreshed(ORDERS, rows=2))
    done = run_outcome("r4", later, steps, RunStatus.SUCCEEDED)
    workspace.warehouse.record_run_ended(done)
    assert pending_resets(workspace) == {SILVER, ORDERS}, "these refreshes began before the request"
    from dataclasses import replace

    rebuilt = replace(steps[0], started_at=later, ended_at=later)
    workspace.warehouse.record_run_ended(run_outcome("r5", later, (rebuilt,), RunStatus.SUCCEEDED))
    assert pending_resets(workspace) == {ORDERS}


def test_nothing_is_pending_where_nothing_was_asked(project: Path) -> None:
    assert pending_resets(Workspace(project)) == frozenset()


def test_reset_asks(lakehouse: Command, built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lakehouse("reset", "silver.orders", "--project", built).code == 2, "there is no one to ask"
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: "n")
    assert lakehouse("reset", "silver.orders", "--project", built).code == 0
    assert pending_resets(Workspace(built)) == frozenset()
    monkeypatch.setattr("builtins.input", lambda _: "y")
    assert lakehouse("reset", "silver.orders", "--project", built).code == 0
    assert pending_resets(Workspace(built)) == {SILVER}


def test_reset_of_what_is_not_stored(lakehouse: Command, built: Path) -> None:
    (error,) = lakehouse("reset", "priced", "--yes", "--project", built, "--json").events
    assert error["class"] == "UsageError"


def test_reset_of_what_may_not_be_rebuilt(lakehouse: Command, project: Path) -> None:
    file = project / "tables" / "bronze.yml"
    file.write_text(file.read_text() + "properties: {pipelines.reset.allowed: 'false'}\n")
    (error,) = lakehouse("reset", "bronze.orders", "--yes", "--project", project, "--json").events
    assert (error["class"], error["file"]) == ("UsageError", "tables/bronze.yml")


def test_reset_waits_for_no_run(lakehouse: Command, built: Path) -> None:
    with Workspace(built).warehouse.hold("r9"):
        (error,) = lakehouse("reset", "silver.orders", "--yes", "--project", built, "--json").events
    assert (error["class"], error["exit_code"]) == (RunInProgress.__name__, 4)
    assert "r9" in error["holder"]
