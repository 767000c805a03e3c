-- Every departure stays, whether or not the registers know its aircraft and airport: left joins, and a mark per gap.
CREATE MATERIALIZED VIEW silver.departures (
  flight_id COMMENT 'Key, from silver.flights',
  flight_date COMMENT 'New York calendar date of scheduled departure',
  scheduled_hour_at COMMENT 'UTC hour of scheduled departure',
  scheduled_departure_at COMMENT 'UTC',
  departed_at COMMENT 'UTC; NULL where cancelled',
  carrier COMMENT 'Two-letter carrier code',
  carrier_name COMMENT 'Name of the carrier',
  flight_number COMMENT 'Number the carrier gives the flight',
  origin COMMENT 'FAA code',
  origin_name COMMENT 'Name of the airport',
  destination COMMENT 'FAA code',
  destination_name COMMENT 'NULL where has_destination_airport is false',
  tail_number COMMENT 'NULL where has_tail_number is false',
  plane_built COMMENT 'Year; NULL where has_plane is false or the register does not know it',
  plane_manufacturer COMMENT 'NULL where has_plane is false',
  plane_model COMMENT 'NULL where has_plane is false',
  plane_seats COMMENT 'NULL where has_plane is false',
  departure_delay COMMENT 'Minutes; NULL where cancelled',
  arrival_delay COMMENT 'Minutes; NULL where cancelled, diverted or not recorded',
  air_minutes COMMENT 'Minutes in the air',
  distance_miles COMMENT 'Miles between the airports',
  is_cancelled COMMENT 'It never departed',
  has_tail_number COMMENT 'False: the carrier did not report an aircraft',
  has_plane COMMENT 'False: no aircraft of this tail number is registered, or there is no tail number',
  has_destination_airport COMMENT 'False: the destination is not among the airports',
  CONSTRAINT plane_is_known EXPECT (has_plane),
  CONSTRAINT destination_is_known EXPECT (has_destination_airport),
  CONSTRAINT plane_is_not_from_the_future EXPECT (plane_built IS NULL OR plane_built <= year(flight_date)),
  CONSTRAINT carrier_is_known EXPECT (carrier_name IS NOT NULL)
)
COMMENT 'Departures with carrier, aircraft and airports; what the registers do not know is marked, never dropped.'
AS SELECT
  f.flight_id,
  f.flight_date,
  f.scheduled_hour_at,
  f.scheduled_departure_at,
  f.departed_at,
  f.carrier,
  l.carrier_name,
  f.flight_number,
  f.origin,
  o.airport_name AS origin_name,
  f.destination,
  d.airport_name AS destination_name,
  f.tail_number,
  p.built AS plane_built,
  p.manufacturer AS plane_manufacturer,
  p.model AS plane_model,
  p.seats AS plane_seats,
  f.departure_delay,
  f.arrival_delay,
  f.air_minutes,
  f.distance_miles,
  f.is_cancelled,
  f.tail_number IS NOT NULL AS has_tail_number,
  p.tail_number IS NOT NULL AS has_plane,
  d.airport IS NOT NULL AS has_destination_airport
FROM flights f
LEFT JOIN airlines l ON l.carrier = f.carrier
LEFT JOIN planes p ON p.tail_number = f.tail_number
LEFT JOIN airports o ON o.airport = f.origin
LEFT JOIN airports d ON d.airport = f.destination;
