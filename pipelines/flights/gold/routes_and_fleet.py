# ruff: noqa: F821 (`spark` is there when the pipeline is read)
"""Gold tables that read best in Python: their columns are derived from one another."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse import pipelines as dp

ROUTE_DELAYS = """
    origin STRING COMMENT 'FAA code',
    destination STRING COMMENT 'FAA code',
    destination_name STRING COMMENT 'NULL where the airport is not in the register',
    scheduled BIGINT COMMENT 'Departures scheduled',
    cancelled BIGINT COMMENT 'Departures cancelled',
    cancelled_share DOUBLE COMMENT 'cancelled / scheduled, four decimals',
    arrived BIGINT COMMENT 'Flights with a recorded arrival delay',
    mean_departure_delay DOUBLE COMMENT 'Minutes, two decimals',
    mean_arrival_delay DOUBLE COMMENT 'Minutes, two decimals',
    median_arrival_delay DOUBLE COMMENT 'Minutes',
    p90_arrival_delay DOUBLE COMMENT 'Minutes that nine of ten arrivals do not exceed, two decimals',
    shortest_miles INT COMMENT 'Least distance reported for the route',
    longest_miles INT COMMENT 'Greatest distance reported for the route'
"""

FLEET_AGE = """
    carrier STRING COMMENT 'Two-letter carrier code',
    carrier_name STRING COMMENT 'Name of the carrier',
    aircraft BIGINT COMMENT 'Tail numbers seen on its flights',
    unregistered BIGINT COMMENT 'Of these, tail numbers without a registered aircraft',
    age_unknown BIGINT COMMENT 'Of these, aircraft registered without a year',
    oldest_built INT COMMENT 'Year',
    newest_built INT COMMENT 'Year',
    mean_age DOUBLE COMMENT 'Years in the last year flown, over aircraft with a known year, two decimals'
"""


@dp.materialized_view(
    name="gold.route_delays", comment="Delays and cancellations by origin and destination", schema=ROUTE_DELAYS
)
@dp.expect("destination_is_known", "destination_name IS NOT NULL")
@dp.expect("distance_is_one_value", "shortest_miles = longest_miles")
@dp.expect("route_was_flown", "arrived > 0")
def route_delays() -> DataFrame:
    """One row per route."""
    arrival = F.col("arrival_delay")
    return (
        spark.read.table("silver.departures")
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


@dp.materialized_view(
    name="gold.fleet_age", comment="Age of the aircraft each carrier flew from New York", schema=FLEET_AGE
)
@dp.expect("fleet_is_mostly_registered", "unregistered * 2 < aircraft")
def fleet_age() -> DataFrame:
    """One row per carrier; an aircraft counts once however often it flew."""
    aircraft = (
        spark.read.table("silver.departures")
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
