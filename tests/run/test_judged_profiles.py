"""Profiles taken while rows are written, and drift judged by them before a version is committed."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable, write_deltalake
from pyarrow import table as arrow
from pyspark.sql import DataFrame, SparkSession

from lakehouse.errors import ExpectationFailed
from lakehouse.names import TableName
from lakehouse.quality.column_profile import ColumnProfile, TableProfile, stored_profile
from lakehouse.quality.profile import profile_of
from lakehouse.run import profiling
from lakehouse.run.checking import CheckRequest, run_check
from lakehouse.run.outcome import RunOutcome
from lakehouse.run.pipeline import run_pipeline
from lakehouse.run.request import RunRequest
from lakehouse.run.workspace import Workspace

pytestmark = pytest.mark.spark

SPEC = "name: shop\ndatabase: silver\nlibraries: [{glob: {include: tables/**}}]\n"
TABLES = """\
streaming_table: bronze.orders
source: {files: landing/*.csv, format: csv, options: {header: true}, schema: "id BIGINT, amount BIGINT, country STRING"}
expectations:
  - {name: priced, expect: amount IS NOT NULL, on_violation: drop}
  - {name: steady, expect_drift_below: {column: amount, threshold: 0.4, measure: kolmogorov_smirnov},
     on_violation: fail}
---
materialized_view: gold.amounts
refresh_policy: incremental
query: SELECT country, sum(amount) AS amount FROM bronze.orders GROUP BY country
expectations: [{name: settled, expect_drift_below: {column: amount, threshold: 0.9, baseline: 0}}]
---
materialized_view: gold.orders
properties: {lakehouse.profile: "true"}
query: SELECT * FROM bronze.orders
"""


class Shop:
    """Orders that come in files, and two views of them; all are profiled."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "tables").mkdir()
        (root / "landing").mkdir()
        (root / "spark-pipeline.yml").write_text(SPEC)
        (root / "tables/shop.yml").write_text(TABLES)

    def deliver(self, name: str, amounts: list[Any], country: str = "NO") -> None:
        rows = [f"{number},{'' if amount is None else amount},{country}" for number, amount in enumerate(amounts)]
        (self.root / "landing" / f"{name}.csv").write_text("\n".join(["id,amount,country", *rows]) + "\n")

    def run(self, **request: Any) -> RunOutcome:
        return run_pipeline(Workspace(self.root), RunRequest(**request), lambda event: None)

    def profiles(self, dataset: str) -> dict[int, TableProfile]:
        """What is stored, by version; one profile each."""
        rows = Workspace(self.root).warehouse.profiles.rows(filters=[("dataset", "=", dataset)])
        assert len({(row["version"], row["column_name"]) for row in rows}) == len(rows)
        versions = sorted({row["version"] for row in rows})
        return {version: stored_profile(row for row in rows if row["version"] == version) for version in versions}

    def verdict(self, outcome: RunOutcome, name: str) -> tuple[str, Any]:
        rows = Workspace(self.root).warehouse.expectations.rows(filters=[("run", "=", outcome.run)])
        [row] = [row for row in rows if row["name"] == name]
        return row["status"], None if row["observed"] is None else float(row["observed"])

    def path(self, table: str) -> Path:
        return self.root / "warehouse" / Path(*table.split("."))


@pytest.fixture
def shop(tmp_path: Path, spark: SparkSession) -> Shop:
    return Shop(tmp_path)


def same(found: TableProfile, wanted: TableProfile) -> None:
    """Counts and extremes to the digit, what comes from sketches nearly."""
    assert [column.name for column in found.columns] == [column.name for column in wanted.columns]
    for mine, other in zip(found.columns, wanted.columns, strict=True):
        assert _exact(mine) == _exact(other)
        for one, two in ((mine.mean, other.mean), (mine.deviation, other.deviation), (mine.distinct, other.distinct)):
            assert one == (two if two is None else pytest.approx(two, rel=0.03))
        assert mine.quantiles == pytest.approx(other.quantiles, rel=0.05, abs=3)


def _exact(column: ColumnProfile) -> tuple[Any, ...]:
    return column.type, column.rows, column.nulls, column.measured, column.low, column.high, dict(column.top)


def test_every_version_has_the_profile_that_a_scan_would_take(
    shop: Shop, spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.deliver("one", [*range(100), None, None])
    shop.run()
    scanned: list[DataFrame] = []

    def scan(frame: DataFrame) -> TableProfile:
        scanned.append(frame)
        return profile_of(frame)

    monkeypatch.setattr(profiling, "profile_of", scan)
    shop.deliver("two", [*range(20, 80), None], "SE")
    second = shop.run()
    shop.deliver("three", [*range(10, 90)], "DK")
    shop.run()
    assert {step.step.mode.value for step in second.steps} == {"append", "aggregate"}
    for dataset, versions in (("bronze.orders", 3), ("gold.orders", 3), ("gold.amounts", 3)):
        found = shop.profiles(dataset)
        assert list(found) == list(range(versions))
        for version, profile in found.items():
            rows = spark.read.format("delta").option("versionAsOf", version).load(str(shop.path(dataset)))
            same(profile, profile_of(rows))
    assert len(scanned) == 2  # what is not only added to, at its two changes; nothing of the tables that grow
    assert shop.verdict(second, "steady") == ("passed", pytest.approx(0.08, abs=0.02))


def test_drift_refuses_a_load_before_anyone_sees_it(shop: Shop) -> None:
    shop.deliver("one", [*range(100)])
    assert shop.verdict(shop.run(), "steady") == ("skipped", None)
    shop.deliver("two", [*range(10_000, 10_200)])
    refused = shop.run()
    assert refused.exit_code == 3
    [step] = [step for step in refused.steps if str(step.step.dataset) == "bronze.orders"]
    assert isinstance(step.error, ExpectationFailed)
    assert step.error.expectations == ("steady",)
    assert shop.verdict(refused, "steady") == ("failed", pytest.approx(2 / 3, abs=0.03))
    assert DeltaTable(str(shop.path("bronze.orders"))).version() == 0
    assert list(shop.profiles("bronze.orders")) == [0]

    shop.deliver("two", [*range(100)])
    assert shop.run().exit_code == 0
    assert list(shop.profiles("bronze.orders")) == [0, 1]


def test_drift_of_a_table_that_only_grows_reads_none_of_its_rows(shop: Shop) -> None:
    shop.deliver("one", [*range(100)])
    shop.run()
    for file in shop.path("bronze.orders").glob("*.parquet"):
        file.unlink()
    shop.deliver("two", [*range(100)])
    run = shop.run(refresh=("bronze.orders",))
    assert run.exit_code == 0
    assert shop.verdict(run, "steady")[0] == "passed"
    expectations = TABLES.index("  - {name: priced")
    changed = TABLES[:expectations] + TABLES[TABLES.index("  - {name: steady") :].replace("0.4,", "0.1, baseline: 0,")
    (shop.root / "tables/shop.yml").write_text(changed)
    checked = run_check(Workspace(shop.root), CheckRequest(tables=("bronze.orders",)), lambda event: None)
    [found] = [each.judgement.verdict for _, each in checked.all()]
    assert (found.rule, found.status.value) == ("steady", "passed")


def test_a_version_that_died_before_its_profile_was_stored_is_profiled_by_the_next(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.deliver("one", [*range(100)])
    with monkeypatch.context() as dying:
        dying.setattr("lakehouse.run.delta_warehouse.profile_rows", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            shop.run()
    assert DeltaTable(str(shop.path("bronze.orders"))).version() == 0
    shop.deliver("two", [*range(50, 150)])
    run = shop.run()
    assert shop.verdict(run, "steady")[0] == "skipped"
    [(version, profile)] = shop.profiles("bronze.orders").items()
    assert (version, profile.rows) == (1, 200)


def unread(version: int) -> DataFrame:
    raise AssertionError(f"version {version} was read")


def test_profiles_of_a_table_that_was_made_anew_are_not_those_of_the_old_one(shop: Shop) -> None:
    shop.deliver("one", [*range(100)])
    shop.run()
    [old] = shop.profiles("bronze.orders").values()
    folder = shop.path("elsewhere.orders")
    write_deltalake(str(folder), arrow({"id": [1], "amount": [5000], "country": ["NO"]}))
    warehouse = Workspace(shop.root).warehouse

    def at(location: Path) -> profiling.VersionProfiles:
        owner, now = ("shop", TableName("bronze", "orders")), datetime.now(timezone.utc)
        return profiling.VersionProfiles(warehouse.profiles, owner, str(location), unread, ("check", now))

    same(at(shop.path("bronze.orders")).known()[0], old)
    assert at(folder).known() == {}
