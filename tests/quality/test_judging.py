"""judge_frame on our own: hazards of Great Expectations that must not be ours, own types, and what goes wrong."""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pyspark.sql import DataFrame, Observation, SparkSession
from pyspark.sql import functions as F

from lakehouse.definition.expectation import Expectation
from lakehouse.names import TableName
from lakehouse.quality.judging import JudgingContext, judge_frame
from lakehouse.quality.rule import compile_rules
from lakehouse.quality.verdict import Status, Verdict
from tests.quality.cases import expectation, row_cases, table_cases
from tests.quality.engine import run_engine
from tests.quality.hostile import hostile_frame, types_of

pytestmark = pytest.mark.spark
NOW = dt.datetime(2024, 3, 1, 12, tzinfo=dt.timezone.utc)


def verdicts(
    frame: DataFrame, *expectations: Expectation, tables: Mapping[TableName, DataFrame] | None = None, **context: Any
) -> list[Verdict]:
    rules = compile_rules(expectations, types_of(frame))
    known = dict(tables or {})
    found = {
        verdict.rule: verdict
        for verdict in judge_frame(frame, rules, JudgingContext(now=NOW, table=known.__getitem__, **context))
    }
    return [found[each.name] for each in expectations]


def verdict(frame: DataFrame, kind: str, arguments: dict[str, Any], **more: Any) -> Verdict:
    return verdicts(frame, expectation(kind, arguments), **more)[0]


@pytest.fixture(scope="module")
def hostile(spark: SparkSession) -> DataFrame:
    return hostile_frame(spark)


@pytest.fixture(scope="module")
def numbers(spark: SparkSession) -> DataFrame:
    return spark.sql("SELECT * FROM VALUES (1, 'a'), (2, 'b'), (NULL, 'c'), (5, NULL) AS t(n, s)")


class TestHazards:
    def test_1_a_null_in_a_set_does_not_let_all_rows_pass(self, numbers: DataFrame) -> None:
        asked = expectation("expect_column_values_to_be_in_set", {"column": "n", "value_set": [1, None]})
        found = verdicts(numbers, asked)[0]
        assert (found.status, found.elements, found.missing, found.failed_records) == (Status.FAILED, 4, 1, 2)
        (raw,) = run_engine(numbers, [asked], strip=False)
        assert (raw.success, raw.unexpected) == (True, 0), "Great Expectations mended it"
        (stripped,) = run_engine(numbers, [asked])
        assert (stripped.success, stripped.unexpected) == (False, 2)

    def test_2_threads_judge_alike(self, hostile: DataFrame) -> None:
        asked = [*row_cases()][::9]
        frames = [hostile.where(f"g = {group}") for group in range(4)]
        alone = [verdicts(frame, *asked) for frame in frames]
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(lambda frame: verdicts(frame, *asked), frames))
        assert together == alone
        assert alone[0] != alone[1]

    def test_3_no_view_of_the_session_is_used(self, spark: SparkSession, numbers: DataFrame) -> None:
        numbers.limit(1).createOrReplaceTempView("tmp_view")
        other = spark.newSession().createDataFrame([(7,), (None,)], "n int")
        try:
            before = {table.name for table in spark.catalog.listTables()}
            found = verdicts(other, expectation(None, condition="n > 5"))[0]
            assert {table.name for table in spark.catalog.listTables()} == before
        finally:
            spark.catalog.dropTempView("tmp_view")
        assert (found.status, found.elements, found.failed_records) == (Status.FAILED, 2, 1)

    def test_4_and_5_nothing_is_cached_and_no_setting_changes(self, spark: SparkSession, hostile: DataFrame) -> None:
        settings = spark.conf.getAll
        stored = spark.sparkContext._jsc.getPersistentRDDs().size()
        verdicts(hostile, *[*row_cases()][::20], *[*table_cases()][::20])
        assert spark.conf.getAll == settings
        assert not hostile.is_cached
        assert spark.sparkContext._jsc.getPersistentRDDs().size() == stored

    def test_6_pairs_in_a_set_may_have_a_condition(self, numbers: DataFrame) -> None:
        arguments = {"column_A": "n", "column_B": "s", "value_pairs_set": [[1, "a"]], "row_condition": "n < 5"}
        asked = expectation("expect_column_pair_values_to_be_in_set", arguments)
        found = verdicts(numbers, asked)[0]
        assert (found.status, found.elements, found.missing, found.failed_records) == (Status.FAILED, 2, 0, 1)

    def test_7_uniqueness_after_an_observation(self, numbers: DataFrame) -> None:
        observation = Observation()
        numbers.observe(observation, F.count(F.lit(1)).alias("n")).collect()
        assert observation.get == {"n": 4}
        found = verdict(numbers, "expect_column_values_to_be_unique", {"column": "n"})
        assert (found.status, found.elements, found.missing, found.failed_records) == (Status.PASSED, 4, 1, 0)


