"""A pipeline run from Python: what it reports, and when its tables are read."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

import lakehouse
from lakehouse.errors import DefinitionError, UnknownName, UsageError
from lakehouse.run.outcome import RunStatus, StepStatus

# pyspark's collect() leaves its socket to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

BRONZE = """
streaming_table: bronze.orders
source: {files: landing/*.csv, format: csv, options: {header: true}, schema: "customer STRING, amount INT"}
"""
GOLD = "CREATE MATERIALIZED VIEW gold.totals AS SELECT customer, sum(amount) AS total FROM bronze.orders GROUP BY 1;\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for folder in ("tables", "landing"):
        (tmp_path / folder).mkdir()
    (tmp_path / "spark-pipeline.yml").write_text("name: shop\nlibraries: [{glob: {include: tables/**}}]\n")
    (tmp_path / "tables" / "orders.yml").write_text(BRONZE)
    (tmp_path / "tables" / "totals.sql").write_text(GOLD)
    (tmp_path / "landing" / "1.csv").write_text("customer,amount\nana,5\n")
    return tmp_path


@pytest.mark.spark
def test_runs_and_reads_in_one_process(spark: SparkSession, root: Path) -> None:
    with lakehouse.connect(root) as lh:
        with pytest.raises(UsageError):
            lh.table("gold.totals")
        first = lh.run()
        assert first.succeeded
        assert [step.status for step in first.outcome.steps] == [StepStatus.REFRESHED] * 2
        assert f"run {first.outcome.run}: succeeded" in str(first)
        assert repr(first) == str(first)
        totals = lh.table("gold.totals")
        assert totals.collect() == [("ana", 5)]

        (root / "landing" / "2.csv").write_text("customer,amount\nana,2\n")
        assert lh.run(select="gold.totals").outcome.publication is None  # bronze is not asked for
        assert lh.run(select=["+gold.totals"]).succeeded
        assert lh.sql("SELECT total FROM gold.totals").collect() == [(5,)]
        assert lh.refresh()
        assert lh.sql("SELECT total FROM gold.totals").collect() == [(7,)]
        assert totals.collect() == [("ana", 5)]

        assert list(lh.history("gold.totals")["version"]) == [1, 0]
        assert set(lh.lineage("gold.totals.total")["source"]) == {"bronze.orders.amount"}
        assert "total from bronze.orders.amount" in lh.explain("gold.totals")
        planned = [line.strip() for line in lh.explain("gold.totals", plan=True).splitlines()]
        assert "would be left as it is, because no input changed" in planned
        assert "by what changed: aggregate" in planned
        assert "key column customer from bronze.orders.customer" in planned
        assert lh.table("system.files").where("status = 'loaded'").count() == 2


@pytest.mark.spark
def test_a_failure_is_reported_and_not_published(spark: SparkSession, root: Path) -> None:
    with lakehouse.connect(root) as lh:
        lh.run()
        assert lh.refresh()
        (root / "tables" / "totals.sql").write_text(GOLD.replace("sum(amount)", "sum(raise_error('no ' || amount))"))
        report = lh.run()
        assert not report.succeeded
        assert report.outcome.status is RunStatus.FAILED
        assert "no 5" in str(report)
        assert not lh.refresh()
        assert lh.table("gold.totals").collect() == [("ana", 5)]


@pytest.mark.spark
def test_what_cannot_be_run_raises(spark: SparkSession, root: Path) -> None:
    with lakehouse.connect(root) as lh:
        with pytest.raises(UnknownName):
            lh.run(refresh="gold.total")
        with pytest.raises(UsageError):
            lh.run(refresh="gold.totals", full_refresh_all=True)
        (root / "tables" / "orders.yml").write_text("streaming_tabel: x\n")
        with pytest.raises(DefinitionError):
            lh.run()
