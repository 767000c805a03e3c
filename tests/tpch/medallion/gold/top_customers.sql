CREATE MATERIALIZED VIEW gold.top_customers COMMENT 'The ten best customers of each nation' AS
SELECT
  ranked.nation AS nation,
  ranked.place AS place,
  ranked.customer_id AS customer_id,
  ranked.revenue AS revenue
FROM (
  SELECT
    nation,
    customer_id,
    revenue,
    row_number() OVER (PARTITION BY nation ORDER BY revenue DESC, customer_id) AS place
  FROM gold.customer_totals
) AS ranked
WHERE ranked.place <= 10;
