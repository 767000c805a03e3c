CREATE MATERIALIZED VIEW silver_flights
COMMENT 'One row per scheduled departure from New York, typed; cancelled flights are kept and marked.'
AS SELECT
  concat(cast(flight_date AS STRING), '-', carrier, flight, '-', origin) AS flight_id,
  flight_date,
  scheduled_hour_at,
  timestampadd(MINUTE, scheduled_departure % 100, scheduled_hour_at) AS scheduled_departure_at,
  timestampadd(MINUTE, scheduled_departure % 100 + departure_delay, scheduled_hour_at) AS departed_at,
  (scheduled_departure DIV 100 * 60 + scheduled_departure % 100) % 1440 AS scheduled_departure_minute,
  (departure DIV 100 * 60 + departure % 100) % 1440 AS departure_minute,
  (scheduled_arrival DIV 100 * 60 + scheduled_arrival % 100) % 1440 AS scheduled_arrival_minute,
  (arrival DIV 100 * 60 + arrival % 100) % 1440 AS arrival_minute,
  carrier,
  try_cast(flight AS INT) AS flight_number,
  tailnum AS tail_number,
  origin,
  dest AS destination,
  departure_delay,
  try_cast(arr_delay AS INT) AS arrival_delay,
  try_cast(air_time AS INT) AS air_minutes,
  try_cast(distance AS INT) AS distance_miles,
  departure IS NULL AS is_cancelled
FROM (
  SELECT
    *,
    try_cast(concat_ws('-', year, month, day) AS DATE) AS flight_date,
    try_cast(time_hour AS TIMESTAMP) AS scheduled_hour_at,  -- ends in Z: the session's time zone does not matter
    try_cast(sched_dep_time AS INT) AS scheduled_departure,
    try_cast(dep_time AS INT) AS departure,
    try_cast(sched_arr_time AS INT) AS scheduled_arrival,
    try_cast(arr_time AS INT) AS arrival,
    try_cast(dep_delay AS INT) AS departure_delay
  FROM bronze_flights
);
