"""The test helper, on a project whose numbers are easy to see."""

from __future__ import annotations

from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path

import pandas
import pytest
from pyspark.sql import SparkSession

from lakehouse.errors import (
    InstallationError,
    QueryError,
    SourceFileError,
    UnknownName,
    UsageError,
)
from lakehouse.run.outcome import StepStatus
from lakehouse.testing import DatasetTest, assert_rows

# pyspark's collect() leaves its socket to the garbage collector.
pytestmark = [
    pytest.mark.spark,
    pytest.mark.usefixtures("spark"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

FILES = {
    "spark-pipeline.yml": """
name: shop
database: silver
configuration: {landing: incoming}
libraries: [{glob: {include: tables/**}}]
""",
    "tables/bronze.yml": """
streaming_table: bronze.orders
source:
  files: ${landing}/orders/*.csv
  format: csv
  options: {header: true}
  schema: customer STRING, amount INT, at TIMESTAMP
---
streaming_table: bronze.customers
source: {files: "${landing}/customers/*.json", format: json, schema: "customer STRING, country STRING"}
""",
    "tables/silver.sql": """
CREATE TEMPORARY VIEW paid AS SELECT * FROM bronze.orders WHERE amount > 0;
CREATE TEMPORARY VIEW unrelated AS SELECT * FROM gold.nothing_of_interest;
CREATE MATERIALIZED VIEW orders AS
  SELECT p.customer, c.country, p.amount, hour(p.at) AS hour
  FROM paid p LEFT JOIN bronze.customers c USING (customer);
CREATE MATERIALIZED VIEW gold.nothing_of_interest AS SELECT 1 AS one;
CREATE MATERIALIZED VIEW gold.revenue (country, revenue DECIMAL(12,2)) AS
  SELECT country, sum(amount) AS revenue FROM orders GROUP BY country;
""",
    "tables/gold.py": """
from pyspark import pipelines as dp
from pyspark.sql import functions as F

@dp.temporary_view
def large():
    return spark.read.table("silver.orders").where("amount >= 100")

@dp.materialized_view(name="gold.large_by_country")
def large_by_country():
    return spark.read.table("large").groupBy("country").agg(F.count("*").alias("orders"), F.avg("amount").alias("mean"))
""",
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shop")
    for name, text in FILES.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    return root


def test_a_view_in_batches_equals_its_query_over_the_newest_inputs(shop: Path) -> None:
    revenue = DatasetTest(shop, "gold.revenue")
    schema = "country STRING, amount INT"
    first = revenue.run({"silver.orders": (schema, [("FR", 5), ("FR", 2), (None, 1)])})
    assert_rows(first, [("FR", Decimal(7)), (None, Decimal(1))])

    second = revenue.run({"silver.orders": (schema, [("FR", 5), ("IT", 3)])})
    assert_rows(second, [{"country": "IT", "revenue": 3}, {"country": "FR", "revenue": 5}])
    assert_rows(first, [("FR", 7), (None, 1)])  # a frame stays what it was

    again = revenue.run()
    assert revenue.outcome is not None
    assert revenue.outcome.status is StepStatus.SKIPPED
    assert_rows(again, second)
    assert_rows(revenue.run({"silver.orders": (schema, [])}), [])

    fresh = DatasetTest(shop, "gold.revenue")
    assert_rows(fresh.run({"silver.orders": (schema, [("FR", 5), ("IT", 3)])}), second)


def test_declared_columns_shape_the_result(shop: Path) -> None:
    revenue = DatasetTest(shop, "gold.revenue").run({"silver.orders": [{"country": "FR", "amount": 5}]})
    assert dict(revenue.dtypes) == {"country": "string", "revenue": "decimal(12,2)"}


def test_views_between_come_from_the_project_and_inputs_may_hold_more_columns(shop: Path) -> None:
    orders = DatasetTest(shop, "silver.orders")
    bronze = (
        "customer STRING, amount INT, at TIMESTAMP, note STRING",
        [("ana", 5, "2026-01-05 23:30:00", "x"), ("bob", 0, None, None), ("cyd", 2, datetime(2026, 1, 5, 4), None)],
    )
    rows = orders.run(
        {"bronze.orders": bronze, "bronze.customers": [{"customer": "ana", "country": "FR", "vip": True}]}
    )
    assert_rows(rows, [("ana", "FR", 5, 23), ("cyd", None, 2, 4)])
    # The table that is not given again keeps its rows.
    rows = orders.run({"bronze.customers": [{"customer": "cyd", "country": "IT"}]})
    assert_rows(rows, [("ana", None, 5, 23), ("cyd", "IT", 2, 4)])


def test_a_query_in_python_through_a_view_in_python(shop: Path) -> None:
    large = DatasetTest(shop, "gold.large_by_country")
    with pytest.raises(UsageError, match=r"silver\.orders"):
        large.run()
    rows = large.run({"silver.orders": pandas.DataFrame({"country": ["FR", "FR", "IT"], "amount": [100, 201, 99]})})
    assert_rows(rows, [{"country": "FR", "orders": 2, "mean": 150.5}])
    assert_rows(rows, [{"mean": 150.4}], precision=0.2)


def test_a_temporary_view_itself(shop: Path, spark: SparkSession) -> None:
    given = spark.createDataFrame([("ana", 5), ("bob", 0)], "customer STRING, amount INT")
    assert_rows(DatasetTest(shop, "paid").run({"bronze.orders": given}), [("ana", 5)])


def test_a_streaming_table_in_batches_of_files(shop: Path) -> None:
    orders = DatasetTest(shop, "bronze.orders")
    first = orders.run({"1.csv": "customer,amount,at\nana,5,2026-01-05T10:00:00Z\n"})
    ana = {"customer": "ana", "amount": 5, "at": datetime(2026, 1, 5, 10, tzinfo=timezone.utc)}
    assert_rows(first, [ana])
    rows = orders.run({"2.csv": [{"customer": "bob", "amount": 0}], "3.csv": b"customer,amount,at\ncyd,1,\n"})
    assert_rows(rows, [ana, {"customer": "bob", "amount": 0, "at": None}, {"customer": "cyd", "amount": 1, "at": None}])
    assert orders.outcome is not None
    assert (orders.outcome.rows_out, orders.outcome.files) == (2, 2)
    assert orders.run().count() == 3
    assert orders.run(full_refresh=True).count() == 3
    assert not (shop / "warehouse").exists()
    assert not (shop / "incoming").exists()


def test_a_file_that_cannot_be_read_is_an_error_and_the_others_load(shop: Path) -> None:
    customers = DatasetTest(shop, "bronze.customers")
    with pytest.raises(SourceFileError) as caught:
        customers.run({"a.json": [{"customer": "ana", "country": "FR"}], "b.json": b'{"customer": "bo'})
    assert caught.value.path.endswith("b.json")
    assert_rows(customers.rows(), [{"customer": "ana", "country": "FR"}])


def test_a_file_that_the_source_would_not_read(shop: Path) -> None:
    with pytest.raises(UsageError, match=r"orders/\*\.csv"):
        DatasetTest(shop, "bronze.orders").run({"1.json": "{}"})


def test_all_missing_inputs_are_named(shop: Path) -> None:
    with pytest.raises(UsageError) as caught:
        DatasetTest(shop, "silver.orders").run()
    assert "bronze.customers" in caught.value.message
    assert "bronze.orders" in caught.value.message


@pytest.mark.parametrize(
    ("inputs", "error"),
    [
        ({"silver.ordrs": []}, UnknownName),
        ({"paid": [{"amount": 1}]}, UsageError),  # computed by the project
        ({"gold.revenue": [{"amount": 1}]}, UsageError),  # what is tested
        ({"silver.orders": []}, UsageError),  # no rows and no schema
        ({"silver.orders": [("FR", 1)]}, UsageError),  # tuples without a schema
        ({"silver.orders": ("country STRING, amount INT", [("FR",)])}, UsageError),
        ({"silver.orders": ("country STRING, amount INT", [("FR", "many")])}, QueryError),
        ({"silver.orders": "FR,1"}, UsageError),
        ({"silver.orders": [{"country": "FR"}]}, QueryError),  # the query needs amount
    ],
)
def test_inputs_that_do_not_fit(shop: Path, inputs: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        DatasetTest(shop, "gold.revenue").run(inputs)  # type: ignore[arg-type]


def test_what_cannot_be_tested(shop: Path) -> None:
    with pytest.raises(UnknownName):
        DatasetTest(shop, "gold.revenu")
    with pytest.raises(UsageError):
        DatasetTest(shop, "gold.revenue").rows()


def test_assert_rows_sees_every_difference(spark: SparkSession) -> None:
    frame = spark.createDataFrame(
        [(1, date(2026, 1, 1), float("nan")), (2, None, 0.5), (2, None, 0.5)], "id INT, day DATE, share DOUBLE"
    )
    assert_rows(frame, [(2, None, 0.5), (1, "2026-01-01", float("nan")), (2, None, 0.5)])
    assert_rows(frame, [{"id": 1}, {"id": 2}, {"id": 2}], ignore_order=False)
    for different in (
        [{"id": 1}, {"id": 2}],  # one row less
        [{"id": 1}, {"id": 1}, {"id": 2}],  # the same rows, not as often
        [{"id": 1}, {"id": 2}, {"id": 3}],
        [],
    ):
        with pytest.raises(AssertionError):
            assert_rows(frame, different)
    with pytest.raises(AssertionError):
        assert_rows(frame, [{"id": 2}, {"id": 1}, {"id": 2}], ignore_order=False)
    with pytest.raises(UnknownName) as caught:
        assert_rows(frame, [{"idd": 1}])
    assert caught.value.nearest == "id"


def test_without_chispa_assert_rows_says_what_is_missing(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "chispa", None)
    with pytest.raises(InstallationError):
        assert_rows(spark.range(1), [(0,)])
