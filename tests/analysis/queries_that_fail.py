"""Query functions as a user writes them, each failing on a known line. Line numbers are asserted: do not move lines."""

from pyspark.sql import functions as F


def key_error(spark):
    return {"a": 1}["nope"]


def missing_column(spark):
    return spark.read.table("silver.orders").select(
        "id",
        F.col("nope"),
    )


def missing_table(spark):
    return spark.read.table("silver.nope")


def division(spark):
    return spark.range(3).select((F.lit(1) / F.col("id")).alias("x"))


def sql_inside(spark):
    return spark.sql("""SELECT id
        FROM silver.orders WHERE nope > 1""")


def worker_fails(spark):
    def each(frames):
        for _ in frames:
            raise ValueError("two\nlines")
        yield

    return spark.range(3).mapInPandas(each, "id long")


def wrong_argument(spark):
    return spark.range(1).select(5)
