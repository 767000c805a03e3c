CREATE MATERIALIZED VIEW kinds.customers_and_orders COMMENT 'Outer join, a row for each order or customer without one' AS
SELECT
  c.c_custkey AS c_custkey,
  c.c_mktsegment AS c_mktsegment,
  o.o_orderkey AS o_orderkey,
  o.o_totalprice AS o_totalprice
FROM raw.customer AS c
LEFT OUTER JOIN raw.orders AS o ON o.o_custkey = c.c_custkey;
