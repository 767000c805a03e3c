CREATE MATERIALIZED VIEW tpch.q17 COMMENT 'Small-quantity-order revenue' REFRESH POLICY INCREMENTAL AS
SELECT
  sum(l.l_extendedprice) / 7.0 AS avg_yearly
FROM raw.lineitem AS l, raw.part AS p
WHERE p.p_partkey = l.l_partkey
  AND p.p_brand = 'Brand#23'
  AND p.p_container = 'MED BOX'
  AND l.l_quantity < (
    SELECT 0.2 * avg(l2.l_quantity)
    FROM raw.lineitem AS l2
    WHERE l2.l_partkey = p.p_partkey
  );
