"""Runs of a small project on real Spark and Delta: what is refreshed, what fails, what readers see."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession

from lakehouse.errors import (
    CyclicGraph,
    DefinitionErrors,
    LakehouseError,
    OwnershipError,
    QueryError,
    RunInProgress,
    SourceFileError,
    UnknownName,
)
from lakehouse.names import TableName
from lakehouse.plan.refresh_plan import ReasonCode, RefreshMode
from lakehouse.run.outcome import RunEvent, RunOutcome, RunStatus, StepOutcome, StepStatus
from lakehouse.run.pipeline import dry_run, run_pipeline
from lakehouse.run.request import RunRequest
from lakehouse.run.workspace import Workspace

pytestmark = pytest.mark.spark

SPEC = "name: shop\ndatabase: silver\nlibraries: [{glob: {include: tables/**}}]\n"
SQL = """\
CREATE TEMPORARY VIEW big AS SELECT * FROM silver.orders WHERE amount > 10;
CREATE MATERIALIZED VIEW silver.orders (id COMMENT 'key') COMMENT 'all orders' CLUSTER BY (customer)
  AS SELECT id, customer, amount FROM raw.orders;
CREATE MATERIALIZED VIEW gold.revenue AS
  SELECT customer, sum(amount) AS revenue FROM big GROUP BY customer;
"""
PYTHON = """\
from pyspark import pipelines as dp

@dp.materialized_view(name="gold.top")
def top():
    revenue = spark.read.table("gold.revenue")
    return revenue.where(revenue.revenue > 20).select([column for column in revenue.columns])
"""


class Project:
    """The project in a folder, and what its runs said."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.events: list[RunEvent] = []
        (root / "tables").mkdir()
        self.write("spark-pipeline.yml", SPEC)
        self.write("tables/shop.sql", SQL)
        self.write("tables/top.py", PYTHON)
        self.write("tables/raw.yml", "external_table: raw.orders\nlocation: outside/orders\n")
        self.deliver([(1, "ada", 30), (2, "bob", 5), (3, "ada", 12)])

    def write(self, file: str, text: str) -> None:
        (self.root / file).write_text(text, encoding="utf-8")

    def deliver(self, rows: list[tuple[int, str, int]]) -> None:
        ids, customers, amounts = zip(*rows, strict=True)
        table = pa.table({"id": ids, "customer": customers, "amount": amounts})
        write_deltalake(str(self.root / "outside/orders"), table, mode="append")

    def run(self, **request: object) -> RunOutcome:
        self.events.clear()
        return run_pipeline(Workspace(self.root), RunRequest(**request), self.events.append)  # type: ignore[arg-type]

    def rows(self, table: str) -> list[tuple[object, ...]]:
        found = DeltaTable(str(self.root / "warehouse" / table.replace(".", "/"))).to_pyarrow_table()
        return sorted(tuple(row.values()) for row in found.to_pylist())

    def versions(self) -> dict[str, int]:
        publication = Workspace(self.root).warehouse.latest_publication()
        return {str(name): table.version for name, table in publication.tables.items()} if publication else {}


@pytest.fixture
def shop(tmp_path: Path, spark: SparkSession) -> Project:
    return Project(tmp_path)


def step(outcome: RunOutcome, name: str) -> StepOutcome:
    [found] = [candidate for candidate in outcome.steps if str(candidate.step.dataset) == name]
    return found


def statuses(outcome: RunOutcome) -> dict[str, StepStatus]:
    return {str(found.step.dataset): found.status for found in outcome.steps}


def test_a_life_of_runs(shop: Project) -> None:
    first = shop.run()
    assert set(statuses(first).values()) == {StepStatus.REFRESHED}
    assert shop.rows("gold.top") == [("ada", 42)]
    assert shop.versions() == {"silver.orders": 0, "gold.revenue": 0, "gold.top": 0}
    metadata = DeltaTable(str(shop.root / "warehouse/silver/orders")).metadata()
    assert metadata.description == "all orders"

    again = shop.run()
    assert {found.step.mode for found in again.steps} == {RefreshMode.SKIP}
    assert again.publication is None

    shop.deliver([(4, "bob", 100)])
    changed = shop.run()
    assert step(changed, "silver.orders").step.reason.code is ReasonCode.INPUTS_CHANGED
    assert shop.rows("gold.top") == [("ada", 42), ("bob", 100)]

    shop.deliver([(5, "cy", 1)])  # too small to show in gold
    same = shop.run()
    assert statuses(same) == {
        "silver.orders": StepStatus.REFRESHED,
        "gold.revenue": StepStatus.UNCHANGED,
        "gold.top": StepStatus.SKIPPED,
    }
    assert shop.versions() == {"silver.orders": 2, "gold.revenue": 1, "gold.top": 1}
    assert {found.step.mode for found in shop.run().steps} == {RefreshMode.SKIP}


