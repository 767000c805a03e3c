"""How many records of the demo violate each expectation, counted once more from the landed files by DuckDB."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import flights_oracle
import pyarrow as pa

# Dataset and expectation → the query that counts its violations.
VIOLATIONS = {
    ("bronze.flights", "departure_clock_below_2400"): "FROM raw_flights WHERE dep_time::INT NOT BETWEEN 0 AND 2359",
    ("bronze.flights", "arrival_clock_below_2400"): "FROM raw_flights WHERE arr_time::INT NOT BETWEEN 0 AND 2359",
    ("silver.flights", "has_key"): "FROM f WHERE day IS NULL OR hour IS NULL OR carrier IS NULL",
    ("silver.flights", "has_tail_number"): "FROM f WHERE tailnum IS NULL",
    ("silver.flights", "tail_number_is_american"): "FROM f WHERE tailnum[1] <> 'N'",
    ("silver.flights", "departure_is_followed_by_arrival"): (
        "FROM raw_flights WHERE dep_time IS NOT NULL AND arr_time IS NULL"
    ),
    ("silver.flights", "arrival_delay_is_recorded"): "FROM f WHERE dep_time IS NOT NULL AND arr_delay IS NULL",
    ("silver.flights", "delay_below_half_a_day"): "FROM f WHERE dep_delay < -60 OR dep_delay > 720",
    ("silver.flights", "plausible_distance"): "FROM f WHERE distance < 50",
    ("silver.flights", "plausible_speed"): "FROM raw_flights WHERE distance::INT > air_time::INT * 10",
    ("silver.departures", "plane_is_known"): "FROM f WHERE coalesce(tailnum, '?') NOT IN (SELECT tailnum FROM planes)",
    ("silver.departures", "destination_is_known"): "FROM f WHERE dest NOT IN (SELECT faa FROM airports)",
    ("silver.planes", "year_built_is_known"): "FROM planes WHERE year IS NULL",
    ("silver.planes", "airliner_has_ten_seats"): "FROM planes WHERE seats < 10",
    ("silver.airports", "lies_in_the_western_hemisphere"): "FROM airports WHERE lon::DOUBLE NOT BETWEEN -180 AND 0",
    ("silver.airports", "time_zone_is_known"): "FROM airports WHERE tzone IS NULL",
    ("silver.weather", "plausible_wind"): "FROM weather WHERE wind_speed >= 200",
    ("silver.weather", "has_temperature"): "FROM weather WHERE temp IS NULL",
    ("silver.weather", "has_pressure"): "FROM weather WHERE pressure IS NULL",
    ("silver.weather", "has_wind_direction"): "FROM weather WHERE wind_dir IS NULL",
    ("gold.route_delays", "destination_is_known"): (
        "FROM (SELECT DISTINCT origin, dest FROM f WHERE dest NOT IN (SELECT faa FROM airports))"
    ),
    ("gold.route_delays", "route_was_flown"): (
        "FROM (SELECT origin, dest FROM f GROUP BY ALL HAVING count(arr_delay) = 0)"
    ),
    ("gold.airport_traffic", "airport_is_known"): (
        "FROM (SELECT DISTINCT dest, day FROM f WHERE dest NOT IN (SELECT faa FROM airports))"
    ),
}
# Of the whole year.
BITING = {
    ("silver.flights", "has_tail_number"): 2_512,
    ("silver.departures", "plane_is_known"): 52_606,
    ("silver.departures", "destination_is_known"): 7_602,
    ("silver.weather", "plausible_wind"): 1,
}


def last_verdicts(expectations: pa.Table) -> dict[tuple[str, str], dict[str, Any]]:
    """By dataset and name, the newest row of `system/expectations`."""
    rows = sorted(expectations.to_pylist(), key=lambda row: row["judged_at"])
    return {(row["dataset"], row["name"]): row for row in rows}


def check_violations(read_table: Callable[[str], pa.Table], landing: Path) -> dict[tuple[str, str], int]:
    """Every counter equals the count over all files landed so far, however it was brought up to date; returns them."""
    landed = flights_oracle.open_landed(landing)
    verdicts = last_verdicts(read_table("system.expectations"))
    counted = {key: _count(landed, query) for key, query in VIOLATIONS.items()}
    judged = {key: verdicts[key]["failed_records"] for key in VIOLATIONS}
    # A streaming table's counters are about its last load.
    loads = {key: sum(_loads(read_table("system.expectations"), key)) for key in judged if key[0].startswith("bronze")}
    assert judged | loads == counted
    for key, verdict in verdicts.items():
        assert verdict["passed_records"] + verdict["failed_records"] == verdict["element_count"], key
    return counted


def _count(landed: duckdb.DuckDBPyConnection, query: str) -> int:
    return int(landed.sql(f"SELECT count() {query}").fetchall()[0][0])


def _loads(expectations: pa.Table, key: tuple[str, str]) -> list[int]:
    return [row["failed_records"] for row in expectations.to_pylist() if (row["dataset"], row["name"]) == key]
