from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lakehouse.definition.fingerprint import layout_fingerprint, query_fingerprint
from lakehouse.definition.project import Project

Load = Callable[..., Project]

VIEW = """\
materialized_view: a
comment: about a
query: SELECT x, 'y' FROM t
tags: [one]
columns: {x: INT}
primary_key: [x]
spark_conf: {k: v}
expectations: [{expect: x > 0}]
"""
TABLE = "streaming_table: a\nsource: {files: a/*.csv, options: {header: true}, schema: x INT, max_bad_files: 1}\n"


def prints(load: Load, text: str, file: str = "tables/a.yml") -> tuple[str, str]:
    dataset: Any = load({file: text}).datasets[0]
    return query_fingerprint(dataset), layout_fingerprint(dataset)


def test_comments_blanks_and_place_do_not_count(load: Load) -> None:
    moved = VIEW.replace("query: SELECT x, 'y' FROM t", "query: |\n\n  SELECT x  /* c */, 'y' -- d\n  FROM t;")
    assert prints(load, moved) == prints(load, VIEW)


def test_sql_and_yaml_mean_the_same(load: Load) -> None:
    yaml = prints(load, "materialized_view: a\nquery: SELECT 1 AS x\ncomment: c\n")
    load({"tables/a.yml": ""})
    assert prints(load, "CREATE MATERIALIZED VIEW a COMMENT 'c' AS SELECT 1 AS x;", "tables/b.sql") == yaml


@pytest.mark.parametrize(
    "change",
    [
        ("SELECT x", "SELECT X"),
        ("'y'", "'y '"),
        ("x, 'y'", "x 'y'"),
        ("k: v", "k: w"),
        ("materialized_view: a\ncomment: about a", "temporary_view: a"),
    ],
)
def test_what_changes_the_rows(load: Load, change: tuple[str, str]) -> None:
    text = VIEW.replace(*change)
    if change[1].startswith("temporary"):
        text = "temporary_view: a\nquery: SELECT x, 'y' FROM t\n"
    assert prints(load, text)[0] != prints(load, VIEW)[0]


@pytest.mark.parametrize(
    "change",
    [
        ("about a", "about b"),
        ("{x: INT}", "{x: BIGINT}"),
        ("{x: INT}", "{x: {type: INT, comment: c}}"),
        ("{x: INT}", "{x: {type: INT, nullable: false}}"),
        ("primary_key: [x]", "primary_key: [y]"),
        ("primary_key: [x]", "cluster_by: [x]"),
        ("x > 0", "x > 1"),
        ("x > 0", "x > 0, on_violation: fail"),
        ("tags: [one]", "properties: {a: b}"),
    ],
)
def test_what_changes_the_table_only(load: Load, change: tuple[str, str]) -> None:
    rows, layout = prints(load, VIEW.replace(*change))
    assert rows == prints(load, VIEW)[0]
    assert layout != prints(load, VIEW)[1]


def test_tags_change_neither(load: Load) -> None:
    assert prints(load, VIEW.replace("one", "two")) == prints(load, VIEW)


@pytest.mark.parametrize(
    "change",
    [
        ("a/*.csv", "b/*.csv"),
        ("true", "false"),
        ("x INT", "x BIGINT"),
        ("max_bad_files: 1", "select: 'SELECT x FROM {source}'"),
        ("max_bad_files: 1", "format: text"),
    ],
)
def test_what_changes_the_rows_of_a_streaming_table(load: Load, change: tuple[str, str]) -> None:
    assert prints(load, TABLE.replace(*change))[0] != prints(load, TABLE)[0]


def test_how_many_files_may_be_bad_does_not(load: Load) -> None:
    assert prints(load, TABLE.replace("max_bad_files: 1", "max_bad_files: 2")) == prints(load, TABLE)
