from __future__ import annotations

import pytest

from lakehouse.catalog.mapping_query import LONGEST_LIST, QueryAnswer, answered
from lakehouse.errors import InvalidValue


def giving(*literals: str, kind: str = "STRING"):  # type: ignore[no-untyped-def]
    """An `ask` that always answers this, and keeps what it was asked."""

    def ask(query: str, most: int) -> QueryAnswer:
        asked.append(query)
        return QueryAnswer(kind, literals[:most])

    asked: list[str] = []
    ask.asked = asked  # type: ignore[attr-defined]
    return ask


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a IN (SELECT b FROM m)", "a IN ('x', 'y')"),
        ("a not in (WITH q AS (SELECT 1) SELECT * FROM q)", "a not in ('x', 'y')"),
        ("EXISTS (SELECT * FROM m) AND b", "true AND b"),
        ("NOT exists(SELECT 1 FROM m WHERE c IN (SELECT d FROM n))", "NOT true"),
        ("a = 'IN (SELECT b)' /* (SELECT 1) */", "a = 'IN (SELECT b)'"),
        ("map('a', 1)[a] = 1 AND (values) > 1", "map('a', 1)[a] = 1 AND (values) > 1"),
    ],
)
def test_subqueries_become_literals(text: str, expected: str) -> None:
    assert answered(text, giving("'x'", "'y'")) == expected


def test_the_query_is_asked_without_comments() -> None:
    ask = giving("1")
    answered("a = (SELECT max(b) FROM m -- the newest\n)", ask)
    assert ask.asked == ["SELECT max(b) FROM m"]


def test_a_scalar_is_one_literal_or_null_of_its_type() -> None:
    assert answered("a > (SELECT max(b) FROM m) + 1", giving("5", kind="INT")) == "a > 5 + 1"
    assert answered("a > (SELECT b FROM m)", giving(kind="INT")) == "a > CAST(NULL AS INT)"
    with pytest.raises(InvalidValue):
        answered("a = (SELECT b FROM m)", giving("1", "2"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a IN (SELECT b FROM m)", "(false AND (a) IS NULL)"),
        ("NOT a NOT IN (SELECT b FROM m) OR c", "NOT (true OR (a) IS NULL) OR c"),
        ("c = 1 AND lower(a) || 'x' IN (SELECT b FROM m)", "c = 1 AND (false AND (lower(a) || 'x') IS NULL)"),
        (
            "CASE WHEN a THEN b END IN (SELECT b FROM m) AND d",
            "(false AND (CASE WHEN a THEN b END) IS NULL) AND d",
        ),
        ("CASE WHEN a IN (SELECT b FROM m) THEN 1 END = 1", "CASE WHEN (false AND (a) IS NULL) THEN 1 END = 1"),
        ("f(x, (a) IN (SELECT b FROM m))", "f(x, (false AND ((a)) IS NULL))"),
    ],
)
def test_an_empty_list_says_what_sql_says(text: str, expected: str) -> None:
    assert answered(text, giving()) == expected


@pytest.mark.parametrize(
    "text",
    [
        "a = ANY (SELECT b FROM m)",
        "array(SELECT b FROM m)",
        "a LIKE ALL (SELECT b FROM m)",
        "f(TABLE(t)) IN (1) AND count (SELECT 1)",
    ],
)
def test_other_places_are_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        answered(text, giving("1"))


def test_a_list_that_is_too_long_is_refused() -> None:
    many = [str(number) for number in range(LONGEST_LIST + 1)]
    assert answered("a IN (SELECT b FROM m)", giving(*many[:-1])).count(",") == LONGEST_LIST - 1
    with pytest.raises(InvalidValue):
        answered("a IN (SELECT b FROM m)", giving(*many))
