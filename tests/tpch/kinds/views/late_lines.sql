CREATE MATERIALIZED VIEW kinds.late_lines COMMENT 'Filter and projection' TBLPROPERTIES ('delta.enableDeletionVectors' = 'true') AS
SELECT
  l_orderkey AS l_orderkey,
  l_linenumber AS l_linenumber,
  l_suppkey AS l_suppkey,
  datediff(l_receiptdate, l_commitdate) AS days_late,
  l_extendedprice * (1 - l_discount) AS revenue
FROM raw.lineitem
WHERE l_receiptdate > l_commitdate;
