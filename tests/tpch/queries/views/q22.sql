CREATE MATERIALIZED VIEW tpch.q22 COMMENT 'Global sales opportunity' REFRESH POLICY INCREMENTAL AS
SELECT
  custsale.cntrycode AS cntrycode,
  count(*) AS numcust,
  sum(custsale.c_acctbal) AS totacctbal
FROM (
  SELECT
    substring(c.c_phone, 1, 2) AS cntrycode,
    c.c_acctbal AS c_acctbal
  FROM raw.customer AS c
  WHERE substring(c.c_phone, 1, 2) IN ('13', '31', '23', '29', '30', '18', '17')
    AND c.c_acctbal > (
      SELECT avg(c2.c_acctbal)
      FROM raw.customer AS c2
      WHERE c2.c_acctbal > 0.00
        AND substring(c2.c_phone, 1, 2) IN ('13', '31', '23', '29', '30', '18', '17')
    )
    AND NOT EXISTS (
      SELECT *
      FROM raw.orders AS o
      WHERE o.o_custkey = c.c_custkey
    )
) AS custsale
GROUP BY custsale.cntrycode
ORDER BY cntrycode;
