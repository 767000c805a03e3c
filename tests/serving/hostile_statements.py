"""Statements of someone who wants more than they may have, as data: over the tables of `guarded_tables`.

Every statement is text for a reader of `hr`, with `{raw}` for the database of the tables behind the views and `{path}`
for the folder of the table `emp`. `item` is its number in the bypass suite; `own` are ideas beyond it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any


class Expected(Enum):
    """What must become of a statement."""

    REFUSED = "refused before it runs"
    MISSING = "fails like one that names a table or column that does not exist"
    FAILS = "Spark refuses it, for reasons in the statement itself"
    ANSWERED = "answered from the rows that the principal may see"


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement and what must become of it; `rows`, if given, is the whole answer, in any order."""

    item: str
    sql: str
    expected: Expected
    rows: tuple[tuple[Any, ...], ...] | None = None


def _all(expected: Expected, statements: dict[str, list[str]]) -> list[Statement]:
    return [Statement(item, sql, expected) for item, texts in statements.items() for sql in texts]


_SECRET = "(SELECT max(name) FROM {raw}.secret)"
_JOINS = (
    *(f"{kind} JOIN" for kind in ("INNER", "LEFT", "RIGHT", "FULL OUTER", "LEFT SEMI", "LEFT ANTI")),
    "CROSS JOIN",
    "NATURAL JOIN",
)