def jobs_of(frame: DataFrame, group: str, expectations: list[Expectation]) -> int:
    context = frame.sparkSession.sparkContext
    context.setJobGroup(group, group)
    try:
        verdicts(frame, *expectations)
    finally:
        context._jsc.clearJobGroup()
    return len(context.statusTracker().getJobIdsForGroup(group))


def test_all_that_one_pass_can_tell_takes_one_pass(hostile: DataFrame) -> None:
    rows = [*row_cases()]
    # The sum of the decimals overflows; what fails is judged again by itself.
    kinds = ("max", "mean", "sum", "row")
    aggregates = [each for each in table_cases() if (each.type or "").split("_")[2] in kinds]
    aggregates = [each for each in aggregates if each.arguments.get("column") != "m"]
    assert len(aggregates) > 30
    one = jobs_of(hostile, "one", rows[:1])
    assert one > 0
    assert jobs_of(hostile, "all", [*rows, *aggregates]) == one
    unique = expectation("expect_column_values_to_be_unique", {"column": "i"}, name="unique")
    several = [unique, expectation("expect_column_unique_value_count_to_be_between", {"column": "i", "min_value": 1})]
    assert jobs_of(hostile, "two rules, one group-by", several) == jobs_of(hostile, "one rule", several[:1])


@pytest.mark.parametrize("kind", ["TINYINT", "SMALLINT", "INT", "BIGINT"])
def test_whole_numbers_that_repeat_are_told_from_their_neighbours(spark: SparkSession, kind: str) -> None:
    size = {"TINYINT": 8, "SMALLINT": 16, "INT": 32, "BIGINT": 64}[kind]
    low, high = -(2 ** (size - 1)), 2 ** (size - 1) - 1
    unique = [low, low + 1, -65, -64, -63, -1, 0, 1, 62, 63, 64, 65, high - 1, high, None, None]
    repeated = [*unique[:-5], -64, 63, 63, None, None]
    frame = spark.createDataFrame(list(zip(unique, repeated, strict=True)), f"u {kind}, r {kind}").repartition(3)
    found = verdicts(
        frame,
        expectation("expect_column_values_to_be_unique", {"column": "u"}, name="u"),
        expectation("expect_column_values_to_be_unique", {"column": "r"}, name="r"),
        expectation("expect_column_unique_value_count_to_be_between", {"column": "u", "min_value": 1}, name="of u"),
        expectation("expect_column_unique_value_count_to_be_between", {"column": "r", "min_value": 1}, name="of r"),
    )
    assert [(each.failed_records, each.missing) for each in found[:2]] == [(0, 2), (5, 2)]
    assert [each.observed for each in found[2:]] == [14, 11]


def test_conditions_count_null_as_a_violation(numbers: DataFrame) -> None:
    asked = [expectation(None, condition=text) for text in ("n > 1", "CAST(s AS INT) IS NULL", "1 / (n - 1) > 0")]
    asked = [expectation(None, condition=each.condition, name=each.condition) for each in asked]
    first, second, third = verdicts(numbers, *asked)
    assert (first.elements, first.missing, first.failed_records) == (4, 0, 2)
    assert second.status is Status.PASSED
    assert third.status is Status.ERROR
    assert third.details


