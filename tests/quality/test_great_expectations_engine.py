"""Great Expectations as judge: its code on our numbers, its documents, and its engine in a session of ours."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest
from pyspark.sql import SparkSession

from lakehouse.definition.expectation import Expectation, Severity
from lakehouse.quality.counting import RowCounts
from lakehouse.quality.judgement import Judgement
from lakehouse.quality.rule import CompiledRules, EngineRule, RowRule, TableRule, compile_rules
from lakehouse.quality.table_rules import TableRuleKind, role
from lakehouse.quality.verdict import Status, Verdict, judge_row_rule, judge_table_rule, without_judgement
from lakehouse.storage.session import isolated_session
from tests.quality.cases import expectation, row_cases, table_cases

SEED = 20260105
NOON = datetime(2026, 1, 5, 12, tzinfo=timezone.utc)
# What Great Expectations judges by values that a verdict does not keep; its documents have ours instead.
BY_OTHER_NUMBERS = {
    "expect_column_distinct_values_to_be_in_set",
    "expect_column_distinct_values_to_contain_set",
    "expect_column_distinct_values_to_equal_set",
    "expect_column_most_common_value_to_be_in_set",
    "expect_column_type_to_be",
    "expect_column_values_to_be_in_type_list",
    "expect_column_values_to_be_of_type",
}


def rule_of(declared: Expectation) -> RowRule | TableRule | EngineRule:
    rules: CompiledRules = compile_rules([declared], None)
    return (*rules.rows, *rules.tables, *rules.engine)[0]


def some_counts(rng: random.Random) -> RowCounts:
    elements = rng.choice((0, 1, 3, 10, 100, 10**12))
    missing = rng.choice((0, 0, elements, rng.randint(0, elements)))
    judged = elements - missing
    return RowCounts(elements, missing, rng.choice((0, min(judged, 1), judged // 10, judged // 2, judged)))


def some_verdicts(rng: random.Random, rule: RowRule | TableRule) -> Iterator[Verdict]:
    """Ours, from evidence as a table might give it."""
    for _ in range(6):
        counts = some_counts(rng)
        if isinstance(rule, RowRule):
            if "be_null" in str(rule.expectation.type) or "not_be_null" in str(rule.expectation.type):
                counts = RowCounts(counts.elements, 0, min(counts.unexpected, counts.elements))
            yield judge_row_rule(rule, counts)
            continue
        by_role = {
            "rows": counts.elements,
            "missing": counts.missing,
            "value": rng.choice((None, -1, 0, 0.5, 1, 5, 6.5)),
        }
        values: dict[str, Any] = {name: by_role[role(name)] for name in rule.aggregates}
        match rule.kind:
            case TableRuleKind.UNIQUE:
                values["unexpected"] = counts.unexpected
            case TableRuleKind.VALUES:
                distinct = rng.randint(0, max(counts.elements - counts.missing, 0))
                values |= {"distinct": distinct, "outside": 0, "found": [True], "modes": 1, "modes_inside": 1}
            case TableRuleKind.QUANTILES:
                values["quantiles"] = [rng.choice((-5.0, 0.0, 0.5, 2.0, 5.0)) for _ in range(3)]
                if rule.expectation.type == "expect_column_median_to_be_between":
                    values["quantiles"] = values["quantiles"][:2]
            case TableRuleKind.SCHEMA:
                names = rng.sample(["g", "i", "l", "m", "s", "day", "none"], rng.randint(1, 7))
                values["columns"] = dict.fromkeys(names, "int")
        yield judge_table_rule(rule, values)


@pytest.mark.filterwarnings("ignore")  # Great Expectations and what it imports warn
def test_its_code_says_of_our_numbers_what_we_say() -> None:
    from lakehouse.quality.great_expectations_engine import judged_by_numbers

    rng = random.Random(SEED)
    print(f"seed {SEED}")
    judged: dict[str, set[bool]] = {}
    others: set[str] = set()
    seen: set[str] = set()
    for declared in (*row_cases(), *table_cases()):
        rule, kind = rule_of(declared), str(declared.type)
        if kind in seen and rng.random() < 0.7:  # enough of each type
            continue
        seen.add(kind)
        assert not isinstance(rule, EngineRule)
        for verdict in some_verdicts(rng, rule):
            theirs = judged_by_numbers(declared, verdict)
            if theirs is None:
                others.add(kind)
                continue
            judged.setdefault(kind, set()).add(bool(theirs.success))
            assert theirs.success is (verdict.status is Status.PASSED), (declared, verdict, theirs.result)
            if verdict.elements is not None:
                assert theirs.result["element_count"] == verdict.elements
                assert theirs.result["unexpected_count"] == verdict.failed_records
    assert others == BY_OTHER_NUMBERS
    assert not others & judged.keys()
    assert sum(outcomes == {True, False} for outcomes in judged.values()) >= 25


@pytest.mark.filterwarnings("ignore")  # Great Expectations and what it imports warn
def test_a_document_has_every_verdict_and_loads_as_it_was() -> None:
    from great_expectations.core.expectation_validation_result import expectationSuiteValidationResultSchema

    from lakehouse.quality.great_expectations_engine import result_document

    declared = [
        expectation("expect_column_values_to_be_in_set", {"column": "a", "value_set": ["x"]}, severity=Severity.INFO),
        expectation("expect_column_distinct_values_to_be_in_set", {"column": "a", "value_set": ["x"]}),
        expectation(None, condition="a = '{x}'", name="condition"),
        expectation("unexpected_rows_expectation", {"unexpected_rows_query": "SELECT * FROM {batch}"}),
        expectation("expect_table_freshness", {"column": "at", "max_age": "1 day"}, name="fresh"),
        expectation("expect_drift_below", {"column": "a", "threshold": 0.1}, name="drift"),
    ]
    in_set, distinct, condition, query, fresh, drift = [rule_of(each) for each in declared]
    assert isinstance(in_set, RowRule)
    assert isinstance(condition, RowRule)

    def observed(rule: Any, status: Status, value: Any) -> Verdict:
        return Verdict(rule=rule.name, fingerprint=rule.fingerprint, status=status, observed=value)

    verdicts = [
        judge_row_rule(in_set, RowCounts(10, 2, 4)),
        observed(distinct, Status.FAILED, {"distinct": 3, "not_in_set": 2, "missing": 0}),
        judge_row_rule(condition, RowCounts(10, 0, 1)),
        without_judgement(query, Status.ERROR, "the query fails"),
        observed(fresh, Status.FAILED, {"age_seconds": 9.5}),
        without_judgement(drift, Status.SKIPPED, "no baseline"),
    ]
    rules = (in_set, distinct, condition, query, fresh, drift)
    judgements = [Judgement(rule, verdict) for rule, verdict in zip(rules, verdicts, strict=True)]
    document = result_document("silver.a", judgements, run="check-1", at=NOON)
    loaded = expectationSuiteValidationResultSchema.load(json.loads(json.dumps(document)))
    assert loaded.success is False
    assert loaded.statistics["evaluated_expectations"] == 4
    assert [result.success for result in loaded.results] == [False] * 4
    assert loaded.results[0].result["unexpected_percent_nonmissing"] == 50.0
    assert loaded.results[0].expectation_config.severity == "info"
    assert loaded.results[1].result["observed_value"] == {"distinct": 3, "not_in_set": 2, "missing": 0}
    assert loaded.results[2].result["observed_value"] == 1
    assert loaded.results[3].exception_info["exception_message"] == "the query fails"
    own = document["meta"]["lakehouse"]["verdicts"]
    assert [(each["name"], each["status"]) for each in own] == [("fresh", "failed"), ("drift", "skipped")]
    good = [judgement for judgement in judgements if judgement.verdict.status is Status.SKIPPED]
    assert result_document("silver.a", good, run="check-1", at=NOON)["success"] is True


SOME = [{"k": 1, "A": "x", "b": 3}, {"k": 2, "A": "y", "b": 5}, {"k": 3, "A": "y", "b": 5}]


@pytest.mark.filterwarnings("ignore")  # Great Expectations and what it imports warn
@pytest.mark.parametrize(
    ("kind", "arguments", "samples", "values", "counted"),
    [
        (
            "expect_column_values_to_be_in_set",
            {"column": "a", "value_set": ["z"]},
            SOME,
            ["x", "y", "y"],
            [("y", 2), ("x", 1)],
        ),
        ("expect_column_values_to_not_be_null", {"column": "a"}, [{"k": 1, "a": None}], [None], [(None, 1)]),
        ("expect_column_values_to_be_unique", {"column": "b"}, [{"b": 3}, {"b": 5}], [3, 5], [(3, 1), (5, 1)]),
        (
            "expect_column_pair_values_to_be_equal",
            {"column_A": "a", "column_B": "b"},
            SOME[:2],
            [("x", 3), ("y", 5)],
            [(("x", 3), 1), (("y", 5), 1)],
        ),
        (
            "expect_select_column_values_to_be_unique_within_record",
            {"column_list": ["a", "b"]},
            SOME[:1],
            [{"a": "x", "b": 3}],
            [(("x", 3), 1)],
        ),
        ("expect_compound_columns_to_be_unique", {"column_list": ["a", "b"]}, SOME[:1], [{"a": "x", "b": 3}], None),
        ("expect_column_values_to_be_in_set", {"column": "c", "value_set": ["z"]}, SOME, [], None),
        ("expect_column_values_to_be_in_set", {"column": "a", "value_set": ["z"]}, [], [], None),
    ],
)
def test_a_document_shows_the_samples_as_great_expectations_does(
    kind: str, arguments: dict[str, Any], samples: list[dict[str, Any]], values: list[Any], counted: list[Any] | None
) -> None:
    from great_expectations.core.expectation_validation_result import expectationSuiteValidationResultSchema

    from lakehouse.quality.great_expectations_engine import result_document

    rule = rule_of(expectation(kind, arguments))
    verdict = Verdict(
        rule=rule.name,
        fingerprint=rule.fingerprint,
        status=Status.FAILED,
        passed_records=6,
        failed_records=4,
        elements=10,
        missing=0,
        samples=tuple(samples),
    )
    document = result_document("silver.a", [Judgement(rule, verdict)], run="check-1", at=NOON)
    [result] = document["results"]
    assert (result["success"], result["result"]["unexpected_count"]) == (False, 4)
    assert list(map(plain, result["result"]["partial_unexpected_list"])) == list(map(plain, values))
    if counted is not None:
        counts = [(plain(each["value"]), each["count"]) for each in result["result"]["partial_unexpected_counts"]]
        assert counts == [(plain(value), count) for value, count in counted]
    loaded = expectationSuiteValidationResultSchema.load(json.loads(json.dumps(document)))
    assert loaded.results[0].result["element_count"] == 10


def plain(value: Any) -> Any:
    """A tuple as the list that it is in JSON."""
    return list(value) if isinstance(value, tuple) else value


@pytest.mark.spark
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_its_engine_works_in_the_session_of_the_frame_and_leaves_nothing(
    spark: SparkSession, capsys: pytest.CaptureFixture[str]
) -> None:
    from lakehouse.quality.great_expectations_engine import judge_by_engine

    declared = [
        expectation(None, condition="n > 1 AND s <> '{a}'", name="condition"),
        expectation("unexpected_rows_expectation", {"unexpected_rows_query": "SELECT * FROM {batch} WHERE n = 3"}),
        expectation("unexpected_rows_expectation", {"unexpected_rows_query": "SELECT 1 AS one WHERE 1 > 2"}),
        expectation("unexpected_rows_expectation", {"unexpected_rows_query": "SELECT nope FROM {batch}"}),
        expectation("expect_column_values_to_be_in_set", {"column": "s", "value_set": ["b", None]}),
        expectation(
            "expect_column_value_z_scores_to_be_less_than", {"column": "n", "threshold": 9, "double_sided": True}
        ),
    ]
    rules = [rule_of(each) for each in declared]
    found = []
    for rows in ([(1, "b"), (2, None), (3, "c")], [(2, "b")]):  # two tables in two sessions of one process
        session = isolated_session(spark, {"spark.sql.shuffle.partitions": "1"})
        frame = session.createDataFrame(rows, "n INT, s STRING")
        verdicts = judge_by_engine(frame, rules)
        assert [verdict.rule for verdict in verdicts] == [rule.name for rule in rules]
        found.append([(v.status.value, v.failed_records, v.elements, v.missing) for v in verdicts])
        assert verdicts[3].details
        assert verdicts[1].observed == len([row for row in rows if row[0] == 3])
        assert not frame.is_cached
        assert not session.catalog.tableExists("tmp_view")
    nothing = (None, None, None)
    assert found[0] == [
        ("failed", 2, 3, 0),
        ("failed", *nothing),
        ("passed", *nothing),
        ("error", *nothing),
        ("failed", 1, 3, 1),
        ("passed", 0, 3, 0),
    ]
    assert found[1][:3] == [("passed", 0, 1, 0), ("passed", *nothing), ("passed", *nothing)]
    assert capsys.readouterr().out == ""
