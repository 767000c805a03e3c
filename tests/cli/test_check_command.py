"""`lakehouse check` from end to end: what is judged, what is known, what it says, exit codes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from cli.checked_shop import ORDERS, REVENUE, CheckedShop
from cli.conftest import Answer
from lakehouse.run.workspace import Workspace
from lakehouse.serving.report_gathering import gather_report

pytestmark = pytest.mark.spark

Command = Callable[..., Answer]


@pytest.fixture
def shop(tmp_path: Path, spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> CheckedShop:
    made = CheckedShop(tmp_path)
    made.deliver("one", "1,10,NO", "2,,NO", "3,500,SE", "4,7,DK", "4,8,NO")
    made.run()
    # The session is the tests', and outlives the command.
    monkeypatch.setattr(Workspace, "close", lambda workspace: None)
    return made


@pytest.fixture
def without_spark(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """From its call on, whoever asks for Spark fails."""

    def refuse(*arguments: Any, **named: Any) -> Any:
        raise AssertionError("Spark was asked for")

    return lambda: monkeypatch.setattr("lakehouse.run.spark_side.SparkSide.session", refuse)


def verdicts(answer: Answer) -> dict[str, tuple[Any, ...]]:
    return {event["expectation"]: (event["status"], event["failed"], event["of"]) for event in answer.named("verdict")}


EXPECTED = {
    "has_amount": ("passed", 0, 3),
    "plausible": ("passed", 0, 3),
    "even": ("failed", 1, 3),
    "known_country": ("passed", 1, 3),
    "one_row_an_id": ("failed", 2, 3),
    "positive": ("passed", 0, 2),
    "biggest": ("passed", None, None),
    "of_an_order": ("passed", 0, 2),
    "typical": ("passed", 0, 2),
    "unlike_words": ("passed", None, None),
    "not_worse": ("skipped", None, None),
}


def test_the_published_versions_are_judged_once(
    shop: CheckedShop, lakehouse: Command, without_spark: Callable[[], None]
) -> None:
    first = lakehouse("check", "--project", shop.root, "--json")
    assert first.code == 3, first.err
    assert verdicts(first) == EXPECTED
    [started] = first.named("check_started")
    # The refresh of the view judged what it has now; streaming tables are judged load by load.
    assert {event["expectation"] for event in first.named("verdict") if not event["is_new"]} == {"positive", "biggest"}
    assert (started["rules"], started["known"]) == (9, 2)
    rows = shop.recorded()
    assert {(row["run"], row["epoch"]) for row in rows} == {(started["check"], None)}
    assert {(row["dataset"], row["name"], row["version"]) for row in rows} == {
        (event["dataset"], event["expectation"], event["version"])
        for event in first.named("verdict")
        if event["is_new"]
    }

    without_spark()
    again = lakehouse("check", "--project", shop.root, "--json")
    assert again.code == 3, again.err  # what failed is still so
    assert verdicts(again) == verdicts(first)
    assert again.named("check_ended")[0]["new"] == 0
    assert len(shop.recorded()) == len(rows)


def test_what_violates_is_shown_and_kept_for_the_report(
    shop: CheckedShop, lakehouse: Command, without_spark: Callable[[], None]
) -> None:
    def samples(answer: Answer) -> dict[str, Any]:
        return {event["expectation"]: event["samples"] for event in answer.named("verdict") if event["samples"]}

    theirs = lakehouse("check", "--full", "--engine", "great_expectations", "--project", shop.root, "--json")
    first = lakehouse("check", "--full", "--project", shop.root, "--json")
    assert samples(first) == samples(theirs) == {"even": [{"amount": 7}], "one_row_an_id": [{"id": 4}]}
    without_spark()
    assert samples(lakehouse("check", "--project", shop.root, "--json")) == samples(first)
    told = {
        expectation.name: expectation.last.samples
        for expectation in gather_report(Workspace(shop.root), datetime.now(timezone.utc)).expectations
        if expectation.last.samples
    }
    assert told == {"even": ({"amount": 7},), "one_row_an_id": ({"id": 4},)}
    assert "bronze.orders one_row_an_id: such as id=4" in lakehouse("check", "--project", shop.root).out


def test_a_new_version_a_new_rule_and_full_are_judged(shop: CheckedShop, lakehouse: Command) -> None:
    lakehouse("check", "--project", shop.root, "--json")
    shop.deliver("two", "5,20,SE")
    shop.run()
    changed = lakehouse("check", "--project", shop.root, "--json")
    found = verdicts(changed)
    assert found["even"] == ("failed", 1, 4)
    assert found["one_row_an_id"] == ("failed", 2, 4)
    assert found["not_worse"] == ("passed", None, None)  # three countries after two

    shop.declare(ORDERS.replace("amount % 2 = 0", "amount % 7 <> 0"))
    renewed = lakehouse("check", "bronze.orders", "--project", shop.root, "--json")
    assert {event["expectation"] for event in renewed.named("verdict") if event["is_new"]} == {"even"}
    assert renewed.named("check_ended")[0]["alarms"] == [
        {"dataset": "bronze.orders", "expectation": "even"},
        {"dataset": "bronze.orders", "expectation": "one_row_an_id"},
    ]
    whole = lakehouse("check", "bronze.orders", "--full", "--project", shop.root, "--json")
    assert all(event["is_new"] for event in whole.named("verdict"))
    assert verdicts(whole) == verdicts(renewed)


def test_a_reference_is_judged_again_when_what_it_reads_is_published_anew(
    shop: CheckedShop, lakehouse: Command
) -> None:
    lakehouse("check", "--project", shop.root, "--json")
    shop.deliver("two", "9,500,NO")  # goes to quarantine: gold stays at its version
    shop.deliver("three", "8,2,")  # no country: no change of gold.plain's like
    shop.run(refresh=("bronze.orders",))
    again = lakehouse("check", "gold.revenue", "--project", shop.root, "--json")
    assert {event["expectation"] for event in again.named("verdict") if event["is_new"]} == {"of_an_order"}


def test_both_engines_agree(shop: CheckedShop, lakehouse: Command) -> None:
    ours = lakehouse("check", "--full", "--project", shop.root, "--json")
    theirs = lakehouse("check", "--full", "--engine", "great_expectations", "--project", shop.root, "--json")
    assert theirs.code == ours.code
    assert verdicts(theirs) == verdicts(ours)
    observed = [
        {event["expectation"]: event["observed"] for event in answer.named("verdict")} for answer in (ours, theirs)
    ]
    assert observed[0] == observed[1]


def test_only_what_alarms_fails_the_check(shop: CheckedShop, lakehouse: Command) -> None:
    quiet = ORDERS.replace("amount % 2 = 0}", "amount % 2 = 0, severity: info}").replace(
        "{column: id}}", "{column: id, mostly: 0.3}}"
    )
    shop.declare(quiet)
    informed = lakehouse("check", "bronze.orders", "--project", shop.root)
    assert informed.code == 0
    lines = informed.out.splitlines()
    title = next(at for at, line in enumerate(lines) if line.startswith("dataset "))
    assert lines[title + 1].split()[:3] == ["bronze.orders", "even", "failed"]

    shop.declare(quiet.replace("amount < 100", "amuont < 100"))
    broken = lakehouse("check", "bronze.orders", "--project", shop.root, "--json")
    assert broken.code == 3
    assert verdicts(broken)["plausible"] == ("error", None, None)
    assert verdicts(broken)["has_amount"] == EXPECTED["has_amount"]


def test_a_column_that_is_gone_is_an_error_of_its_rule(shop: CheckedShop, lakehouse: Command) -> None:
    shop.declare(revenue=REVENUE.replace("column: revenue, max_value", "column: revenu, max_value"))
    found = lakehouse("check", "gold.revenue", "--project", shop.root, "--json")
    assert found.code == 3
    assert verdicts(found) == {
        **{k: v for k, v in EXPECTED.items() if k in verdicts(found)},
        "biggest": ("error", None, None),
    }


def test_a_table_that_cannot_be_read_is_an_error_of_all_its_rules(shop: CheckedShop, lakehouse: Command) -> None:
    shutil.rmtree(shop.root / "warehouse/gold/revenue")
    found = lakehouse("check", "--full", "--project", shop.root, "--json")
    assert found.code == 3
    status = {(event["dataset"], event["status"]) for event in found.named("verdict")}
    assert all("\n" not in event["details"] for event in found.named("verdict") if event["details"])
    assert status == {("bronze.orders", "passed"), ("bronze.orders", "failed"), ("gold.revenue", "error")}
    assert all(event["details"] for event in found.named("verdict") if event["status"] == "error")


def test_a_table_made_anew_is_judged_anew(shop: CheckedShop, lakehouse: Command) -> None:
    lakehouse("check", "--project", shop.root, "--json")
    shutil.rmtree(shop.root / "warehouse/gold/revenue")
    shop.run()
    again = lakehouse("check", "gold.revenue", "--project", shop.root, "--json")
    assert {event["version"] for event in again.named("verdict")} == {0}
    new = {event["expectation"] for event in again.named("verdict") if event["is_new"]}
    assert new == {"of_an_order", "typical", "unlike_words"}  # the refresh judged the others


def test_what_cannot_be_checked_is_said(shop: CheckedShop, lakehouse: Command, tmp_path: Path) -> None:
    for name, kind in (("gold.plain", "UsageError"), ("gold.revenu", "UnknownName")):
        refused = lakehouse("check", name, "--project", shop.root, "--json")
        assert (refused.code, refused.named("error")[0]["class"]) == (2, kind)
    shop.declare(revenue=REVENUE + "---\n" + REVENUE.replace("gold.revenue", "gold.later"))
    unpublished = lakehouse("check", "--project", shop.root, "--json")
    assert [event["about"] for event in unpublished.named("notice")] == ["gold.later"]
    assert verdicts(unpublished) == EXPECTED
    assert lakehouse("check", "gold.later", "--project", shop.root).code == 2
