"""Statements that a reader of `hr` (see `guarded_tables`) has every right to, with their whole answers."""

# ruff: noqa: E501

from __future__ import annotations

from tests.serving.hostile_statements import Expected, Statement

_QUERIES: dict[str, list[tuple[object, ...]]] = {
    "SELECT id, name FROM hr.emp WHERE dept = 'd0'": [(1, "ana"), (3, "cyd")],
    "SELECT id FROM HR.`Emp` e WHERE e.ID = 2": [(2,)],
    "SELECT id FROM spark_catalog.hr.emp WHERE id = 3": [(3,)],
    "SELECT name, title FROM hr.emp JOIN hr.dept USING (dept) WHERE id < 3": [("ana", "sales"), ("bob", "labs")],
    "SELECT title, count(*) n FROM hr.emp NATURAL JOIN hr.dept GROUP BY title HAVING n > 1": [("sales", 2)],
    "SELECT d.title, e.id FROM hr.dept d LEFT JOIN hr.emp e ON e.dept = d.dept AND e.id > 1": [("sales", 3), ("labs", 2)],
    "SELECT id FROM hr.emp WHERE dept IN (SELECT dept FROM hr.dept WHERE title = 'labs')": [(2,)],
    "SELECT id FROM hr.emp e WHERE EXISTS (SELECT 1 FROM hr.dept d WHERE d.dept = e.dept AND d.title = 'labs')": [(2,)],
    "SELECT (SELECT max(id) FROM hr.emp) AS m": [(3,)],
    "SELECT id, sum(id) OVER (ORDER BY id ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) FROM hr.emp": [
        (1, 1), (2, 3), (3, 6),
    ],
    "SELECT id, rank() OVER w, lag(id) OVER w FROM hr.emp WINDOW w AS (PARTITION BY dept ORDER BY id)": [
        (1, 1, None), (2, 1, None), (3, 2, 1),
    ],
    "WITH a AS (SELECT id FROM hr.emp), b AS (SELECT id * 2 AS twice FROM a) SELECT * FROM b": [(2,), (4,), (6,)],
    "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT n FROM r": [(1,), (2,), (3,)],
    "SELECT * FROM (SELECT id, dept FROM hr.emp) PIVOT (count(id) FOR dept IN ('d0', 'd1'))": [(2, 1)],
    "SELECT k, v FROM (SELECT id, name, dept FROM hr.emp WHERE id = 1) UNPIVOT (v FOR k IN (name, dept))": [
        ("name", "ana"), ("dept", "d0"),
    ],
    "SELECT dept FROM hr.dept EXCEPT SELECT 'd0'": [("d1",)],
    "SELECT dept FROM hr.dept INTERSECT SELECT dept FROM hr.emp": [("d0",), ("d1",)],
    "SELECT 1 AS x UNION ALL SELECT 2 ORDER BY x DESC LIMIT 1": [(2,)],
    "SELECT id, n FROM hr.emp LATERAL VIEW explode(array('a', 'b')) t AS n WHERE id = 1": [(1, "a"), (1, "b")],
    "SELECT e.id, t.twice FROM hr.emp e, LATERAL (SELECT e.id * 2 AS twice) t WHERE e.id = 2": [(2, 4)],
    "FROM hr.emp |> WHERE id > 1 |> AGGREGATE count(*) AS n GROUP BY dept |> ORDER BY dept |> SELECT n": [(1,), (1,)],
    "FROM hr.emp |> JOIN hr.dept USING (dept) |> EXTEND upper(name) AS u |> SELECT u, title |> LIMIT 1": [("ANA", "sales")],
    "FROM hr.emp |> SELECT id |> SET id = id + 1 |> AS t |> WHERE t.id = 2": [(2,)],
    "FROM hr.emp |> SELECT id |> UNION ALL (SELECT 9) |> WHERE id > 2": [(3,), (9,)],
    "SELECT transform(array(1, 2), (x, i) -> x + i), filter(array(1, 2), x -> x > 1), exists(array(1), x -> x = 1)": [
        ([1, 3], [2], True),
    ],
    "SELECT aggregate(sequence(1, 4), 0, (a, x) -> a + x, a -> a * 10)": [(100,)],
    "SELECT count(*) <= 3 FROM hr.emp TABLESAMPLE (50 PERCENT) REPEATABLE (7)": [(True,)],
    "SELECT count(*) FROM hr.emp TABLESAMPLE (2 ROWS)": [(2,)],
    "VALUES (1, 'a'), (2, 'b')": [(1, "a"), (2, "b")],
    "SELECT b FROM VALUES (1, 'x'), (2, 'y') AS t(a, b) WHERE a = 2": [("y",)],
    "SELECT dept, region, count(*) FROM hr.emp GROUP BY GROUPING SETS ((dept), (region), ())": [
        ("d0", None, 2), ("d1", None, 1), (None, "EU", 3), (None, None, 3),
    ],
    "SELECT dept, grouping(dept) g, count(*) FROM hr.emp GROUP BY CUBE (dept)": [("d0", 0, 2), ("d1", 0, 1), (None, 1, 3)],
    "SELECT dept, count(*) FROM hr.emp GROUP BY ALL ORDER BY ALL": [("d0", 2), ("d1", 1)],
    "SELECT count(*) FILTER (WHERE dept = 'd0'), count(DISTINCT dept) FROM hr.emp": [(2, 2)],
    "SELECT listagg(name, ',') WITHIN GROUP (ORDER BY name) FROM hr.emp": [("ana,bob,cyd",)],
    "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY id) FROM hr.emp": [(2.0,)],
    "SELECT from_json('{{\"a\": 1}}', 'a INT').a, get_json_object('{{\"b\": 2}}', '$.b'), to_json(struct(1 AS c))": [
        (1, "2", '{"c":1}'),
    ],
    "SELECT parse_json('{{\"a\": [1, 2]}}'):a[1]::INT": [(2,)],
    "SELECT cast(DATE '2026-03-01' + INTERVAL 1 MONTH AS STRING), extract(YEAR FROM DATE '2026-03-01')": [
        ("2026-04-01", 2026),
    ],
    "SELECT date_format(TIMESTAMP '2026-03-01 10:00:00', 'HH:mm'), datediff(DAY, DATE '2026-03-01', DATE '2026-03-04')": [
        ("10:00", 3),
    ],
    "SELECT current_timestamp() IS NOT NULL, current_date = current_date(), now() IS NOT NULL": [(True, True, True)],
    "SELECT CASE id WHEN 1 THEN 'one' ELSE 'more' END, coalesce(NULL, name), nullif(1, 1) FROM hr.emp WHERE id = 1": [
        ("one", "ana", None),
    ],
    "SELECT trim(BOTH 'x' FROM 'xax'), substring('abc' FROM 2 FOR 1), position('b' IN 'abc'), overlay('abc' PLACING 'z' FROM 1)": [
        ("a", "b", 2, "zbc"),
    ],
    "SELECT name FROM hr.emp WHERE name LIKE ANY ('a%', 'b%') AND name NOT RLIKE '^z' AND id BETWEEN 1 AND 2": [
        ("ana",), ("bob",),
    ],
    "SELECT id FROM hr.emp ORDER BY id DESC NULLS LAST LIMIT 1 OFFSET 1": [(2,)],
    "SELECT * FROM range(2)": [(0,), (1,)],
    "SELECT col FROM explode(array(1, 2))": [(1,), (2,)],
    "SELECT id FROM hr.emp CLUSTER BY id": [(1,), (2,), (3,)],
    "SELECT e.* EXCEPT (ssn, addr, region) FROM hr.emp e WHERE id = 1": [(1, "ana", "d0")],
    "SELECT m['a'], s.b, a[0] FROM (SELECT map('a', 1) m, named_struct('b', 2) s, array(3) a)": [(1, 2, 3)],
    "SELECT 'A' = 'a' COLLATE UTF8_LCASE": [(True,)],
    "SELECT id AS i, i + 1 AS j FROM hr.emp WHERE id = 1": [(1, 2)],
    "SELECT 1 + 1 -- the rest; is a comment": [(2,)],
    "SELECT cast('1' AS INT), '2'::BIGINT, try_cast('x' AS INT), CAST(array(1) AS ARRAY<STRING>)": [(1, 2, None, ["1"])],
    "SELECT count(*) FROM hr.emp a JOIN hr.emp b ON a.id < b.id": [(3,)],
    "SELECT id FROM hr.emp_view WHERE id = 1": [(1,), (1,)],
    "SELECT id, region FROM hr.staff": [(1, "EU"), (2, "EU"), (3, "EU")],
    "SELECT lpad(id, 5, '0'), rpad(name, 4, '.'), repeat('=', 3), space(1) FROM hr.emp WHERE id = 1": [("00001", "ana.", "===", " ")],
    "SELECT repeat('*', least(id, 80)) FROM hr.emp": [("*",), ("**",), ("***",)],
    "SELECT repeat('*', length(name)) FROM hr.emp WHERE id = 1": [("***",)],
    "SELECT repeat('x', n) FROM (SELECT 1 + 1 AS n)": [("xx",)],
    "SELECT repeat('*', id::INT + 1) FROM range(2)": [("*",), ("**",)],
    "SELECT size(sequence(DATE '2020-01-01', DATE '2020-12-31')), size(sequence(to_date('2020-01-01'), current_date, INTERVAL 1 MONTH)) > 70": [(366, True)],
    "SELECT count(*) FROM (SELECT explode(sequence(TIMESTAMP '2026-01-01', TIMESTAMP '2026-01-02', INTERVAL 1 HOUR)))": [(25,)],
    "SELECT count(*) FROM (SELECT explode(sequence(min(d), max(d), INTERVAL 1 DAY)) FROM VALUES (DATE '2026-01-01'), (DATE '2026-01-31') AS t(d))": [(31,)],
    "SELECT size(sequence(date_trunc('MONTH', TIMESTAMP '2026-01-15 00:00:00'), TIMESTAMP '2026-03-01', INTERVAL 1 MONTH))": [(3,)],
    "SELECT to_json(collect_list(struct(id, name))) FROM hr.emp WHERE id = 1": [('[{"id":1,"name":"ana"}]',)],
    "SELECT concat_ws(',', sort_array(collect_set(upper(trim(name))))) FROM hr.emp": [("ANA,BOB,CYD",)],
    "SELECT regexp_replace(name, '([a-b])', '<$1>') FROM hr.emp WHERE id = 1": [("<a>n<a>",)],
    "SELECT aggregate(split('a-b-c', '-'), '', (a, x) -> concat(a, upper(x)))": [("ABC",)],
    "SELECT transform(split(name, ''), x -> concat(x, '!'))[0] FROM hr.emp WHERE id = 1": [("a!",)],
    "SELECT format_string('%05.1f|%s', 3.14159d, name), format_number(1234.5, 1) FROM hr.emp WHERE id = 1": [("003.1|ana", "1,234.5")],
    "SELECT replace(initcap(lower(upper(name))), 'A', 'aaa'), translate(name, 'an', 'xy') FROM hr.emp WHERE id = 1": [("aaana", "xyx")],
    "WITH RECURSIVE r(n, path) AS (SELECT 1, 'a' UNION ALL SELECT n + 1, path || '/' || n FROM r WHERE n < 3) SELECT path FROM r": [("a",), ("a/1",), ("a/1/2",)],
    "SELECT count(*) FROM (SELECT window(TIMESTAMP '2026-01-01', '10 minutes', '5 minutes'))": [(2,)],
    "SELECT approx_count_distinct(id, 0.02), approx_percentile(id, 0.5, 100) FROM hr.emp": [(3, 2)],
    "SELECT 1E3, 1.5e-2, 2E2BD = 200, 1e10 AS `1e9999`, id AS e12345 FROM hr.emp WHERE id = 1": [(1000.0, 0.015, True, 1e10, 1)],
    "SELECT CAST(NULL AS INT), coalesce(CAST(NULL AS STRING), 'x'), nullif(length(repeat('x', 10000000)), 1)": [(None, "x", 10_000_000)],
    "SELECT stack(2, 'a', 1, 'b', 2)": [("a", 1), ("b", 2)],
    "SELECT count(*) > 3 FROM hr.emp GROUP BY CUBE (id, name, dept, region) HAVING grouping_id() = 0": [(False,), (False,), (False,)],
    "SELECT map_keys(map_from_arrays(array('a'), array(1))), flatten(array(array(1), array(2))), from_json('[1,2]', 'ARRAY<INT>')": [(["a"], [1, 2], [1, 2])],
    "SELECT hex(sha2(name, 256)) IS NOT NULL, length(base64(encode(name, 'UTF-8'))) FROM hr.emp WHERE id = 1": [(True, 4)],
}  # fmt: skip

STATEMENTS = tuple(
    Statement(str(number), sql, Expected.ANSWERED, tuple(rows)) for number, (sql, rows) in enumerate(_QUERIES.items())
)
