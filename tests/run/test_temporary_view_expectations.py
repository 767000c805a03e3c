"""Expectations of temporary views: rows are left out wherever the view is read, and nothing else can be asked."""

from __future__ import annotations

from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from lakehouse.errors import LakehouseError, UnknownName
from lakehouse.plan.refresh_plan import ReasonCode
from lakehouse.run.outcome import RunOutcome, StepOutcome, StepStatus
from lakehouse.run.pipeline import run_pipeline
from lakehouse.run.request import RunRequest
from lakehouse.run.verification import RowSample
from lakehouse.run.workspace import Workspace

pytestmark = pytest.mark.spark

SPEC = "name: shop\ndatabase: silver\nlibraries: [{glob: {include: tables/**}}]\n"
TABLES = """\
streaming_table: bronze.orders
source: {files: landing/*.csv, format: csv, options: {header: true}, schema: "id BIGINT, amount BIGINT"}
---
temporary_view: small
query: SELECT id, amount FROM bronze.orders
expectations:
  - {name: small, expect: amount < 50, on_violation: drop}
  - {expect_column_values_to_not_be_in_set: {column: id, value_set: [7]}, on_violation: drop}
---
temporary_view: doubled
query: SELECT id, amount * 2 AS amount FROM small
expectations: [{expect: amount > 2, on_violation: drop}]
---
materialized_view: gold.total
refresh_policy: incremental_strict
query: SELECT sum(amount) AS total, count(*) AS n FROM doubled
"""


class Shop:
    """A project whose view reads one temporary view through another."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "tables").mkdir()
        (root / "landing").mkdir()
        (root / "spark-pipeline.yml").write_text(SPEC)
        self.declare(TABLES)

    def declare(self, text: str) -> None:
        (self.root / "tables/shop.yml").write_text(text)

    def deliver(self, name: str, *rows: str) -> None:
        (self.root / "landing" / f"{name}.csv").write_text("\n".join(["id,amount", *rows]) + "\n")

    def run(self) -> RunOutcome:
        outcome = run_pipeline(Workspace(self.root), RunRequest(verify=RowSample(None)), lambda event: None)
        assert all(found.holds and found.problem is None for found in outcome.verified), outcome.verified
        return outcome

    def total(self) -> tuple[int, int]:
        [row] = DeltaTable(str(self.root / "warehouse/gold/total")).to_pyarrow_table().to_pylist()
        return row["total"], row["n"]


@pytest.fixture
def shop(tmp_path: Path, spark: SparkSession) -> Shop:
    return Shop(tmp_path)


def gold(outcome: RunOutcome) -> StepOutcome:
    return next(step for step in outcome.steps if str(step.step.dataset) == "gold.total")


def test_dropped_rows_are_not_read_and_the_view_is_maintained(shop: Shop) -> None:
    shop.deliver("one", "1,10", "2,60", "3,", "4,1", "7,20")
    first = gold(shop.run())
    assert shop.total() == (20, 1)
    assert first.record is not None
    shop.deliver("two", "5,49", "6,50", "8,")
    second = gold(shop.run())
    assert (second.status, second.step.mode.value) == (StepStatus.REFRESHED, "aggregate")
    assert shop.total() == (20 + 98, 2)


def test_another_expectation_is_another_view(shop: Shop) -> None:
    shop.deliver("one", "1,10", "2,60")
    shop.run()
    shop.declare(TABLES.replace("amount < 50", "amount < 100").replace("_strict", ""))
    refreshed = gold(shop.run())
    assert refreshed.step.reason.code is ReasonCode.VIEW_CHANGED
    assert shop.total() == (20 + 120, 2)
    shop.declare(TABLES.replace("amount < 50", "amount  <  100").replace("name: small", "name: other"))
    assert gold(shop.run()).status is StepStatus.SKIPPED


def test_a_column_that_the_view_does_not_have_is_named(shop: Shop) -> None:
    shop.deliver("one", "1,10")
    shop.declare(TABLES.replace("column: id", "column: idd"))
    with pytest.raises(LakehouseError) as refused:
        shop.run()
    assert isinstance(refused.value, UnknownName)
    assert (refused.value.name, refused.value.nearest) == ("idd", "id")
    assert refused.value.where is not None
    assert (refused.value.where.file, refused.value.where.line) == ("tables/shop.yml", 8)
