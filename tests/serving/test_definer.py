"""Answers of mapping queries as literals: each means exactly the value that the query gave."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from lakehouse.errors import InvalidValue
from lakehouse.serving.definer import Definer
from lakehouse.serving.published_reader import PublishedReader
from tests.serving.secured_tables import Warehouse

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]

VALUES = [
    "true",
    "CAST(-128 AS TINYINT)",
    "CAST(-32768 AS SMALLINT)",
    "CAST(-2147483648 AS INT)",
    "CAST('-9223372036854775808' AS BIGINT)",
    "CAST('0.1' AS FLOAT)",
    "CAST('-0.0' AS DOUBLE)",
    "CAST('NaN' AS DOUBLE)",
    "1.5E-300D",
    "CAST('-12345678901234567890.123456789' AS DECIMAL(38, 9))",
    "CAST('1.50' AS DECIMAL(10, 2))",
    r"'it''s \\ \n \u0000 é \U0001F600 \'; --'",
    "''",
    "concat('$', '{env:HOME}')",
    "X'00FF27'",
    "DATE'0001-01-01'",
    "DATE'9999-12-31'",
    "TIMESTAMP'2024-10-27 02:30:00.123456 Europe/Berlin'",
    "TIMESTAMP_NTZ'1582-10-10 00:00:00.000001'",
    "INTERVAL '-3-11' YEAR TO MONTH",
    "INTERVAL '-100 10:11:12.000001' DAY TO SECOND",
    "array(1, NULL, 3)",
    "array(TIMESTAMP'2024-01-01 00:00:00.5 UTC', NULL)",
    "named_struct('a b', 1, 'c', array('x', NULL))",
    "named_struct('a', DATE'2024-01-01', 'n', CAST(NULL AS INT))",
    "map('k', 1.5BD, 'n', NULL)",
    "array(named_struct('m', map(1, X'01')))",
    "CAST(NULL AS STRING)",
    "CAST(NULL AS ARRAY<STRUCT<a: INT>>)",
]


@pytest.fixture(scope="module")
def warehouse(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    made = Warehouse(tmp_path_factory.mktemp("definer") / "project", spark)
    made.write("silver.numbers", spark.range(10_002).selectExpr("id AS n"))
    return made


@pytest.fixture(scope="module")
def definer(warehouse: Warehouse) -> Definer:
    return Definer(PublishedReader(warehouse.spec, warehouse.tables("silver.numbers")))


@pytest.mark.parametrize("value", VALUES)
def test_a_literal_is_the_value(definer: Definer, spark: SparkSession, value: str) -> None:
    answer = definer.ask(f"SELECT {value} AS v", 2)
    session = spark.newSession()
    session.conf.set("spark.sql.variable.substitute", "false")
    for zone in ("UTC", "America/New_York"):
        session.conf.set("spark.sql.session.timeZone", zone)
        frame = session.sql(f"SELECT {answer.literals[0]} AS found, {value} AS wanted")
        assert frame.schema["found"].dataType.simpleString() == frame.schema["wanted"].dataType.simpleString()
        assert frame.selectExpr(
            "to_json(struct(found)) <=> replace(to_json(struct(wanted)), 'wanted', 'found')"
        ).first()[0]  # type: ignore[index]
        if not value.startswith("map") and "map(" not in value:
            assert frame.selectExpr("found <=> wanted").first()[0]  # type: ignore[index]


def test_no_more_values_than_asked_for(definer: Definer) -> None:
    assert len(definer.ask("SELECT n FROM numbers", 10_001).literals) == 10_001
    assert definer.ask("SELECT n FROM numbers WHERE n < 0", 5).literals == ()
    assert definer.ask("SELECT 'x' FROM numbers", 5).literals == ("'x'",)  # each value once


@pytest.mark.parametrize(
    "query",
    [
        "SELECT n, n FROM numbers",
        "SELECT outer_column FROM numbers",
        "SELECT n FROM nothing",
        "SELECT rand()",
        "SELECT current_date()",
        "SELECT n FROM numbers WHERE current_timestamp() > DATE'2020-01-01'",
        "SELECT current_user()",
        "SELECT 1 / (n - n) FROM numbers",
        "SELECT parse_json('1')",
        "SELECT 'a' COLLATE UTF8_LCASE",
        "DROP TABLE numbers",
        "SELECT",
    ],
)
def test_what_is_in_doubt_is_refused(definer: Definer, query: str) -> None:
    with pytest.raises(InvalidValue):
        definer.ask(query, 5)
