CREATE MATERIALIZED VIEW gold_known_gaps
COMMENT 'What the deliveries leave open, by month, so that no analyst has to find out alone.'
AS SELECT
  trunc(flight_date, 'MONTH') AS month,
  count(*) AS scheduled,
  count_if(is_cancelled) AS cancelled,
  count_if(NOT is_cancelled AND arrival_delay IS NULL) AS without_arrival,
  count_if(NOT has_tail_number) AS without_tail_number,
  count_if(NOT has_plane) AS without_plane,
  count_if(NOT has_destination_airport) AS without_destination_airport
FROM silver_departures
GROUP BY trunc(flight_date, 'MONTH');
