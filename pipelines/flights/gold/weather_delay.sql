-- Bands instead of values: a group of a few dozen hours says something, a single reading does not. A missing observation
-- is the band 'unknown'.
CREATE MATERIALIZED VIEW gold.weather_delay (
  precipitation COMMENT 'Inches in the hour of departure: none, light (below 0.1), heavy, unknown',
  visibility COMMENT 'Miles: low (below 3), reduced (below 10), clear, unknown',
  wind COMMENT 'Miles per hour: calm (below 10), breezy (below 20), strong, unknown',
  scheduled COMMENT 'Departures scheduled in such an hour',
  cancelled COMMENT 'Departures cancelled',
  cancelled_share COMMENT 'cancelled / scheduled, four decimals',
  late COMMENT 'Departures 30 minutes late or more',
  departure_delay_minutes COMMENT 'Sum of departure delays, early ones negative',
  mean_departure_delay COMMENT 'Minutes per departed flight, two decimals; NULL where none departed',
  CONSTRAINT weather_is_known EXPECT (precipitation <> 'unknown')
)
COMMENT 'Departure delays and cancellations by the weather at the airport in the hour of scheduled departure'
AS WITH banded AS (
  SELECT
    d.departure_delay,
    d.is_cancelled,
    CASE
      WHEN w.precipitation_inches IS NULL THEN 'unknown'
      WHEN w.precipitation_inches = 0 THEN 'none'
      WHEN w.precipitation_inches < 0.1 THEN 'light'
      ELSE 'heavy'
    END AS precipitation,
    CASE
      WHEN w.visibility_miles IS NULL THEN 'unknown'
      WHEN w.visibility_miles < 3 THEN 'low'
      WHEN w.visibility_miles < 10 THEN 'reduced'
      ELSE 'clear'
    END AS visibility,
    CASE
      WHEN w.wind_mph IS NULL THEN 'unknown'
      WHEN w.wind_mph < 10 THEN 'calm'
      WHEN w.wind_mph < 20 THEN 'breezy'
      ELSE 'strong'
    END AS wind
  FROM silver.departures d
  LEFT JOIN silver.weather w ON w.origin = d.origin AND w.observed_at = d.scheduled_hour_at
)
SELECT
  precipitation,
  visibility,
  wind,
  count(*) AS scheduled,
  count_if(is_cancelled) AS cancelled,
  round(count_if(is_cancelled) / count(*), 4) AS cancelled_share,
  count_if(departure_delay >= 30) AS late,
  sum(departure_delay) AS departure_delay_minutes,
  round(avg(departure_delay), 2) AS mean_departure_delay
FROM banded
GROUP BY precipitation, visibility, wind;
