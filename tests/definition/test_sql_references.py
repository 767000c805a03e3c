from __future__ import annotations

import pytest

from lakehouse.definition.sql_references import own_names_shortened, referenced_tables


def names(sql: str) -> list[str]:
    return [".".join(reference.parts) for reference in referenced_tables(sql)]


CASES = {
    "comma lists and joins": ("SELECT * FROM a.b x, c AS y LEFT JOIN d ON x.k = y.k, e", ["a.b", "c", "d", "e"]),
    "subqueries": (
        "SELECT (SELECT max(v) FROM a) FROM (SELECT * FROM b) WHERE k IN (SELECT k FROM c) AND EXISTS (FROM d)",
        ["a", "b", "c", "d"],
    ),
    "nested joins": ("SELECT * FROM (a JOIN (b JOIN c ON 1 = 1) ON 2 = 2)", ["a", "b", "c"]),
    "set operations": ("((SELECT * FROM a) UNION ALL (TABLE b)) MINUS TABLE c", ["a", "b", "c"]),
    "common table": ("WITH a AS (SELECT * FROM b) SELECT * FROM a JOIN c", ["b", "c"]),
    "common table of its source's name": ("WITH a AS (SELECT * FROM a) SELECT * FROM a", ["a"]),
    "qualified name of a common table": ("WITH a AS (SELECT 1) SELECT * FROM s.a", ["s.a"]),
    "common tables see earlier ones": ("WITH a AS (SELECT * FROM x), b (n) AS (SELECT * FROM a) FROM b", ["x"]),
    "recursive": ("WITH RECURSIVE r(n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM r) SELECT * FROM r", []),
    "common table inside a subquery": ("SELECT * FROM (WITH a AS (SELECT 1) SELECT * FROM a) JOIN a", ["a"]),
    "from inside functions": (
        "SELECT extract(YEAR FROM ts), trim(BOTH 'x' FROM y), substring(s FROM 2), overlay(a PLACING b FROM 1) FROM t",
        ["t"],
    ),
    "distinct from": ("SELECT a IS DISTINCT FROM b, a IS NOT DISTINCT FROM c FROM t", ["t"]),
    "lateral view": ("SELECT * FROM t LATERAL VIEW OUTER explode(m) e AS k, v WHERE k > 1", ["t"]),
    "lateral subquery": ("SELECT * FROM t, LATERAL (SELECT * FROM u WHERE u.k = t.k)", ["t", "u"]),
    "table functions": ("SELECT * FROM range(10), explode(array(1, 2)) x, f(TABLE(t))", ["t"]),
    "values": ("SELECT * FROM VALUES (1), (2) AS v(a) JOIN (VALUES (1)) w", []),
    "paths": ("SELECT * FROM delta.`/x/y`, json.`a.json`, text.real", ["text.real"]),
    "time travel": ("SELECT * FROM a VERSION AS OF 3, b TIMESTAMP AS OF '2024-01-01', c", ["a", "b", "c"]),
    "pipe syntax": ("FROM a |> WHERE x > 1 |> JOIN b USING (k) |> UNION ALL (SELECT * FROM c)", ["a", "b", "c"]),
    "select before a comma": ("SELECT a, b FROM t WHERE x IN (1, 2) GROUP BY c, d ORDER BY e, f", ["t"]),
    "quoted names": ("SELECT * FROM `My Schema`.`t.1`", ["my schema.t.1"]),
    "stream": ("SELECT * FROM STREAM a JOIN STREAM(b)", ["a", "b"]),
    "strings and comments": ("SELECT 'FROM x' -- FROM y\n/* FROM z */ FROM t", ["t"]),
    "pivot": ("SELECT * FROM t PIVOT (sum(x) FOR k IN ('a', 'b')) JOIN u", ["t", "u"]),
    "no table": ("SELECT 1", []),
}


@pytest.mark.parametrize("case", CASES)
def test_names_that_a_query_reads(case: str) -> None:
    sql, expected = CASES[case]
    assert sorted(names(sql)) == sorted(expected)


def test_lines_and_spans() -> None:
    sql = "SELECT *\nFROM a\nJOIN  `B` . c"
    first, second = referenced_tables(sql)
    assert (first.line, sql[first.start : first.end]) == (2, "a")
    assert (second.line, second.parts, sql[second.start : second.end]) == (3, ("b", "c"), "`B` . c")


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT * FROM LIVE.a", "SELECT * FROM a"),
        ("SELECT main.s.a.x FROM main.s.a -- main.s.a", "SELECT s.a.x FROM s.a -- main.s.a"),
        ("SELECT main FROM main.a", "SELECT main FROM main.a"),
        ("SELECT 'LIVE.a' FROM other.s.a", "SELECT 'LIVE.a' FROM other.s.a"),
    ],
)
def test_live_and_the_own_catalog_are_dropped_from_tables(sql: str, expected: str) -> None:
    assert own_names_shortened(sql, "main") == expected
