CREATE MATERIALIZED VIEW tpch.q11 COMMENT 'Important stock identification' REFRESH POLICY INCREMENTAL AS
SELECT
  ps.ps_partkey AS ps_partkey,
  sum(ps.ps_supplycost * ps.ps_availqty) AS value
FROM raw.partsupp AS ps, raw.supplier AS s, raw.nation AS n
WHERE ps.ps_suppkey = s.s_suppkey
  AND s.s_nationkey = n.n_nationkey
  AND n.n_name = 'GERMANY'
GROUP BY ps.ps_partkey
HAVING sum(ps.ps_supplycost * ps.ps_availqty) > (
  SELECT sum(ps2.ps_supplycost * ps2.ps_availqty) * ${fraction}
  FROM raw.partsupp AS ps2, raw.supplier AS s2, raw.nation AS n2
  WHERE ps2.ps_suppkey = s2.s_suppkey
    AND s2.s_nationkey = n2.n_nationkey
    AND n2.n_name = 'GERMANY'
)
ORDER BY value DESC;
