CREATE MATERIALIZED VIEW kinds.largest_orders COMMENT 'Window: the three largest orders of each customer' AS
SELECT
  ranked.o_custkey AS o_custkey,
  ranked.place AS place,
  ranked.o_orderkey AS o_orderkey,
  ranked.o_totalprice AS o_totalprice
FROM (
  SELECT
    o_custkey,
    o_orderkey,
    o_totalprice,
    row_number() OVER (PARTITION BY o_custkey ORDER BY o_totalprice DESC, o_orderkey) AS place
  FROM raw.orders
) AS ranked
WHERE ranked.place <= 3;
