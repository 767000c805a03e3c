CREATE MATERIALIZED VIEW silver.orders (
  order_id COMMENT 'Number of the order line',
  order_date COMMENT 'Day on which it was placed',
  customer COMMENT 'Name, NULL where none was given',
  quantity COMMENT 'Pieces',
  price COMMENT 'Euros a piece'
)
COMMENT 'Order lines with types; lines without a readable quantity or price are left out'
AS SELECT
  CAST(order_id AS BIGINT) AS order_id,
  CAST(order_date AS DATE) AS order_date,
  nullif(trim(customer), '') AS customer,
  try_cast(quantity AS INT) AS quantity,
  try_cast(price AS DECIMAL(10, 2)) AS price
FROM bronze.orders
WHERE try_cast(quantity AS INT) IS NOT NULL AND try_cast(price AS DECIMAL(10, 2)) IS NOT NULL;
