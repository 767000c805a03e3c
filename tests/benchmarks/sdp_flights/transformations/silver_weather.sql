CREATE MATERIALIZED VIEW silver_weather
COMMENT 'Hourly weather at the three New York airports, typed.'
AS SELECT
  origin,
  try_cast(time_hour AS TIMESTAMP) AS observed_at,
  try_cast(temp AS DOUBLE) AS temperature_f,
  try_cast(dewp AS DOUBLE) AS dew_point_f,
  try_cast(humid AS DOUBLE) AS humidity,
  try_cast(wind_dir AS INT) AS wind_direction,
  try_cast(wind_speed AS DOUBLE) AS wind_mph,
  try_cast(wind_gust AS DOUBLE) AS gust_mph,
  try_cast(precip AS DOUBLE) AS precipitation_inches,
  try_cast(pressure AS DOUBLE) AS pressure_hpa,
  try_cast(visib AS DOUBLE) AS visibility_miles
FROM bronze_weather
-- What the demo's expectation sets aside.
WHERE try_cast(wind_speed AS DOUBLE) IS NULL OR try_cast(wind_speed AS DOUBLE) < 200;
