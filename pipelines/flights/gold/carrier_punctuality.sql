-- On time as the US Department of Transportation counts it: arrived less than 15 minutes late; a flight that was
-- cancelled, diverted or has no recorded arrival is not on time. Totals stand beside means, so that months can be added up.
CREATE MATERIALIZED VIEW gold.carrier_punctuality (
  carrier COMMENT 'Two-letter carrier code',
  carrier_name COMMENT 'Name of the carrier',
  month COMMENT 'First day of the month of scheduled departure',
  scheduled COMMENT 'Departures scheduled',
  cancelled COMMENT 'Departures cancelled',
  arrived COMMENT 'Flights with a recorded arrival delay',
  on_time COMMENT 'Flights that arrived less than 15 minutes late',
  on_time_share COMMENT 'on_time / scheduled, four decimals',
  departure_delay_minutes COMMENT 'Sum of departure delays, early ones negative',
  arrival_delay_minutes COMMENT 'Sum of arrival delays, early ones negative',
  mean_departure_delay COMMENT 'Minutes per departed flight, two decimals',
  mean_arrival_delay COMMENT 'Minutes per arrived flight, two decimals',
  CONSTRAINT has_carrier EXPECT (carrier IS NOT NULL) ON VIOLATION FAIL UPDATE,
  CONSTRAINT mostly_on_time EXPECT (on_time_share >= 0.6)
)
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
FROM silver.departures
GROUP BY carrier, trunc(flight_date, 'MONTH');
