CREATE MATERIALIZED VIEW tpch.q02 COMMENT 'Minimum cost supplier' REFRESH POLICY INCREMENTAL AS
SELECT
  s.s_acctbal AS s_acctbal,
  s.s_name AS s_name,
  n.n_name AS n_name,
  p.p_partkey AS p_partkey,
  p.p_mfgr AS p_mfgr,
  s.s_address AS s_address,
  s.s_phone AS s_phone,
  s.s_comment AS s_comment
FROM raw.part AS p, raw.supplier AS s, raw.partsupp AS ps, raw.nation AS n, raw.region AS r
WHERE p.p_partkey = ps.ps_partkey
  AND s.s_suppkey = ps.ps_suppkey
  AND p.p_size = 15
  AND p.p_type LIKE '%BRASS'
  AND s.s_nationkey = n.n_nationkey
  AND n.n_regionkey = r.r_regionkey
  AND r.r_name = 'EUROPE'
  AND ps.ps_supplycost = (
    SELECT min(ps2.ps_supplycost)
    FROM raw.partsupp AS ps2, raw.supplier AS s2, raw.nation AS n2, raw.region AS r2
    WHERE p.p_partkey = ps2.ps_partkey
      AND s2.s_suppkey = ps2.ps_suppkey
      AND s2.s_nationkey = n2.n_nationkey
      AND n2.n_regionkey = r2.r_regionkey
      AND r2.r_name = 'EUROPE'
  )
ORDER BY s_acctbal DESC, n_name, s_name, p_partkey
LIMIT 100;
