CREATE MATERIALIZED VIEW tpch.q18 COMMENT 'Large volume customer' REFRESH POLICY INCREMENTAL AS
SELECT
  c.c_name AS c_name,
  c.c_custkey AS c_custkey,
  o.o_orderkey AS o_orderkey,
  o.o_orderdate AS o_orderdate,
  o.o_totalprice AS o_totalprice,
  sum(l.l_quantity) AS sum_quantity
FROM raw.customer AS c, raw.orders AS o, raw.lineitem AS l
WHERE o.o_orderkey IN (
    SELECT big.l_orderkey
    FROM raw.lineitem AS big
    GROUP BY big.l_orderkey
    HAVING sum(big.l_quantity) > 300
  )
  AND c.c_custkey = o.o_custkey
  AND o.o_orderkey = l.l_orderkey
GROUP BY c.c_name, c.c_custkey, o.o_orderkey, o.o_orderdate, o.o_totalprice
ORDER BY o_totalprice DESC, o_orderdate, o_orderkey
LIMIT 100;
