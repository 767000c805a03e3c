CREATE MATERIALIZED VIEW kinds.ship_days COMMENT 'Distinct values' AS
SELECT DISTINCT
  l_shipdate AS l_shipdate,
  l_shipmode AS l_shipmode,
  l_suppkey % 100 AS supplier_group
FROM raw.lineitem;
