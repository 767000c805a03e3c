CREATE MATERIALIZED VIEW gold.brand_profit COMMENT 'Profit by brand and year' AS
SELECT
  brand AS brand,
  year(order_date) AS order_year,
  sum(quantity) AS quantity,
  sum(revenue - cost) AS profit
FROM silver.sales
GROUP BY brand, year(order_date);
