CREATE MATERIALIZED VIEW tpch.q10 COMMENT 'Returned item reporting' REFRESH POLICY INCREMENTAL AS
SELECT
  c.c_custkey AS c_custkey,
  c.c_name AS c_name,
  sum(l.l_extendedprice * (1 - l.l_discount)) AS revenue,
  c.c_acctbal AS c_acctbal,
  n.n_name AS n_name,
  c.c_address AS c_address,
  c.c_phone AS c_phone,
  c.c_comment AS c_comment
FROM raw.customer AS c, raw.orders AS o, raw.lineitem AS l, raw.nation AS n
WHERE c.c_custkey = o.o_custkey
  AND l.l_orderkey = o.o_orderkey
  AND o.o_orderdate >= DATE '1993-10-01'
  AND o.o_orderdate < DATE '1993-10-01' + INTERVAL '3' MONTH
  AND l.l_returnflag = 'R'
  AND c.c_nationkey = n.n_nationkey
GROUP BY c.c_custkey, c.c_name, c.c_acctbal, c.c_phone, n.n_name, c.c_address, c.c_comment
ORDER BY revenue DESC, c_custkey
LIMIT 20;
