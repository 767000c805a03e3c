"""The refresh policy of a materialized view, in SQL, Python and YAML."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from lakehouse.definition.dataset import MaterializedView, RefreshPolicy
from lakehouse.definition.fingerprint import layout_fingerprint, query_fingerprint
from lakehouse.definition.project import Project
from lakehouse.errors import DefinitionError, InvalidValue, SourceLocation, UnknownKey

Load = Callable[..., Project]


def in_yaml(policy: str | None) -> Mapping[str, str]:
    key = "" if policy is None else f"refresh_policy: {policy}\n"
    return {"tables/a.yml": f"materialized_view: gold.a\n{key}query: SELECT 1 AS x\n"}


def in_sql(policy: str | None) -> Mapping[str, str]:
    clause = "" if policy is None else f"REFRESH POLICY {policy.replace('_', ' ').upper()}\n"
    return {"tables/a.sql": f"CREATE OR REFRESH MATERIALIZED VIEW gold.a\n{clause}AS SELECT 1 AS x;\n"}


def in_python(policy: str | None, decorator: str = "materialized_view") -> Mapping[str, str]:
    argument = "" if policy is None else f", refresh_policy='{policy}'"
    text = f"from lakehouse import pipelines as dp\n@dp.{decorator}(name='gold.a'{argument})\ndef a():\n    return 1\n"
    return {"tables/a.py": text}


def in_python_table(policy: str | None) -> Mapping[str, str]:
    return in_python(policy, "table")


FRONT_ENDS = (in_yaml, in_sql, in_python, in_python_table)


def only(load: Load, files: Mapping[str, str]) -> MaterializedView:
    (dataset,) = load(files).datasets
    assert isinstance(dataset, MaterializedView)
    return dataset


def problem_of(load: Load, files: Mapping[str, str]) -> Any:
    with pytest.raises(DefinitionError) as caught:
        load(files)
    return caught.value


@pytest.mark.parametrize("front_end", FRONT_ENDS)
@pytest.mark.parametrize("policy", RefreshPolicy)
def test_every_policy_in_every_front_end(load: Load, front_end: Any, policy: RefreshPolicy) -> None:
    assert only(load, front_end(policy.value)).refresh_policy is policy


@pytest.mark.parametrize("front_end", FRONT_ENDS)
def test_auto_if_nothing_is_said(load: Load, front_end: Any) -> None:
    assert only(load, front_end(None)).refresh_policy is RefreshPolicy.AUTO


@pytest.mark.parametrize("front_end", FRONT_ENDS)
@pytest.mark.parametrize("policy", ["incremental", "incremental_strict", "full"])
def test_it_changes_neither_rows_nor_layout(load: Load, front_end: Any, policy: str) -> None:
    without, with_policy = only(load, front_end(None)), only(load, front_end(policy))
    assert query_fingerprint(with_policy) == query_fingerprint(without)
    assert layout_fingerprint(with_policy) == layout_fingerprint(without)


@pytest.mark.parametrize(
    ("files", "where", "near"),
    [
        (in_yaml("incremantal"), SourceLocation("tables/a.yml", 2), "'incremental'"),
        (in_sql("incremantal"), SourceLocation("tables/a.sql", 2), "INCREMENTAL"),
        (in_sql("ful"), SourceLocation("tables/a.sql", 2), "FULL"),
        (in_python("incremantal"), SourceLocation("tables/a.py", 2), "'incremental'"),
        (in_python_table("incremental_strct"), SourceLocation("tables/a.py", 2), "'incremental_strict'"),
    ],
)
def test_a_mistyped_policy_names_the_place_and_the_nearest(
    load: Load, files: Mapping[str, str], where: SourceLocation, near: str
) -> None:
    problem = problem_of(load, files)
    assert isinstance(problem, InvalidValue)
    assert problem.where == where
    assert problem.hint == f"Did you mean {near}?"


@pytest.mark.parametrize("value", ["True", "3", "[full]", "null"])
def test_something_else_than_a_word_is_refused(load: Load, value: str) -> None:
    problem = problem_of(load, in_yaml(value))
    assert isinstance(problem, InvalidValue)
    assert problem.where == SourceLocation("tables/a.yml", 2)


def test_something_else_than_a_word_is_refused_in_python(load: Load) -> None:
    text = in_python("full")["tables/a.py"].replace("'full'", "True")
    assert isinstance(problem_of(load, {"tables/a.py": text}), InvalidValue)


def test_the_place_of_the_clause_is_any_and_once(load: Load) -> None:
    head, tail = "CREATE MATERIALIZED VIEW a REFRESH POLICY INCREMENTAL ", "AS SELECT 1"
    view = only(load, {"tables/a.sql": f"{head} STRICT COMMENT 'c' CLUSTER BY (x) {tail}"})
    assert (view.refresh_policy, view.comment) == (RefreshPolicy.INCREMENTAL_STRICT, "c")
    for text in (f"{head} REFRESH POLICY FULL {tail}", f"{head} LOOSE {tail}", "CREATE MATERIALIZED VIEW a REFRESH AS"):
        assert isinstance(problem_of(load, {"tables/a.sql": text}), InvalidValue)


@pytest.mark.parametrize(
    ("files", "error", "line"),
    [
        (
            {"tables/a.sql": "CREATE STREAMING TABLE a\nREFRESH POLICY FULL\nAS SELECT * FROM STREAM read_files('x')"},
            InvalidValue,
            2,
        ),
        ({"tables/a.sql": "CREATE TEMPORARY VIEW a\nREFRESH POLICY FULL\nAS SELECT 1"}, InvalidValue, 2),
        ({"tables/a.yml": "temporary_view: a\nquery: SELECT 1\nrefresh_policy: full\n"}, UnknownKey, 3),
        ({"tables/a.yml": "streaming_table: a\nsource: {files: x.csv}\nrefresh_policy: full\n"}, UnknownKey, 3),
        (
            {
                "tables/a.py": "from lakehouse import pipelines as dp\n"
                "dp.streaming_table('a', files='x.csv', refresh_policy='full')\n"
            },
            UnknownKey,
            2,
        ),
    ],
)
def test_only_materialized_views_have_one(load: Load, files: Mapping[str, str], error: type, line: int) -> None:
    problem = problem_of(load, files)
    assert isinstance(problem, error)
    assert problem.where is not None
    assert problem.where.line == line
