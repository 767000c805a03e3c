CREATE MATERIALIZED VIEW gold.revenue_by_day COMMENT 'Revenue and lines by order date' AS
SELECT
  order_date AS order_date,
  count(*) AS line_count,
  sum(revenue) AS revenue
FROM silver.sales
GROUP BY order_date;
