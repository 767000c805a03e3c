from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lakehouse.definition.dataset import (
    Column,
    MaterializedView,
    OnChange,
    SchemaEvolution,
    StreamingTable,
    TemporaryView,
)
from lakehouse.definition.expectation import OnViolation
from lakehouse.definition.project import Project
from lakehouse.errors import DuplicateName, InvalidValue, SourceLocation, UndefinedVariable
from lakehouse.names import TableName

Load = Callable[..., Project]


def only(load: Load, sql: str) -> Any:
    (dataset,) = load({"tables/a.sql": sql}).datasets
    return dataset


def problem_of(load: Load, sql: str) -> Any:
    with pytest.raises(Exception) as caught:  # noqa: PT011 (its class is what the tests look at)
        load({"tables/a.sql": sql})
    return caught.value


FULL = """\
-- gold; as analysts read it
CREATE OR REFRESH PRIVATE MATERIALIZED VIEW IF NOT EXISTS gold.`punctuality` (
  carrier STRING NOT NULL COMMENT 'two; letters',
  share DECIMAL(5, 2),
  n,
  CONSTRAINT has_carrier EXPECT (carrier IS NOT NULL AND share < 3) ON VIOLATION FAIL UPDATE,
  CONSTRAINT positive EXPECT (n > 0) ON VIOLATION DROP ROW,
  CONSTRAINT odd EXPECT (n % 2 = 1) ON VIOLATION QUARANTINE,
  CONSTRAINT seen EXPECT (share >= 0),
  CONSTRAINT pk PRIMARY KEY (carrier)
)
CLUSTER BY (carrier, `share`)
USING DELTA
TBLPROPERTIES ('a.b' = 'c', d.e = 5, f = true)
COMMENT "On-time share"
AS
/* the query; with */ WITH x AS (SELECT ';' AS s FROM silver.flights) -- a; comment
SELECT *
FROM x
-- the end
;
"""


def test_a_materialized_view_with_every_clause(load: Load) -> None:
    view = only(load, FULL)
    assert isinstance(view, MaterializedView)
    assert (view.name, view.comment) == (TableName("gold", "punctuality"), "On-time share")
    assert view.location == SourceLocation("tables/a.sql", 2)
    assert view.layout.columns == (
        Column(name="carrier", type="STRING", comment="two; letters", nullable=False),
        Column(name="share", type="DECIMAL(5, 2)"),
        Column(name="n"),
    )
    assert (view.layout.primary_key, view.layout.cluster_by) == (("carrier",), ("carrier", "share"))
    assert view.layout.properties == (("a.b", "c"), ("d.e", "5"), ("f", "true"))
    assert [(e.name, e.condition, e.on_violation, e.location.line) for e in view.expectations] == [
        ("has_carrier", "carrier IS NOT NULL AND share < 3", OnViolation.FAIL, 6),
        ("positive", "n > 0", OnViolation.DROP, 7),
        ("odd", "n % 2 = 1", OnViolation.QUARANTINE, 8),
        ("seen", "share >= 0", OnViolation.WARN, 9),
    ]
    assert view.query.text == ("WITH x AS (SELECT ';' AS s FROM silver.flights) -- a; comment\nSELECT *\nFROM x")
    assert view.query.location.line == 17


def test_several_statements_and_a_last_one_without_semicolon(load: Load) -> None:
    sql = (
        "CREATE MATERIALIZED VIEW a AS SELECT 1; -- ;\nCREATE TEMPORARY VIEW b AS (SELECT 2);\nCREATE VIEW c AS TABLE a"
    )
    project = load({"tables/a.sql": sql})
    assert [(type(d), str(d.name), d.location.line) for d in project.datasets] == [
        (MaterializedView, "silver.a", 1),
        (TemporaryView, "b", 2),
        (TemporaryView, "c", 3),
    ]


@pytest.mark.parametrize(
    "query", ["SELECT 1", "WITH a AS (SELECT 1) FROM a", "FROM t", "VALUES (1)", "TABLE t", "((SELECT 1))"]
)
def test_what_a_query_may_begin_with(load: Load, query: str) -> None:
    assert only(load, f"CREATE MATERIALIZED VIEW a PARTITIONED BY (x) AS {query}").query.text == query


def test_a_streaming_table(load: Load) -> None:
    sql = """\
    CREATE OR REFRESH STREAMING TABLE LIVE.raw (CONSTRAINT c EXPECT (a > 0)) COMMENT 'as delivered'
    AS SELECT a, _metadata.file_path AS f
    FROM STREAM read_files(
      '${landing}/*.csv',
      format => 'csv', header => true, sep => ',',
      schema => 'a INT',
      schemaEvolutionMode => 'addNewColumns',
      on_change => 'reload', deduplicate => 'content', max_bad_files => 3
    ) AS s
    WHERE a > 0
    """
    project = load({"tables/a.sql": sql}, variables={"landing": "in"})
    (table,) = project.datasets
    assert isinstance(table, StreamingTable)
    assert table.name == TableName("silver", "raw")
    assert len(table.expectations) == 1
    (flow,) = table.flows
    source = flow.source
    assert (flow.name, source.files, source.format, source.schema) == ("silver.raw", "in/*.csv", "csv", "a INT")
    assert source.options == (("header", "true"), ("sep", ","))
    assert (source.schema_evolution, source.on_change) == (SchemaEvolution.ADD_COLUMNS, OnChange.RELOAD)
    assert (source.deduplicate_content, source.max_bad_files) == (True, 3)
    assert source.select is not None
    assert " ".join(source.select.split()) == "SELECT a, _metadata.file_path AS f FROM {source} AS s WHERE a > 0"
    assert source.location.line == 3


