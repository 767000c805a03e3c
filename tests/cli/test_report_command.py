"""`lakehouse report`: from what is recorded in the warehouse to a file, without Spark."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import NOON, Answer
from lakehouse.quality.column_profile import ColumnProfile, TableProfile, profile_rows
from lakehouse.quality.rule import rule_fingerprint
from lakehouse.run.workspace import Workspace
from lakehouse.serving.report_facts import Report
from lakehouse.serving.report_gathering import gather_report, samples_and_note

Command = Callable[..., Answer]


def verdict(number: int, **fields: Any) -> dict[str, Any]:
    """A row of `system/expectations`."""
    return {
        "project": "shop",
        "run": f"r{number}",
        "dataset": "silver.orders",
        "name": "has_id",
        "version": number,
        "epoch": number,
        "fingerprint": "f",
        "expectation": "id IS NOT NULL",
        "on_violation": "quarantine",
        "severity": "critical",
        "origin": "refresh",
        "status": "failed",
        "passed_records": 90,
        "failed_records": 10 * number,
        "element_count": 120,
        "missing_records": 20,
        "observed": None,
        "details": json.dumps([{"id": None, "price": 1.5 * number}]),
        "judged_at": NOON + timedelta(hours=number),
        **fields,
    }


def profile(shift: float) -> TableProfile:
    quantiles = tuple(float(n) + shift for n in range(101))
    column = ColumnProfile(
        name="price",
        type="double",
        rows=100,
        nulls=0,
        measured=100,
        low=str(quantiles[0]),
        high=str(quantiles[-1]),
        mean=50.0 + shift,
        deviation=29.0,
        distinct=100,
        quantiles=quantiles,
        distinct_sketch=b"\x01",
        quantile_sketch=b"\x02",
    )
    return TableProfile(rows=100, columns=(column,))


@pytest.fixture
def judged(built: Path) -> Path:
    """The built project with verdicts and profiles of three versions, and some of a dataset and project not here."""
    warehouse = Workspace(built).warehouse
    for number in (2, 1, 3):
        warehouse.expectations.append([verdict(number)])
    others = [
        verdict(1, name="fresh", status="error", failed_records=None, element_count=None, details="the column is gone"),
        verdict(1, dataset="silver.gone"),
        verdict(1, project="other", name="foreign"),
    ]
    warehouse.expectations.append(others)
    for version, shift in ((0, 0.0), (1, 0.0), (2, 40.0)):
        facts = {"project": "shop", "dataset": "silver.orders", "version": version, "epoch": version}
        facts |= {"run": f"r{version}", "is_increment": False, "recorded_at": NOON}
        warehouse.profiles.append(profile_rows(profile(shift), facts))
    increment = {"project": "shop", "dataset": "bronze.orders", "version": 0, "epoch": 1, "run": "r1"}
    increment |= {"is_increment": True, "recorded_at": NOON}
    warehouse.profiles.append(profile_rows(profile(0.0), increment))
    return built


def gathered(project: Path) -> Report:
    return gather_report(Workspace(project), NOON)


def test_the_report_is_written(lakehouse: Command, judged: Path, tmp_path: Path) -> None:
    file = tmp_path / "made" / "for" / "it.html"
    answer = lakehouse("report", judged, "--output", file, "--json")
    (event,) = answer.named("report")
    assert (answer.code, event["path"], event["tables"], event["runs"], event["expectations"]) == (
        0,
        str(file),
        4,
        3,
        2,
    )
    page = file.read_text(encoding="utf-8")
    assert event["length"] == len(page.encode())
    for text in ("gold.revenue", "30 of 100 records failed.", "the column is gone", "silver.orders: version 2 against"):
        assert text in page
    assert "foreign" not in page


def test_it_lands_beside_the_caller(
    lakehouse: Command, project: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = tmp_path_factory.mktemp("here")
    monkeypatch.chdir(here)
    answer = lakehouse("report", "--project", project)
    assert answer.code == 0
    assert answer.out.startswith("Wrote report.html (")
    assert (here / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


def test_a_file_that_cannot_be_written(lakehouse: Command, project: Path) -> None:
    (error,) = lakehouse("report", project, "--output", project, "--json").events
    assert (error["class"], error["exit_code"]) == ("UsageError", 2)


def test_verdicts_are_in_order_and_of_this_project(judged: Path) -> None:
    fresh, has_id = gathered(judged).expectations
    assert [verdict.version for verdict in has_id.judgements] == [1, 2, 3]
    assert [verdict.failed_share for verdict in has_id.judgements] == pytest.approx([0.1, 0.2, 0.3])
    assert has_id.last.samples == ({"id": None, "price": 4.5},)
    assert (fresh.last.status, fresh.last.note, fresh.last.failed_share) == ("error", "the column is gone", None)


def test_profiles_are_compared_version_by_version(judged: Path) -> None:
    bronze, silver = gathered(judged).profiles
    assert (bronze.dataset, bronze.newest.is_increment, bronze.comparisons) == ("bronze.orders", True, ())
    assert [(found.baseline, found.current) for found in silver.comparisons] == [(0, 1), (1, 2)]
    assert [found.results[0].band for found in silver.comparisons] == ["stable", "large"]
    assert silver.newest.profile.columns[0].mean == 90.0


def test_runs_and_states(judged: Path) -> None:
    report = gathered(judged)
    assert [(run.run, run.status, len(run.refreshes)) for run in report.runs] == [
        ("r3", "running", 0),
        ("r2", "failed", 2),
        ("r1", "succeeded", 3),
    ]
    assert report.runs[1].refreshes[0].why.startswith("tables/silver.sql:3: ")
    assert report.publication == 1
    assert {str(state.dataset.name): state.state for state in report.tables} == {
        "bronze.orders": "published",
        "silver.orders": "failed",
        "priced": "view",
        "gold.revenue": "blocked",
    }


def test_a_project_that_never_ran(project: Path) -> None:
    report = gathered(project)
    assert (report.publication, report.runs, report.expectations, report.profiles) == (None, (), (), ())
    assert len(report.tables) == 4


@pytest.mark.parametrize(
    ("details", "samples", "note"),
    [
        (None, 0, None),
        ("no such column", 0, "no such column"),
        ('[{"id": 1}, {"id": 2}]', 2, None),
        ("[1, 2]", 0, "[1, 2]"),
        ('{"id": 1}', 0, '{"id": 1}'),
        (json.dumps([{"id": n} for n in range(50)]), 10, None),
    ],
)
def test_details_of_a_verdict(details: str | None, samples: int, note: str | None) -> None:
    found = samples_and_note(details, frozenset())
    assert (len(found[0]), found[1]) == (samples, note)


def test_it_needs_no_spark(judged: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from lakehouse.cli.main import main; "
        f"code = main(['report', {str(judged)!r}, '--output', {str(tmp_path / 'r.html')!r}]); "
        "sys.exit(code or len({'pyspark', 'pandas', 'great_expectations'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize(("is_masked", "shown"), [(True, {"newest"}), (False, {"dearest", "gone", "newest"})])
def test_what_a_type_measured_of_a_masked_column_is_not_shown(judged: Path, is_masked: bool, shown: set[str]) -> None:
    (judged / "tables/silver.sql").unlink()
    (judged / "tables/silver.yml").write_text(
        "materialized_view: silver.orders\nquery: SELECT id, price FROM bronze.orders\nexpectations:\n"
        "  - {name: dearest, expect_column_max_to_be_between: {column: Price, max_value: 1}}\n"
        "  - {name: newest, expect_column_max_to_be_between: {column: id, max_value: 1}}\n"
    )
    if is_masked:
        with (judged / "spark-pipeline.yml").open("a") as spec:
            spec.write("access: access.yml\n")
        (judged / "access.yml").write_text("securables: {silver.orders: {columns: {price: {mask: val * 0}}}}\n...\n")
    workspace = Workspace(judged)
    [orders] = [dataset for dataset in workspace.project.stored if str(dataset.name) == "silver.orders"]
    asked = {each.name: rule_fingerprint(each) for each in orders.expectations}
    for name in ("dearest", "newest", "gone"):  # the last is declared no more
        workspace.warehouse.expectations.append(
            [
                verdict(
                    1,
                    name=name,
                    fingerprint=asked.get(name, "f"),
                    expectation="expect_column_max_to_be_between",
                    observed="99",
                    details=None,
                )
            ]
        )
    found = {each.name: each.judgements[-1].observed for each in gathered(judged).expectations}
    assert {name for name, observed in found.items() if observed is not None} == shown


@pytest.mark.parametrize(
    ("rule", "price_is_shown", "id_is_shown"),
    [
        ("silver.orders: {columns: {price: {mask: val * 0}}}", False, True),
        ("silver.orders: {columns: {price: {mask: {using: val * 0, to: [group:guests]}}}}", True, True),
        ("silver.orders: {row_filter: {using: id = 1}}", False, False),
        ("bronze.orders: {columns: {price: {mask: val}}}", False, True),  # along lineage
    ],
)
def test_values_that_rules_keep_from_everyone_are_not_shown(
    lakehouse: Command, judged: Path, rule: str, price_is_shown: bool, id_is_shown: bool
) -> None:
    with (judged / "spark-pipeline.yml").open("a") as spec:
        spec.write("access: access.yml\n")
    (judged / "access.yml").write_text(f"principals: {{groups: {{guests: []}}}}\nsecurables:\n  {rule}\n...\n")
    report = gathered(judged)
    (history,) = [each for each in report.profiles if each.dataset == "silver.orders"]
    (column,) = history.newest.profile.columns
    assert (column.low is not None, bool(column.quantiles)) == (price_is_shown, price_is_shown)
    assert any(result.kolmogorov_smirnov for result in history.comparisons[-1].results) == price_is_shown
    (verdicts,) = [each for each in report.expectations if each.name == "has_id"]
    samples = verdicts.judgements[-1].samples
    assert bool(samples) == id_is_shown
    assert all((sample["price"] is not None) == price_is_shown for sample in samples)
    (judged / "access.yml").write_text("securables: {silver.orders: {deny")
    assert lakehouse("report", judged, "--output", judged / "r.html").code == 2
    assert not (judged / "r.html").exists()
