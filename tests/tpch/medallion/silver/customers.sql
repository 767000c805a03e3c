CREATE MATERIALIZED VIEW silver.customers COMMENT 'Customers with nation and region' AS
SELECT
  c.c_custkey AS customer_id,
  c.c_name AS customer_name,
  c.c_mktsegment AS segment,
  c.c_acctbal AS balance,
  n.n_name AS nation,
  r.r_name AS region
FROM raw.customer AS c
JOIN raw.nation AS n ON n.n_nationkey = c.c_nationkey
JOIN raw.region AS r ON r.r_regionkey = n.n_regionkey;
