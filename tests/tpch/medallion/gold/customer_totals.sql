CREATE MATERIALIZED VIEW gold.customer_totals COMMENT 'What a customer bought, and when last' AS
SELECT
  customer_id AS customer_id,
  nation AS nation,
  count(DISTINCT order_id) AS order_count,
  sum(revenue) AS revenue,
  max(order_date) AS last_order_date
FROM silver.sales
GROUP BY customer_id, nation;
