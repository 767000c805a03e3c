from __future__ import annotations

import json
from typing import Any

import pytest

from lakehouse.definition.document import Document
from lakehouse.definition.expectation import OnViolation, Severity
from lakehouse.definition.expectation_reading import read_expectations
from lakehouse.errors import InvalidValue
from lakehouse.quality.rule import rule_fingerprint
from lakehouse.quality.suite import engine_arguments, read_suite, suite_document
from tests.quality.cases import expectation

EXPECTATIONS = [
    expectation(
        "expect_column_values_to_be_in_set",
        {"column": "n", "value_set": [1, None, 2], "mostly": 0.9, "row_condition": "n > 0", "meta": {"team": "a"}},
        name="set",
        on_violation=OnViolation.DROP,
        severity=Severity.INFO,
    ),
    expectation("expect_drift_below", {"column": "n", "threshold": 0.2}, name="drift"),
    expectation(None, condition="s RLIKE 'x{3}' -- three\n", name="three", on_violation=OnViolation.FAIL),
    expectation("expect_table_freshness", {"column": "at", "max_age": "1 day"}, name="fresh"),
    expectation("expect_table_row_count_to_equal", {"value": 3, "description": "three"}, name="rows"),
]


def read_back(document: dict[str, Any]) -> list[Any]:
    declared = read_suite(json.loads(json.dumps(document)))
    return list(read_expectations(Document(value=declared, file="f.yml", line=1), (), declared))


def test_a_suite_read_back_says_the_same() -> None:
    found = read_back(suite_document("silver.orders", EXPECTATIONS))
    assert [(each.name, each.type, each.on_violation, each.severity) for each in found] == [
        (each.name, each.type, each.on_violation, each.severity) for each in EXPECTATIONS
    ]
    for before, after in list(zip(EXPECTATIONS, found, strict=True))[1:]:
        assert rule_fingerprint(before) == rule_fingerprint(after)
    assert found[0].arguments == {**EXPECTATIONS[0].arguments, "value_set": [1, 2], "condition_parser": "spark"}


def test_own_types_stay_out_of_the_list_that_great_expectations_reads() -> None:
    document = suite_document("s", EXPECTATIONS)
    assert [entry["type"] for entry in document["expectations"]] == [
        "expect_column_values_to_be_in_set",
        "unexpected_rows_expectation",
        "expect_table_row_count_to_equal",
    ]
    assert set(document) == {"name", "expectations", "meta"}
    assert suite_document("s", EXPECTATIONS[:1])["meta"] == {}


def test_a_condition_is_a_query_for_rows_that_violate() -> None:
    (entry,) = suite_document("s", [EXPECTATIONS[2]])["expectations"]
    query = entry["kwargs"]["unexpected_rows_query"].format(batch="tmp_view")
    assert query == "SELECT * FROM tmp_view WHERE NOT coalesce((\ns RLIKE 'x{3}' -- three\n\n), false)"


def test_what_the_engine_gets() -> None:
    assert engine_arguments(EXPECTATIONS[0]) == {
        "column": "n",
        "value_set": [1, 2],
        "mostly": 0.9,
        "row_condition": "n > 0",
        "condition_parser": "spark",
    }


def test_a_suite_that_was_written_elsewhere() -> None:
    document = {
        "name": "s",
        "id": "5",
        "meta": {"great_expectations_version": "1.24.1"},
        "expectations": [
            {"type": "expect_column_to_exist", "kwargs": {"column": "a", "batch_id": "x"}, "meta": {}, "id": "1"},
            {"expectation_type": "expect_column_to_exist", "kwargs": {"column": "b"}, "severity": "warning"},
        ],
    }
    first, second = read_back(document)
    assert (first.arguments, second.arguments) == ({"column": "a"}, {"column": "b"})
    assert second.severity is Severity.WARNING


@pytest.mark.filterwarnings("ignore")  # Great Expectations and what it imports warn
def test_condition_objects_become_sql() -> None:
    import great_expectations as gx
    from great_expectations.expectations.row_conditions import Column

    condition = (Column("a b") > 1.5) & Column("s").is_in(["x", "it's"]) & Column("n").is_not_null()
    kwargs = {"column": "a", "row_condition": condition}
    suite = gx.ExpectationSuite(name="s", expectations=[{"type": "expect_column_values_to_be_null", "kwargs": kwargs}])
    (found,) = read_back(suite.to_json_dict())
    assert found.arguments["condition_parser"] == "spark"
    text = found.arguments["row_condition"].replace("(", "").replace(")", "")
    assert text == "`a b` > 1.5D AND `s` IN 'x', 'it\\'s' AND `n` IS NOT NULL"
    unknown = {"type": "expect_column_values_to_be_null", "kwargs": {"column": "a", "row_condition": {"type": "xor"}}}
    with pytest.raises(InvalidValue):
        read_suite({"expectations": [unknown]})


@pytest.mark.parametrize("document", [{}, {"expectations": {}}, {"expectations": ["a"]}, {"expectations": [{}]}])
def test_what_is_no_suite(document: dict[str, Any]) -> None:
    with pytest.raises(InvalidValue):
        read_suite(document)


@pytest.mark.filterwarnings("ignore")  # Great Expectations and what it imports warn
def test_great_expectations_reads_it() -> None:
    import great_expectations as gx

    document = suite_document("s", EXPECTATIONS)
    suite = gx.ExpectationSuite(**document)
    assert [each.expectation_type for each in suite.expectations] == [
        entry["type"] for entry in document["expectations"]
    ]
    assert [each.severity for each in suite.expectations] == ["info", "critical", "critical"]
    again = read_back(suite.to_json_dict())
    assert [each.name for each in again] == [each.name for each in EXPECTATIONS]
