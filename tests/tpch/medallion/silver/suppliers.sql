CREATE MATERIALIZED VIEW silver.suppliers COMMENT 'Suppliers with nation and region' AS
SELECT
  s.s_suppkey AS supplier_id,
  s.s_name AS supplier_name,
  n.n_name AS nation,
  r.r_name AS region
FROM raw.supplier AS s
JOIN raw.nation AS n ON n.n_nationkey = s.s_nationkey
JOIN raw.region AS r ON r.r_regionkey = n.n_regionkey;
