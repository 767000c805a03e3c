CREATE MATERIALIZED VIEW gold.late_priorities COMMENT 'Orders with a late line, by priority and month' AS
SELECT
  o.priority AS priority,
  trunc(o.order_date, 'MONTH') AS month,
  count(*) AS order_count
FROM silver.orders AS o
WHERE EXISTS (SELECT * FROM silver.sales AS a WHERE a.order_id = o.order_id AND a.is_late)
GROUP BY o.priority, trunc(o.order_date, 'MONTH');
