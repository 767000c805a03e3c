"""Bronze as delivered: batch reads, because streaming ones would cost SDP a checkpoint and a schema for each."""

from __future__ import annotations

from pyspark import pipelines as dp
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

LANDING = "landing"  # relative to where spark-pipelines is started


def with_origin(delivered: DataFrame) -> DataFrame:
    """The columns that say where a row came from."""
    return delivered.select(
        "*",
        F.col("_metadata.file_path").alias("_source_file"),
        F.current_timestamp().alias("_ingested_at"),
        F.lit(1).cast("bigint").alias("_epoch"),
    )


@dp.materialized_view(name="bronze_flights")
def flights() -> DataFrame:
    return with_origin(SparkSession.active().read.csv(f"{LANDING}/flights", header=True))


@dp.materialized_view(name="bronze_weather")
def weather() -> DataFrame:
    return with_origin(SparkSession.active().read.json(f"{LANDING}/weather"))


@dp.materialized_view(name="bronze_planes")
def planes() -> DataFrame:
    return with_origin(SparkSession.active().read.parquet(f"{LANDING}/planes"))


@dp.materialized_view(name="bronze_airports")
def airports() -> DataFrame:
    return with_origin(SparkSession.active().read.csv(f"{LANDING}/airports", header=True))


@dp.materialized_view(name="bronze_airlines")
def airlines() -> DataFrame:
    return with_origin(SparkSession.active().read.csv(f"{LANDING}/airlines", header=True))
