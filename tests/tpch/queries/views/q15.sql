CREATE MATERIALIZED VIEW tpch.q15 COMMENT 'Top supplier' REFRESH POLICY INCREMENTAL AS
WITH revenue AS (
  SELECT
    l_suppkey AS supplier_no,
    sum(l_extendedprice * (1 - l_discount)) AS total_revenue
  FROM raw.lineitem
  WHERE l_shipdate >= DATE '1996-01-01'
    AND l_shipdate < DATE '1996-01-01' + INTERVAL '3' MONTH
  GROUP BY l_suppkey
)
SELECT
  s.s_suppkey AS s_suppkey,
  s.s_name AS s_name,
  s.s_address AS s_address,
  s.s_phone AS s_phone,
  revenue.total_revenue AS total_revenue
FROM raw.supplier AS s, revenue
WHERE s.s_suppkey = revenue.supplier_no
  AND revenue.total_revenue = (SELECT max(best.total_revenue) FROM revenue AS best)
ORDER BY s_suppkey;
