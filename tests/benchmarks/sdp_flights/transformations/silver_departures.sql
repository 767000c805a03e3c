CREATE MATERIALIZED VIEW silver_departures
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
FROM silver_flights f
LEFT JOIN silver_airlines l ON l.carrier = f.carrier
LEFT JOIN silver_planes p ON p.tail_number = f.tail_number
LEFT JOIN silver_airports o ON o.airport = f.origin
LEFT JOIN silver_airports d ON d.airport = f.destination;
