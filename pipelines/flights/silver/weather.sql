-- Instants follow the rule in flights.sql: `time_hour` is UTC and the only source of time. The delivered local clock
-- columns are not kept: at the end of daylight saving they name one hour twice.
CREATE MATERIALIZED VIEW silver.weather (
  origin COMMENT 'FAA code of the airport where it was observed',
  observed_at COMMENT 'UTC hour; with origin the key, and what flights are joined by',
  temperature_f COMMENT 'Degrees Fahrenheit',
  dew_point_f COMMENT 'Degrees Fahrenheit',
  humidity COMMENT 'Relative, percent',
  wind_direction COMMENT 'Degrees the wind comes from; NULL in variable wind',
  wind_mph COMMENT 'Miles per hour',
  gust_mph COMMENT 'Miles per hour; NULL without gusts',
  precipitation_inches COMMENT 'Inches in the hour',
  pressure_hpa COMMENT 'At sea level, hectopascal',
  visibility_miles COMMENT 'At most 10 is reported',
  CONSTRAINT has_key EXPECT (origin IS NOT NULL AND observed_at IS NOT NULL) ON VIOLATION FAIL UPDATE,
  CONSTRAINT plausible_wind EXPECT (wind_mph IS NULL OR wind_mph < 200) ON VIOLATION QUARANTINE,
  CONSTRAINT has_temperature EXPECT (temperature_f IS NOT NULL),
  CONSTRAINT has_pressure EXPECT (pressure_hpa IS NOT NULL),
  CONSTRAINT has_wind_direction EXPECT (wind_direction IS NOT NULL)
)
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
FROM bronze.weather;