def test_a_sum_that_overflows_is_a_violation(spark: SparkSession) -> None:
    frame = spark.sql(
        "SELECT CAST(repeat('9', 38) AS DECIMAL(38, 0)) AS a, CAST(repeat('9', 38) AS DECIMAL(38, 0)) AS b"
    )
    found = verdict(frame, "expect_multicolumn_sum_to_equal", {"column_list": ["a", "b"], "sum_total": 1})
    assert (found.status, found.failed_records) == (Status.FAILED, 1)


class TestWhatCannotBeJudged:
    def test_the_others_are_judged_all_the_same(self, numbers: DataFrame) -> None:
        asked = [
            expectation(None, condition="n > 0", name="good"),
            expectation(None, condition="nn > 0", name="no such column"),
            expectation(None, condition="element_at(array(1), n) > 0", name="fails on a row"),
            expectation("expect_column_max_to_be_between", {"column": "n", "max_value": 5}, name="max"),
            expectation(
                "expect_column_values_to_be_unique", {"column": "n", "row_condition": "x > 1"}, name="no such element"
            ),
            expectation("expect_column_values_to_be_unique", {"column": "s"}, name="unique"),
            expectation(
                "expect_column_values_to_be_in_table_column", {"column": "n", "references": "a.b.missing"}, name="key"
            ),
        ]
        found = verdicts(numbers, *asked, tables={TableName("a", "b"): numbers})
        assert {each.rule: each.status for each in found} == {
            "good": Status.FAILED,
            "no such column": Status.ERROR,
            "fails on a row": Status.ERROR,
            "max": Status.PASSED,
            "no such element": Status.ERROR,
            "unique": Status.PASSED,
            "key": Status.ERROR,
        }
        for each in found:
            assert bool(each.details) is (each.status is Status.ERROR)
            assert "\n" not in (each.details or "")

    def test_rows_that_cannot_be_computed(self, spark: SparkSession) -> None:
        frame = spark.range(3).selectExpr("raise_error('no rows') AS n", "id")
        found = verdicts(
            frame.selectExpr("CAST(n AS INT) AS n").where("n > 0"),
            expectation(None, condition="n > 0", name="a"),
            expectation("expect_column_max_to_be_between", {"column": "n", "max_value": 5}, name="b"),
        )
        assert [each.status for each in found] == [Status.ERROR, Status.ERROR]
        assert all("no rows" in (each.details or "") for each in found)

    def test_a_bound_that_cannot_be_compared(self, spark: SparkSession) -> None:
        frame = spark.sql("SELECT array(1) AS n")
        found = verdict(frame, "expect_column_max_to_be_between", {"column": "n", "max_value": 5})
        assert found.status is Status.ERROR


class TestReferences:
    def tables(self, spark: SparkSession) -> dict[TableName, DataFrame]:
        keys = spark.sql("SELECT * FROM VALUES (1, 'a'), (1, 'a'), (2, 'x'), (NULL, NULL) AS t(k, K2)")
        return {TableName("silver", "keys"): keys}

    def test_orphans_are_counted(self, spark: SparkSession, numbers: DataFrame) -> None:
        arguments = {"column": "n", "references": "silver.keys.k"}
        found = verdict(numbers, "expect_column_values_to_be_in_table_column", arguments, tables=self.tables(spark))
        assert (found.status, found.elements, found.missing, found.failed_records) == (Status.FAILED, 4, 1, 1)

    @pytest.mark.parametrize(("mostly", "status"), [(0.5, Status.PASSED), (0.51, Status.FAILED)])
    def test_composite_keys(self, spark: SparkSession, numbers: DataFrame, mostly: float, status: Status) -> None:
        arguments = {"columns": ["n", "s"], "references": ["silver.keys.k", "silver.keys.k2"], "mostly": mostly}
        found = verdict(numbers, "expect_column_values_to_be_in_table_column", arguments, tables=self.tables(spark))
        assert (found.status, found.elements, found.missing, found.failed_records) == (status, 4, 2, 1)

    def test_a_condition(self, spark: SparkSession, numbers: DataFrame) -> None:
        arguments = {"column": "n", "references": "silver.keys.k", "row_condition": "n < 5"}
        found = verdict(numbers, "expect_column_values_to_be_in_table_column", arguments, tables=self.tables(spark))
        assert (found.status, found.elements, found.failed_records) == (Status.PASSED, 2, 0)

    def test_as_many_rows(self, spark: SparkSession, numbers: DataFrame) -> None:
        tables = self.tables(spark)
        kind, arguments = "expect_table_row_count_to_equal_other_table", {"other_table_name": "silver.keys"}
        found = verdict(numbers, kind, arguments, tables=tables)
        assert (found.status, found.observed) == (Status.PASSED, {"self": 4, "other": 4})
        assert verdict(numbers.limit(3), kind, arguments, tables=tables).status is Status.FAILED