MISSING = _all(
    Expected.MISSING,
    {
        "1": [
            "SELECT * FROM hr.secret",
            "SELECT * FROM secret",
            "SELECT * FROM hr.nowhere",
            "TABLE hr.secret",
            "SELECT * FROM hr.`emp@v0`",
        ],
        "2": [
            *(
                f"SELECT * FROM {source}.`{{path}}`"
                for source in ("parquet", "text", "csv", "json", "orc", "binaryFile", "delta", "avro", "xml")
            ),
            "SELECT * FROM delta.`{path}@v0`",
            "SELECT * FROM spark_catalog.delta.`{path}`",
            "SELECT * FROM `delta`.`file:{path}`",
        ],
        "3": [
            "SELECT * FROM {raw}.emp",
            "SELECT * FROM `{raw}`.`emp`",
            "SELECT * FROM {RAW}.EMP",
            "SELECT * FROM {raw}.secret",
        ],
        "4": ["SELECT * FROM spark_catalog.{raw}.emp", "SELECT * FROM spark_catalog.hr.secret"],
        "5": ["SELECT * FROM hr.`ѕecret`", "SELECT * FROM hr.`ｓecret`", "SELECT * FROM hr.`secret\u200b`"],
        "6": ["SELECT * FROM {raw}/**/./* x */emp", "SELECT * FROM hr . secret", "SELECT * FROM {raw}. -- x\n emp"],
        "7": [
            "WITH `{raw}.emp` AS (SELECT 1 AS id) SELECT * FROM {raw}.emp",
            "WITH emp AS (SELECT 1 AS id) SELECT * FROM {raw}.emp",
            "WITH secret AS (SELECT * FROM secret) SELECT * FROM secret",
            "WITH a AS (SELECT * FROM b), b AS (SELECT 1 AS id) SELECT * FROM a",
            "SELECT * FROM (WITH s AS (SELECT 1 AS id) SELECT * FROM s), s",
            "WITH a AS (WITH s AS (SELECT 1 AS id) SELECT * FROM s) SELECT * FROM s",
        ],
        "9": [
            "SELECT * FROM global_temp.v",
            "SELECT * FROM information_schema.tables",
            "SELECT * FROM session.v",
            "SELECT * FROM system.session.v",
            "SELECT session.v",
        ],
        "12": [
            "FROM {raw}.emp SELECT *",
            "TABLE {raw}.emp",
            "FROM {raw}.emp",
            "FROM hr.emp |> JOIN {raw}.secret USING (id)",
            "FROM hr.emp |> SELECT id |> UNION ALL (SELECT id FROM {raw}.secret)",
            "FROM hr.emp |> EXTEND (SELECT max(name) FROM {raw}.secret) AS m",
            "FROM hr.emp |> WHERE id IN (SELECT id FROM {raw}.secret)",
            "FROM hr.emp |> AGGREGATE max((SELECT max(name) FROM {raw}.secret)) AS m",
        ],
        "13": [f"SELECT {_SECRET}"],
        "14": [
            "SELECT 1 WHERE 1 IN (SELECT id FROM {raw}.secret)",
            "SELECT 1 WHERE (1, 2) NOT IN (TABLE {raw}.secret)",
        ],
        "15": ["SELECT 1 WHERE EXISTS (SELECT 1 FROM {raw}.secret)", "SELECT 1 WHERE NOT EXISTS (TABLE {raw}.secret)"],
        "16": [f"SELECT dept FROM hr.emp GROUP BY dept HAVING max(name) < {_SECRET}"],
        "17": [f"SELECT id FROM hr.emp ORDER BY {_SECRET}", f"SELECT id FROM hr.emp SORT BY {_SECRET}"],
        "18": ["SELECT id FROM hr.emp LIMIT (SELECT count(*) FROM {raw}.secret)"],
        "19": ["SELECT id FROM hr.emp OFFSET (SELECT count(*) FROM {raw}.secret)"],
        "20": [f"SELECT upper({_SECRET})", f"SELECT mask(str => {_SECRET})", f"SELECT concat('a', upper({_SECRET}))"],
        "21": [
            f"SELECT transform(array(1), x -> {_SECRET})",
            f"SELECT aggregate(array(1), 0, (a, x) -> a, a -> {_SECRET})",
        ],
        "22": [f"SELECT CASE WHEN id = 1 THEN {_SECRET} END FROM hr.emp", f"SELECT CASE {_SECRET} WHEN 'a' THEN 1 END"],
        "23": ["SELECT count(*) FILTER (WHERE name < " + _SECRET + ") FROM hr.emp"],
        "24": [
            f"SELECT rank() OVER (ORDER BY {_SECRET}) FROM hr.emp",
            f"SELECT rank() OVER (PARTITION BY {_SECRET} ORDER BY id) FROM hr.emp",
            f"SELECT rank() OVER w FROM hr.emp WINDOW w AS (ORDER BY {_SECRET})",
        ],
        "25": [
            "SELECT * FROM {raw}.emp PIVOT (count(id) FOR dept IN ('d0'))",
            "SELECT * FROM (SELECT id, dept FROM hr.emp) PIVOT (max(" + _SECRET + ") FOR dept IN ('d0'))",
            "SELECT * FROM {raw}.emp UNPIVOT (v FOR k IN (name, region))",
        ],
        "26": [
            "SELECT * FROM range((SELECT max(salary) FROM {raw}.emp))",
            "SELECT * FROM explode((SELECT collect_list(name) FROM {raw}.emp))",
            "SELECT * FROM inline((SELECT collect_list(struct(*)) FROM {raw}.emp))",
            f"SELECT * FROM stack(1, {_SECRET})",
            f"SELECT * FROM json_tuple({_SECRET}, 'a')",
        ],
        "27": [f"VALUES ({_SECRET})", f"SELECT * FROM VALUES (1, {_SECRET}) AS t(a, b)"],
        "28": [
            "SELECT * FROM hr.emp e, LATERAL (SELECT name n FROM {raw}.secret)",
            "SELECT * FROM hr.emp LATERAL VIEW explode((SELECT collect_list(name) FROM {raw}.secret)) t AS n",
            "SELECT * FROM hr.emp e JOIN LATERAL (SELECT s.name n FROM {raw}.secret s WHERE s.id > e.id)",
        ],
        "29": [
            f"SELECT id FROM hr.emp {operation} SELECT id FROM {{raw}}.secret"
            for operation in ("UNION", "UNION ALL", "EXCEPT", "EXCEPT ALL", "INTERSECT", "INTERSECT ALL", "MINUS")
        ],
        "30": [
            f"SELECT * FROM hr.emp e {join} {{raw}}.secret s"
            + ("" if join.split()[0] in {"CROSS", "NATURAL"} else " ON true")
            for join in _JOINS
        ]
        + ["SELECT * FROM hr.emp e, {raw}.secret s", f"SELECT * FROM hr.emp e JOIN hr.dept d ON {_SECRET} > 'a'"],
        "31": [
            "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r, {raw}.secret WHERE n < 3) SELECT * FROM r",
            "WITH RECURSIVE r(n) AS (SELECT id FROM {raw}.secret UNION ALL SELECT n FROM r) SELECT * FROM r",
        ],
        "32": [
            "WITH a AS (WITH b AS (SELECT * FROM {raw}.secret) SELECT * FROM b) SELECT * FROM a",
            "WITH a AS (SELECT 1), b AS (SELECT (SELECT max(name) FROM {raw}.secret)) SELECT 1 FROM a",
        ],
        "own": [
            "SELECT * FROM system.builtin.emp",
            "SELECT * FROM `hr.emp`",
            "SELECT * FROM ` hr`.emp",
            "SELECT * FROM hr.emp.files",
            "SELECT * FROM hr.emp.`history`",
            "SELECT * FROM {raw}.emp.`versionAsOf`",
            "SELECT * FROM default.emp",
            "SELECT U&'x' FROM hr.`\\u0073ecret`",
            "SELECT /*+ BROADCAST(s) */ * FROM hr.emp JOIN {raw}.secret s",
            "WITH hr AS (SELECT 1 AS emp) SELECT * FROM hr.secret",
            "WITH a(x) AS (SELECT * FROM {raw}.secret) SELECT 1",
            "WITH r AS (SELECT * FROM r) SELECT * FROM r",
            "SELECT * FROM (SELECT * FROM (TABLE {raw}.secret))",
            "SELECT * FROM hr.emp ORDER BY (SELECT 1 FROM {raw}.secret LIMIT 1) LIMIT 0",
            "SELECT count(*) FROM hr.emp WHERE false AND EXISTS (TABLE {raw}.secret)",
            "SELECT id FROM hr.emp GROUP BY id, (SELECT max(name) FROM {raw}.secret)",
            "SELECT 1 FROM hr.emp GROUP BY GROUPING SETS ((id, (SELECT max(id) FROM {raw}.secret)))",
            "SELECT * FROM hr.emp TABLESAMPLE (10 ROWS) JOIN {raw}.secret",
            "SELECT listagg((SELECT max(name) FROM {raw}.secret)) WITHIN GROUP (ORDER BY id) FROM hr.emp",
            "SELECT parse_json((SELECT max(name) FROM {raw}.secret)):a",
            "SELECT (SELECT max(name) FROM {raw}.secret) COLLATE UTF8_LCASE",
            "SELECT extract(YEAR FROM (SELECT max(name) FROM {raw}.secret))",
            "SELECT cast((SELECT max(name) FROM {raw}.secret) AS INT)",
            "SELECT array(1)[(SELECT max(id) FROM {raw}.secret)]",
            "SELECT named_struct('a', (SELECT max(name) FROM {raw}.secret)).a",
            "SELECT 'a' LIKE (SELECT max(name) FROM {raw}.secret)",
            "SELECT 'a' LIKE ANY ((SELECT max(name) FROM {raw}.secret), 'b')",
            "SELECT 1 BETWEEN (SELECT min(id) FROM {raw}.secret) AND 2",
            "SELECT (SELECT max(name) FROM {raw}.secret) IS NULL",
            "FROM hr.emp |> SET name = (SELECT max(name) FROM {raw}.secret)",
            "FROM hr.emp |> PIVOT (max((SELECT max(name) FROM {raw}.secret)) FOR dept IN ('d0'))",
            "FROM hr.emp |> TABLESAMPLE (1 ROWS) |> LIMIT (SELECT count(*) FROM {raw}.secret)",
            "SELECT approx_top_k((SELECT max(name) FROM {raw}.secret)) FROM hr.emp",
            "SELECT id FROM hr.emp JOIN LATERAL explode((SELECT collect_list(name) FROM {raw}.secret)) t",
        ],
        "69": [
            "SELECT id FROM hr.emp ORDER BY salary",
            "SELECT salary FROM hr.emp",
            "SELECT emp.salary FROM hr.emp",
            "SELECT id FROM hr.emp WHERE salary > 0",
            "SELECT count(*) FROM hr.emp GROUP BY salary",
            "SELECT * FROM hr.emp JOIN hr.staff USING (salary)",
            "SELECT addr.street FROM hr.emp",
        ],
    },
)

