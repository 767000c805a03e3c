"""Runs as a service principal: what it may not read or write is refused before anything is written."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from lakehouse.errors import AccessRefused, UnknownName
from lakehouse.run.outcome import RunStatus
from tests.run.test_pipeline import SPEC, Project

pytestmark = pytest.mark.spark

ALL = "[USE SCHEMA, SELECT, MODIFY, CREATE TABLE]"
RULES = """\
principals:
  users: {{etl@corp: {{service: true}}, ana@corp: {{}}}}
{run_as}securables:
  spark_catalog: {{grants: {{account users: [USE CATALOG]}}}}
  raw: {{grants: {{etl@corp: {raw}}}}}
  silver: {{grants: {{etl@corp: {silver}}}}}
  gold: {{grants: {{etl@corp: {gold}}}}}
{more}...
"""


@pytest.fixture
def shop(tmp_path: Path, spark: SparkSession) -> Project:
    made = Project(tmp_path)
    made.write("spark-pipeline.yml", SPEC + "access: access.yml\n")
    return made


def rules(
    shop: Project,
    *,
    raw: str = "[USE SCHEMA, SELECT]",
    silver: str = ALL,
    gold: str = ALL,
    run_as: str = "run_as: etl@corp\n",
    more: str = "",
) -> None:
    shop.write("access.yml", RULES.format(raw=raw, silver=silver, gold=gold, run_as=run_as, more=more))


def test_a_run_that_may_do_all_it_does_says_whom_it_runs_as(shop: Project) -> None:
    rules(shop)
    assert shop.run().status is RunStatus.SUCCEEDED
    assert any("audit" in getattr(event, "text", "") for event in shop.events)
    assert set(shop.versions()) == {"silver.orders", "gold.revenue", "gold.top"}


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"raw": "[USE SCHEMA]"}, "SELECT on raw.orders"),
        ({"silver": "[USE SCHEMA, SELECT, CREATE TABLE]"}, "MODIFY on silver.orders"),
        ({"silver": "[USE SCHEMA, SELECT, MODIFY]"}, "CREATE TABLE on spark_catalog.silver"),
        ({"more": "  gold.top: {deny: {etl@corp: [MODIFY]}}\n"}, "MODIFY on gold.top"),
        ({"more": '  raw.orders: {row_filter: {using: "id = 1"}}\n'}, "raw.orders"),
        ({"more": '  raw.orders: {columns: {customer: {mask: "NULL"}}}\n'}, "raw.orders"),
    ],
)
def test_what_is_lacking_is_named_and_nothing_is_written(shop: Project, given: dict[str, str], named: str) -> None:
    rules(shop, **given)
    with pytest.raises(AccessRefused) as refused:
        shop.run()
    assert named in refused.value.message
    assert not (shop.root / "warehouse/silver").exists()
    assert shop.versions() == {}


def test_a_filter_holds_for_the_writer_of_a_table_unless_it_is_excepted(shop: Project) -> None:
    rules(shop)
    shop.run()
    shop.deliver([(4, "cyd", 40)])
    rules(shop, more='  silver.orders: {row_filter: {using: "id = 1", except: [ana@corp]}}\n')
    with pytest.raises(AccessRefused):
        shop.run()
    assert len(shop.rows("silver.orders")) == 3
    rules(shop, more='  silver.orders: {row_filter: {using: "id = 1", except: [etl@corp]}}\n')
    assert shop.run().status is RunStatus.SUCCEEDED
    assert len(shop.rows("silver.orders")) == 4


def test_a_query_that_reads_what_is_not_declared_is_refused(shop: Project) -> None:
    rules(shop)
    shop.run()
    path = shop.root / "outside/orders"
    shop.write("tables/shadow.sql", f"CREATE MATERIALIZED VIEW gold.shadow AS SELECT * FROM delta.`{path}`;\n")
    with pytest.raises(AccessRefused) as refused:
        shop.run()
    assert "gold.shadow" in refused.value.message
    assert not (shop.root / "warehouse/gold/shadow").exists()
    rules(shop, run_as="")  # the owner's own run: it is not checked, and that is said
    assert shop.run().status is RunStatus.SUCCEEDED


def test_rules_that_cannot_be_read_allow_no_run(shop: Project) -> None:
    rules(shop, more="  gold.nothing: {deny: {etl@corp: [MODIFY]}}\n")
    with pytest.raises(UnknownName):
        shop.run()
    assert shop.versions() == {}