@pytest.mark.parametrize(
    ("latest", "status"),
    [
        ("TIMESTAMP'2024-03-01 11:00:00 UTC'", Status.PASSED),
        ("TIMESTAMP'2024-03-01 09:59:59.999999 UTC'", Status.FAILED),
        ("'2024-03-01T10:00:00Z'", Status.PASSED),
        ("'yesterday'", Status.FAILED),
        ("DATE'2024-02-28'", Status.FAILED),
        ("CAST(NULL AS TIMESTAMP)", Status.FAILED),
    ],
)
def test_freshness(spark: SparkSession, latest: str, status: Status) -> None:
    frame = spark.sql(f"SELECT {latest} AS at")
    asked = {"column": "at", "max_age": "2 hours"}
    assert verdict(frame, "expect_table_freshness", asked).status is status
    assert verdict(frame.limit(0), "expect_table_freshness", asked).status is Status.FAILED


def test_what_is_observed_of_a_version_is_what_the_next_is_compared_with(numbers: DataFrame) -> None:
    kind, arguments = "expect_table_no_worse_than_last_version", {"row_count": 0.2, "null_share": 0.3, "mean": 0.5}
    first = verdict(numbers, kind, arguments)
    assert first.status is Status.SKIPPED
    assert first.observed == {"row_count": 4, "null_share": {"n": 0.25, "s": 0.25}, "mean": {"n": 8 / 3}}
    assert json.loads(json.dumps(first.observed)) == first.observed
    assert verdict(numbers, kind, arguments, previous=first.observed).status is Status.PASSED
    fewer = verdict(numbers.where("n IS NOT NULL"), kind, arguments, previous=first.observed)
    assert (fewer.status, fewer.details) == (Status.FAILED, "worse: row_count")
    nulls = verdict(numbers.selectExpr("n", "nullif(s, 'a') AS s"), kind, arguments, previous=first.observed)
    assert nulls.status is Status.PASSED
    nulls = verdict(numbers.selectExpr("n", "CAST(NULL AS STRING) AS s"), kind, arguments, previous=first.observed)
    assert (nulls.status, nulls.details) == (Status.FAILED, "worse: null_share of s")


def test_drift_is_measured_elsewhere(numbers: DataFrame) -> None:
    arguments = {"column": "n", "threshold": 0.2}
    assert verdict(numbers, "expect_drift_below", arguments).status is Status.SKIPPED
    for measured, status in ((0.1, Status.PASSED), (0.3, Status.FAILED), (None, Status.SKIPPED)):
        found = verdict(numbers, "expect_drift_below", arguments, drift=lambda rule, value=measured: value)
        assert (found.status, found.observed) == (status, measured)


def test_like_patterns(spark: SparkSession) -> None:
    frame = spark.createDataFrame([("a_c",), ("abc",), ("50%",), (None,), ("a\nc",)], "s string")
    asked = {
        "expect_column_values_to_match_like_pattern": [
            {"like_pattern": "a_c"},
            {"like_pattern": "a!_c", "escape": "!"},
        ],
        "expect_column_values_to_not_match_like_pattern": [{"like_pattern": "%\\%"}],
        "expect_column_values_to_match_like_pattern_list": [
            {"like_pattern_list": ["a%", "%c"]},
            {"like_pattern_list": ["a%", "%b%"], "match_on": "all"},
        ],
        "expect_column_values_to_not_match_like_pattern_list": [{"like_pattern_list": ["ab%", "5%"]}],
    }
    cases = [expectation(kind, {"column": "s", **each}) for kind, listed in asked.items() for each in listed]
    found = verdicts(frame, *cases)
    assert [(each.missing, each.failed_records) for each in found] == [(1, n) for n in (1, 3, 1, 1, 3, 2)]


