"""Expectations of streaming tables: rows dropped, set aside, replayed; loads refused; crashes in between."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from lakehouse.errors import ExpectationFailed, UnknownName
from lakehouse.names import TableName
from lakehouse.run.outcome import RunOutcome, StepOutcome, StepStatus
from lakehouse.run.pipeline import run_pipeline
from lakehouse.run.request import RunRequest
from lakehouse.run.spark_staged import SparkStaged
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
materialized_view: gold.revenue
refresh_policy: incremental_strict
query: SELECT country, sum(amount) AS revenue FROM bronze.orders GROUP BY country
"""


class Shop:
    """A project of one judged streaming table and a view over it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "tables").mkdir()
        (root / "landing").mkdir()
        (root / "spark-pipeline.yml").write_text(SPEC)
        self.declare(TABLES)

    def declare(self, text: str) -> None:
        (self.root / "tables/shop.yml").write_text(text)

    def deliver(self, name: str, *rows: str) -> None:
        (self.root / "landing" / f"{name}.csv").write_text("\n".join(["id,amount,country", *rows]) + "\n")

    def run(self, **request: Any) -> RunOutcome:
        return run_pipeline(Workspace(self.root), RunRequest(**request), lambda event: None)

    def rows(self, table: str, *columns: str) -> list[tuple[Any, ...]]:
        """What readers see, sorted."""
        schema, name = table.split(".")
        publication = Workspace(self.root).warehouse.latest_publication()
        assert publication is not None
        if schema == "quarantine":
            source = TableName(*name.split("_", 1))
            version = publication.tables[source].record.quarantine
            if version < 0:
                return []
        else:
            version = publication.tables[TableName(schema, name)].version
        found = DeltaTable(str(self.root / "warehouse" / schema / name), version=version).to_pyarrow_table()
        return sorted(zip(*[found.column(column).to_pylist() for column in columns], strict=True))

    def verdicts(self, run: str) -> dict[str, tuple[str, int, int]]:
        rows = Workspace(self.root).warehouse.expectations.rows()
        mine = [row for row in rows if row["run"] == run and row["dataset"] == "bronze.orders"]
        return {row["name"]: (row["status"], row["passed_records"], row["failed_records"]) for row in mine}


@pytest.fixture
def shop(tmp_path: Path, spark: SparkSession) -> Shop:
    return Shop(tmp_path)


def step(outcome: RunOutcome, name: str) -> StepOutcome:
    return next(found for found in outcome.steps if str(found.step.dataset) == name)


def test_rows_go_where_the_expectations_send_them(shop: Shop) -> None:
    shop.deliver("one", "1,10,NO", "2,,NO", "3,500,SE", "4,7,DK", "5,700,DK")
    outcome = shop.run()
    loaded = step(outcome, "bronze.orders")
    assert shop.rows("bronze.orders", "id", "amount") == [(1, 10)]
    assert shop.rows("quarantine.bronze_orders", "id", "_failed_expectations") == [
        (3, ["plausible"]),
        (4, ["known_country"]),
        (5, ["plausible", "known_country"]),
    ]
    [source] = {path for (path,) in shop.rows("quarantine.bronze_orders", "_source_file")}
    assert source.endswith("one.csv")
    assert {run for (run,) in shop.rows("quarantine.bronze_orders", "_quarantined_by")} == {outcome.run}
    assert loaded.rows_in == 5
    assert loaded.record is not None
    counts = loaded.record.counts
    assert loaded.rows_in == loaded.rows_out + counts["dropped"] + counts["quarantined"]
    assert shop.verdicts(outcome.run) == {
        "has_amount": ("failed", 4, 1),
        "plausible": ("failed", 3, 2),
        "known_country": ("failed", 3, 2),
        "has_id": ("passed", 5, 0),
        "even": ("failed", 3, 2),  # NULL is not even
    }
    refreshed = Workspace(shop.root).warehouse.refreshes.rows()
    [row] = [row for row in refreshed if row["dataset"] == "bronze.orders"]
    assert (row["rows_in"], row["rows_out"], row["rows_dropped"], row["rows_quarantined"]) == (5, 1, 1, 3)


@pytest.mark.parametrize("action", ["drop", "quarantine", "warn"])
@pytest.mark.parametrize("evolution", ["add_columns", "rescue"])
def test_a_rule_that_no_row_can_meet(shop: Shop, action: str, evolution: str) -> None:
    """Then Spark leaves out what counts the rows on their way, together with the rows."""
    text = (
        TABLES.partition("expectations:")[0] + f"expectations: [{{name: never, expect: 1 > 2, on_violation: {action}}}]"
    )
    shop.declare(text.replace("{header: true}", f"{{header: true}}, schema_evolution: {evolution}"))
    shop.deliver("one", "1,10,NO", "2,x,SE")
    outcome = shop.run()
    loaded = step(outcome, "bronze.orders")
    rows = 2 if evolution == "rescue" else 0  # without rescue, the file of the row that does not fit stays out
    if evolution == "add_columns":
        assert [bad.reason for bad in loaded.bad_files] != []
        shop.deliver("two", "1,10,NO", "2,20,SE")
        outcome = shop.run()
        loaded, rows = step(outcome, "bronze.orders"), 2
    assert (loaded.rows_in, loaded.rows_dropped, loaded.rows_quarantined) == {
        "drop": (rows, rows, 0),
        "quarantine": (rows, 0, rows),
        "warn": (rows, 0, 0),
    }[action]
    assert len(shop.rows("bronze.orders", "id")) == (rows if action == "warn" else 0)
    assert len(shop.rows("quarantine.bronze_orders", "id")) == (rows if action == "quarantine" else 0)
    assert shop.verdicts(outcome.run) == {"never": ("failed", 0, rows)}


def test_a_refused_load_changes_nothing_and_says_why(shop: Shop) -> None:
    shop.deliver("one", "1,10,NO")
    shop.run()
    shop.deliver("two", "2,20,NO", ",30,SE", "3,500,SE")
    refused = shop.run()
    assert refused.exit_code == 3
    error = step(refused, "bronze.orders").error
    assert isinstance(error, ExpectationFailed)
    assert error.expectations == ("has_id",)
    assert step(refused, "gold.revenue").status is StepStatus.BLOCKED
    assert shop.rows("bronze.orders", "id") == [(1,)]
    assert shop.rows("gold.revenue", "country", "revenue") == [("NO", 10)]
    assert not DeltaTable.is_deltatable(str(shop.root / "warehouse/quarantine/bronze_orders"))
    assert shop.verdicts(refused.run)["has_id"] == ("failed", 2, 1)
    rows = Workspace(shop.root).warehouse.expectations.rows(filters=[("run", "=", refused.run)])
    assert {row["version"] for row in rows} == {None}
    assert {row["name"]: row["details"] for row in rows if row["status"] == "failed"}["has_id"] == '[{"id": null}]'
    assert all(told in str(error) for told in ("'has_id'", "1 of 3", "id=None"))

    shop.deliver("two", "2,20,NO", "7,30,SE", "3,500,SE")
    mended = shop.run()
    assert mended.exit_code == 0
    assert shop.rows("bronze.orders", "id") == [(1,), (2,), (7,)]
    assert shop.rows("quarantine.bronze_orders", "id") == [(3,)]


def test_a_replay_admits_what_passes_now_once_and_readers_follow_by_change(shop: Shop) -> None:
    shop.deliver("one", "1,10,NO", "3,500,SE", "4,7,DK", "5,700,DK")
    shop.run()
    nothing = shop.run(replay=("bronze.orders",))
    assert step(nothing, "bronze.orders").status is StepStatus.UNCHANGED
    assert nothing.publication is None

    shop.declare(TABLES.replace('["NO", SE]', '["NO", SE, DK]'))
    replayed = shop.run(replay=("bronze.orders",))
    again = step(replayed, "bronze.orders")
    assert (again.step.mode.value, again.rows_in, again.rows_out) == ("replay", 3, 1)
    assert shop.rows("bronze.orders", "id") == [(1,), (4,)]
    assert shop.rows("quarantine.bronze_orders", "id", "_failed_expectations") == [
        (3, ["plausible"]),
        (5, ["plausible"]),  # no longer for its country
    ]
    assert step(replayed, "gold.revenue").step.mode.value == "aggregate"
    assert shop.rows("gold.revenue", "country", "revenue") == [("DK", 7), ("NO", 10)]

    second = shop.run(replay=("bronze.orders",))
    assert step(second, "bronze.orders").status is StepStatus.UNCHANGED
    assert shop.rows("bronze.orders", "id") == [(1,), (4,)]
    with pytest.raises(UnknownName):
        shop.run(replay=("bronze.ordres",))


def test_without_expectations_a_replay_admits_all(shop: Shop) -> None:
    shop.deliver("one", "1,10,NO", "3,500,SE")
    shop.run()
    before, _, after = TABLES.partition("expectations:")
    shop.declare(before + "---" + after.partition("---")[2])
    shop.run(replay=("bronze.orders",))
    assert shop.rows("bronze.orders", "id") == [(1,), (3,)]
    assert shop.rows("quarantine.bronze_orders", "id") == []


def test_a_row_mended_in_quarantine_is_replayed_as_it_is_now(shop: Shop) -> None:
    shop.deliver("one", "1,10,NO", "3,500,SE")
    shop.run()
    DeltaTable(str(shop.root / "warehouse/quarantine/bronze_orders")).update(updates={"amount": "50"})
    shop.run(replay=("bronze.orders",))
    assert shop.rows("bronze.orders", "id", "amount") == [(1, 10), (3, 50)]
    assert shop.rows("quarantine.bronze_orders", "id") == []


def test_a_full_refresh_judges_all_files_anew(shop: Shop) -> None:
    shop.deliver("one", "1,10,NO", "3,500,SE")
    shop.run()
    shop.deliver("two", "4,7,DK")
    shop.declare(TABLES.replace("amount < 100", "amount < 1000"))
    shop.run(full_refresh=("bronze.orders",))
    assert shop.rows("bronze.orders", "id") == [(1,), (3,)]
    assert shop.rows("quarantine.bronze_orders", "id") == [(4,)]


class Died(Exception):
    """The process ended here."""


def dying(monkeypatch: pytest.MonkeyPatch, where: Callable[[SparkStaged], bool], *, before_quarantine: bool) -> None:
    """Ends the next commit that `where` chooses before or after what goes to quarantine."""
    whole = SparkStaged._commit_beside

    def commit_beside(staged: SparkStaged) -> None:
        if not where(staged):
            whole(staged)
            return
        if not before_quarantine:
            whole(staged)
        raise Died

    monkeypatch.setattr(SparkStaged, "_commit_beside", commit_beside)


@pytest.mark.parametrize("before_quarantine", [True, False])
@pytest.mark.parametrize("what", ["load", "replay"])
def test_killed_between_gate_and_commit_the_next_run_gives_the_same(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, before_quarantine: bool, what: str
) -> None:
    shop.deliver("one", "1,10,NO", "3,500,SE", "4,7,DK")
    shop.run()
    request: dict[str, Any] = {}
    if what == "load":
        shop.deliver("two", "5,600,SE", "6,20,NO")
    else:
        shop.declare(TABLES.replace('["NO", SE]', '["NO", SE, DK]'))
        request = {"replay": ("bronze.orders",)}
    with monkeypatch.context() as patched:
        dying(patched, lambda staged: staged.record.dataset == "bronze.orders", before_quarantine=before_quarantine)
        for _ in range(2):
            died = shop.run(**request)
            assert step(died, "bronze.orders").status is StepStatus.FAILED
            assert shop.rows("bronze.orders", "id") == [(1,)]
            assert shop.rows("quarantine.bronze_orders", "id") == [(3,), (4,)]
    shop.run(**request)
    if what == "load":
        assert shop.rows("bronze.orders", "id") == [(1,), (6,)]
        assert shop.rows("quarantine.bronze_orders", "id") == [(3,), (4,), (5,)]
    else:
        assert shop.rows("bronze.orders", "id") == [(1,), (4,)]
        assert shop.rows("quarantine.bronze_orders", "id") == [(3,)]