def test_a_failure_keeps_what_readers_see_and_the_next_run_reuses_what_succeeded(shop: Project) -> None:
    shop.run()
    before = shop.versions()
    shop.deliver([(4, "bob", 100)])
    shop.write("tables/shop.sql", SQL.replace("amount > 10", "1 / (amount - 100) < 9"))
    failed = shop.run()
    assert (failed.status, failed.exit_code) == (RunStatus.FAILED, 1)
    assert statuses(failed) == {
        "silver.orders": StepStatus.REFRESHED,
        "gold.revenue": StepStatus.FAILED,
        "gold.top": StepStatus.BLOCKED,
    }
    error = step(failed, "gold.revenue").error
    assert isinstance(error, QueryError)
    assert error.condition == "DIVIDE_BY_ZERO"
    assert error.where is not None
    assert error.where.file == "tables/shop.sql"
    assert shop.versions() == before
    assert shop.rows("gold.revenue") == [("ada", 42)]

    shop.write("tables/shop.sql", SQL)
    mended = shop.run()
    assert step(mended, "silver.orders").step.reason.code is ReasonCode.REUSED
    assert shop.versions() == {"silver.orders": 1, "gold.revenue": 1, "gold.top": 1}


def test_files_that_cannot_be_listed_fail_their_table_alone(shop: Project) -> None:
    streams = "".join(
        f"CREATE STREAMING TABLE raw.{name} AS SELECT * FROM STREAM read_files('{name}/*.json', format => 'json');\n"
        for name in ("good", "bad")
    )
    shop.write("tables/streams.sql", streams)
    shop.write("tables/after.sql", "CREATE MATERIALIZED VIEW gold.after AS SELECT count(*) AS n FROM raw.bad;\n")
    for name in ("good", "bad"):
        (shop.root / name).mkdir()
        shop.write(f"{name}/1.json", '{"k": 1}\n')
    shop.run()
    for name in ("good", "bad"):
        shop.write(f"{name}/2.json", '{"k": 2}\n')
    nameless = os.fsencode(shop.root / "bad") + b"/\xff.json"
    Path(os.fsdecode(nameless)).write_text('{"k": 3}\n')

    outcome = shop.run()
    failed = step(outcome, "raw.bad")
    assert (failed.status, type(failed.error)) == (StepStatus.FAILED, SourceFileError)
    assert failed.error is not None
    assert str(failed.error.where) == "tables/streams.sql:2"
    assert outcome.status is RunStatus.FAILED
    assert statuses(outcome)["gold.after"] is StepStatus.BLOCKED
    assert [len(shop.rows(f"raw.{name}")) for name in ("good", "bad")] == [2, 1]

    Path(os.fsdecode(nameless)).rename(shop.root / "bad/3.json")
    assert shop.run().status is RunStatus.SUCCEEDED
    assert shop.rows("gold.after") == [(3,)]


def test_one_layout_change_at_a_time_reaches_the_table(shop: Project) -> None:
    shop.run()
    shop.write(
        "tables/shop.sql", SQL.replace("'all orders' CLUSTER BY (customer)", "'every order' TBLPROPERTIES ('a'='b')")
    )
    changed = shop.run()
    assert step(changed, "silver.orders").step.reason.code is ReasonCode.LAYOUT_CHANGED
    table = DeltaTable(str(shop.root / "warehouse/silver/orders"))
    assert table.metadata().description == "every order"
    assert table.metadata().configuration["a"] == "b"
    assert shop.rows("silver.orders") == [(1, "ada", 30), (2, "bob", 5), (3, "ada", 12)]


def test_selection_refreshes_only_what_is_named(shop: Project) -> None:
    shop.run()
    shop.deliver([(4, "bob", 100)])
    only = shop.run(refresh=("gold.revenue",))
    assert statuses(only) == {"gold.revenue": StepStatus.SKIPPED}
    both = shop.run(select=("+gold.revenue",))
    assert statuses(both) == {"silver.orders": StepStatus.REFRESHED, "gold.revenue": StepStatus.REFRESHED}
    assert shop.versions()["gold.top"] == 0
    with pytest.raises(UnknownName) as unknown:
        shop.run(refresh=("gold.revenu",))
    assert unknown.value.nearest == "gold.revenue"


