"""Profiles that a check takes, and drift between the versions that have one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from cli.checked_shop import CheckedShop
from cli.conftest import Answer
from lakehouse.run.workspace import Workspace

pytestmark = pytest.mark.spark

Command = Callable[..., Answer]
ORDERS = """\
streaming_table: bronze.orders
source: {files: landing/*.csv, format: csv, options: {header: true}, schema: "id BIGINT, amount BIGINT, country STRING"}
expectations:
  - {name: stable, expect_drift_below: {column: amount, threshold: 0.2}}
  - {name: like_trained, expect_drift_below: {column: amount, measure: kolmogorov_smirnov, threshold: 0.6, baseline: 0}}
"""


@pytest.fixture
def shop(tmp_path: Path, spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> CheckedShop:
    made = CheckedShop(tmp_path)
    made.declare(ORDERS, "materialized_view: gold.orders\nquery: SELECT * FROM bronze.orders\n")
    monkeypatch.setattr(Workspace, "close", lambda workspace: None)
    return made


def rows(amounts: range) -> list[str]:
    return [f"{number},{amount},NO" for number, amount in enumerate(amounts)]


def verdicts(answer: Answer) -> dict[str, tuple[str, Any]]:
    return {event["expectation"]: (event["status"], event["observed"]) for event in answer.named("verdict")}


def test_drift_is_told_from_the_version_before_and_from_a_named_one(shop: CheckedShop, lakehouse: Command) -> None:
    shop.deliver("one", *rows(range(100)))
    shop.run()
    first = lakehouse("check", "--project", str(shop.root), "--json")
    assert verdicts(first)["stable"][0] == "skipped"
    assert first.code == 0

    shop.deliver("two", *rows(range(100)))
    shop.run()
    same = verdicts(lakehouse("check", "--project", str(shop.root), "--json"))
    assert {name: status for name, (status, _) in same.items()} == {"stable": "passed", "like_trained": "passed"}
    assert float(same["like_trained"][1]) == pytest.approx(0, abs=0.02)

    shop.deliver("three", *rows(range(1000, 1200)))
    shop.run()
    drifted = lakehouse("check", "--project", str(shop.root), "--json")
    found = verdicts(drifted)
    assert found["stable"][0] == "failed"
    assert found["like_trained"][0] == "passed"
    assert float(found["like_trained"][1]) == pytest.approx(0.5, abs=0.02)  # half of the rows lie beyond the old ones
    assert drifted.code == 3
    stored = Workspace(shop.root).warehouse.profiles.rows(columns=["dataset", "version", "column_name", "rows"])
    assert {(row["version"], row["rows"]) for row in stored if row["column_name"] == "amount"} == {
        (0, 100),
        (1, 200),
        (2, 400),
    }


def test_a_profile_is_taken_once_a_version(shop: CheckedShop, lakehouse: Command, spark: SparkSession) -> None:
    shop.declare(ORDERS.partition("expectations")[0] + "expectations: [{expect: amount >= 0}]\n", "")
    shop.deliver("one", *rows(range(10)))
    shop.run()
    lakehouse("check", "--project", str(shop.root), "--json")
    assert Workspace(shop.root).warehouse.profiles.rows() == []
    for _ in range(2):
        lakehouse("check", "--profile", "--project", str(shop.root), "--json")
    stored = Workspace(shop.root).warehouse.profiles.rows(columns=["column_name", "low", "high"])
    assert len(stored) == len({row["column_name"] for row in stored}) == 6
    assert next((row["low"], row["high"]) for row in stored if row["column_name"] == "amount") == ("0", "9")
