CREATE MATERIALIZED VIEW silver.offers COMMENT 'What a supplier asks for a part' AS
SELECT
  ps.ps_partkey AS part_id,
  ps.ps_suppkey AS supplier_id,
  p.p_brand AS brand,
  p.p_type AS part_type,
  ps.ps_supplycost AS cost
FROM raw.partsupp AS ps
JOIN raw.part AS p ON p.p_partkey = ps.ps_partkey;
