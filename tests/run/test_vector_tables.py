"""Tables with deletion vectors, by runs: a change marks rows, OPTIMIZE is no change, a death is repaired."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder, write_deltalake
from deltalake.exceptions import DeltaProtocolError
from pyspark.sql import SparkSession

from lakehouse.run.outcome import RunOutcome
from lakehouse.run.pipeline import run_pipeline
from lakehouse.run.request import RunRequest
from lakehouse.run.workspace import Workspace
from lakehouse.storage.vector_commit import VectorCommit

pytestmark = pytest.mark.spark

_SPEC = """\
name: marked
database: shop
warehouse: warehouse
libraries: [{glob: {include: views.*}}]
"""
_SOURCES = "external_table: raw.{name}\nlocation: raw/{name}\n"
_VIEWS = """\
CREATE MATERIALIZED VIEW silver.sales REFRESH POLICY INCREMENTAL
TBLPROPERTIES ('delta.enableDeletionVectors' = 'true') AS
SELECT s.id, s.customer, c.nation, s.amount FROM raw.sale s JOIN raw.customer c ON c.id = s.customer;
CREATE MATERIALIZED VIEW gold.nations REFRESH POLICY INCREMENTAL AS
SELECT nation, count(*) AS sales, sum(amount) AS amount, max(amount) AS most FROM silver.sales GROUP BY nation;
"""


class Shop:
    """A project of two sources and two views."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "spark-pipeline.yml").write_text(_SPEC)
        (folder / "views.yml").write_text("---\n".join(_SOURCES.format(name=name) for name in ("sale", "customer")))
        (folder / "views.sql").write_text(_VIEWS)
        self._raw("customer", {"id": list(range(20)), "nation": [f"n{n % 5}" for n in range(20)]})
        numbers = range(200)
        sales = {"id": list(numbers), "customer": [n % 20 for n in numbers], "amount": [n * 3 % 71 for n in numbers]}
        self._raw("sale", sales)

    def _raw(self, name: str, columns: dict[str, list[Any]]) -> None:
        write_deltalake(
            str(self.folder / "raw" / name), pa.table(columns), configuration={"delta.enableChangeDataFeed": "true"}
        )

    def change(self, turn: int) -> None:
        """Some sales change, some go, some come, and a customer moves."""
        sale = DeltaTable(str(self.folder / "raw" / "sale"))
        sale.update(predicate=f"id % 50 = {turn}", updates={"amount": "amount + 1000"})
        sale.delete(f"id % 40 = {turn + 20}")
        new = {"id": [1000 + turn], "customer": [turn], "amount": [7]}
        write_deltalake(str(self.folder / "raw" / "sale"), pa.table(new), mode="append")
        DeltaTable(str(self.folder / "raw" / "customer")).update(
            predicate=f"id = {turn}", updates={"nation": "'moved'"}
        )

    def run(self) -> tuple[RunOutcome, dict[str, str]]:
        outcome = run_pipeline(Workspace(self.folder), RunRequest(), lambda event: None)
        return outcome, {str(step.step.dataset): step.step.mode.value for step in outcome.steps}

    def table(self, name: str) -> DeltaTable:
        schema, _, table = name.partition(".")
        return DeltaTable(str(self.folder / "warehouse" / schema / table))

    def rows(self, name: str) -> Counter[Any]:
        found = pa.table(QueryBuilder().register("t", self.table(name)).execute("SELECT * FROM t").read_all())
        return Counter(tuple(row.values()) for row in found.to_pylist())

    def check(self, spark: SparkSession) -> None:
        """Both tables are what their queries give."""
        session = spark.newSession()
        for name in ("sale", "customer"):
            session.read.format("delta").load(str(self.folder / "raw" / name)).createOrReplaceTempView(name)
        for name, view in (("silver.sales", "sales"), ("gold.nations", "nations")):
            query = next(part for part in _VIEWS.split(";") if f"VIEW {name}" in part).partition(" AS\n")[2]
            frame = session.sql(query.replace("raw.", "").replace("silver.", ""))
            frame.createOrReplaceTempView(view)
            assert self.rows(name) == Counter(tuple(row) for row in frame.collect()), name


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_changes_mark_rows_and_optimize_is_no_change(shop: Shop, spark: SparkSession) -> None:
    _, modes = shop.run()
    assert modes == {"silver.sales": "full", "gold.nations": "full"}
    files = set(shop.table("silver.sales").file_uris())
    for turn in (1, 2):
        shop.change(turn)
        _, modes = shop.run()
        assert modes == {"silver.sales": "keys", "gold.nations": "aggregate"}
        assert files < set(shop.table("silver.sales").file_uris())
        shop.check(spark)
    with pytest.raises(DeltaProtocolError):  # rather than show rows that are marked
        shop.table("silver.sales").to_pyarrow_dataset()
    session = spark.newSession()
    session.conf.set("spark.databricks.delta.optimize.minFileSize", str(1 << 30))
    before = shop.table("silver.sales").version()
    session.sql(f"OPTIMIZE delta.`{shop.folder}/warehouse/silver/sales`")
    assert shop.table("silver.sales").version() == before + 1
    assert len(shop.table("silver.sales").file_uris()) == 1
    _, modes = shop.run()
    assert modes == {"silver.sales": "skip", "gold.nations": "skip"}
    shop.change(3)
    _, modes = shop.run()
    assert modes == {"silver.sales": "keys", "gold.nations": "aggregate"}
    shop.check(spark)


@pytest.mark.parametrize("where", ["before", "after"])
def test_the_next_run_repairs_a_death_at_the_commit(
    shop: Shop, spark: SparkSession, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    shop.run()
    before = shop.rows("silver.sales")
    publish = VectorCommit.publish

    def die(self: VectorCommit, *given: Any) -> int:
        if where == "after":
            publish(self, *given)
        raise RuntimeError("died")

    shop.change(1)
    with monkeypatch.context() as patched:
        patched.setattr(VectorCommit, "publish", die)
        patched.setattr(VectorCommit, "discard", lambda self: None)  # the dead do not tidy up
        outcome, _ = shop.run()
        assert [str(step.step.dataset) for step in outcome.steps if step.error is not None] == ["silver.sales"]
    assert (shop.rows("silver.sales") == before) is (where == "before")
    outcome, _ = shop.run()
    assert all(step.error is None for step in outcome.steps)
    shop.check(spark)
