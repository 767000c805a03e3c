CREATE MATERIALIZED VIEW tpch.q03 COMMENT 'Shipping priority' REFRESH POLICY INCREMENTAL AS
SELECT
  l.l_orderkey AS l_orderkey,
  sum(l.l_extendedprice * (1 - l.l_discount)) AS revenue,
  o.o_orderdate AS o_orderdate,
  o.o_shippriority AS o_shippriority
FROM raw.customer AS c, raw.orders AS o, raw.lineitem AS l
WHERE c.c_mktsegment = 'BUILDING'
  AND c.c_custkey = o.o_custkey
  AND l.l_orderkey = o.o_orderkey
  AND o.o_orderdate < DATE '1995-03-15'
  AND l.l_shipdate > DATE '1995-03-15'
GROUP BY l.l_orderkey, o.o_orderdate, o.o_shippriority
ORDER BY revenue DESC, o_orderdate, l_orderkey
LIMIT 10;
