CREATE MATERIALIZED VIEW kinds.revenue_by_day COMMENT 'Sums and counts over a join, few groups' AS
SELECT
  o.o_orderdate AS o_orderdate,
  count(*) AS line_count,
  sum(l.l_extendedprice * (1 - l.l_discount)) AS revenue
FROM raw.lineitem AS l
JOIN raw.orders AS o ON o.o_orderkey = l.l_orderkey
GROUP BY o.o_orderdate;
