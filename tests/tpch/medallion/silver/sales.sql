CREATE MATERIALIZED VIEW silver.sales COMMENT 'Line items with order, customer nation and cost' TBLPROPERTIES ('delta.enableDeletionVectors' = 'true') AS
SELECT
  l.l_orderkey AS order_id,
  l.l_linenumber AS line_number,
  o.customer_id AS customer_id,
  o.order_date AS order_date,
  o.nation AS nation,
  l.l_partkey AS part_id,
  l.l_suppkey AS supplier_id,
  f.brand AS brand,
  l.l_shipdate AS ship_date,
  l.l_receiptdate > l.l_commitdate AS is_late,
  l.l_returnflag = 'R' AS is_returned,
  l.l_quantity AS quantity,
  l.l_extendedprice * (1 - l.l_discount) AS revenue,
  l.l_quantity * f.cost AS cost
FROM raw.lineitem AS l
JOIN silver.orders AS o ON o.order_id = l.l_orderkey
JOIN silver.offers AS f ON f.part_id = l.l_partkey AND f.supplier_id = l.l_suppkey;
