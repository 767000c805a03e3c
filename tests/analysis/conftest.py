"""A session with a small project's datasets as persistent views, the way a run registers them."""

from __future__ import annotations

import pyarrow as pa
import pytest
from deltalake import write_deltalake
from pyspark.sql import SparkSession

from lakehouse.storage.session import isolated_session

ORDERS = pa.table(
    {
        "id": pa.array([1, 2], pa.int64()),
        "customer": ["ana", "bob"],
        "amount": pa.array([5, 0], pa.int64()),
        "tags": pa.array([["a"], []], pa.list_(pa.string())),
        "address": pa.array(
            [{"city": "Rome", "zip": "1"}] * 2, pa.struct([("city", pa.string()), ("zip", pa.string())])
        ),
    }
)


@pytest.fixture(scope="session")
def project(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> SparkSession:
    """`silver.orders` is a pinned Delta table, `silver.customers` and `silver.rates` are not built yet,
    `large_orders` is a temporary view over a temporary view."""
    location = str(tmp_path_factory.mktemp("orders"))
    write_deltalake(location, ORDERS)
    session = isolated_session(spark, {})
    session.sql("CREATE DATABASE silver")
    session.sql("CREATE DATABASE raw_silver")
    session.sql(f"CREATE TABLE raw_silver.orders USING delta LOCATION '{location}'")
    session.sql("CREATE VIEW silver.orders AS SELECT * FROM raw_silver.orders VERSION AS OF 0")
    session.sql(
        "CREATE VIEW silver.customers AS SELECT CAST(NULL AS STRING) AS customer, CAST(NULL AS STRING) AS region, "
        "CAST(NULL AS DATE) AS since WHERE false"
    )
    session.sql("CREATE VIEW silver.rates AS SELECT CAST(NULL AS STRING) region, CAST(NULL AS DOUBLE) rate WHERE false")
    session.sql("SELECT id, customer, amount FROM silver.orders WHERE amount > 1").createOrReplaceTempView("paid")
    session.sql("SELECT id, amount * 2 AS twice FROM paid WHERE amount > 10").createOrReplaceTempView("large_orders")
    return session
