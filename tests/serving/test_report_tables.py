"""The tables of a report: what they say of runs, quarantine, drift and profiles."""

from __future__ import annotations

import doctest
import importlib

import pytest

from lakehouse.quality.column_profile import ColumnProfile, TableProfile, compare
from lakehouse.serving.report_facts import Comparison, ProfileHistory, VersionProfile
from lakehouse.serving.report_quality_tables import drift_grid, profile_grid, quarantine_grid, samples_grid
from lakehouse.serving.report_tables import Grid, overview, runs_grid
from tests.serving.made_up_report import made_up


def texts(grid: Grid) -> list[dict[str, str]]:
    return [{head.text: cell.text for head, cell in zip(grid.heads, line.cells, strict=True)} for line in grid.lines]


def test_the_overview_counts_the_newest_verdicts() -> None:
    found = {line["dataset"]: line for line in texts(overview(made_up()))}
    assert found["silver.orders"]["expectations"] == "1 error, 1 failed, 2 passed"
    assert found["silver.orders"]["quarantined"] == "7"
    assert found["gold.revenue"]["state"] == "failed"
    assert found["gold.revenue"]["last refresh"] == "2026-01-05 12:00, 1 min 23 s"
    assert (found["priced"]["state"], found["priced"]["rows"]) == ("view", "-")


def test_runs_tell_modes_and_what_failed() -> None:
    newest, *_, oldest = texts(runs_grid(made_up().runs))
    assert (newest["run"], newest["modes"], newest["rows written"]) == ("r6", "1 append, 1 keys", "12,000")
    assert newest["what it did"] == "bronze.orders, silver.orders; gold.revenue failed: bronze.orders changed"
    assert (oldest["took"], oldest["modes"]) == ("7.5 s", "1 append, 1 keys, 1 aggregate")


def test_quarantine_by_reason() -> None:
    [line] = texts(quarantine_grid(made_up().expectations))
    assert (line["dataset"], line["reason"]) == ("silver.orders", "known_customer")
    judged = made_up().expectations[1].judgements
    assert line["last refresh"] == str(judged[-1].failed)
    assert line["all refreshes shown"] == str(sum(verdict.failed or 0 for verdict in judged))


def test_samples_have_the_columns_of_all_of_them() -> None:
    grid = samples_grid(made_up().expectations[1])
    assert grid is not None
    assert texts(grid) == [{"order_id": "17", "customer": "Ada"}, {"order_id": "18", "customer": "NULL"}]
    assert samples_grid(made_up().expectations[0]) is None


def test_drift_names_new_and_vanished_categories() -> None:
    before, now = (
        TableProfile(rows=10, columns=(ColumnProfile(name="c", type="string", rows=10, nulls=0, measured=10, top=top),))
        for top in ((("a", 10),), (("b", 5), ("<c>", 5)))
    )
    history = ProfileHistory(
        dataset="gold.x",
        newest=VersionProfile(version=2, is_increment=False, profile=now),
        comparisons=(Comparison(baseline=1, current=2, results=compare(before, now)),),
    )
    [line] = texts(drift_grid(history))
    assert line["categories"] == "new: b, <c>; gone: a"
    assert line["stability index"].endswith(" large")


def test_profiles_show_times_as_times() -> None:
    found = {line["column"]: line for line in texts(profile_grid(made_up().profiles[0]))}
    assert found["ordered_at"]["mean"] == "2023-12-09 22:13:20"
    assert found["ordered_at"]["deviation"] == "13.89 days"
    assert found["price"]["NULLs"] == "4 %"
    assert found["channel"]["values"].startswith("web 60 %, shop 36 %")
    assert found["items"]["distinct"] == "-"


@pytest.mark.parametrize("name", ["figures", "report_words"])
def test_examples(name: str) -> None:
    module = importlib.import_module(f"lakehouse.serving.{name}")
    found = doctest.testmod(module)
    assert found.attempted > 0
    assert found.failed == 0
