from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lakehouse.definition.dataset import (
    Column,
    ExternalTable,
    MaterializedView,
    OnChange,
    SchemaEvolution,
    StreamingTable,
    TemporaryView,
)
from lakehouse.definition.expectation import OnViolation
from lakehouse.definition.project import Project
from lakehouse.errors import DefinitionErrors, DuplicateName, InvalidValue, SourceLocation, UnknownKey
from lakehouse.names import TableName

Load = Callable[..., Project]


def only(project: Project) -> Any:
    (dataset,) = project.datasets
    return dataset


def problems_of(load: Load, text: str) -> tuple[Any, ...]:
    with pytest.raises(Exception) as caught:  # noqa: PT011 (its class is what the tests look at)
        load({"tables/a.yml": text})
    return getattr(caught.value, "problems", (caught.value,))


STREAMING = """\
# as delivered
streaming_table: bronze.flights
comment: One row per departure
tags: [bronze, flights]
source:
  files: landing/*.csv.gz
  options: {header: true, sep: ;}
  schema: a INT, b STRING
  schema_evolution: rescue
  on_change: reload
  deduplicate: content
  max_bad_files: 2
properties: {delta.appendOnly: true}
cluster_by: flight_date
"""


def test_a_streaming_table(load: Load) -> None:
    table = only(load({"tables/a.yml": STREAMING}))
    assert isinstance(table, StreamingTable)
    assert table.name == TableName("bronze", "flights")
    assert (table.comment, table.tags) == ("One row per departure", ("bronze", "flights"))
    assert table.location == SourceLocation("tables/a.yml", 2)
    (flow,) = table.flows
    source = flow.source
    assert flow.name == "bronze.flights"
    assert (source.files, source.format) == ("landing/*.csv.gz", "csv")
    assert source.options == (("header", "true"), ("sep", ";"))
    assert source.schema == "a INT, b STRING"
    assert (source.schema_evolution, source.on_change) == (SchemaEvolution.RESCUE, OnChange.RELOAD)
    assert (source.deduplicate_content, source.max_bad_files, source.select) == (True, 2, None)
    assert source.location.line == 5
    assert table.layout.properties == (("delta.appendOnly", "true"),)
    assert table.layout.cluster_by == ("flight_date",)


def test_several_sources(load: Load) -> None:
    text = """\
    streaming_table: bronze.a
    sources:
      - {name: old, files: old/*.json}
      - {name: new, files: new/*.parquet, select: "SELECT x FROM {source}"}
    """
    table = only(load({"tables/a.yml": text}))
    assert [(flow.name, flow.source.format) for flow in table.flows] == [("old", "json"), ("new", "parquet")]
    assert table.flows[1].source.select == "SELECT x FROM {source}"


def test_a_materialized_view(load: Load) -> None:
    text = """\
    materialized_view: flights
    query: |

      SELECT * -- all
      FROM LIVE.raw;
    columns:
      a: INT
      b: {type: STRING, comment: the b, nullable: false}
      c:
    table_properties: {k: v}
    partition_by: [a, b]
    primary_key: [a]
    spark_conf: {spark.sql.ansi.enabled: false}
    expectations:
      - expect: a > 0
      - name: known
        expect: b IS NOT NULL
        on_violation: quarantine
    """
    view = only(load({"tables/a.yml": text}))
    assert isinstance(view, MaterializedView)
    assert view.name == TableName("silver", "flights")
    assert view.query.text == "\nSELECT * -- all\nFROM raw"
    assert view.query.location == SourceLocation("tables/a.yml", 3)
    assert view.layout.columns == (
        Column(name="a", type="INT"),
        Column(name="b", type="STRING", comment="the b", nullable=False),
        Column(name="c"),
    )
    assert view.layout.partition_by == ("a", "b")
    assert view.layout.primary_key == ("a",)
    assert view.layout.properties == (("k", "v"),)
    assert view.spark_conf == (("spark.sql.ansi.enabled", "false"),)
    assert [(e.name, e.condition, e.on_violation) for e in view.expectations] == [
        ("a > 0", "a > 0", OnViolation.WARN),
        ("known", "b IS NOT NULL", OnViolation.QUARANTINE),
    ]
    assert [e.location.line for e in view.expectations] == [15, 16]


def test_a_temporary_view_and_an_external_table(load: Load) -> None:
    text = """\
    temporary_view: v
    query: SELECT 1
    ---
    external_table: raw.orders
    location: s3://lake/orders
    """
    view, table = load({"tables/a.yml": text}).datasets
    assert isinstance(view, TemporaryView)
    assert view.name == TableName("", "v")
    assert isinstance(table, ExternalTable)
    assert (table.path, table.location.line) == ("s3://lake/orders", 4)