REFUSED = _all(
    Expected.REFUSED,
    {
        "10": [
            "SELECT * FROM hr.emp VERSION AS OF 0",
            "SELECT * FROM hr.emp FOR VERSION AS OF 0",
            "SELECT * FROM hr.emp TIMESTAMP AS OF '2026-01-01'",
            "SELECT * FROM hr.emp FOR SYSTEM_TIME AS OF current_timestamp()",
            "SELECT * FROM {raw}.emp VERSION AS OF 0",
            "SELECT * FROM hr.emp@v0",
            "SELECT sum(id) OVER (ORDER BY id ROWS (SELECT count(*) FROM {raw}.secret) PRECEDING) FROM hr.emp",
        ],
        "11": [
            "SELECT * FROM hr.emp WITH ('versionAsOf' = '0')",
            "SELECT * FROM hr.emp WITH ('readChangeFeed' = 'true', 'startingVersion' = '0')",
            "SELECT * FROM STREAM hr.emp",
            "SELECT * FROM STREAM(hr.emp)",
        ],
        "34": [
            "SELECT * FROM identifier('hr.' || 'secret')",
            "SELECT * FROM identifier('hr.emp')",
            "SELECT identifier('salary') FROM hr.emp",
            "SELECT * FROM hr.emp ORDER BY identifier('salary')",
        ],
        "35": [
            "SELECT identifier('reflect')('java.lang.System', 'getenv', 'HOME')",
            "SELECT * FROM identifier('range')(3)",
        ],
        "36": ["EXECUTE IMMEDIATE 'SELECT * FROM hr.secret'", "EXECUTE IMMEDIATE 'SELECT 1' INTO x"],
        "37": [
            "BEGIN SELECT * FROM hr.secret; END",
            "BEGIN SELECT 1; END",
            "BEGIN DECLARE x INT DEFAULT 1; WHILE x < 9 DO SET x = x + 1; END WHILE; SELECT x; END",
            "BEGIN FOR r AS SELECT * FROM {raw}.emp DO SELECT r.name; END FOR; END",
        ],
        "38": [
            "DECLARE x INT DEFAULT 1",
            "DECLARE OR REPLACE VARIABLE x STRING DEFAULT (SELECT max(name) FROM {raw}.emp)",
            "SET VAR x = 1",
            "SET VARIABLE x = (SELECT max(name) FROM {raw}.emp)",
            "DROP TEMPORARY VARIABLE x",
        ],
        "39": ["SELECT :p", "SELECT ?", "SELECT * FROM hr.emp WHERE id = :p", "SELECT * FROM hr.emp LIMIT ?"],
        "40": ["SELECT 1; SELECT 2", "SELECT 1; DROP VIEW hr.emp", "SELECT 1 ; ; SELECT * FROM {raw}.emp"],
        "42": [
            *(
                f"SELECT {name}('java.lang.System', 'getenv', 'HOME')"
                for name in ("reflect", "java_method", "try_reflect", "`reflect`", "REFLECT", "system.builtin.reflect")
            ),
            "SELECT builtin.java_method('java.util.UUID', 'randomUUID')",
            "SELECT spark_catalog.hr.reflect('java.lang.System', 'getProperty', 'user.dir')",
            "SELECT transform(array('HOME'), x -> reflect('java.lang.System', 'getenv', x))",
            "SELECT * FROM hr.emp LATERAL VIEW explode(array(reflect('java.lang.System', 'getenv', 'HOME'))) t AS n",
            "SELECT * FROM hr.emp ORDER BY reflect('java.lang.System', 'exit', 0)",
        ],
        "43": [
            "SELECT input_file_name() FROM hr.emp",
            "SELECT input_file_block_start(), input_file_block_length() FROM hr.emp",
            "SELECT _metadata FROM hr.emp",
            "SELECT _metadata.file_path FROM hr.emp",
            "SELECT emp.`_METADATA`.file_path FROM hr.emp",
            "SELECT id FROM hr.emp WHERE _metadata.file_path LIKE '/%'",
            "SELECT _metadata.* FROM hr.emp",
        ],
        "44": [
            "SELECT raise_error('x')",
            "SELECT if(id = 1, raise_error(name), 1) FROM hr.emp",
            "SELECT assert_true(region = 'EU', 'x') FROM hr.emp",
        ],
        "45": [
            "SELECT from_protobuf(X'00', 'M', '/etc/hostname')",
            "SELECT to_protobuf(struct(1), 'M', '/etc/hostname')",
            "SELECT from_avro(X'00', '\"string\"', map('avroSchemaUrl', 'file:///etc/hostname'))",
            "SELECT to_avro(id) FROM hr.emp",
            "SELECT schema_of_avro('\"string\"', map('avroSchemaUrl', 'file:///etc/hostname'))",
        ],
        "46": [
            "SELECT my_udf(1)",
            "SELECT hr.my_udf(1)",
            "SELECT * FROM my_udtf(1)",
            "SELECT * FROM my_udtf(TABLE(hr.emp))",
            "SELECT * FROM my_udtf(TABLE(SELECT * FROM {raw}.secret))",
            "SELECT * FROM explode(TABLE(hr.emp))",
            "SELECT * FROM range(TABLE(hr.emp) PARTITION BY id)",
        ],
        "47": [
            "SELECT from_xml('<a>1</a>', 'a INT', map('rowValidationXSDPath', '/etc/hostname'))",
            "SELECT schema_of_xml('<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/hostname\">]><a>&x;</a>')",
        ],
        "48": [
            "SELECT * FROM table_changes('hr.emp', 0)",
            "SELECT * FROM table_changes('{raw}.emp', 0)",
            "SELECT * FROM table_changes_by_path('{path}', 0)",
            "SELECT * FROM `table_changes_by_path`('{path}', 0)",
        ],
        "49": ["SELECT * FROM python_worker_logs()"],
        "50": [
            "CREATE TABLE t (a INT) USING delta",
            "CREATE TABLE t USING csv LOCATION '/etc/hostname'",
            "CREATE TABLE t AS SELECT * FROM {raw}.emp",
            "CREATE OR REPLACE TABLE t AS SELECT 1",
            "CREATE TABLE t LIKE hr.emp",
            "CREATE VIEW hr.v AS SELECT * FROM {raw}.emp",
            "CREATE OR REPLACE VIEW hr.emp AS SELECT * FROM {raw}.emp",
            "CREATE TEMP VIEW v AS SELECT * FROM {raw}.emp",
            "CREATE TEMP VIEW v USING delta OPTIONS (path '{path}')",
            "CREATE GLOBAL TEMPORARY VIEW v AS SELECT 1",
            "CREATE MATERIALIZED VIEW v AS SELECT 1",
            "CREATE STREAMING TABLE v",
            "CREATE DATABASE d",
            "CREATE SCHEMA d LOCATION '/tmp/d'",
            "CREATE FUNCTION f AS 'java.lang.String'",
            "CREATE TEMPORARY FUNCTION f AS 'x.Y' USING JAR '/tmp/x.jar'",
            "CREATE FUNCTION f() RETURNS STRING RETURN (SELECT max(name) FROM {raw}.emp)",
            "CREATE TEMPORARY FUNCTION f() RETURNS TABLE RETURN SELECT * FROM {raw}.emp",
            "ALTER TABLE {raw}.emp ADD COLUMN x INT",
            "ALTER TABLE {raw}.emp SET LOCATION '/tmp'",
            "ALTER TABLE {raw}.emp RENAME TO hr.x",
            "ALTER VIEW hr.emp AS SELECT * FROM {raw}.emp",
            "ALTER VIEW hr.emp SET TBLPROPERTIES ('a' = 'b')",
            "ALTER DATABASE hr SET LOCATION '/tmp'",
            "DROP TABLE {raw}.emp",
            "DROP VIEW hr.emp",
            "DROP DATABASE {raw} CASCADE",
            "DROP FUNCTION upper",
            "DROP TEMPORARY FUNCTION upper",
            "COMMENT ON TABLE {raw}.emp IS 'x'",
        ],
        "51": [
            "INSERT INTO {raw}.emp SELECT * FROM {raw}.emp",
            "INSERT INTO hr.dept VALUES ('d9', 'x')",
            "INSERT OVERWRITE hr.dept VALUES ('d9', 'x')",
            "INSERT INTO {raw}.dept REPLACE WHERE true SELECT 'a', 'b'",
            "FROM hr.emp INSERT INTO hr.dept SELECT dept, name",
            "WITH a AS (SELECT 1) INSERT INTO hr.dept SELECT 'a', 'b'",
            "MERGE INTO {raw}.dept t USING hr.dept s ON t.dept = s.dept WHEN MATCHED THEN DELETE",
            "UPDATE {raw}.emp SET region = 'EU'",
            "DELETE FROM {raw}.emp",
            "TRUNCATE TABLE {raw}.emp",
            "LOAD DATA LOCAL INPATH '/etc/hostname' INTO TABLE {raw}.emp",
        ],
        "52": [
            "INSERT OVERWRITE DIRECTORY '/tmp/stolen' USING csv SELECT * FROM hr.emp",
            "INSERT OVERWRITE LOCAL DIRECTORY '/tmp/stolen' STORED AS textfile SELECT * FROM hr.emp",
        ],
        "53": [
            "SET",
            "SET -v",
            "SET spark.sql.runSQLOnFiles=true",
            "SET spark.sql.variable.substitute=true",
            "SET spark.hadoop.fs.defaultFS",
            "SET TIME ZONE 'UTC'",
            "RESET",
            "RESET spark.sql.runSQLOnFiles",
            "SET PATH = system.session",
            "SET ROLE admin",
            "SET CATALOG spark_catalog",
            "USE {raw}",
            "USE spark_catalog.{raw}",
            "USE SCHEMA {raw}",
        ],
        "54": [
            "ADD JAR '/tmp/x.jar'",
            "ADD FILE '/etc/hostname'",
            "ADD ARCHIVE '/tmp/x.zip'",
            "LIST JARS",
            "LIST FILES",
            "LIST ARCHIVES",
        ],
        "55": [
            "SELECT TRANSFORM (id) USING 'cat' AS (x) FROM hr.emp",
            "FROM hr.emp MAP id USING 'cat' AS x",
            "FROM hr.emp REDUCE id USING 'cat' AS x",
            "SELECT * FROM (SELECT TRANSFORM (id) USING 'sh -c id' FROM hr.emp)",
        ],
        "56": [
            "CACHE TABLE hr.emp",
            "CACHE TABLE x AS SELECT * FROM {raw}.emp",
            "UNCACHE TABLE hr.emp",
            "CLEAR CACHE",
            "REFRESH TABLE {raw}.emp",
            "REFRESH '{path}'",
            "REFRESH FUNCTION upper",
            "ANALYZE TABLE {raw}.emp COMPUTE STATISTICS",
            "ANALYZE TABLES IN {raw} COMPUTE STATISTICS",
            "MSCK REPAIR TABLE {raw}.emp",
        ],
        "57": [
            "EXPLAIN SELECT * FROM hr.emp",
            "EXPLAIN EXTENDED SELECT * FROM hr.emp",
            "EXPLAIN CODEGEN SELECT * FROM hr.emp",
            "DESCRIBE hr.emp",
            "DESCRIBE EXTENDED hr.emp",
            "DESCRIBE TABLE EXTENDED hr.emp AS JSON",
            "DESCRIBE FORMATTED {raw}.emp salary",
            "DESCRIBE QUERY SELECT * FROM {raw}.emp",
            "DESCRIBE FUNCTION EXTENDED reflect",
            "DESCRIBE DATABASE EXTENDED {raw}",
            "SHOW CREATE TABLE hr.emp",
            "SHOW CREATE TABLE {raw}.emp AS SERDE",
            "SHOW TBLPROPERTIES hr.emp",
        ],
        "58": [
            "SHOW TABLES",
            "SHOW TABLES IN {raw}",
            "SHOW TABLE EXTENDED IN {raw} LIKE '*'",
            "SHOW VIEWS",
            "SHOW FUNCTIONS",
            "SHOW CATALOGS",
            "SHOW DATABASES",
            "SHOW SCHEMAS",
            "SHOW COLUMNS IN hr.emp",
            "SHOW PARTITIONS {raw}.staff",
            "SHOW CURRENT NAMESPACE",
            "SHOW PROCEDURES",
        ],
        "59": [
            "CALL system.x()",
            "VACUUM {raw}.emp",
            "VACUUM '{path}' RETAIN 0 HOURS",
            "OPTIMIZE {raw}.emp",
            "OPTIMIZE '{path}'",
            "OPTIMIZE delta.`{path}` ZORDER BY (id)",
            "REORG TABLE {raw}.emp APPLY (PURGE)",
            "RESTORE TABLE {raw}.emp TO VERSION AS OF 0",
            "RESTORE TABLE delta.`{path}` TO VERSION AS OF 0",
            "CREATE TABLE c SHALLOW CLONE {raw}.emp",
            "CREATE OR REPLACE TABLE c SHALLOW CLONE delta.`{path}`",
            "CONVERT TO DELTA parquet.`{path}`",
            "DESCRIBE HISTORY {raw}.emp",
            "DESCRIBE HISTORY '{path}'",
            "DESCRIBE DETAIL '{path}'",
            "DESCRIBE DETAIL delta.`{path}`",
            "GENERATE symlink_format_manifest FOR TABLE {raw}.emp",
        ],
        "own": [
            "SELECT current_user()",
            "SELECT 1 /* /*+ */ */ FROM {raw}.secret",
            "SELECT INTERVAL (SELECT max(id) FROM {raw}.secret) DAY",
            "SELECT * EXCEPT (id) REPLACE ((SELECT max(name) FROM {raw}.secret) AS name) FROM {raw}.secret",
            "FROM hr.emp |> LATERAL VIEW explode((SELECT collect_list(name) FROM {raw}.secret)) t AS n",
            "SELECT current_user",
            "SELECT user",
            "SELECT session_user, user()",
            "SELECT * FROM hr.emp WHERE name = current_user",
            "SELECT * FROM hr.emp ORDER BY session_user()",
            "SELECT transform(array(1), x -> current_user)",
            "SELECT from_avro(X'00', '\"int\"')",
            "SELECT `java_method`('java.lang.Runtime', 'getRuntime')",
            "SELECT try_reflect('java.io.File', 'listRoots')",
            "SELECT hr.upper('a')",
            "SELECT system.session.x()",
            "SELECT `system`.`builtin`.`reflect`('java.lang.System', 'getenv')",
            "SELECT * FROM system.builtin.python_worker_logs()",
            "SELECT * FROM builtin.range(1)",
            "SELECT explode(reflect('a', 'b'))",
            "SELECT e.* FROM hr.emp LATERAL VIEW reflect('a', 'b') e AS x",
            "SELECT * FROM hr.emp LATERAL VIEW hr.explode(array(1)) e AS x",
            "SELECT count(*) FROM hr.emp GROUP BY input_file_name()",
            "SELECT max(input_file_name()) OVER () FROM hr.emp",
            "SELECT * FROM VALUES (input_file_name())",
            "SELECT * FROM VALUES (reflect('java.lang.System', 'getenv', 'HOME'))",
            "SELECT * FROM range(reflect('java.lang.Integer', 'parseInt', '3'))",
            "SELECT 1 LIMIT reflect('java.lang.Integer', 'parseInt', '3')",
            "SELECT * FROM hr.emp WHERE ssn = :x OR 1 = :1",
            "SELECT * FROM hr.emp FOR TIMESTAMP AS OF (SELECT max(name) FROM {raw}.secret)",
            "DECLARE VARIABLE x = (SELECT max(name) FROM {raw}.emp); SELECT x",
            "BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN END; SELECT 1; END",
            "EXECUTE IMMEDIATE 'SELECT ?' USING 1",
            "SHOW GRANTS ON TABLE hr.emp",
            "SHOW TABLES LIKE '*'",
            "EXPLAIN FORMATTED SELECT 1",
            "EXPLAIN COST SELECT * FROM hr.emp",
            "DESCRIBE PROCEDURE x",
            "DESCRIBE CATALOG spark_catalog",
            "DESC DETAIL hr.emp",
            "COPY INTO {raw}.emp FROM '/tmp'",
            "CREATE FLOW f AS INSERT INTO {raw}.emp BY NAME SELECT 1",
            "UNDROP TABLE hr.emp",
            "SYNC SCHEMA hr",
            "!ls",
            "dfs -ls /",
            "SELECT * FROM hr.emp INTO OUTFILE '/tmp/x'",
            "",
            " ; ",
            "-- nothing",
            "\x00",
            "SELECT '\ud800'",
            "SELECT 1 /*",
            "SELECT 'unclosed",
            "SELECT " + ", ".join(f"(SELECT {number})" for number in range(9_000)),
        ],
        "60": [
            "GRANT SELECT ON TABLE hr.emp TO `x`",
            "REVOKE SELECT ON hr.emp FROM `x`",
            "DENY SELECT ON hr.emp TO `x`",
        ],
        "83": [
            "SELECT " + "(" * 2_000 + "1" + ")" * 2_000,
            "SELECT " + "(" * 20_000 + "1" + ")" * 20_000,
            "SELECT " + "array(" * 2_000 + "1" + ")" * 2_000,
            "SELECT " + "[" * 5_000 + "1",
            "SELECT 1" + " + 1" * 5_000,
            "SELECT 1" + " || 'a'" * 5_000,
            "SELECT " + "- " * 20_000 + "1",
            "SELECT " + "NOT " * 10_000 + "true",
            "SELECT 1" + " UNION ALL SELECT 1" * 3_000,
            "SELECT " + "CASE WHEN true THEN " * 1_000 + "1" + " END" * 1_000,
            "SELECT a" + ".a" * 20_000,
            "SELECT a" + "[0]" * 5_000,
            "SELECT 1" + "::INT" * 5_000,
            "SELECT CAST(NULL AS " + "ARRAY<" * 3_000 + "INT" + ">" * 3_000 + ")",
            "SELECT * FROM " + "(SELECT * FROM " * 1_000 + "hr.dept" + ")" * 1_000,
            "SELECT 1 " + "/* " * 10_000 + "*/" * 10_000,
            "SELECT * FROM hr.dept" + " |> WHERE true" * 3_000,
            "SELECT * FROM hr.dept a0" + "".join(f" JOIN hr.dept a{n} USING (dept)" for n in range(1, 1_000)),
            "SELECT '" + "x" * 70_000 + "'",
            "WITH a0 AS (SELECT 1)"
            + "".join(f", a{n} AS (SELECT 1 FROM a{n - 1} x, a{n - 1} y)" for n in range(1, 40))
            + " SELECT * FROM a39",
            "WITH a AS (" * 40 + "SELECT 1" + ") SELECT 1 FROM a x, a y" * 40,
        ],
    },
)

