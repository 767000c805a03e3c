"""The gold tables that the demo writes in Python."""

from __future__ import annotations

from pyspark import pipelines as dp
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F


@dp.materialized_view(name="gold_route_delays", comment="Delays and cancellations by origin and destination")
def route_delays() -> DataFrame:
    arrival = F.col("arrival_delay")
    return (
        SparkSession.active()
        .read.table("silver_departures")
        .groupBy("origin", "destination")
        .agg(
            F.max("destination_name").alias("destination_name"),
            F.count("*").alias("scheduled"),
            F.count_if("is_cancelled").alias("cancelled"),
            F.round(F.count_if("is_cancelled") / F.count("*"), 4).alias("cancelled_share"),
            F.count(arrival).alias("arrived"),
            F.round(F.avg("departure_delay"), 2).alias("mean_departure_delay"),
            F.round(F.avg(arrival), 2).alias("mean_arrival_delay"),
            F.percentile(arrival, 0.5).alias("median_arrival_delay"),
            F.round(F.percentile(arrival, 0.9), 2).alias("p90_arrival_delay"),
            F.min("distance_miles").alias("shortest_miles"),
            F.max("distance_miles").alias("longest_miles"),
        )
    )


@dp.materialized_view(name="gold_fleet_age", comment="Age of the aircraft each carrier flew from New York")
def fleet_age() -> DataFrame:
    aircraft = (
        SparkSession.active()
        .read.table("silver_departures")
        .where("has_tail_number")
        .groupBy("carrier", "carrier_name", "tail_number", "has_plane", "plane_built")
        .agg(F.max(F.year("flight_date")).alias("last_year"))
        .withColumn("age", F.col("last_year") - F.col("plane_built"))
    )
    return aircraft.groupBy("carrier", "carrier_name").agg(
        F.count("*").alias("aircraft"),
        F.count_if(~F.col("has_plane")).alias("unregistered"),
        F.count_if(F.col("has_plane") & F.col("plane_built").isNull()).alias("age_unknown"),
        F.min("plane_built").alias("oldest_built"),
        F.max("plane_built").alias("newest_built"),
        F.round(F.avg("age"), 2).alias("mean_age"),
    )