def test_columns_as_a_list(load: Load) -> None:
    text = "materialized_view: a\nquery: SELECT 1\ncolumns: [x, {name: y, type: INT}]"
    assert only(load({"tables/a.yml": text})).layout.columns == (Column(name="x"), Column(name="y", type="INT"))


@pytest.mark.parametrize(
    ("change", "error", "line"),
    [
        (("streaming_table:", "streamin_table:"), UnknownKey, 2),
        (("comment:", "coment:"), UnknownKey, 3),
        (("max_bad_files: 2", "max_bad_file: 2"), UnknownKey, 12),
        (("max_bad_files: 2", "max_bad_files: -1"), InvalidValue, 12),
        (("max_bad_files: 2", "max_bad_files: two"), InvalidValue, 12),
        (("schema_evolution: rescue", "schema_evolution: rescu"), InvalidValue, 9),
        (("deduplicate: content", "deduplicate: true"), InvalidValue, 11),
        (("files: landing/*.csv.gz", "files: landing/*"), InvalidValue, 6),
        (("  files: landing/*.csv.gz\n", ""), InvalidValue, 5),
        (("options: {header: true, sep: ;}", "options: [header]"), InvalidValue, 7),
        (("options: {header: true, sep: ;}", "options: {header: }"), InvalidValue, 7),
        (("source:\n  files", "sources:\n  files"), InvalidValue, 5),
        (("bronze.flights", "system.flights"), InvalidValue, 2),
        (("bronze.flights", "other.bronze.flights"), InvalidValue, 2),
        (("bronze.flights", "bro nze"), InvalidValue, 2),
        (("cluster_by: flight_date", "cluster_by: {a: b}"), InvalidValue, 14),
        (("cluster_by: flight_date", "cluster_by: a\npartition_by: b"), InvalidValue, 14),
        (("cluster_by: flight_date", "columns: {a: {typ: INT}}"), UnknownKey, 14),
        (("cluster_by: flight_date", "columns: [a, A]"), DuplicateName, 14),
        (("cluster_by: flight_date", "query: SELECT 1"), UnknownKey, 14),
        (("cluster_by: flight_date", "materialized_view: x"), InvalidValue, 14),
        (("max_bad_files: 2", "select: SELECT 1"), InvalidValue, 12),
        (("max_bad_files: 2", "select: 'SELECT 1 FROM {source} JOIN other'"), InvalidValue, 12),
    ],
)
def test_mistakes_have_a_class_and_a_line(
    load: Load, change: tuple[str, str], error: type[Exception], line: int
) -> None:
    assert change[0] in STREAMING
    (problem,) = problems_of(load, STREAMING.replace(*change))
    assert type(problem) is error
    assert problem.where == SourceLocation("tables/a.yml", line)


@pytest.mark.parametrize("query", ["", "'  '", "INSERT INTO x VALUES (1)", "SELECT 1; SELECT 2", "SELECT 'a", "3"])
def test_a_query_must_be_one_query(load: Load, query: str) -> None:
    (problem,) = problems_of(load, f"materialized_view: a\nquery: {query}")
    assert type(problem) is InvalidValue
    assert problem.where.line == 2


def test_near_words_are_named(load: Load) -> None:
    (key,) = problems_of(load, STREAMING.replace("comment:", "coment:"))
    assert key.nearest == "comment"
    (value,) = problems_of(load, STREAMING.replace("rescue", "rescu"))
    assert "rescue" in value.hint


def test_several_mistakes_are_reported_together(load: Load) -> None:
    text = "materialized_view: a b\nquery: [1]\ntypo: 1\ncolumns: 3\nexpectations:\n  - expct: 1\n  - expect: 2\n"
    problems = problems_of(load, text)
    assert [(type(problem), problem.where.line) for problem in problems] == [
        (InvalidValue, 2),
        (UnknownKey, 3),
        (InvalidValue, 1),
        (InvalidValue, 4),
        (UnknownKey, 6),
        (InvalidValue, 7),
    ]


def test_sources_need_distinct_names(load: Load) -> None:
    text = "streaming_table: a\nsources:\n  - {files: a.csv}\n  - {files: b.csv}\n"
    assert type(problems_of(load, text)[0]) is InvalidValue
    named = text.replace("{files", "{name: x, files")
    (problem,) = problems_of(load, named)
    assert type(problem) is DuplicateName
    assert problem.first.line == 3


def test_a_document_that_is_no_mapping(load: Load) -> None:
    (problem,) = problems_of(load, "- a\n- b\n")
    assert type(problem) is InvalidValue


def test_definition_errors_hold_them_all(load: Load) -> None:
    with pytest.raises(DefinitionErrors):
        load({"tables/a.yml": "x: 1\n---\ny: 2\n"})
