CREATE MATERIALIZED VIEW kinds.order_lines COMMENT 'Inner join, a row for each line item' TBLPROPERTIES ('delta.enableDeletionVectors' = 'true') AS
SELECT
  l.l_orderkey AS l_orderkey,
  l.l_linenumber AS l_linenumber,
  o.o_custkey AS o_custkey,
  o.o_orderdate AS o_orderdate,
  o.o_orderstatus AS o_orderstatus,
  l.l_partkey AS l_partkey,
  l.l_quantity AS l_quantity,
  l.l_extendedprice * (1 - l.l_discount) AS revenue
FROM raw.lineitem AS l
JOIN raw.orders AS o ON o.o_orderkey = l.l_orderkey;
