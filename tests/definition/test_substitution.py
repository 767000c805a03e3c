from __future__ import annotations

import pytest

from lakehouse.definition.substitution import resolve_variables, substitute, substitute_sql
from lakehouse.errors import InvalidValue, SourceLocation, UndefinedVariable

HERE = SourceLocation("f.sql", 10)


def test_variables_are_replaced_and_the_escape_is_not() -> None:
    variables = {"a": "1", "spark.x-y": "2"}
    assert substitute("${a} ${spark.x-y} $${a} $a {a}", variables, HERE) == "1 2 ${a} $a {a}"


def test_replaced_text_is_not_replaced_again() -> None:
    assert substitute("${a}", {"a": "${b}", "b": "1"}, HERE) == "${b}"


def test_an_undefined_variable_is_an_error_at_its_line_with_the_nearest() -> None:
    with pytest.raises(UndefinedVariable) as caught:
        substitute("one\ntwo ${landng}", {"landing": "x"}, HERE)
    assert (caught.value.name, caught.value.nearest) == ("landng", "landing")
    assert caught.value.where == SourceLocation("f.sql", 11)


@pytest.mark.parametrize("text", ["${env:HOME}", "${}", "${a", "${a b}", "${1}"])
def test_other_forms_are_no_variables(text: str) -> None:
    with pytest.raises(InvalidValue):
        substitute(text, {"a": "1"}, HERE)


def test_comments_of_sql_keep_theirs_and_strings_do_not() -> None:
    sql = "SELECT '${a}' -- ${b}\n/* ${c} /* ${d} */ */, '--${a}' FROM ${a}"
    assert substitute_sql(sql, {"a": "1"}, HERE) == "SELECT '1' -- ${b}\n/* ${c} /* ${d} */ */, '--1' FROM 1"


def test_the_line_of_a_variable_in_sql_counts_comments() -> None:
    with pytest.raises(UndefinedVariable) as caught:
        substitute_sql("-- one\n/* two\nthree */ ${x}", {}, HERE)
    assert caught.value.where == SourceLocation("f.sql", 12)


def test_configuration_values_use_each_other() -> None:
    resolved, problems = resolve_variables({"b": "${a}/b", "a": "root", "c": "$${a}${b}"}, lambda key: None)
    assert resolved == {"a": "root", "b": "root/b", "c": "${a}root/b"}
    assert not problems


def test_a_circle_of_configuration_values_is_an_error() -> None:
    _, problems = resolve_variables({"a": "${b}", "b": "${a}", "c": "${d}"}, lambda key: SourceLocation("s.yml", 1))
    assert {type(problem) for problem in problems} == {InvalidValue, UndefinedVariable}
