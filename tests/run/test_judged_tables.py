"""Expectations about a table as a whole, judged on the rows it will have, before they are committed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession

from lakehouse.errors import DefinitionError, ExpectationFailed, UnknownName
from lakehouse.names import TableName
from lakehouse.run.outcome import RunOutcome, StepStatus
from lakehouse.run.pipeline import run_pipeline
from lakehouse.run.request import RunRequest
from lakehouse.run.workspace import Workspace

pytestmark = pytest.mark.spark

SPEC = "name: shop\ndatabase: silver\nlibraries: [{glob: {include: tables/**}}]\n"
TABLES = """\
external_table: raw.orders
location: outside/orders
---
external_table: raw.customers
location: outside/customers
---
materialized_view: silver.orders        # declared before what its expectations look into
refresh_policy: incremental
query: SELECT id, customer, amount FROM raw.orders
expectations:
  - {name: unique_id, expect_column_values_to_be_unique: {column: id}, on_violation: fail}
  - name: known_customer
    expect_column_values_to_be_in_table_column: {column: customer, references: silver.customers.name}
    on_violation: fail
  - {name: some_rows, expect_table_row_count_to_be_between: {min_value: 1, max_value: 6}, on_violation: fail}
  - {name: steady, expect_table_no_worse_than_last_version: {row_count: 0.3}, on_violation: fail}
  - {name: mean_amount, expect_column_mean_to_be_between: {column: amount, max_value: 100}}
---
materialized_view: silver.customers
query: SELECT name FROM raw.customers
"""


class Shop:
    """Orders and customers, each with a view that is judged."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "tables").mkdir()
        (root / "spark-pipeline.yml").write_text(SPEC)
        (root / "tables/shop.yml").write_text(TABLES)
        self.add("customers", name=["ada", "bob"])
        self.add("orders", id=[1, 2, 3, 4], customer=["ada", "bob", "ada", None], amount=[10, 20, 30, 40])

    def add(self, table: str, **columns: list[Any]) -> None:
        write_deltalake(
            str(self.root / "outside" / table),
            pa.table(columns),
            mode="append",
            configuration={"delta.enableChangeDataFeed": "true"},
        )

    def delete(self, table: str, predicate: str) -> None:
        DeltaTable(str(self.root / "outside" / table)).delete(predicate)

    def run(self) -> RunOutcome:
        return run_pipeline(Workspace(self.root), RunRequest(), lambda event: None)

    def ids(self) -> list[int]:
        found = DeltaTable(str(self.root / "warehouse/silver/orders")).to_pyarrow_table()
        return sorted(found.column("id").to_pylist())

    def verdicts(self, run: str) -> dict[str, tuple[str, Any]]:
        rows = Workspace(self.root).warehouse.expectations.rows(filters=[("run", "=", run)])
        return {row["name"]: (row["status"], row["observed"] and json.loads(row["observed"])) for row in rows}

    def refused_by(self, outcome: RunOutcome) -> tuple[str, ...]:
        [step] = [step for step in outcome.steps if step.step.dataset == TableName("silver", "orders")]
        assert step.status is StepStatus.FAILED
        assert outcome.exit_code == 3
        assert isinstance(step.error, ExpectationFailed)
        return step.error.expectations


@pytest.fixture
def shop(tmp_path: Path, spark: SparkSession) -> Shop:
    return Shop(tmp_path)


def test_a_table_is_judged_as_it_will_be_however_it_is_refreshed(shop: Shop) -> None:
    first = shop.run()
    assert first.exit_code == 0
    assert shop.verdicts(first.run)["some_rows"] == ("passed", 4)
    assert shop.verdicts(first.run)["steady"][0] == "skipped"
    assert shop.verdicts(first.run)["mean_amount"] == ("passed", 25.0)

    shop.add("orders", id=[5], customer=["bob"], amount=[1000])
    grown = shop.run()
    assert {step.step.mode.value for step in grown.steps if step.status is StepStatus.REFRESHED} == {"append"}
    assert shop.verdicts(grown.run)["some_rows"] == ("passed", 5)
    assert shop.verdicts(grown.run)["steady"][0] == "passed"
    assert shop.verdicts(grown.run)["mean_amount"] == ("failed", 220.0)

    [refreshed] = Workspace(shop.root).warehouse.refreshes.rows(
        filters=[("run", "=", grown.run), ("dataset", "=", "silver.orders")]
    )
    assert set(json.loads(refreshed["expected"])) == {"full", "append"}

    shop.add("orders", id=[2], customer=["eve"], amount=[1])
    refused = shop.run()
    assert shop.refused_by(refused) == ("unique_id", "known_customer")
    assert shop.ids() == [1, 2, 3, 4, 5]
    judged = Workspace(shop.root).warehouse.expectations.rows(filters=[("run", "=", refused.run)])
    assert {row["name"]: row["details"] for row in judged if row["status"] == "failed"} == {
        "unique_id": '[{"id": 2}]',
        "known_customer": '[{"customer": "eve"}]',
        "mean_amount": None,
    }
    [step] = [step for step in refused.steps if step.step.dataset == TableName("silver", "orders")]
    assert "id=2" in str(step.error)
    assert "customer=eve" in str(step.error)

    shop.delete("orders", "customer = 'eve'")
    shop.delete("orders", "id < 4")
    shrunk = shop.run()  # three of five rows are gone: worse than a third
    assert shop.refused_by(shrunk) == ("steady",)
    assert shop.ids() == [1, 2, 3, 4, 5]

    shop.add("orders", id=[6, 7], customer=["ada", None], amount=[1, 2])
    keyed = shop.run()
    assert keyed.exit_code == 0
    assert shop.ids() == [4, 5, 6, 7]
    assert shop.verdicts(keyed.run)["some_rows"] == ("passed", 4)


def test_a_reference_to_no_table_is_an_error_before_anything_starts(shop: Shop) -> None:
    (shop.root / "tables/shop.yml").write_text(TABLES.replace("silver.customers.name", "silver.custommers.name"))
    with pytest.raises(UnknownName) as raised:
        shop.run()
    assert raised.value.nearest == "silver.customers"
    assert raised.value.where is not None
    assert raised.value.where.file == "tables/shop.yml"


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ("{name: odd, expect: ammount > 1}", "ammount"),
        ("{name: odd, expect: amount > DATE'2026-01-01'}", "odd"),
        ("{name: odd, expect_column_values_to_not_be_null: {column: ammount}}", "ammount"),
    ],
)
def test_a_condition_that_spark_refuses_is_an_error_before_anything_is_written(
    shop: Shop, wrong: str, named: str
) -> None:
    (shop.root / "tables/shop.yml").write_text(TABLES.replace("expectations:\n", f"expectations:\n  - {wrong}\n", 1))
    with pytest.raises(DefinitionError, match=named) as raised:
        shop.run()
    assert raised.value.where is not None
    assert (raised.value.where.file, raised.value.where.line) == ("tables/shop.yml", 11)
    assert not (shop.root / "warehouse/silver").exists()
