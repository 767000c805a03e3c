"""Failures of queries as facts: condition, sentence, and the line in the user's file."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path

import pytest
from py4j.protocol import Py4JNetworkError
from pyspark.sql import SparkSession

from lakehouse.analysis.failure import Failure, describe_failure
from lakehouse.errors import SourceLocation

HERE = Path(__file__).parent
FUNCTIONS = runpy.run_path(str(HERE / "queries_that_fail.py"))
NOISE = ("\n", "\tat ", "SQLSTATE", "== SQL", "Relation", "o1", "org.apache", "Traceback")


def failure_of(action: Callable[[], object], *, query: str | None = None, root: Path | None = None) -> Failure:
    with pytest.raises(Exception) as raised:  # noqa: PT011  the test asserts what it is
        action()
    failure = describe_failure(raised.value, query=query, root=root)
    assert not [noise for noise in NOISE if noise in failure.message]
    assert not failure.transient
    return failure


def sql_failure(session: SparkSession, text: str, *, collect: bool = False) -> Failure:
    return failure_of(lambda: session.sql(text).collect() if collect else session.sql(text), query=text)


@pytest.mark.spark
@pytest.mark.parametrize(
    ("name", "parts"),
    [("silver.Nope", ("silver", "nope")), ("nos.nope", ("nos", "nope")), ("`a b`", ("a b",))],
)
def test_a_missing_table_is_named(project: SparkSession, name: str, parts: tuple[str, ...]) -> None:
    failure = sql_failure(project, f"SELECT 1\nFROM {name}")
    assert (failure.condition, failure.sql_state, failure.line) == ("TABLE_OR_VIEW_NOT_FOUND", "42P01", 2)
    assert failure.missing_table == parts
    assert failure.where(SourceLocation("gold/x.sql", 10)) == SourceLocation("gold/x.sql", 11)


@pytest.mark.spark
def test_a_missing_column_is_named_with_its_neighbours(project: SparkSession) -> None:
    failure = sql_failure(project, "SELECT id,\n\n  o.amuont FROM silver.orders o")
    assert (failure.condition, failure.line) == ("UNRESOLVED_COLUMN.WITH_SUGGESTION", 3)
    assert failure.missing_column == "o.amuont"
    assert "o.amount" in failure.candidates
    field = sql_failure(project, "SELECT address.town FROM silver.orders")
    assert (field.condition, field.missing_column) == ("FIELD_NOT_FOUND", "town")
    assert field.candidates == ("city", "zip")


@pytest.mark.spark
@pytest.mark.parametrize(
    ("text", "condition", "line"),
    [
        ("SELECT id\n  frm silver.orders x y", "PARSE_SYNTAX_ERROR", 2),
        ("SELECT id,\n id + array(1) FROM silver.orders", "DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES", 2),
        ("SELECT\n nofunc(id) FROM silver.orders", "UNRESOLVED_ROUTINE", 2),
        ("SELECT id, amount, count(*)\nFROM silver.orders GROUP BY id", "MISSING_AGGREGATION", None),
        ("SELECT id FROM a.b.c", "REQUIRES_SINGLE_PART_NAMESPACE", None),
    ],
)
def test_a_query_spark_refuses(project: SparkSession, text: str, condition: str, line: int | None) -> None:
    failure = sql_failure(project, text)
    assert (failure.condition, failure.line, failure.missing_table) == (condition, line, None)
    assert failure.sql_state


@pytest.mark.spark
@pytest.mark.parametrize(
    ("text", "condition", "line"),
    [
        ("SELECT id,\n 1 / amount AS x FROM silver.orders", "DIVIDE_BY_ZERO", 2),
        ("SELECT\n\nCAST(customer AS INT) AS x FROM silver.orders", "CAST_INVALID_INPUT", 3),
        ("SELECT id,\n(SELECT id FROM silver.orders) AS x FROM silver.orders", "SCALAR_SUBQUERY_TOO_MANY_ROWS", 2),
        ("SELECT raise_error('late ' || id) AS x FROM silver.orders", "USER_RAISED_EXCEPTION", None),
    ],
)
def test_a_query_that_fails_while_it_runs(project: SparkSession, text: str, condition: str, line: int | None) -> None:
    failure = sql_failure(project, text, collect=True)
    assert (failure.condition, failure.line) == (condition, line)
    assert failure.message.startswith("late ") is (condition == "USER_RAISED_EXCEPTION")


@pytest.mark.spark
def test_a_line_within_another_querys_text_is_not_reported(project: SparkSession) -> None:
    project.sql("SELECT id,\n\n 1 / amount AS x FROM silver.orders").createOrReplaceTempView("dividing")
    failure = sql_failure(project, "SELECT sum(x) AS s FROM dividing", collect=True)
    assert (failure.condition, failure.line) == ("DIVIDE_BY_ZERO", None)


@pytest.mark.spark
def test_a_file_that_cannot_be_read_says_why(project: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"garbage")
    failure = failure_of(lambda: project.read.schema("a int").parquet(str(tmp_path)).collect())
    assert failure.condition == "FAILED_READ_FILE.NO_HINT"
    assert "a.parquet" in failure.message
    assert "is not a Parquet file" in failure.message


@pytest.mark.spark
@pytest.mark.parametrize(
    ("function", "condition", "line"),
    [
        ("key_error", None, 7),
        ("missing_column", "UNRESOLVED_COLUMN.WITH_SUGGESTION", 13),
        ("missing_table", "TABLE_OR_VIEW_NOT_FOUND", 18),
        ("division", "DIVIDE_BY_ZERO", 22),
        ("sql_inside", "UNRESOLVED_COLUMN.WITH_SUGGESTION", 26),
        ("worker_fails", None, 33),
        ("wrong_argument", "NOT_COLUMN_OR_STR", 40),
    ],
)
def test_a_query_function_fails_at_its_own_line(
    project: SparkSession, function: str, condition: str | None, line: int
) -> None:
    failure = failure_of(lambda: FUNCTIONS[function](project).collect(), root=HERE)
    assert failure.condition == condition
    assert failure.where(SourceLocation("elsewhere.py", 1)) == SourceLocation("queries_that_fail.py", line)


@pytest.mark.spark
def test_a_worker_fails_with_the_users_own_error(project: SparkSession, tmp_path: Path) -> None:
    def write() -> None:
        FUNCTIONS["worker_fails"](project).write.format("delta").save(str(tmp_path / "t"))

    failure = failure_of(write, root=HERE)
    assert failure.message == "ValueError: two lines"
    assert failure.location == SourceLocation("queries_that_fail.py", 33)


def test_a_plain_python_error_keeps_its_type_and_text() -> None:
    failure = failure_of(lambda: int("x"), root=HERE)
    assert (failure.condition, failure.sql_state, failure.line) == (None, None, None)
    assert failure.message.startswith("ValueError: invalid literal")
    assert failure.location is not None
    assert failure.location.file == "test_failure.py"
    assert failure_of(lambda: int("x"), root=Path("/nowhere")).location is None
    assert describe_failure(AssertionError()).message == "AssertionError"


def test_a_dead_jvm_is_not_worth_another_try_and_a_lost_executor_is() -> None:
    assert not describe_failure(Py4JNetworkError("Answer from Java side is empty")).transient
    lost = describe_failure(RuntimeError("Job aborted: ExecutorLostFailure (executor 1 exited caused by …)"))
    assert lost.transient
    assert not describe_failure(MemoryError("Java heap space")).transient
