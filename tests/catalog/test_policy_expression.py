from __future__ import annotations

import pytest

from lakehouse.catalog.policy_expression import Invoker, bound, folded
from lakehouse.errors import InvalidValue

ANA = Invoker("o'ana@corp", frozenset({"hr", "account users"}))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("usr = current_user()", "usr = 'o\\'ana@corp'"),
        ("usr = CURRENT_USER", "usr = 'o\\'ana@corp'"),
        ("usr = `Session_User`( )", "usr = 'o\\'ana@corp'"),
        ("usr = user", "usr = 'o\\'ana@corp'"),
        ("is_member('HR') OR IS_ACCOUNT_GROUP_MEMBER(\"it\")", "true OR false"),
        ("is_account_group_member('account users')", "true"),
        ("a = 'current_user()' -- current_user()", "a = 'current_user()'"),
        ("a /* user */ = `user` AND b.user = 1", "a   = `user` AND b.user = 1".replace("   ", " ")),
        ("x IN (SELECT y FROM m WHERE user = current_user)", "x IN (SELECT y FROM m WHERE user = 'o\\'ana@corp')"),
    ],
)
def test_who_asks_is_folded_to_literals(text: str, expected: str) -> None:
    assert folded(text, ANA, ()) == expected


def test_a_bare_word_that_is_a_column_stays() -> None:
    assert folded("user = user() AND current_user = 1", ANA, {"user", "current_user"}) == (
        "user = 'o\\'ana@corp' AND current_user = 1"
    )


@pytest.mark.parametrize(
    "text",
    [
        "is_member(grp)",
        "is_member('a' || 'b')",
        "is_member()",
        "current_user('x')",
        "system.builtin.current_user() = usr",
        "a = 1) OR (1 = 1",
        "(a = 1",
        "a = 1; DROP TABLE t",
        "",
        "-- nothing",
        "/*+ BROADCAST(t) */ a = 1",
        "a = '${env:HOME}'",
        "a = 'never ends",
        "a = 1 /* never ends",
    ],
)
def test_what_is_in_doubt_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        folded(text, ANA, ())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sha2(val, 256)", "sha2(`a``b`, 256)"),
        ("VAL.city", "`a``b`.city"),
        ("`val` || s.val || 'val' /* val */ || val", "`a``b` || s.val || 'val' || `a``b`"),
        ("val(1) || f(val => val)", "val(1) || f(val => `a``b`)"),
        ("transform(val, x -> x + 1)", "transform(`a``b`, x -> x + 1)"),
        ("val--1\n-val", "`a``b` -`a``b`"),
    ],
)
def test_names_become_columns_where_they_stand_for_values(text: str, expected: str) -> None:
    assert bound(text, {"val": "`a``b`"}) == expected


@pytest.mark.parametrize(
    "text", ["transform(a, val -> val + 1)", "aggregate(a, 0, (x, val) -> x)", "transform(a, (val, i) -> i)"]
)
def test_a_parameter_of_the_same_name_is_refused(text: str) -> None:
    with pytest.raises(InvalidValue):
        bound(text, {"val": "`a`"})


def test_a_subquery_that_is_left_is_refused() -> None:
    with pytest.raises(InvalidValue):
        bound("val IN (SELECT x FROM m)", {"val": "`a`"})
