"""The bypass suite as far as the gate and the secured views are concerned: every statement, on Delta tables."""

from __future__ import annotations

from typing import Any

import pytest
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from lakehouse.analysis import plan_walk
from lakehouse.analysis.query_gate import LONGEST, REQUIRED_SETTINGS, Gate, check_analysed, redacted
from lakehouse.errors import GateError, GateReason, QueryRefused
from lakehouse.names import TableName
from lakehouse.storage.session import isolated_session
from tests.serving import hostile_statements, legitimate_statements
from tests.serving.guarded_session import RAW, SECURED, Guarded, guard
from tests.serving.guarded_tables import FORBIDDEN
from tests.serving.hostile_statements import Expected, Statement

pytestmark = pytest.mark.spark

NOT_QUERIES = {GateReason.PLAN_CLASS, GateReason.PARSE, GateReason.SIZE, GateReason.DEPTH, GateReason.VALUE}
MISSING_COLUMN = ("UNRESOLVED_COLUMN", "UNRESOLVED_USING_COLUMN", "FIELD_NOT_FOUND")


@pytest.fixture(scope="module")
def guarded(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Guarded:
    return guard(spark, tmp_path_factory.mktemp("guarded"))


def name_of(statement: Statement) -> str:
    return f"{statement.item}-{statement.sql[:60]}".encode("ascii", "backslashreplace").decode()


def same_rows(found: list[tuple[Any, ...]], expected: tuple[tuple[Any, ...], ...]) -> bool:
    return sorted(map(repr, found)) == sorted(map(repr, expected))


@pytest.mark.parametrize("statement", legitimate_statements.STATEMENTS, ids=name_of)
def test_a_query_that_one_has_every_right_to_is_answered(guarded: Guarded, statement: Statement) -> None:
    found = guarded.answer(statement.sql)
    assert statement.rows is not None
    assert same_rows(found, statement.rows), found


@pytest.mark.parametrize("statement", hostile_statements.STATEMENTS, ids=name_of)
def test_a_hostile_statement_gets_nothing(guarded: Guarded, statement: Statement) -> None:
    said: object
    try:
        said = found = guarded.answer(statement.sql)
    except (QueryRefused, GateError) as error:
        said = error
    typed = guarded.text(statement.sql).lower()
    hidden = [*FORBIDDEN, *(text for text in (RAW, guarded.path) if text not in typed)]
    assert [text for text in hidden if text in str(said)] == []
    match statement.expected:
        case Expected.ANSWERED:
            assert isinstance(said, list), said
            assert statement.rows is None or same_rows(found, statement.rows), said
        case Expected.REFUSED:
            assert isinstance(said, QueryRefused), said
            assert said.reason is not GateReason.RELATION or statement.item != "own"
        case Expected.MISSING:
            if isinstance(said, QueryRefused):
                assert said.reason is GateReason.RELATION
                assert (said.condition, said.sql_state) == ("TABLE_OR_VIEW_NOT_FOUND", "42P01")
            else:
                assert isinstance(said, GateError), said
                assert str(said.condition).startswith(MISSING_COLUMN)
        case Expected.FAILS:
            assert isinstance(said, QueryRefused | GateError), said


UNWANTED = [each for each in hostile_statements.STATEMENTS if each.expected in {Expected.MISSING, Expected.REFUSED}]


@pytest.mark.parametrize("statement", UNWANTED, ids=name_of)
def test_the_check_of_the_analysed_plan_holds_reads_alone(guarded: Guarded, statement: Statement) -> None:
    """The second layer without the first: whatever reads, and Spark understands, is refused by its leaves."""
    sql = guarded.text(statement.sql)
    try:
        guarded.gate.admit(sql, guarded.known)
    except QueryRefused as error:
        if error.reason in NOT_QUERIES:
            return  # Spark would run a command while it analyses it: there is no second layer for those
    session: Any = guarded.session._jsparkSession
    try:
        frame = plan_walk.analysed_frame(guarded.session, session.sessionState().sqlParser().parsePlan(sql))
    except PySparkException:
        return
    with pytest.raises(QueryRefused):
        check_analysed(frame, SECURED)


def test_an_object_one_may_not_know_of_looks_like_one_that_does_not_exist(guarded: Guarded) -> None:
    texts = set()
    for name in (f"{RAW}.emp", f"{RAW}.nothing", "hr.secret", "hr.nothing"):
        with pytest.raises(QueryRefused) as caught:
            guarded.answer(f"SELECT * FROM {name}")
        texts.add(str(caught.value).replace(name, "NAME"))
    assert len(texts) == 1
    conditions = set()
    for column in ("salary", "nothing"):
        with pytest.raises(GateError) as failed:
            guarded.answer(f"SELECT {column} FROM hr.emp")
        conditions.add((failed.value.condition, str(failed.value)))
    assert len(conditions) == 1


def test_rows_of_a_view_that_is_not_among_the_secured_are_refused(guarded: Guarded) -> None:
    frame = guarded.gate.frame(guarded.gate.admit("SELECT id FROM hr.emp", guarded.known))
    guarded.gate.check(frame, {TableName("hr", "emp")})
    with pytest.raises(QueryRefused) as caught:
        guarded.gate.check(frame, {TableName("hr", "dept")})
    assert caught.value.reason is GateReason.RELATION
    guarded.session.sql("SELECT 1 AS id").createOrReplaceTempView("passing")
    try:
        with pytest.raises(QueryRefused):
            guarded.gate.check(guarded.session.table("passing"), SECURED | {TableName("", "passing")})
    finally:
        guarded.session.catalog.dropTempView("passing")


def test_rows_made_in_the_process_are_no_secured_rows(guarded: Guarded) -> None:
    for frame in (
        guarded.session.sql(f"SELECT * FROM {RAW}.emp"),
        guarded.session.sql(f"SELECT * FROM {RAW}.emp").localCheckpoint(),
        guarded.session.sql(f"SELECT max(id) FROM {RAW}.emp WHERE false"),
    ):
        with pytest.raises(QueryRefused) as caught:
            guarded.gate.check(frame, SECURED)
        assert caught.value.reason is GateReason.PLAN_CLASS


def test_a_column_added_to_a_table_stays_out_of_sight(guarded: Guarded, spark: SparkSession) -> None:
    before = guarded.session.table("hr.dept").columns
    spark.sql(f"ALTER TABLE delta.`{guarded.path.removesuffix('emp')}dept` ADD COLUMN budget INT")
    guarded.session.catalog.refreshTable(f"{RAW}.dept")
    assert before == ["dept", "title"]
    assert guarded.answer("SELECT * FROM hr.dept WHERE dept = 'd0'") == [("d0", "sales")]
    with pytest.raises(GateError) as caught:
        guarded.answer("SELECT budget FROM hr.dept")
    assert str(caught.value.condition).startswith(MISSING_COLUMN)


def test_relations_are_named_once_in_lower_case_without_table_expressions(guarded: Guarded) -> None:
    query = guarded.gate.admit(
        "WITH emp AS (SELECT * FROM HR.Emp) SELECT * FROM emp JOIN hr.`EMP` USING (id) "
        "WHERE id IN (SELECT 1 FROM spark_catalog.hr.dept)",
        guarded.known,
    )
    assert sorted(query.relations) == [("hr", "emp"), ("spark_catalog", "hr", "dept")]


def test_text_of_the_largest_size_passes_and_a_byte_more_does_not(guarded: Guarded) -> None:
    text = "SELECT '" + "ä" * ((LONGEST - 9) // 2) + "'"
    text += " " * (LONGEST - len(text.encode()))
    guarded.gate.admit(text, guarded.known)
    with pytest.raises(QueryRefused) as caught:
        guarded.gate.admit(text + " ", guarded.known)
    assert caught.value.reason is GateReason.SIZE


def doubled(levels: int) -> str:
    text = "SELECT * FROM hr.dept"
    for _ in range(levels):
        text = f"SELECT *, * FROM ({text})"
    return text


def test_columns_may_not_be_doubled_without_end(guarded: Guarded) -> None:
    assert len(guarded.answer(f"SELECT count(*) FROM ({doubled(3)})")) == 1
    guarded.gate.admit(doubled(12), guarded.known)
    chain = "WITH e0 AS (SELECT * FROM hr.dept)"
    chain += "".join(f", e{n} AS (SELECT *, * FROM e{n - 1})" for n in range(1, 14))
    for text in (doubled(13), f"{chain} SELECT * FROM e13", doubled(12) + " |> SELECT *, *"):
        with pytest.raises(QueryRefused) as caught:
            guarded.gate.admit(text, guarded.known)
        assert caught.value.reason is GateReason.SIZE


def test_a_query_of_200_levels_passes_all_the_way(guarded: Guarded) -> None:
    assert guarded.answer("SELECT " + "(" * 240 + "1" + ")" * 240) == [(1,)]
    assert guarded.answer("SELECT 1" + " + 1" * 200) == [(201,)]


def test_the_parser_follows_the_session_behind_the_gate_whichever_is_active(
    guarded: Guarded, spark: SparkSession
) -> None:
    active: Any = spark._jsparkSession
    guarded.session._jvm.org.apache.spark.sql.classic.SparkSession.setActiveSession(active)  # type: ignore[union-attr]
    assert guarded.answer("SELECT '${{env:PATH}}'") == [("${env:PATH}",)]


@pytest.mark.parametrize("left_out", sorted(REQUIRED_SETTINGS))
def test_a_session_with_unsafe_settings_gets_no_gate(spark: SparkSession, left_out: str) -> None:
    safe = {key: value for key, value in REQUIRED_SETTINGS.items() if key != left_out}
    with pytest.raises(ValueError, match=left_out):
        Gate(isolated_session(spark, safe))


def test_errors_are_reduced_to_condition_and_state(guarded: Guarded) -> None:
    with pytest.raises(PySparkException) as raised:
        guarded.session.sql("SELECT cast(name AS INT) FROM hr.emp").collect()
    assert "ana" in str(raised.value)
    error = redacted(raised.value)
    assert (error.condition, error.sql_state) == ("CAST_INVALID_INPUT", "22018")
    assert "ana" not in str(error)
    assert redacted(KeyError("/secret/path")).condition is None
    assert "secret" not in str(redacted(KeyError("/secret/path")))