_X = "SELECT 'xxxxxxxxxx' AS x"

TOO_LARGE = _all(
    Expected.REFUSED,
    {
        "sizes": [
            "SELECT repeat('x', 1000000000)",
            "SELECT length(repeat('x', 1000000000))",
            "SELECT length(repeat(repeat(repeat('x', 1000), 1000), 1000))",
            "SELECT repeat(name, 1000000) FROM hr.emp",
            "SELECT repeat('x', n) FROM (SELECT id * 1000000000 AS n FROM hr.emp)",
            "SELECT repeat('x', id) FROM hr.emp",
            "SELECT repeat('x', cast(rand() * 1000000000 AS INT))",
            "SELECT repeat('x', (SELECT 1000000000))",
            "SELECT repeat('x', pow(10, 9)::INT)",
            "SELECT 1000000000 AS n, repeat('x', n)",
            "SELECT space(1000000000)",
            "SELECT lpad('x', 1000000000, 'y'), rpad('x', 1, 'y')",
            "SELECT rpad(name, 1000000000) FROM hr.emp",
            "SELECT lpad(X'00', 1000000000, X'00')",
            "SELECT randstr(1000000000, 0)",
            "SELECT size(array_repeat(1, 1000000000))",
            "SELECT array_repeat(array_repeat('xxxxxxxxxxxxxxxx', 10000), 10000)",
            "SELECT sequence(1, 1000000000)",
            "SELECT count(*) FROM (SELECT explode(sequence(1, 1000000000)))",
            "SELECT sequence(1, id * 1000000) FROM hr.emp",
            "SELECT sequence(DATE '0001-01-01', date_add(DATE '2026-01-01', 2147000000))",
            "SELECT sequence(TIMESTAMP '2000-01-01', TIMESTAMP '2026-01-01', INTERVAL 1 SECOND)",
            "SELECT array_insert(array(1), 1000000000, 2)",
            "SELECT format_number(1, 1000000000)",
            "SELECT format_string('%1000000000d', 1)",
            "SELECT printf(concat('%10000', '00000d'), 1)",
            "SELECT format_string('" + "%1$s" * 5_000 + "', repeat('x', 1000000))",
            "SELECT replace(repeat('a', 100000), 'a', repeat('b', 100000))",
            "SELECT regexp_replace(repeat('a', 100000), 'a', repeat('b', 100000))",
            "SELECT regexp_replace(repeat('a', 30000), '(?=(.*))', '$1')",
            "SELECT regexp_extract_all(repeat('a', 30000), '(?=(.*))', 1)",
            "SELECT concat_ws(repeat('x', 1000000), sequence(1, 1000)::ARRAY<STRING>)",
            "SELECT array_join(array_repeat('a', 100000), repeat('x', 100000))",
            "SELECT transform(sequence(1, 100000), i -> repeat('x', 100000))",
            "SELECT transform(sequence(1, 10000), i -> sequence(1, 10000))",
            "SELECT aggregate(sequence(1, 100), 'x', (a, i) -> concat(a, a))",
            "SELECT length(reduce(sequence(1, 100), 'x', (a, i) -> a || a, a -> a))",
            "SELECT exists(sequence(1, 100000), a -> exists(sequence(1, 100000), b -> a + b < 0))",
            "SELECT collect_list(repeat('x', 10000000)) FROM hr.emp",
            "SELECT listagg(repeat('x', 10000000), repeat('y', 10000000)) FROM hr.emp",
            "SELECT max(repeat('x', 1000000000)) OVER () FROM hr.emp",
            "SELECT id FROM hr.emp ORDER BY repeat(name, 1000000)",
            "SELECT id FROM hr.emp GROUP BY id, repeat(name, 1000000)",
            "SELECT a.id FROM hr.emp a JOIN hr.emp b ON repeat(a.name, 1000000) = repeat(b.name, 1000000)",
            "SELECT id FROM hr.emp WHERE length(repeat(name, 1000000)) > 1",
            "SELECT id FROM hr.emp WHERE EXISTS (SELECT 1 FROM hr.dept WHERE repeat(title, 1000000) = 'x')",
            "SELECT * FROM hr.emp, LATERAL (SELECT repeat(name, 1000000) AS r)",
            "SELECT * FROM hr.emp LATERAL VIEW explode(sequence(1, 1000000000)) t AS n",
            "SELECT * FROM explode(array_repeat(1, 1000000000))",
            "SELECT stack(1000000000, 1)",
            "SELECT * FROM stack(1000000000, 1)",
            "SELECT * FROM VALUES (repeat('x', 1000000000))",
            "SELECT * FROM VALUES (length(aggregate(sequence(1, 100), 'x', (a, i) -> a || a)))",
            "SELECT 1 LIMIT length(repeat('x', 1000000000))",
            "SELECT 1 OFFSET length(repeat('x', 1000000000))",
            "SELECT from_json('1', repeat('a', 1000000000))",
            "SELECT * FROM range(length(repeat('x', 1000000000)))",
            "SELECT * FROM range(0, 10, 1, 2000000000)",
            "SELECT 'x' AS a UNION ALL SELECT repeat('x', 1000000000)",
            "SELECT concat(a, a) FROM (SELECT 'x' AS a UNION ALL SELECT repeat('x', 40000000))",
            "FROM (" + _X + ")" + " |> SELECT concat(x, x, x, x, x, x, x, x, x, x) AS x" * 9,
            "WITH e0 AS (" + _X + ")"
            + "".join(f", e{n} AS (SELECT x || x || x || x || x || x AS x FROM e{n - 1})" for n in range(1, 12))
            + " SELECT length(x) FROM e11",
            "WITH RECURSIVE r(s) AS (SELECT 'x' UNION ALL SELECT concat(s, s) FROM r) SELECT length(s) FROM r",
            "WITH RECURSIVE r(s) MAX RECURSION LEVEL 1000000000 AS (SELECT 'x' UNION ALL SELECT concat(s, 'x') FROM r) "
            "SELECT max(length(s)) FROM r",
            "SELECT " + ", ".join(["repeat('x', 10000000)"] * 100),
            "SELECT count_min_sketch(id, 0.0000001d, 0.9d, 1) FROM hr.emp",
            "SELECT count_min_sketch(id, 0.1d, 0.99999999999999999d, 1) FROM hr.emp",
            "SELECT theta_sketch_agg(id, 26) FROM hr.emp",
            "SELECT histogram_numeric(id, 2000000000) FROM hr.emp",
            "SELECT approx_percentile(id, 0.5, 2147483647) FROM hr.emp",
            "SELECT approx_count_distinct(id, 0.0001) FROM hr.emp",
            "SELECT approx_count_distinct(id, 1 / 100000) FROM hr.emp",
            "SELECT window(current_timestamp(), '1000 days', '1 microsecond')",
            "SELECT window(current_timestamp(), concat('1000', ' days'), '1 second')",
            "SELECT count(*) FROM hr.emp GROUP BY CUBE (" + ", ".join(f"id + {n}" for n in range(20)) + ")",
            "SELECT 1 FROM hr.emp GROUP BY GROUPING SETS (CUBE (" + ", ".join(f"id + {n}" for n in range(24)) + "))",
            "SELECT 1 FROM hr.emp GROUP BY GROUPING SETS ("
            + ", ".join("CUBE (id, name, dept, region, id + 1, id + 2, id + 3, id + 4)" for _ in range(100)) + ")",
            "SELECT 1 FROM hr.emp GROUP BY " + ", ".join(f"id + {n}" for n in range(24)) + " WITH CUBE",
            "SELECT count(*) FROM hr.emp GROUP BY " + ", ".join(f"CUBE (id + {n}, id - {n})" for n in range(1, 11)),
            "SELECT length(to_json(CAST(array_repeat(named_struct('a', 1), 50000) AS ARRAY<STRUCT<"
            + "n" * 60_000 + ": INT>>)))",
            "SELECT to_json(array_repeat(s, 50000)) FROM (SELECT struct(id AS " + "n" * 60_000 + ") AS s FROM hr.emp)",
            "SELECT to_xml(struct(transform(sequence(1, 50000), x -> struct(x AS " + "n" * 60_000 + ")) AS a))",
            "SELECT /*+ REPARTITION(2000000000) */ id FROM hr.emp",
            "SELECT /*+ REPARTITION_BY_RANGE(2000000000, id) */ id FROM hr.emp",
            "SELECT /*+ REBALANCE(2000000000) */ id FROM hr.emp",
            "SELECT 1E999999999BD",
            "SELECT id FROM hr.emp WHERE id < 1e+99999999bd",
            "SELECT levenshtein(repeat('a', 1000000), repeat('b', 1000000))",
        ],
    },
)  # fmt: skip

