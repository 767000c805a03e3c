from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.definition.sql_text import Token, statements, string_value, tokenize
from lakehouse.errors import InvalidValue, SourceLocation


def texts(sql: str) -> list[list[str]]:
    return [[token.text for token in statement] for statement in statements(tokenize(sql))]


def test_semicolons_in_strings_names_and_comments_separate_nothing() -> None:
    sql = """SELECT ';' "a;b", `c;d` -- e;f
    /* g; /* h; */ i; */ ; SELECT 2;; -- the end;"""
    assert texts(sql) == [["SELECT", "';'", '"a;b"', ",", "`c;d`"], ["SELECT", "2"]]


def test_the_last_statement_needs_no_semicolon() -> None:
    assert texts("SELECT 1;\nSELECT 2") == [["SELECT", "1"], ["SELECT", "2"]]


def test_escapes_in_strings() -> None:
    assert texts(r"'it\'s' 'it''s' r'\' '\\'") == [[r"'it\'s'", "'it''s'", r"r'\'", r"'\\'"]]


def test_a_hint_is_no_comment() -> None:
    assert texts("SELECT /*+ BROADCAST(a) */ 1 /* no hint */") == [
        ["SELECT", "/*+", "BROADCAST", "(", "a", ")", "*/", "1"]
    ]


def test_a_backslash_continues_a_line_comment() -> None:
    assert texts("1 -- a \\\n b\n 2") == [["1", "2"]]


@pytest.mark.parametrize(("sql", "line"), [("1\n 'a", 2), ("1 `a", 1), ("\n\n/* /* */", 3), ('"', 1)])
def test_what_never_ends_is_an_error_where_it_begins(sql: str, line: int) -> None:
    with pytest.raises(InvalidValue) as caught:
        tokenize(sql, SourceLocation("f.sql", 1))
    assert caught.value.where == SourceLocation("f.sql", line)


@pytest.mark.parametrize(
    ("text", "value"),
    [(r"'a\tb\\c\u0041\%'", "a\tb\\cA\\%"), ("'it''s'", "it's"), (r"r'a\n'", r"a\n"), ('"a\'b"', "a'b")],
)
def test_what_strings_mean(text: str, value: str) -> None:
    assert string_value(Token("string", text, 0, len(text))) == value


@given(st.text(alphabet="ab'\"`\\-/*;\n (.,)$", max_size=30))
def test_tokens_and_blanks_are_the_whole_text(sql: str) -> None:
    try:
        tokens = tokenize(sql)
    except InvalidValue:
        return
    position = 0
    for token in tokens:
        assert sql[position : token.start].strip() == ""
        assert sql[token.start : token.end] == token.text
        position = token.end
    assert sql[position:].strip() == ""
