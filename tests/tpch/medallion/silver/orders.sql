CREATE MATERIALIZED VIEW silver.orders COMMENT 'Orders with their customer' TBLPROPERTIES ('delta.enableDeletionVectors' = 'true') AS
SELECT
  o.o_orderkey AS order_id,
  o.o_custkey AS customer_id,
  o.o_orderdate AS order_date,
  o.o_orderstatus AS status,
  o.o_orderpriority AS priority,
  o.o_totalprice AS total_price,
  c.segment AS segment,
  c.nation AS nation
FROM raw.orders AS o
JOIN silver.customers AS c ON c.customer_id = o.o_custkey;