def test_a_foreign_write_is_overwritten_and_a_foreign_table_is_refused(shop: Project) -> None:
    shop.run()
    write_deltalake(
        str(shop.root / "warehouse/gold/top"), pa.table({"customer": ["eve"], "revenue": [1]}), mode="append"
    )
    mended = shop.run()
    assert step(mended, "gold.top").step.reason.code is ReasonCode.FOREIGN_WRITE
    assert shop.rows("gold.top") == [("ada", 42)]
    write_deltalake(str(shop.root / "warehouse/gold/mine"), pa.table({"a": [1]}))
    shop.write("tables/mine.sql", "CREATE MATERIALIZED VIEW gold.mine AS SELECT 1 AS a")
    with pytest.raises(OwnershipError):
        shop.run()
    shop.write("tables/mine.sql", "")
    shop.write("spark-pipeline.yml", SPEC.replace("shop", "other"))
    with pytest.raises(OwnershipError):
        shop.run()


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("tables/bad.sql", "CREATE MATERIALIZED VIEW gold.x AS SELECT * FROM silver.ordres", UnknownName),
        ("tables/bad.sql", "CREATE MATERIALIZED VIEW gold.x AS SELECT nme FROM silver.orders", QueryError),
        (
            "tables/bad.py",
            "from pyspark import pipelines as dp\n\n@dp.materialized_view(name='gold.x')\ndef x():\n"
            "    return spark.read.table('gold.y')\n\n@dp.materialized_view(name='gold.y')\ndef y():\n"
            "    return spark.read.table('gold.x')\n",
            CyclicGraph,
        ),
        (
            "tables/bad.sql",
            "CREATE MATERIALIZED VIEW gold.x AS SELECT * FROM silver.ordres;\n"
            "CREATE MATERIALIZED VIEW gold.y AS SELECT * FROM silver.odrers",
            DefinitionErrors,
        ),
    ],
)
def test_a_wrong_definition_is_refused_before_anything_is_written(
    shop: Project, file: str, text: str, expected: type[LakehouseError]
) -> None:
    shop.write(file, text)
    with pytest.raises(expected) as refused:
        shop.run()
    assert not (shop.root / "warehouse" / "silver").exists()
    if refused.value.where is not None:
        assert refused.value.where.file == file


def test_dry_run_plans_what_run_executes_and_writes_nothing(shop: Project) -> None:
    planned = dry_run(Workspace(shop.root), RunRequest())
    assert not (shop.root / "warehouse").exists()
    executed = shop.run()
    assert [(s.dataset, s.mode, s.epoch) for s in planned.plan.steps] == [
        (found.step.dataset, found.step.mode, found.step.epoch) for found in executed.steps
    ]
    assert planned.graph.inputs[TableName("gold", "revenue")] == (TableName("silver", "orders"), TableName("", "big"))


def test_time_and_undeclared_reads_are_recomputed_each_time(shop: Project) -> None:
    (shop.root / "extra.csv").write_text("a\n1\n")
    shop.write("tables/today.sql", "CREATE MATERIALIZED VIEW gold.today AS SELECT current_date() AS day")
    shop.write(
        "tables/extra.py",
        "from pathlib import Path\nfrom pyspark import pipelines as dp\n"
        "FILE = str(Path(__file__).parent.parent / 'extra.csv')\n"
        "@dp.materialized_view(name='gold.extra')\ndef extra():\n"
        "    return spark.read.csv(FILE, header=True)\n",
    )
    shop.run()
    again = shop.run()
    assert step(again, "gold.today").step.reason.code is ReasonCode.TIME_DEPENDENT
    assert step(again, "gold.extra").step.reason.code is ReasonCode.UNDECLARED_READS
    assert step(again, "gold.extra").status is StepStatus.UNCHANGED
    assert again.publication is None


def test_lineage_and_history_are_recorded(shop: Project) -> None:
    outcome = shop.run()
    warehouse = Workspace(shop.root).warehouse
    lineage = {
        (row["dataset"], row["column_name"], row["source_dataset"], row["source_column"]): row["kind"]
        for row in warehouse.lineage.rows()
        if row["kind"] != "condition"
    }
    assert lineage["gold.top", "revenue", "gold.revenue", "revenue"] == "copy"
    assert lineage["gold.revenue", "revenue", "silver.orders", "amount"] == "value"
    refreshes = {row["dataset"]: row for row in warehouse.refreshes.rows(filters=[("run", "=", outcome.run)])}
    assert refreshes["silver.orders"]["rows_out"] == 3
    assert refreshes["gold.top"]["versions_read"] == '{"gold.revenue": 0}'
    ended = [row["status"] for row in warehouse.runs.rows() if row["ended_at"] is not None]
    assert ended == ["succeeded"]


def test_a_second_run_is_refused_while_one_holds_the_project(shop: Project) -> None:
    warehouse = Workspace(shop.root).warehouse
    with warehouse.hold("first"), pytest.raises(RunInProgress) as refused:
        shop.run()
    assert "first" in refused.value.holder
