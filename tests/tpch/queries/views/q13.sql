CREATE MATERIALIZED VIEW tpch.q13 COMMENT 'Customer distribution' REFRESH POLICY INCREMENTAL AS
SELECT
  c_orders.c_count AS c_count,
  count(*) AS custdist
FROM (
  SELECT
    c.c_custkey AS c_custkey,
    count(o.o_orderkey) AS c_count
  FROM raw.customer AS c
  LEFT OUTER JOIN raw.orders AS o
    ON c.c_custkey = o.o_custkey
    AND o.o_comment NOT LIKE '%special%requests%'
  GROUP BY c.c_custkey
) AS c_orders
GROUP BY c_orders.c_count
ORDER BY custdist DESC, c_count DESC;
