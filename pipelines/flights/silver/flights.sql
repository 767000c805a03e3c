-- The timestamp rule of this pipeline, used nowhere else and nowhere differently:
--   * An instant is a TIMESTAMP in UTC. `time_hour` is the only delivered column in UTC: the hour of scheduled departure.
--     Scheduled departure is that hour plus the minutes of `sched_dep_time`; actual departure is the scheduled one plus
--     the delay. So no local time is ever converted, and daylight saving cannot shift anything.
--   * A clock reading (HHMM) is local: New York's for departures, the destination's for arrivals. It becomes minutes
--     after local midnight, 0 to 1439; 2400 is midnight, hence 0. No arrival instant is derived from it.
--   * A date is the New York calendar date of scheduled departure.
-- A cancelled flight has no departure time; it is kept and marked.
CREATE MATERIALIZED VIEW silver.flights (
  flight_id COMMENT 'Date, carrier with flight number, and origin: unique, and the same however often a file is delivered',
  flight_date COMMENT 'New York calendar date of scheduled departure',
  scheduled_hour_at COMMENT 'UTC hour of scheduled departure, as delivered; weather is observed at such hours',
  scheduled_departure_at COMMENT 'UTC',
  departed_at COMMENT 'UTC; NULL where cancelled',
  scheduled_departure_minute COMMENT 'Minutes after New York midnight',
  departure_minute COMMENT 'Minutes after New York midnight; NULL where cancelled',
  scheduled_arrival_minute COMMENT 'Minutes after midnight at the destination',
  arrival_minute COMMENT 'Minutes after midnight at the destination; NULL where none was recorded',
  carrier COMMENT 'Two-letter carrier code',
  flight_number COMMENT 'Number the carrier gives the flight',
  tail_number COMMENT 'Registration of the aircraft; NULL where not reported',
  origin COMMENT 'FAA code: EWR, JFK or LGA',
  destination COMMENT 'FAA code',
  departure_delay COMMENT 'Minutes, negative if early; NULL where cancelled',
  arrival_delay COMMENT 'Minutes, negative if early; NULL where cancelled, diverted or not recorded',
  air_minutes COMMENT 'Minutes in the air; NULL where arrival_delay is',
  distance_miles COMMENT 'Miles between the airports',
  is_cancelled COMMENT 'It never departed',
  CONSTRAINT has_key EXPECT (flight_id IS NOT NULL AND scheduled_departure_at IS NOT NULL) ON VIOLATION FAIL UPDATE,
  CONSTRAINT clock_agrees_with_delay EXPECT (is_cancelled
    OR departure_minute = pmod(scheduled_departure_minute + departure_delay, 1440)),
  CONSTRAINT has_tail_number EXPECT (tail_number IS NOT NULL),
  CONSTRAINT tail_number_is_american EXPECT (tail_number IS NULL OR tail_number LIKE 'N%'),
  CONSTRAINT departure_is_followed_by_arrival EXPECT (is_cancelled OR arrival_minute IS NOT NULL),
  CONSTRAINT arrival_delay_is_recorded EXPECT (is_cancelled OR arrival_delay IS NOT NULL),
  CONSTRAINT delay_below_half_a_day EXPECT (departure_delay IS NULL OR departure_delay BETWEEN -60 AND 720),
  CONSTRAINT plausible_distance EXPECT (distance_miles >= 50),
  CONSTRAINT plausible_speed EXPECT (air_minutes IS NULL OR distance_miles * 60 <= 600 * air_minutes)
)
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
  FROM bronze.flights
);
