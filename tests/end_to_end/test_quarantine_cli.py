"""Rows that expectations set aside, as the command line tells of them: run, list, show, mend, replay."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from lakehouse.cli.main import main
from lakehouse.run.workspace import Workspace

pytestmark = pytest.mark.spark

SPEC = "name: shop\ndatabase: silver\nlibraries: [{glob: {include: tables/**}}]\n"
TABLES = """\
streaming_table: bronze.orders
source: {files: landing/*.csv, format: csv, options: {header: true}, schema: "id BIGINT, amount BIGINT, country STRING"}
expectations:
  - {name: has_amount, expect: amount IS NOT NULL, on_violation: drop}
  - {name: plausible, expect: amount IS NULL OR amount < 100, on_violation: quarantine}
  - name: known_country
    expect_column_values_to_be_in_set: {column: country, value_set: ["NO", SE]}
    on_violation: quarantine
  - {name: has_id, expect_column_values_to_not_be_null: {column: id}, on_violation: fail}
  - {name: even, expect: amount % 2 = 0}
---
materialized_view: gold.rich
query: SELECT id, CAST(amount AS DECIMAL(9, 2)) AS amount, named_struct('c', country) AS place FROM bronze.orders
expectations: [{name: rich, expect: amount > 15, on_violation: quarantine}]
"""

Events = Callable[..., tuple[int, list[dict[str, Any]]]]


@pytest.fixture
def shop(tmp_path: Path, spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> Path:
    # The session is the tests', and outlives the command.
    monkeypatch.setattr(Workspace, "close", lambda workspace: None)
    for folder in ("tables", "landing"):
        (tmp_path / folder).mkdir()
    (tmp_path / "spark-pipeline.yml").write_text(SPEC)
    (tmp_path / "tables/shop.yml").write_text(TABLES)
    rows = ["id,amount,country", "1,10,NO", "2,,NO", "3,500,SE", "4,70,DK", "5,700,DK", "6,20,SE"]
    (tmp_path / "landing/one.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Events:
    """Runs a command line with --json: its exit code and its events."""

    def call(*argv: object) -> tuple[int, list[dict[str, Any]]]:
        code = main([*map(str, argv), "--json"])
        return code, [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return call


def of(events: list[dict[str, Any]], name: str) -> dict[Any, dict[str, Any]]:
    return {event.get("dataset"): event for event in events if event["event"] == name}


def test_rows_are_set_aside_shown_and_admitted(shop: Path, told: Events) -> None:
    code, events = told("run", shop)
    assert code == 0
    loaded = of(events, "refresh_ended")["bronze.orders"]
    assert (loaded["rows_in"], loaded["rows_out"]) == (6, 2)
    assert (loaded["rows_dropped"], loaded["rows_quarantined"]) == (1, 3)
    assert [(e["name"], e["status"], e["passed_records"], e["failed_records"]) for e in loaded["expectations"]] == [
        ("has_amount", "failed", 5, 1),
        ("plausible", "failed", 4, 2),
        ("known_country", "failed", 4, 2),
        ("has_id", "passed", 6, 0),
        ("even", "failed", 5, 1),
    ]

    code, events = told("quarantine", "ls", shop)
    assert code == 0
    listed = of(events, "quarantine")
    assert {name: event["rows"] for name, event in listed.items()} == {"bronze.orders": 3, "gold.rich": 1}
    by_name = {each["name"]: each["rows"] for each in listed["bronze.orders"]["expectations"]}
    assert by_name == {"known_country": 2, "plausible": 2}

    code, events = told("quarantine", "show", "gold.rich", "--project", shop)
    row, ended = events
    assert (code, row["failed_expectations"], row["versions_read"]) == (0, ["rich"], {"bronze.orders": 0})
    assert row["values"] == {"id": 1, "amount": "10.00", "place": {"c": "NO"}}
    assert (ended["rows"], ended["more"]) == (1, False)

    query = (
        "SELECT id FROM quarantine.bronze_orders WHERE array_contains(_failed_expectations, 'plausible') ORDER BY id"
    )
    _, events = told("sql", query, "--project", shop)
    assert [event["values"]["id"] for event in events if event["event"] == "row"] == [3, 5]
    verdicts = "SELECT passed_records FROM system.expectations WHERE name = 'plausible' AND version = 0"
    _, events = told("sql", verdicts, "--project", shop)
    assert [event["values"] for event in events if event["event"] == "row"] == [{"passed_records": 4}]

    (shop / "tables/shop.yml").write_text(TABLES.replace('["NO", SE]', '["NO", SE, DK]'))
    code, events = told("quarantine", "replay", "bronze.orders", "--project", shop)
    assert code == 0
    replayed = of(events, "replayed")["bronze.orders"]
    assert (replayed["admitted"], replayed["dropped"], replayed["left"]) == (1, 0, 2)
    assert of(events, "refresh_ended")["gold.rich"]["status"] == "refreshed"

    code, events = told("quarantine", "replay", "bronze.orders", "--project", shop)
    replayed = of(events, "replayed")["bronze.orders"]
    assert (code, replayed["admitted"], replayed["left"]) == (0, 0, 2)
    ended = of(events, "refresh_ended")["bronze.orders"]
    assert (ended["status"], ended["rows_in"], ended["rows_out"]) == ("unchanged", 2, 0)
    assert (ended["rows_dropped"], ended["rows_quarantined"]) == (0, 2)

    (shop / "tables/shop.yml").write_text(TABLES.replace("amount > 15", "amount > 5"))
    code, events = told("quarantine", "replay", "gold.rich", "--project", shop)
    assert (code, of(events, "replayed")["gold.rich"]["left"]) == (0, 0)

    code, history = told("history", "bronze.orders", "--project", shop)
    assert [(row["mode"], row["rows_dropped"], row["rows_quarantined"]) for row in history] == [
        ("replay", 0, 2),
        ("replay", 0, 2),
        ("append", 1, 3),
    ]


def test_a_refused_refresh_ends_with_code_3_and_names_rows(
    shop: Path, told: Events, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told("run", shop)[0] == 0
    (shop / "landing/two.csv").write_text("id,amount,country\n,30,NO\n8,40,SE\n")
    assert main(["run", str(shop)]) == 3
    lines = capsys.readouterr().out.splitlines()
    [violated] = [line.split() for line in lines if line.startswith("bronze.orders ") and " has_id " in line]
    assert violated == ["bronze.orders", "has_id", "refused", "1", "2"]
    assert lines[-1].startswith("Refused after ")
    code, events = told("run", shop)
    refused = of(events, "refresh_ended")["bronze.orders"]
    assert (code, refused["status"], refused["error"]["class"]) == (3, "failed", "ExpectationFailed")
    assert (refused["rows_dropped"], refused["rows_quarantined"]) == (0, 0)
    _, (shown,) = told("show", "bronze.orders", "--project", shop)
    verdicts = {e["name"]: (e["status"], e["failed_records"], e["element_count"]) for e in shown["expectations"]}
    assert verdicts["has_id"] == ("failed", 1, 2)
    assert (shown["rows"], shown["rows_in_quarantine"]) == (2, 3)
