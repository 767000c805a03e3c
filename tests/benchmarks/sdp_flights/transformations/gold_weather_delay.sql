CREATE MATERIALIZED VIEW gold_weather_delay
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
  FROM silver_departures d
  LEFT JOIN silver_weather w ON w.origin = d.origin AND w.observed_at = d.scheduled_hour_at
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
