"""A suite of Great Expectations as a dataset's expectations."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from lakehouse.definition.expectation import Expectation, OnViolation, Severity
from lakehouse.definition.project import Project
from lakehouse.errors import DefinitionErrors, DuplicateName, InvalidValue, SourceLocation, UnknownKey
from lakehouse.quality.suite import suite_document

Load = Callable[..., Project]
NOT_NULL = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "id", "mostly": 0.9}}
IN_SET = {
    "expectation_type": "expect_column_values_to_be_in_set",  # as before 1.0
    "kwargs": {"column": "state", "value_set": ["a", "b"]},
    "severity": "info",
    "meta": {"owner": "ana", "lakehouse": {"name": "known_state", "on_violation": "quarantine"}},
}
VIEW = """\
materialized_view: silver.orders
query: SELECT 1 AS id
suite: suites/orders.json
expectations:
  - {name: small, expect: id < 10}
"""


def suite(*entries: Any) -> str:
    return json.dumps({"name": "orders", "expectations": list(entries), "meta": {}}, indent=1)


def found(load: Load, text: str, view: str = VIEW) -> tuple[Expectation, ...]:
    (dataset,) = load({"tables/a.yml": view, "suites/orders.json": text}).datasets
    return dataset.expectations  # type: ignore[attr-defined, no-any-return]


def problems(load: Load, text: str, view: str = VIEW) -> tuple[Any, ...]:
    with pytest.raises(Exception) as caught:  # noqa: PT011 (its class is what the tests look at)
        found(load, text, view)
    return getattr(caught.value, "problems", (caught.value,))


def test_its_expectations_stand_behind_the_declared_ones(load: Load) -> None:
    small, not_null, in_set = found(load, suite(NOT_NULL, IN_SET))
    assert small.location == SourceLocation("tables/a.yml", 5)
    assert not_null == Expectation(
        name="expect_column_values_to_not_be_null(id)",
        type="expect_column_values_to_not_be_null",
        arguments={"column": "id", "mostly": 0.9},
        location=SourceLocation("tables/a.yml", 3),
    )
    assert (in_set.name, in_set.severity, in_set.on_violation) == (
        "known_state",
        Severity.INFO,
        OnViolation.QUARANTINE,
    )
    assert in_set.arguments == {"column": "state", "value_set": ["a", "b"], "meta": {"owner": "ana"}}


def test_what_is_wrong_in_it_names_the_file_and_the_line(load: Load) -> None:
    unknown = {"type": "expect_column_values_to_be_nul", "kwargs": {"column": "id"}}
    wrong = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "id", "mostly": 2, "colour": 1}}
    text = suite(NOT_NULL, unknown, wrong)
    lines = [number for number, line in enumerate(text.splitlines(), 1) if line == "  {"]
    first, second, third = problems(load, text)
    assert isinstance(first, UnknownKey)
    assert first.nearest == "expect_column_values_to_be_null"
    assert {problem.where.file for problem in (first, second, third)} == {"suites/orders.json"}
    assert [problem.where.line for problem in (first, second, third)] == [lines[1], lines[2], lines[2]]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('{"expectations": [}', SourceLocation("suites/orders.json", 1)),
        ("[]", SourceLocation("suites/orders.json", 1)),
        ('{"name": "x"}', SourceLocation("suites/orders.json", 1)),
        ('{"expectations": [3]}', SourceLocation("suites/orders.json", 1)),
    ],
)
def test_what_is_no_suite_is_refused(load: Load, text: str, where: SourceLocation) -> None:
    [problem] = problems(load, text)
    assert isinstance(problem, InvalidValue)
    assert problem.where == where


def test_a_file_that_is_not_there_is_named_where_it_is_declared(load: Load) -> None:
    [problem] = problems(load, suite(), VIEW.replace("orders.json", "ordres.json"))
    assert isinstance(problem, InvalidValue)
    assert problem.where == SourceLocation("tables/a.yml", 3)
    [problem] = problems(load, suite(), VIEW.replace("suites/orders.json", "3"))
    assert isinstance(problem, InvalidValue)


def test_one_name_twice_is_an_error(load: Load) -> None:
    twice = problems(load, suite(NOT_NULL, NOT_NULL))
    assert [type(problem) for problem in twice] == [DuplicateName]
    named = {**NOT_NULL, "meta": {"lakehouse": {"name": "small"}}}
    [problem] = problems(load, suite(named))
    assert isinstance(problem, DuplicateName)
    assert (problem.name, problem.first) == ("small", SourceLocation("tables/a.yml", 5))


def test_variables_and_python_name_suites_too(load: Load) -> None:
    view = VIEW.replace("suites/", "${suites}/")
    (dataset,) = load(
        {"tables/a.yml": view, "suites/orders.json": suite(NOT_NULL)}, variables={"suites": "suites"}
    ).datasets
    assert len(dataset.expectations) == 2  # type: ignore[attr-defined]
    python = """\
        from lakehouse import pipelines as dp

        @dp.materialized_view(name="gold.a", suite="suites/orders.json")
        @dp.expect("small", "id < 10")
        def a():
            return None

        dp.streaming_table("bronze.b", files="in/*.csv", suite="suites/orders.json")
        """
    files = {"tables/a.yml": "", "tables/a.py": python, "suites/orders.json": suite(NOT_NULL)}
    datasets = {str(dataset.name): dataset for dataset in load(files).datasets}
    names = [each.name for each in datasets["gold.a"].expectations]  # type: ignore[attr-defined]
    assert names == ["small", "expect_column_values_to_not_be_null(id)"]
    assert len(datasets["bronze.b"].expectations) == 1  # type: ignore[attr-defined]


def test_a_suite_written_here_reads_back_as_it_was_declared(load: Load) -> None:
    own = {"name": "fresh", "expect_table_freshness": {"column": "at", "max_age": "1 day"}}
    declared = (
        VIEW.replace("suite: suites/orders.json\n", "")
        + f"  - {json.dumps(own)}\n  - {json.dumps({'expect_column_values_to_be_unique': {'column': 'id'}})}\n"
    )
    before = found(load, "", declared)
    text = json.dumps(suite_document("silver.orders", before))
    after = found(load, text, VIEW.partition("expectations:")[0])
    assert [(e.name, e.condition, e.type, e.arguments, e.severity, e.on_violation) for e in after] == [
        (e.name, e.condition, e.type, e.arguments, e.severity, e.on_violation) for e in before
    ]
    assert len(after) == 3


def test_a_temporary_view_has_none(load: Load) -> None:
    view = VIEW.replace("materialized_view", "temporary_view").replace("silver.orders", "orders")
    assert [type(problem) for problem in problems(load, suite(), view)] == [UnknownKey]


def test_several_problems_come_together(load: Load) -> None:
    with pytest.raises(DefinitionErrors):
        found(load, suite({"type": "nope"}, {"type": "nope_too"}))
