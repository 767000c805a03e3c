from __future__ import annotations

from typing import Any

import pytest

from lakehouse.definition.document import Document
from lakehouse.definition.expectation import Expectation, OnViolation, Severity
from lakehouse.definition.expectation_reading import read_expectation, read_expectations
from lakehouse.errors import DefinitionErrors, DuplicateName, InvalidValue, UnknownKey


def read(value: Any) -> Expectation:
    return read_expectation(Document(value=value, file="f.yml", line=1), (), value)


def problems_of(value: Any) -> tuple[Any, ...]:
    with pytest.raises(Exception) as caught:  # noqa: PT011 (its class is what the tests look at)
        read(value)
    return getattr(caught.value, "problems", (caught.value,))


def test_a_condition() -> None:
    expectation = read({"expect": " a > 0 ", "severity": "info", "on_violation": "drop"})
    assert (expectation.name, expectation.condition, expectation.type) == ("a > 0", "a > 0", None)
    assert (expectation.on_violation, expectation.severity) == (OnViolation.DROP, Severity.INFO)


def test_a_type_of_great_expectations() -> None:
    expectation = read({"expect_column_values_to_be_between": {"column": "a", "min_value": 0, "mostly": 0.9}})
    assert expectation.name == "expect_column_values_to_be_between(a)"
    assert expectation.type == "expect_column_values_to_be_between"
    assert expectation.arguments == {"column": "a", "min_value": 0, "mostly": 0.9}
    assert (expectation.on_violation, expectation.severity) == (OnViolation.WARN, Severity.CRITICAL)


def test_severity_among_the_arguments() -> None:
    expectation = read({"expect_column_values_to_be_null": {"column": "a", "severity": "warning"}, "name": "n"})
    assert (expectation.name, expectation.severity, expectation.arguments) == ("n", Severity.WARNING, {"column": "a"})


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("a > 0", InvalidValue),
        ({}, InvalidValue),
        ({"expect": "a", "expect_column_to_exist": {"column": "a"}}, InvalidValue),
        ({"expect": 3}, InvalidValue),
        ({"expect": "a", "on_violation": "explode"}, InvalidValue),
        ({"expect": "a", "severity": "high"}, InvalidValue),
        ({"expect": "a", "name": 3}, InvalidValue),
        ({"expect": "a", "mostly": 1}, UnknownKey),
        ({"expect_column_values_to_not_be_nul": {"column": "a"}}, UnknownKey),
        ({"expect_column_values_to_not_be_null": {"colum": "a", "column": "b"}}, UnknownKey),
        ({"expect_column_values_to_not_be_null": None}, InvalidValue),
        ({"expect_column_values_to_not_be_null": ["a"]}, InvalidValue),
        ({"expect_column_values_to_not_be_null": {"column": 3}}, InvalidValue),
        ({"expect_column_values_to_not_be_null": {"column": ""}}, InvalidValue),
        ({"expect_column_values_to_not_be_null": {"column": "a", "mostly": 1.5}}, InvalidValue),
        ({"expect_column_values_to_not_be_null": {"column": "a", "mostly": True}}, InvalidValue),
        ({"expect_column_values_to_be_in_set": {"column": "a", "value_set": []}}, InvalidValue),
        ({"expect_column_values_to_be_in_set": {"column": "a", "value_set": "x"}}, InvalidValue),
        ({"expect_column_values_to_be_between": {"column": "a"}}, InvalidValue),
        ({"expect_column_values_to_match_regex_list": {"column": "a", "regex_list": [1]}}, InvalidValue),
        (
            {"expect_multicolumn_sum_to_equal": {"column_list": ["a"], "sum_total": 1, "ignore_row_if": "x"}},
            InvalidValue,
        ),
        ({"expect_table_row_count_to_equal": {"value": 3}, "on_violation": "drop"}, InvalidValue),
        ({"expect_column_values_to_be_unique": {"column": "a", "mostly": 0.9}, "on_violation": "drop"}, InvalidValue),
        ({"expect_column_values_to_match_json_schema": {"column": "a", "json_schema": {}}, "on_violation": "fail"},
         InvalidValue),
        ({"expect_column_values_to_be_increasing": {"column": "a"}}, InvalidValue),
        ({"expect_drift_below": {"column": "a"}}, InvalidValue),
        ({"expect_drift_below": {"column": "a", "threshold": 1, "baseline": "first"}}, InvalidValue),
        ({"expect_drift_below": {"column": "a", "threshold": 1, "measure": "distance"}}, InvalidValue),
        ({"expect_table_no_worse_than_last_version": {}}, InvalidValue),
        ({"expect_table_freshness": {"column": "a"}}, InvalidValue),
        ({"expect_column_values_to_be_in_table_column": {"references": "a.b.c"}}, InvalidValue),
        ({"expect_table_freshness": {"column": "a", "max_age": "1 day"}, "on_violation": "quarantine"}, InvalidValue),
    ],
)  # fmt: skip
def test_mistakes(value: Any, error: type[Exception]) -> None:
    (problem,) = problems_of(value)
    assert type(problem) is error


@pytest.mark.parametrize(
    "arguments", [{"value_set": [1, "a", True, None]}, {"value_set": ["a"], "mostly": None, "row_condition": "b > 0"}]
)
def test_values_that_great_expectations_takes(arguments: dict[str, Any]) -> None:
    assert read({"expect_column_values_to_be_in_set": {"column": "a", **arguments}}).arguments["column"] == "a"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (
            {"expect_column_values_to_be_in_table_column": {"columns": ["a", "b"], "references": ["x.y.a", "x.y.b"]}},
            "expect_column_values_to_be_in_table_column(a, b)",
        ),
        ({"expect_table_no_worse_than_last_version": {"row_count": 0.1}}, "expect_table_no_worse_than_last_version"),
        ({"expect_table_freshness": {"column": "a", "max_age": "1 day"}}, "expect_table_freshness(a)"),
    ],
)
def test_types_of_our_own(value: dict[str, Any], name: str) -> None:
    expectation = read({**value, "on_violation": "fail"})
    assert (expectation.name, expectation.on_violation) == (name, OnViolation.FAIL)


def test_drift_has_no_row_to_act_on() -> None:
    value = {"expect_drift_below": {"column": "a", "threshold": 0.2, "baseline": 7}}
    assert read({**value, "on_violation": "fail"}).on_violation is OnViolation.FAIL
    (problem,) = problems_of({**value, "on_violation": "drop"})
    assert isinstance(problem, InvalidValue)


def test_the_nearest_type_and_argument_are_named() -> None:
    (kind,) = problems_of({"expect_column_values_to_not_be_nul": {"column": "a"}})
    assert kind.nearest == "expect_column_values_to_not_be_null"
    (argument,) = problems_of({"expect_column_values_to_not_be_null": {"column": "a", "mosty": 1}})
    assert argument.nearest == "mostly"


def test_all_that_is_wrong_with_one() -> None:
    problems = problems_of({"expect_column_values_to_be_in_set": {"mostly": 7, "x": 1}})
    assert [type(problem) for problem in problems] == [InvalidValue, UnknownKey, InvalidValue, InvalidValue]


def test_names_are_distinct() -> None:
    value = [{"expect": "a > 0"}, {"expect": "a > 0", "on_violation": "fail"}]
    with pytest.raises(DefinitionErrors) as caught:
        read_expectations(Document(value=value, file="f.yml", line=1), (), value)
    assert [type(problem) for problem in caught.value.problems] == [DuplicateName]
