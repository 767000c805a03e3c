-- A flight counts twice: as a departure at its origin and as an arrival at its destination, both on the date of scheduled
-- departure, because no arrival instant is delivered (silver/flights.sql has the timestamp rule).
CREATE TEMPORARY VIEW airport_movements
COMMENT 'Each flight once at its origin and once at its destination'
AS SELECT origin AS airport, origin_name AS airport_name, flight_date AS traffic_date,
     1 AS departing, 0 AS arriving, is_cancelled
   FROM silver.departures
   UNION ALL
   SELECT destination, destination_name, flight_date, 0, 1, is_cancelled
   FROM silver.departures;

CREATE MATERIALIZED VIEW gold.airport_traffic (
  airport COMMENT 'FAA code',
  airport_name COMMENT 'NULL where the airport is not in the register',
  traffic_date COMMENT 'New York calendar date of scheduled departure',
  departures COMMENT 'Flights that left the airport',
  arrivals COMMENT 'Flights that left New York for the airport',
  cancelled COMMENT 'Flights to or from the airport that were cancelled',
  CONSTRAINT airport_is_known EXPECT (airport_name IS NOT NULL)
)
COMMENT 'Flights to and from each airport by day'
AS SELECT
  airport,
  max(airport_name) AS airport_name,
  traffic_date,
  count_if(departing = 1 AND NOT is_cancelled) AS departures,
  count_if(arriving = 1 AND NOT is_cancelled) AS arrivals,
  count_if(is_cancelled) AS cancelled
FROM airport_movements
GROUP BY airport, traffic_date;
