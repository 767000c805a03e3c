"""Revenue, the way the shop looks at it."""

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakehouse import pipelines as dp

spark = SparkSession.active()


@dp.materialized_view(name="gold.revenue_by_day", comment="Orders and revenue by day", refresh_policy="incremental")
def revenue_by_day() -> DataFrame:
    """One row per day with orders."""
    orders = spark.read.table("silver.orders")
    return orders.groupBy("order_date").agg(
        F.count("*").alias("orders"),
        F.sum(orders.quantity * orders.price).alias("revenue"),
    )
