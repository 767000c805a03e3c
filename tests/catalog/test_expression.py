from __future__ import annotations

import pytest

from lakehouse.catalog.expression import expand, functions_called, read_expression, replace_names
from lakehouse.catalog.function_text import make_function
from lakehouse.catalog.policy import SqlFunction
from lakehouse.catalog.securable import Securable
from lakehouse.errors import InvalidValue, SourceLocation
from tests.catalog.access_files import function


def made(**bodies: tuple[list[str], str]) -> dict[Securable, SqlFunction]:
    return {
        function("s", name): make_function(function("s", name), parameters, None, body)
        for name, (parameters, body) in bodies.items()
    }


FUNCTIONS = made(
    f=(["a"], "a = 'a' OR `A` > b.a"),
    twice=(["x", "y"], "s.f(x) AND main.s.f(y)"),
    nothing=([], "true"),
    quoted=(["select"], "`select` || \"select\" || r'select' || /* select */ SELECT.a"),
)


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("s.f(x)", "((x) = 'a' OR (x) > b.a)"),
        ("S.`F`( x , 1)", None),
        ("spark_catalog.s.f((1, 2)[0])", "(((1, 2)[0]) = 'a' OR ((1, 2)[0]) > b.a)"),
        ("f(x) OR s.g", "f(x) OR s.g"),
        ("'s.f(x)' || `s.f`", "'s.f(x)' || `s.f`"),
        ("x.s.f + s.nothing()", "x.s.f + (true)"),
        ("s.twice(')', ',')", "((((')')) = 'a' OR ((')')) > b.a) AND (((',')) = 'a' OR ((',')) > b.a))"),
        ("s.quoted(z)", "((z) || \"select\" || r'select' || (z).a)"),
        ("s.f(s.nothing())", "(((true)) = 'a' OR ((true)) > b.a)"),
        ("1.5 > x", "1.5 > x"),
    ],
)
def test_calls_are_replaced_by_bodies(text: str, whole: str | None) -> None:
    if whole is None:
        with pytest.raises(InvalidValue):
            expand(text, FUNCTIONS, "main")
    else:
        assert expand(text, FUNCTIONS, "main") == whole
        assert expand(whole, FUNCTIONS, "main") == whole


def test_an_argument_never_gets_inside_what_it_is_not_for() -> None:
    for body in (
        "EXISTS (SELECT 1 FROM m WHERE m.r = a)",
        "x IN (((FROM m |> WHERE r = a)))",
        "(WITH q AS (VALUES (a)) SELECT 1)",
    ):
        with pytest.raises(InvalidValue):
            made(f=(["a"], body))
    with pytest.raises(InvalidValue):
        made(f=(["a"], "exists(l, (a, i) -> i > 0)"))
    captured = made(f=(["a"], "exists(l, region -> region = a)"))
    with pytest.raises(InvalidValue):
        expand("s.f(region)", captured, "main")
    assert expand("s.f(area)", captured, "main") == "(exists(l, region -> region = (area)))"


def test_functions_that_grow_without_end_are_refused() -> None:
    grows = made(**{f"f{n}": (["a"], f"s.f{n + 1}(a) || s.f{n + 1}(a)") for n in range(40)}, f40=(["a"], "a"))
    with pytest.raises(InvalidValue):
        expand("s.f0(x)", grows, "main")
    with pytest.raises(InvalidValue):
        replace_names(" + ".join(["a"] * 5000), {"a": "b" * 5000})


@pytest.mark.parametrize(
    "text", ["", " -- x", "a)", "(a", "a]", "f(a]", "a; b", "/*+ h */ a", "'a", "`a", "/* a", "a */"]
)
def test_what_is_no_expression(text: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        read_expression(text, "it", SourceLocation("x.yml", 7))
    assert str(caught.value.where) == "x.yml:7"


def test_comments_are_left_out() -> None:
    assert read_expression("a -- )\n + '--' /* ' */ + 1", "it") == "a + '--' + 1"


def test_which_functions_are_called() -> None:
    assert functions_called("s.f(1) + main.s.g(t.h) + k(2) + 's.x(1)'", "main") == {
        function("s", "f"),
        function("s", "g"),
    }
