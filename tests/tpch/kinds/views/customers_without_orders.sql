CREATE MATERIALIZED VIEW kinds.customers_without_orders COMMENT 'Anti join' AS
SELECT
  c.c_custkey AS c_custkey,
  c.c_name AS c_name,
  c.c_acctbal AS c_acctbal
FROM raw.customer AS c
WHERE NOT EXISTS (SELECT * FROM raw.orders AS o WHERE o.o_custkey = c.c_custkey);
