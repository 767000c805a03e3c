CREATE MATERIALIZED VIEW gold.supplier_reliability COMMENT 'How often a supplier is late or gets goods back' AS
SELECT
  s.supplier_id AS supplier_id,
  s.supplier_name AS supplier_name,
  s.nation AS nation,
  count(a.order_id) AS line_count,
  count_if(a.is_late) AS late_count,
  count_if(a.is_returned) AS returned_count
FROM silver.suppliers AS s
LEFT OUTER JOIN silver.sales AS a ON a.supplier_id = s.supplier_id
GROUP BY s.supplier_id, s.supplier_name, s.nation;
