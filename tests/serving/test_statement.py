"""Every kind of statement Spark and Delta know is either a query or refused, before it can do anything."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from lakehouse.errors import UsageError
from lakehouse.serving.statement import require_query

pytestmark = pytest.mark.spark

QUERIES = """
SELECT 1
SELECT * FROM t WHERE a > 1 AND b IN (SELECT x FROM y) ORDER BY 1 LIMIT 3 OFFSET 2
SELECT a, count(*) FROM t GROUP BY a HAVING count(*) > 1
SELECT a, count(*) FROM t GROUP BY CUBE(a)
SELECT a, count(*) FROM t GROUP BY GROUPING SETS ((a), ())
SELECT a, sum(b) OVER w FROM t WINDOW w AS (PARTITION BY a)
WITH x AS (SELECT 1) SELECT * FROM x
WITH RECURSIVE x AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM x WHERE n < 3) SELECT * FROM x
VALUES (1), (2)
TABLE t
FROM t SELECT a
FROM t |> WHERE a > 1 |> AGGREGATE sum(b) GROUP BY a |> EXTEND 1 AS z |> DROP z |> LIMIT 1
FROM t |> SET a = 1 |> AS u |> JOIN v ON u.a = v.a |> SELECT u.a
SELECT * FROM t INTERSECT SELECT * FROM u
SELECT * FROM t INTERSECT ALL SELECT * FROM u
SELECT * FROM t EXCEPT ALL SELECT * FROM u
SELECT * FROM t MINUS SELECT * FROM u
SELECT * FROM t UNION SELECT * FROM u
SELECT /*+ broadcast(t) */ DISTINCT * FROM t JOIN u ON t.a = u.a LEFT SEMI JOIN v USING (a)
SELECT * FROM t, LATERAL (SELECT t.a)
SELECT * FROM t LATERAL VIEW explode(b) x AS y
SELECT * FROM range(10)
SELECT * FROM explode(array(1)) AS e(x)
SELECT * FROM t TABLESAMPLE (10 PERCENT)
SELECT * FROM t TABLESAMPLE (10 ROWS)
SELECT * FROM t VERSION AS OF 1
SELECT * FROM t PIVOT (sum(a) FOR b IN (1, 2))
SELECT * FROM t UNPIVOT (a FOR b IN (c, d))
SELECT * FROM t DISTRIBUTE BY a SORT BY b
SELECT * FROM t CLUSTER BY a
SELECT * FROM (VALUES (1)) AS v(a)
SELECT * FROM (SELECT 1) AS x(a)
(SELECT 1)
SELECT * FROM t AS x(a, b)
"""

OTHERS = """
INSERT INTO t VALUES (1)
WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x
FROM t INSERT INTO a SELECT * INSERT INTO b SELECT *
INSERT OVERWRITE DIRECTORY '/tmp/z' USING csv SELECT 1
INSERT INTO IDENTIFIER('t') SELECT 1
WITH x AS (SELECT 1) INSERT INTO IDENTIFIER('t') SELECT * FROM x
CREATE TABLE t (a INT)
CREATE VIEW v AS SELECT 1
CREATE TEMPORARY VIEW v AS SELECT 1
CREATE OR REPLACE TABLE t USING delta AS SELECT 1
CREATE TABLE a SHALLOW CLONE b
DROP TABLE t
DROP TABLE IDENTIFIER('t')
ALTER TABLE t ADD COLUMN b INT
ALTER TABLE t CLUSTER BY (a)
TRUNCATE TABLE t
DELETE FROM t
UPDATE t SET a = 1
MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE
RESTORE TABLE t TO VERSION AS OF 1
RESTORE TABLE delta.`/tmp/t` TO VERSION AS OF 1
VACUUM t
OPTIMIZE t
REORG TABLE t APPLY (PURGE)
CONVERT TO DELTA parquet.`/tmp/x`
DESCRIBE HISTORY t
DESCRIBE DETAIL delta.`/tmp/x`
SET a=b
SET VARIABLE x = 1
DECLARE x INT
RESET
USE gold
CACHE TABLE t AS SELECT 1
UNCACHE TABLE t
REFRESH TABLE t
ANALYZE TABLE t COMPUTE STATISTICS
ADD JAR 'x'
BEGIN SELECT 1; END
CALL x.y(1)
EXECUTE IMMEDIATE 'DROP TABLE t'
COMMENT ON TABLE t IS 'x'
CREATE FUNCTION f AS 'x'
CREATE MATERIALIZED VIEW a AS SELECT 1
LOAD DATA INPATH 'x' INTO TABLE t
CREATE SCHEMA x
SHOW TABLES
EXPLAIN SELECT 1
SELECT TRANSFORM(a) USING 'cat' AS (b) FROM t
"""


def statements(text: str) -> list[str]:
    return text.strip().splitlines()


@pytest.mark.parametrize("text", statements(QUERIES))
def test_a_query_passes(spark: SparkSession, text: str) -> None:
    require_query(spark, text)


@pytest.mark.parametrize("text", statements(OTHERS))
def test_anything_else_is_refused(spark: SparkSession, text: str) -> None:
    with pytest.raises(UsageError):
        require_query(spark, text)