FORMATS = [
    "%Y-%m-%d", "%Y%m%d", "%d/%m/%y", "%d %b %Y", "%B %d, %Y", "%H:%M:%S", "%I:%M %p", "%Y-%m-%dT%H:%M:%S.%f",
    "%Y-%j", "%a %d.%m.%Y", "100%% %Y", "%m-%d", "%Y-%m-%d %H:%M:%S%z", "[%Y]", "%A",
]  # fmt: skip


def test_dates_are_those_that_python_reads(spark: SparkSession) -> None:
    seed = 20260105
    print(f"seed {seed}")
    chance = random.Random(seed)
    texts = ["", " ", "2024-02-30", "2023-02-29", "2024-2-9", "0000-01-01", "2024-02-29\n", "20240229", "2024-366",
             "2023-366", "02-29", "29/02/23", "31 apr 2024", "1 JAN 2024", "24:00:00", "23:59:60", "12:00 PM",
             "13:00 am", "2024-01-01 00:00:00Z", "2024-01-01 00:00:00+01:30", "[2024]", "Monday", "monday ",
             "100% 2024"]  # fmt: skip
    for _ in range(400):
        moment = dt.datetime(chance.randrange(1, 9999), chance.randrange(1, 13), chance.randrange(1, 29), 13, 5, 9, 120)
        text = moment.strftime(chance.choice(FORMATS).replace("%z", "+0100"))
        if chance.random() < 0.6 and text:
            at = chance.randrange(len(text))
            text = text[:at] + chance.choice("0123456789 -:/aZ") + text[at + chance.choice((0, 1)) :]
        texts.append(text)
    frame = spark.createDataFrame([(text,) for text in texts], "s string").coalesce(1)
    cases = [
        expectation("expect_column_values_to_match_strftime_format", {"column": "s", "strftime_format": each})
        for each in FORMATS
    ]
    rules = compile_rules(cases, types_of(frame)).rows
    assert len(rules) == len(FORMATS)
    rows = frame.selectExpr("s", *(f"NOT ({rule.violation}) AS c{at}" for at, rule in enumerate(rules))).collect()
    for row in rows:
        for at, each in enumerate(FORMATS):
            assert row[at + 1] == _is_date(row[0], each), (row[0], each)


def _is_date(text: str, strftime_format: str) -> bool:
    try:
        dt.datetime.strptime(text, strftime_format)
    except ValueError:
        return False
    return True


def test_json_is_what_python_reads_but_for_what_json_forbids(spark: SparkSession) -> None:
    good = ["{}", "[]", "1", "null", '"a"', ' {"a": [1, 2.5e3, "é\\u00e9"]} ', "true", "-0", "1e400", "[[[]]]"]
    bad = ["", " ", "{", "{'a': 1}", "[1,]", "01", "tru", '{"a" 1}', "nul", '"a', "a", "{}}", "1 2", "+1",
           "1,2", "1],[2", '1,"b":2', "1}", "[1]]", "{}{}"]  # fmt: skip
    python_only = ["NaN", "Infinity", "-Infinity"]
    frame = spark.createDataFrame([(text,) for text in (*good, *bad, *python_only)], "s string").coalesce(1)
    (rule,) = compile_rules(
        [expectation("expect_column_values_to_be_json_parseable", {"column": "s"})], types_of(frame)
    ).rows
    rows = frame.selectExpr("s", f"NOT ({rule.violation})").collect()
    differing = [row[0] for row in rows if row[1] != _is_json(row[0])]
    assert differing == python_only
    assert not rule.is_exact


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
