CREATE MATERIALIZED VIEW kinds.customer_revenue COMMENT 'Sum, count and maximum over two joins, many groups' AS
SELECT
  c.c_custkey AS c_custkey,
  c.c_name AS c_name,
  count(*) AS line_count,
  sum(l.l_extendedprice * (1 - l.l_discount)) AS revenue,
  max(o.o_orderdate) AS last_order_date
FROM raw.lineitem AS l
JOIN raw.orders AS o ON o.o_orderkey = l.l_orderkey
JOIN raw.customer AS c ON c.c_custkey = o.o_custkey
GROUP BY c.c_custkey, c.c_name;
