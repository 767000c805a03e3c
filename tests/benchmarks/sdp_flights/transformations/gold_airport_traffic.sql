CREATE TEMPORARY VIEW airport_movements
COMMENT 'Each flight once at its origin and once at its destination'
AS SELECT origin AS airport, origin_name AS airport_name, flight_date AS traffic_date,
     1 AS departing, 0 AS arriving, is_cancelled
   FROM silver_departures
   UNION ALL
   SELECT destination, destination_name, flight_date, 0, 1, is_cancelled
   FROM silver_departures;

CREATE MATERIALIZED VIEW gold_airport_traffic
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
