CREATE MATERIALIZED VIEW gold_carrier_punctuality
COMMENT 'On-time arrivals and delays by carrier and month'
AS SELECT
  carrier,
  max(carrier_name) AS carrier_name,
  trunc(flight_date, 'MONTH') AS month,
  count(*) AS scheduled,
  count_if(is_cancelled) AS cancelled,
  count(arrival_delay) AS arrived,
  count_if(arrival_delay < 15) AS on_time,
  round(count_if(arrival_delay < 15) / count(*), 4) AS on_time_share,
  sum(departure_delay) AS departure_delay_minutes,
  sum(arrival_delay) AS arrival_delay_minutes,
  round(avg(departure_delay), 2) AS mean_departure_delay,
  round(avg(arrival_delay), 2) AS mean_arrival_delay
FROM silver_departures
GROUP BY carrier, trunc(flight_date, 'MONTH');
