"""The demo's figures, computed once more from the landed files alone: other engine (DuckDB), other SQL, other routes.

Where the pipeline trusts UTC hours, this goes through New York's local clock; where it marks gaps by left joins, this
counts keys that are in no register; where it rounds in SQL, this divides exact integer sums in Python.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

ReadTable = Callable[[str], "pa.Table | pd.DataFrame"]
Row = dict[str, Any]

# Facts of the whole year, known from outside: they hold only when all twelve months have landed.
DEPARTURES = 336_776
CANCELLED = 8_255
WITHOUT_TAIL_NUMBER = 2_512
WITHOUT_PLANE = 52_606  # no registered aircraft matches; 50,094 of them have a tail number
WITH_UNKNOWN_TAIL_NUMBER = 50_094
WITHOUT_DESTINATION_AIRPORT = 7_602
WITHOUT_ARRIVAL = 9_430  # cancelled ones included
WEATHER_HOURS = 26_114  # one of the 26,115 observations, with a wind of 1,048 miles an hour, is set aside
DEPARTURE_DELAY_MINUTES = 4_152_200
ARRIVAL_DELAY_MINUTES = 2_257_174
SCHEDULED_BY_CARRIER = {"UA": 58_665, "B6": 54_635, "EV": 54_173, "DL": 48_110, "AA": 32_729, "OO": 32}
REGISTERED = {"silver.planes": 3_322, "silver.airports": 1_458, "silver.airlines": 16}


def open_landed(landing: Path) -> duckdb.DuckDBPyConnection:
    """A connection with the landed files as views `f`, `weather`, `planes`, `airports`, `airlines`."""
    landed = duckdb.connect()
    for name in ("flights", "airports", "airlines"):
        landed.sql(f"CREATE VIEW raw_{name} AS FROM read_csv('{landing}/{name}/*.csv', header=true, all_varchar=true)")
    landed.sql("""
        CREATE TABLE f AS SELECT
            make_date(year::INT, month::INT, day::INT) AS day, month::INT AS month,
            carrier, flight, tailnum, origin, dest, hour::INT AS hour, minute::INT AS minute,
            dep_delay::BIGINT AS dep_delay, arr_delay::BIGINT AS arr_delay,
            dep_time::BIGINT AS dep_time, distance::BIGINT AS distance
        FROM raw_flights""")
    landed.sql(f"CREATE VIEW weather AS FROM read_json('{landing}/weather/*.jsonl', format='newline_delimited')")
    landed.sql(f"CREATE VIEW planes AS FROM read_parquet('{landing}/planes/*.parquet')")
    landed.sql("CREATE VIEW airports AS FROM raw_airports; CREATE VIEW airlines AS FROM raw_airlines")
    return landed


def half_up(numerator: float, denominator: float, digits: int) -> float | None:
    """The quotient, rounded half away from zero on its shortest decimal text; None for nothing over nothing."""
    if not denominator:
        return None
    return float(Decimal(repr(numerator / denominator)).quantize(Decimal(10) ** -digits, ROUND_HALF_UP))


def rows_of(landed: duckdb.DuckDBPyConnection, sql: str) -> list[Row]:
    """The rows of a query as dicts."""
    result = landed.sql(sql)
    return [dict(zip(result.columns, values, strict=True)) for values in result.fetchall()]


def carrier_punctuality(landed: duckdb.DuckDBPyConnection) -> Iterator[Row]:
    """gold.carrier_punctuality."""
    for row in rows_of(
        landed,
        """SELECT carrier, (SELECT name FROM airlines a WHERE a.carrier = f.carrier) AS carrier_name,
               make_date(2013, month, 1) AS month, count() AS scheduled, count() - count(dep_time) AS cancelled,
               count(arr_delay) AS arrived, coalesce(sum(1) FILTER (arr_delay <= 14), 0)::BIGINT AS on_time,
               sum(dep_delay)::BIGINT AS departure_delay_minutes, sum(arr_delay)::BIGINT AS arrival_delay_minutes
           FROM f GROUP BY ALL""",
    ):
        departed = row["scheduled"] - row["cancelled"]
        yield row | {
            "on_time_share": half_up(row["on_time"], row["scheduled"], 4),
            "mean_departure_delay": half_up(row["departure_delay_minutes"], departed, 2),
            "mean_arrival_delay": half_up(row["arrival_delay_minutes"], row["arrived"], 2),
        }


def weather_delay(landed: duckdb.DuckDBPyConnection) -> Iterator[Row]:
    """gold.weather_delay; joined on the local clock, except for the hour that autumn repeats, when nothing departs."""
    for row in rows_of(
        landed,
        """WITH w AS (
               SELECT *, make_date(year, month, day) AS date FROM weather
               WHERE NOT (month = 11 AND day = 3 AND hour = 1))
           SELECT
               if(precip IS NULL, 'unknown', if(precip >= 0.1, 'heavy', if(precip > 0, 'light', 'none')))
                   AS precipitation,
               if(visib IS NULL, 'unknown', if(visib >= 10, 'clear', if(visib >= 3, 'reduced', 'low'))) AS visibility,
               if(wind_speed IS NULL OR wind_speed >= 200, 'unknown',
                  if(wind_speed >= 20, 'strong', if(wind_speed >= 10, 'breezy', 'calm'))) AS wind,
               count(f.carrier) AS scheduled, count(f.carrier) - count(dep_time) AS cancelled,
               coalesce(sum(1) FILTER (dep_delay >= 30), 0)::BIGINT AS late,
               sum(dep_delay)::BIGINT AS departure_delay_minutes
           FROM w RIGHT JOIN f ON w.origin = f.origin AND w.date = f.day AND w.hour = f.hour
           GROUP BY 1, 2, 3""",
    ):
        departed = row["scheduled"] - row["cancelled"]
        yield row | {
            "cancelled_share": half_up(row["cancelled"], row["scheduled"], 4),
            "mean_departure_delay": half_up(row["departure_delay_minutes"] or 0, departed, 2),
        }


def airport_traffic(landed: duckdb.DuckDBPyConnection) -> Iterator[Row]:
    """gold.airport_traffic, from two counts that are joined instead of one count over both directions."""
    yield from rows_of(
        landed,
        """WITH outgoing AS (
               SELECT origin AS airport, day, count(dep_time) AS flown, count() AS planned FROM f GROUP BY ALL),
           incoming AS (SELECT dest AS airport, day, count(dep_time) AS flown, count() AS planned FROM f GROUP BY ALL)
           SELECT airport, (SELECT name FROM airports WHERE faa = airport) AS airport_name, day AS traffic_date,
               coalesce(o.flown, 0) AS departures, coalesce(i.flown, 0) AS arrivals,
               coalesce(o.planned - o.flown, 0) + coalesce(i.planned - i.flown, 0) AS cancelled
           FROM outgoing o FULL JOIN incoming i USING (airport, day)""",
    )


def known_gaps(landed: duckdb.DuckDBPyConnection) -> Iterator[Row]:
    """gold.known_gaps."""
    yield from rows_of(
        landed,
        """SELECT make_date(2013, month, 1) AS month, count() AS scheduled, count() - count(dep_time) AS cancelled,
               count(dep_time) - count(arr_delay) AS without_arrival, count() - count(tailnum) AS without_tail_number,
               count() FILTER (coalesce(tailnum, '?') NOT IN (SELECT tailnum FROM planes)) AS without_plane,
               count() FILTER (dest NOT IN (SELECT faa FROM airports)) AS without_destination_airport
           FROM f GROUP BY ALL""",
    )


def route_delays(landed: duckdb.DuckDBPyConnection) -> Iterator[Row]:
    """gold.route_delays."""
    for row in rows_of(
        landed,
        """SELECT origin, dest AS destination, (SELECT name FROM airports WHERE faa = dest) AS destination_name,
               count() AS scheduled, count() - count(dep_time) AS cancelled, count(arr_delay) AS arrived,
               sum(dep_delay)::BIGINT AS departing, sum(arr_delay)::BIGINT AS arriving,
               quantile_cont(arr_delay, 0.5) AS median_arrival_delay, quantile_cont(arr_delay, 0.9) AS p90,
               min(distance) AS shortest_miles, max(distance) AS longest_miles
           FROM f GROUP BY origin, dest""",
    ):
        departing, arriving, p90 = row.pop("departing"), row.pop("arriving"), row.pop("p90")
        yield row | {
            "cancelled_share": half_up(row["cancelled"], row["scheduled"], 4),
            "mean_departure_delay": half_up(departing or 0, row["scheduled"] - row["cancelled"], 2),
            "mean_arrival_delay": half_up(arriving or 0, row["arrived"], 2),
            "p90_arrival_delay": None if p90 is None else half_up(p90, 1, 2),
        }


def fleet_age(landed: duckdb.DuckDBPyConnection) -> Iterator[Row]:
    """gold.fleet_age."""
    for row in rows_of(
        landed,
        """WITH flown AS (SELECT DISTINCT carrier, tailnum FROM f WHERE tailnum IS NOT NULL)
           SELECT carrier, a.name AS carrier_name, count() AS aircraft,
               count() - count(p.tailnum) AS unregistered, count(p.tailnum) - count(p.year) AS age_unknown,
               min(p.year) AS oldest_built, max(p.year) AS newest_built,
               2013 * count(p.year) - sum(p.year)::BIGINT AS years, count(p.year) AS dated
           FROM flown JOIN airlines a USING (carrier) LEFT JOIN planes p USING (tailnum) GROUP BY carrier, a.name""",
    ):
        years, dated = row.pop("years"), row.pop("dated")
        yield row | {"mean_age": half_up(years or 0, dated, 2)}


GOLD = {
    "gold.carrier_punctuality": carrier_punctuality,
    "gold.weather_delay": weather_delay,
    "gold.airport_traffic": airport_traffic,
    "gold.known_gaps": known_gaps,
    "gold.route_delays": route_delays,
    "gold.fleet_age": fleet_age,
}


def as_bag(rows: list[Row]) -> Counter[tuple[tuple[str, Any], ...]]:
    """Rows as a bag: column order does not matter, NaN counts as NULL, 5 equals 5.0."""

    def plain(value: Any) -> Any:
        return None if isinstance(value, float) and math.isnan(value) else value

    return Counter(tuple((name, plain(row[name])) for name in sorted(row)) for row in rows)


def check_gold(read_table: ReadTable, landing: Path) -> None:
    """Every row of every gold table equals the computation from the landed files."""
    landed = open_landed(landing)
    for name, compute in GOLD.items():
        table = read_table(name)
        actual = as_bag(table.to_pylist() if isinstance(table, pa.Table) else table.to_dict("records"))
        expected = as_bag(list(compute(landed)))
        assert expected, name
        assert actual == expected, (
            f"{name}: only in the table {[dict(row) for row in list(actual - expected)[:3]]}; "
            f"only computed {[dict(row) for row in list(expected - actual)[:3]]}"
        )


def check_silver(read_table: ReadTable, landing: Path) -> None:
    """Keys are unique and complete, instants equal the local clock's reading converted to UTC, gaps are marked."""
    landed = open_landed(landing)
    local = landed.sql("""
        SELECT concat(day, '-', carrier, flight, '-', origin) AS flight_id,
            day + to_minutes(hour * 60 + minute) AS clock, dep_delay, arr_delay FROM f""").df()
    clock = local.pop("clock").dt.tz_localize("America/New_York").dt.tz_convert("UTC").dt.tz_localize(None)
    local["scheduled"] = clock
    local["departed"] = clock + pd.to_timedelta(local["dep_delay"], unit="min")
    silver = duckdb.connect()
    silver.execute("SET TimeZone = 'UTC'")
    silver.register("local", local)
    silver.register("flights", read_table("silver.flights"))
    silver.register("departures", read_table("silver.departures"))
    expected = landed.sql("SELECT count(), count() - count(dep_time) FROM f").fetchall()[0]
    assert silver.sql("SELECT count(DISTINCT flight_id), count_if(is_cancelled) FROM flights").fetchall()[0] == expected
    assert silver.sql("SELECT count(*), count_if(is_cancelled) FROM flights").fetchall()[0] == expected
    assert silver.sql("SELECT count(*), count_if(is_cancelled) FROM departures").fetchall()[0] == expected
    agreeing = silver.sql("""
        SELECT count() FROM local l JOIN flights f ON f.flight_id = l.flight_id
            AND f.scheduled_departure_at::TIMESTAMP = l.scheduled
            AND f.departed_at::TIMESTAMP IS NOT DISTINCT FROM l.departed
            AND f.departure_delay IS NOT DISTINCT FROM l.dep_delay
            AND f.arrival_delay IS NOT DISTINCT FROM l.arr_delay
            AND f.is_cancelled = (l.departed IS NULL)
            AND f.departure_minute IS NOT DISTINCT FROM
                (f.scheduled_departure_minute + f.departure_delay + 1440) % 1440""").fetchall()[0]
    assert agreeing == expected[:1]
    gaps = landed.sql("""
        SELECT count() - count(tailnum),
            count() FILTER (NOT EXISTS (SELECT 1 FROM planes p WHERE p.tailnum = f.tailnum)),
            count() FILTER (NOT EXISTS (SELECT 1 FROM airports a WHERE a.faa = f.dest)) FROM f""").fetchall()[0]
    marked = silver.sql("""
        SELECT count_if(NOT has_tail_number), count_if(NOT has_plane), count_if(NOT has_destination_airport)
        FROM departures""").fetchall()[0]
    assert marked == gaps