_EMP = ((1, "ana"), (2, "bob"), (3, "cyd"))


def _answered(item: str, sql: str, *rows: tuple[Any, ...]) -> Statement:
    return Statement(item, sql, Expected.ANSWERED, rows or None)


ANSWERED = [
    _answered("8", "WITH emp AS (SELECT 7 AS id) SELECT * FROM emp", (7,)),
    _answered("8", "WITH secret AS (SELECT id FROM hr.emp) SELECT * FROM SECRET", (1,), (2,), (3,)),
    _answered("8", "WITH `hr.emp` AS (SELECT 7 AS id) SELECT id FROM hr.emp", (1,), (2,), (3,)),
    _answered("33", "SELECT /*+ BROADCAST({raw}.secret) */ id, name FROM hr.emp", *_EMP),
    _answered("33", "SELECT /*+ MERGE(secret), REPARTITION(2) */ id, name FROM hr.emp", *_EMP),
    _answered("41", "SELECT '${{env:HOME}}'", ("${env:HOME}",)),
    _answered("41", "SELECT '${{system:user.name}}'", ("${system:user.name}",)),
    _answered("41", "SELECT '${{spark.app.id}}', \"${{hiveconf:x}}\"", ("${spark.app.id}", "${hiveconf:x}")),
    _answered("41", "SELECT 1 AS `${{env:HOME}}`", (1,)),
    _answered("61", "SELECT id FROM hr.emp WHERE ssn = 'SSN-' || '1'"),
    _answered("61", "SELECT e.id FROM hr.emp e JOIN VALUES ('SSN-' || '1') AS v(s) ON e.ssn = v.s"),
    _answered("62", "SELECT id, name FROM hr.emp WHERE name = 'x' OR TRUE", *_EMP),
    _answered("62", "SELECT id, name FROM hr.emp WHERE region <> 'EU' OR 1 = 1", *_EMP),
    _answered("63", "SELECT region, count(*) FROM hr.emp GROUP BY ROLLUP (region)", ("EU", 3), (None, 3)),
    _answered("63", "SELECT DISTINCT region FROM hr.emp", ("EU",)),
    _answered("63", "SELECT count(*), max(id), max(name) FROM hr.emp", (3, 3, "cyd")),
    _answered("63", "SELECT count(*) FROM hr.emp TABLESAMPLE (100 PERCENT)", (3,)),
    _answered("63", "SELECT approx_count_distinct(region), max_by(name, id) FROM hr.emp", (1, "cyd")),
    _answered("63", "SELECT count(*), max(region) FROM hr.staff", (3, "EU")),
    _answered("64", "SELECT struct(e.*) FROM hr.emp e"),
    _answered("64", "SELECT to_json(struct(*)) FROM hr.emp"),
    _answered("64", "SELECT * EXCEPT (name) FROM hr.emp"),
    _answered("64", "SELECT length(ssn) FROM hr.emp WHERE id = 1", (64,)),
    _answered("65", "SELECT addr.zip FROM hr.emp", ("***",), ("***",), ("***",)),
    _answered("65", "SELECT addr.* FROM hr.emp WHERE id = 1", ("c1", "***")),
    _answered("65", "SELECT cast(addr AS STRING), to_json(addr), hash(addr.zip) = hash('***') FROM hr.emp"),
    _answered("66", "SELECT id FROM hr.emp_view", (1,), (1,), (2,), (2,), (3,), (3,)),
    _answered("66", "SELECT DISTINCT length(ssn) FROM hr.emp_view", (64,)),
    _answered("67", "SELECT count(*) FROM hr.emp a JOIN hr.emp b ON a.ssn = b.ssn", (3,)),
    _answered("67", "SELECT a.* FROM hr.emp a CROSS JOIN hr.emp b"),
    _answered("68", "SELECT * FROM hr.emp WHERE id = 2 AND name = 'bob'"),
    *(
        _answered("71", f"SELECT id, name FROM hr.emp WHERE id > 0 AND ({condition})", *_EMP)
        for condition in (
            "1 / (CASE WHEN region <> 'EU' THEN 0 ELSE 1 END) = 1",
            "cast(if(region = 'EU', '1', name) AS INT) = 1",
            "cast(if(id > 100, name, '1') AS INT) = 1",
            "from_json(if(region = 'EU', '{{\"a\":1}}', name), 'a INT', map('mode', 'FAILFAST')).a = 1",
            "NOT ('a' RLIKE if(region = 'EU', 'b', concat(name, '(')))",
            "element_at(array(1), if(id > 100, 5, 1)) = 1",
            "to_date(if(id > 100, name, '2026-01-01'), 'yyyy-MM-dd') IS NOT NULL",
            "id NOT IN (SELECT cast(if(region = 'EU', '0', name) AS INT) FROM hr.emp)",
        )
    ),
    *(
        _answered("71", f"SELECT id FROM hr.staff WHERE {condition}", (1,), (2,), (3,))
        for condition in (
            "cast(if(region = 'EU', '1', region) AS INT) = 1",
            "1 / (CASE WHEN region = 'HIDDEN' || 'isle' THEN 0 ELSE 1 END) = 1",
            "from_json(if(region = 'EU', '{{\"a\":1}}', region), 'a INT', map('mode', 'FAILFAST')).a = 1",
            "NOT ('a' RLIKE if(region = 'EU', 'b', concat(region, '(')))",
            "region IN (SELECT cast(if(region = 'EU', '1', region) AS INT) || '' FROM hr.staff) OR true",
        )
    ),
    _answered(
        "71", "SELECT a.id FROM hr.staff a JOIN hr.emp b ON cast(if(a.region = 'EU', '1', a.region) AS INT) = b.id"
    ),
    _answered("own", "SELECT /*+ BROADCAST(emp) */ id FROM hr.emp /* {raw}.secret */ WHERE id = 1", (1,)),
    _answered("own", "SELECT 'SELECT * FROM {raw}.secret' = ''", (False,)),
    _answered("own", "SELECT current_catalog(), current_schema()", ("spark_catalog", "default")),
    _answered("own", "SELECT id FROM hr.emp WHERE id IN (SELECT id FROM range(990000, 990009))"),
    _answered("own", "SELECT max(id), min(region), count_if(id > 9) FROM hr.emp", (3, "EU", 0)),
    _answered("own", "SELECT approx_top_k(region) FROM hr.emp"),
    _answered("own", "SELECT histogram_numeric(id, 5), collect_set(name), mode(region) FROM hr.emp"),
    _answered(
        "own", "SELECT theta_sketch_estimate(theta_sketch_agg(id)), hll_sketch_estimate(hll_sketch_agg(id)) FROM hr.emp"
    ),
    _answered("own", "SELECT monotonically_increasing_id() < 9, spark_partition_id() < 9 FROM hr.emp"),
    _answered("own", "SELECT url_decode('a%20b'), parse_url('http://a/b', 'HOST')", ("a b", "a")),
    _answered("own", "SELECT cast(aes_decrypt(aes_encrypt('x', repeat('k', 16)), repeat('k', 16)) AS STRING)", ("x",)),
    _answered(
        "own", "SELECT xpath_string('<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///etc/passwd\">]><a>&x;</a>', 'a')", ("",)
    ),
    _answered("own", "SELECT id AS identifier('a') FROM hr.emp WHERE id = 1", (1,)),
    _answered("73", "SELECT id FROM hr.emp WHERE ssn LIKE 'SSN%'"),
    _answered("73", "SELECT count(*) FROM hr.emp WHERE ssn > 'SSN' AND ssn < 'SSO'", (0,)),
]

FAILS = _all(
    Expected.FAILS,
    {
        "72": [
            "SELECT cast(name AS INT) FROM hr.emp",
            "SELECT id / 0 FROM hr.emp",
            "SELECT from_json(name, 'a INT', map('mode', 'FAILFAST')) FROM hr.emp",
            "SELECT nothing(",
            "SELECT sum(name) + id FROM hr.emp",
            "SELECT upper(1, 2, 3) FROM hr.emp",
            "SELECT (SELECT id FROM hr.emp)",
            "WITH RECURSIVE r AS (SELECT 1 AS n), q AS (SELECT n FROM q) SELECT * FROM q",
            "SELECT id FROM hr.emp UNION ALL SELECT id, name FROM hr.emp",
        ],
    },
)

STATEMENTS: tuple[Statement, ...] = (*MISSING, *REFUSED, *TOO_LARGE, *ANSWERED, *FAILS)
