CREATE MATERIALIZED VIEW tpch.q09 COMMENT 'Product type profit measure' REFRESH POLICY INCREMENTAL AS
SELECT
  profit.nation AS nation,
  profit.o_year AS o_year,
  sum(profit.amount) AS sum_profit
FROM (
  SELECT
    n.n_name AS nation,
    extract(YEAR FROM o.o_orderdate) AS o_year,
    l.l_extendedprice * (1 - l.l_discount) - ps.ps_supplycost * l.l_quantity AS amount
  FROM raw.part AS p, raw.supplier AS s, raw.lineitem AS l, raw.partsupp AS ps, raw.orders AS o, raw.nation AS n
  WHERE s.s_suppkey = l.l_suppkey
    AND ps.ps_suppkey = l.l_suppkey
    AND ps.ps_partkey = l.l_partkey
    AND p.p_partkey = l.l_partkey
    AND o.o_orderkey = l.l_orderkey
    AND s.s_nationkey = n.n_nationkey
    AND p.p_name LIKE '%green%'
) AS profit
GROUP BY profit.nation, profit.o_year
ORDER BY nation, o_year DESC;