def check_year(read_table: ReadTable) -> None:
    """The facts of the whole year, as constants."""
    year = duckdb.connect()
    year.register("departures", read_table("silver.departures"))
    year.register("punctuality", read_table("gold.carrier_punctuality"))
    assert year.sql("""
        SELECT count(*), count_if(is_cancelled), count_if(NOT has_tail_number), count_if(NOT has_plane),
            count_if(has_tail_number AND NOT has_plane), count_if(NOT has_destination_airport),
            count_if(arrival_delay IS NULL) FROM departures""").fetchall()[0] == (
        DEPARTURES,
        CANCELLED,
        WITHOUT_TAIL_NUMBER,
        WITHOUT_PLANE,
        WITH_UNKNOWN_TAIL_NUMBER,
        WITHOUT_DESTINATION_AIRPORT,
        WITHOUT_ARRIVAL,
    )
    assert year.sql("""
        SELECT sum(scheduled), sum(departure_delay_minutes), sum(arrival_delay_minutes) FROM punctuality""").fetchall()[
        0
    ] == (
        DEPARTURES,
        DEPARTURE_DELAY_MINUTES,
        ARRIVAL_DELAY_MINUTES,
    )
    by_carrier = dict(year.sql("SELECT carrier, sum(scheduled) FROM punctuality GROUP BY carrier").fetchall())
    assert len(by_carrier) == REGISTERED["silver.airlines"]
    assert {carrier: by_carrier[carrier] for carrier in SCHEDULED_BY_CARRIER} == SCHEDULED_BY_CARRIER
    assert {name: len(read_table(name)) for name in REGISTERED} == REGISTERED
    assert len(read_table("silver.weather")) == WEATHER_HOURS
