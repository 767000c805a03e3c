"""What a query may make of a value: the limits where they lie, and that nothing of it is made before."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from lakehouse.analysis.value_sizes import MOST_VALUE, STORED
from lakehouse.errors import GateReason, QueryRefused
from tests.serving.guarded_session import SECURED, Guarded, guard
from tests.serving.hostile_statements import TOO_LARGE, Statement

pytestmark = pytest.mark.spark

AT_ANALYSIS = [each for each in TOO_LARGE if "hr." not in each.sql]


@pytest.fixture(scope="module")
def guarded(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Guarded:
    return guard(spark, tmp_path_factory.mktemp("sizes"))


def reason(guarded: Guarded, sql: str) -> GateReason | None:
    try:
        guarded.gate.check(guarded.gate.frame(guarded.gate.admit(sql, guarded.known)), SECURED)
    except QueryRefused as refused:
        return refused.reason
    return None


@pytest.mark.parametrize(
    ("fits", "does_not"),
    [
        (f"SELECT repeat('x', {MOST_VALUE - 1_000})", f"SELECT repeat('x', {MOST_VALUE + 1})"),
        (
            f"SELECT repeat(name, {MOST_VALUE // STORED - 1}) FROM hr.emp",
            f"SELECT repeat(name, {MOST_VALUE // STORED + 1}) FROM hr.emp",
        ),
        ("SELECT sequence(1, 1000000)", "SELECT sequence(1, 2000000)"),
        ("SELECT repeat('x', least(id, 1000)) FROM hr.emp", "SELECT repeat('x', greatest(id, 1000)) FROM hr.emp"),
        ("SELECT count(*) FROM hr.emp GROUP BY CUBE (id, name, id + 1)", "SELECT 1 FROM hr.emp GROUP BY CUBE "
         "(id, id+1, id+2, id+3, id+4, id+5, id+6, id+7, id+8, id+9, id+10, id+11, id+12)"),
        ("SELECT window(now(), '1 day', '1 hour')", "SELECT window(now(), '1 day', '1 second')"),
        ("SELECT aggregate(sequence(1, 9), '', (a, x) -> concat(a, 'x'))",
         "SELECT aggregate(sequence(1, 9), '', (a, x) -> concat(a, a))"),
    ],
)  # fmt: skip
def test_the_limit_lies_where_it_says(guarded: Guarded, fits: str, does_not: str) -> None:
    assert reason(guarded, fits) is None
    assert reason(guarded, does_not) in {GateReason.VALUE, GateReason.SIZE}


@pytest.mark.parametrize("statement", AT_ANALYSIS, ids=lambda each: each.sql[:60])
def test_what_depends_on_no_column_is_refused_before_spark_evaluates_it(guarded: Guarded, statement: Statement) -> None:
    """But for a size that is a column of a subquery: Spark does not evaluate that while it analyses."""
    late = any(
        text in statement.sql for text in ("FROM (", "SELECT 1000000000", "WITH", "UNION ALL", "FROM stack", "range(0,")
    )
    if not late and "repeat('x', 10000000)" not in statement.sql and "rand()" not in statement.sql:
        with pytest.raises(QueryRefused) as caught:
            guarded.gate.admit(statement.sql, guarded.known)
        assert caught.value.reason in {GateReason.VALUE, GateReason.SIZE}
    assert reason(guarded, statement.sql) in {GateReason.VALUE, GateReason.SIZE}


def test_the_words_name_what_grows_and_what_to_do(guarded: Guarded) -> None:
    with pytest.raises(QueryRefused) as caught:
        guarded.gate.admit("SELECT repeat('x', 1000000000)", guarded.known)
    assert "'repeat'" in str(caught.value)
    assert "least(n, 1000)" in str(caught.value)