@pytest.mark.parametrize("call", ["STREAM read_files('x.json')", "STREAM(read_files('x.json'))"])
def test_select_star_needs_no_select(load: Load, call: str) -> None:
    (flow,) = only(load, f"CREATE STREAMING TABLE a AS SELECT *\n FROM {call};").flows
    assert (flow.source.select, flow.source.format) == (None, "json")


@pytest.mark.parametrize(
    ("sql", "error", "line"),
    [
        ("\nINSERT INTO a VALUES (1)", InvalidValue, 2),
        ("DROP TABLE a", InvalidValue, 1),
        ("SET spark.sql.ansi.enabled = true", InvalidValue, 1),
        ("USE CATALOG x", InvalidValue, 1),
        ("CREATE TABLE a (x INT)", InvalidValue, 1),
        ("CREATE FLOW f AS INSERT INTO a SELECT 1", InvalidValue, 1),
        ("CREATE MATERIALIZED VIEW a", InvalidValue, 1),
        ("CREATE MATERIALIZED VIEW a AS", InvalidValue, 1),
        ("CREATE MATERIALIZED VIEW a AS INSERT INTO b SELECT 1", InvalidValue, 1),
        ("CREATE MATERIALIZED VIEW a\nCOMENT 'x' AS SELECT 1", InvalidValue, 2),
        ("CREATE MATERIALIZED VIEW a\nCOMMENT x AS SELECT 1", InvalidValue, 2),
        ("CREATE MATERIALIZED VIEW a COMMENT 'x'\nCOMMENT 'y' AS SELECT 1", InvalidValue, 2),
        ("CREATE MATERIALIZED VIEW a\nUSING parquet AS SELECT 1", InvalidValue, 2),
        ("CREATE MATERIALIZED VIEW a\nLOCATION '/x' AS SELECT 1", InvalidValue, 2),
        ("CREATE MATERIALIZED VIEW a\nPARTITIONED BY (years(x)) AS SELECT 1", InvalidValue, 2),
        ("CREATE MATERIALIZED VIEW a PARTITIONED BY (x) CLUSTER BY (y) AS SELECT 1", InvalidValue, 1),
        ("CREATE MATERIALIZED VIEW a (\nCONSTRAINT c EXPECT (x) ON VIOLATION EXPLODE) AS SELECT 1", InvalidValue, 2),
        (
            "CREATE MATERIALIZED VIEW a (CONSTRAINT c EXPECT (x),\nCONSTRAINT c EXPECT (y)) AS SELECT 1",
            DuplicateName,
            2,
        ),
        ("CREATE MATERIALIZED VIEW a (x INT, X INT) AS SELECT 1", DuplicateName, 1),
        ("CREATE MATERIALIZED VIEW a (x INT AS SELECT 1", InvalidValue, 1),
        ("CREATE MATERIALIZED VIEW x.y.z AS SELECT 1", InvalidValue, 1),
        ("CREATE TEMPORARY VIEW s.a AS SELECT 1", InvalidValue, 1),
        ("CREATE MATERIALIZED VIEW quarantine.a AS SELECT 1", InvalidValue, 1),
        ("CREATE MATERIALIZED VIEW a AS\nSELECT 'x", InvalidValue, 2),
        ("CREATE MATERIALIZED VIEW a AS\n\nSELECT '${landng}'", UndefinedVariable, 3),
        ("CREATE STREAMING TABLE a", InvalidValue, 1),
        ("CREATE STREAMING TABLE a AS SELECT * FROM\nSTREAM b", InvalidValue, 2),
        ("CREATE STREAMING TABLE a AS SELECT * FROM\nSTREAM(b)", InvalidValue, 2),
        ("CREATE STREAMING TABLE a AS\nSELECT * FROM read_files('x.csv')", InvalidValue, 2),
        ("CREATE STREAMING TABLE a AS\nSELECT * FROM STREAM read_files('x.csv') JOIN b", InvalidValue, 2),
        ("CREATE STREAMING TABLE a AS SELECT * FROM STREAM read_files('x')", InvalidValue, 1),
        ("CREATE STREAMING TABLE a AS SELECT * FROM STREAM read_files(\nformat => 'csv')", InvalidValue, 1),
        ("CREATE STREAMING TABLE a AS SELECT * FROM STREAM read_files('x.csv',\n on_change => 'no')", InvalidValue, 2),
        ("CREATE STREAMING TABLE a AS SELECT * FROM STREAM read_files('x.csv',\n sep => concat(a))", InvalidValue, 2),
    ],
)
def test_mistakes_have_a_class_and_a_line(load: Load, sql: str, error: type[Exception], line: int) -> None:
    problem = problem_of(load, sql)
    assert type(problem) is error
    assert problem.where == SourceLocation("tables/a.sql", line)


def test_a_broken_statement_hides_no_other(load: Load) -> None:
    problem = problem_of(load, "DROP TABLE a;\nCREATE MATERIALIZED VIEW b AS SELECT 1;\nINSERT INTO c SELECT 1;")
    assert [p.where.line for p in problem.problems] == [1, 3]


def test_an_unknown_key_is_no_error_of_read_files_but_an_option(load: Load) -> None:
    (flow,) = only(load, "CREATE STREAMING TABLE a AS SELECT * FROM STREAM read_files('x.csv', nullValue => '-')").flows
    assert flow.source.options == (("nullValue", "-"),)
