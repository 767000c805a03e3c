CREATE MATERIALIZED VIEW gold.revenue_by_nation COMMENT 'Revenue and profit by customer nation and month' AS
SELECT
  nation AS nation,
  trunc(order_date, 'MONTH') AS month,
  count(*) AS line_count,
  sum(revenue) AS revenue,
  sum(revenue - cost) AS profit
FROM silver.sales
GROUP BY nation, trunc(order_date, 'MONTH');
