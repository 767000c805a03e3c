CREATE MATERIALIZED VIEW silver_planes
COMMENT 'Aircraft by registration.'
AS SELECT tailnum AS tail_number, year AS built, type, manufacturer, model, engines, seats, engine
FROM (
  SELECT *, row_number() OVER (PARTITION BY tailnum ORDER BY _epoch DESC, _source_file DESC) AS delivery
  FROM bronze_planes
)
WHERE delivery = 1;

CREATE MATERIALIZED VIEW silver_airports
COMMENT 'Airports by FAA code.'
AS SELECT
  faa AS airport,
  name AS airport_name,
  try_cast(lat AS DOUBLE) AS latitude,
  try_cast(lon AS DOUBLE) AS longitude,
  try_cast(alt AS INT) AS altitude_feet,
  tzone AS time_zone
FROM (
  SELECT *, row_number() OVER (PARTITION BY faa ORDER BY _epoch DESC, _source_file DESC) AS delivery
  FROM bronze_airports
)
WHERE delivery = 1;

CREATE MATERIALIZED VIEW silver_airlines
COMMENT 'Carriers by code.'
AS SELECT carrier, name AS carrier_name
FROM (
  SELECT *, row_number() OVER (PARTITION BY carrier ORDER BY _epoch DESC, _source_file DESC) AS delivery
  FROM bronze_airlines
)
WHERE delivery = 1;
