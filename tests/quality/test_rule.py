from __future__ import annotations

from typing import Any

import pytest

from lakehouse.definition.expectation import OnViolation
from lakehouse.definition.expectation_types import NOT_ON_SPARK, ONLY_THE_ENGINE, expectation_types, judges_rows
from lakehouse.errors import DefinitionError, DefinitionErrors, InvalidValue, UnknownName
from lakehouse.names import TableName
from lakehouse.quality.row_rules import ROW_TYPES
from lakehouse.quality.rule import RowRule, TableRuleKind, compile_rules, rule_fingerprint
from lakehouse.quality.table_rules import TABLE_TYPES
from tests.quality.cases import expectation

SCHEMA = {
    "id": "bigint",
    "n": "int",
    "d": "double",
    "s": "string",
    "b": "boolean",
    "day": "date",
    "at": "timestamp",
    "place": "struct<city:string,zip:int>",
    "tags": "array<string>",
}


def row_rule(kind: str, schema: dict[str, str] | None = SCHEMA, **arguments: Any) -> RowRule:
    (rule,) = compile_rules([expectation(kind, arguments)], schema).rows
    return rule


def problem(kind: str | None, arguments: dict[str, Any] | None = None, **fields: Any) -> DefinitionError:
    with pytest.raises(DefinitionError) as caught:
        compile_rules([expectation(kind, arguments, **fields)], SCHEMA)
    assert caught.value.where is not None
    return caught.value


def test_every_type_is_compiled_or_named_as_one_that_is_not() -> None:
    kinds = set(expectation_types())
    groups = [ROW_TYPES, TABLE_TYPES, ONLY_THE_ENGINE, frozenset(NOT_ON_SPARK)]
    assert set().union(*groups) == kinds
    assert sum(map(len, groups)) == len(kinds)


def test_a_type_judges_rows_if_it_is_compiled_to_a_row_rule() -> None:
    assert {kind for kind in expectation_types() if judges_rows(kind)} == ROW_TYPES


def test_a_condition_is_violated_where_it_is_not_true() -> None:
    (rule,) = compile_rules([expectation(None, condition="n > 0 -- why\n AND CAST(s AS INT) > 1")], SCHEMA).rows
    assert rule.unexpected == "NOT coalesce((n > 0 AND TRY_CAST(s AS INT) > 1), false)"
    assert (rule.element, rule.missing, rule.mostly, rule.is_exact) == (None, None, 1.0, True)


def test_violation_puts_all_together() -> None:
    rule = row_rule("expect_column_values_to_be_in_set", column="n", value_set=[1, None, 1, 2], row_condition="d > 0")
    assert rule.element == "d > 0"
    assert rule.missing == "`n` IS NULL"
    assert rule.unexpected == "NOT (`n` IN (1, 2))"
    assert rule.violation == (
        "coalesce((d > 0), false) AND NOT coalesce((`n` IS NULL), false) AND coalesce((NOT (`n` IN (1, 2))), false)"
    )
    assert rule.columns == ("n",)


@pytest.mark.parametrize("condition", ["CAST ('cast(' AS INT) = 1", "`cast`(1) = 1 AND cast(n AS INT) > 0"])
def test_casts_are_replaced_as_tokens(condition: str) -> None:
    (rule,) = compile_rules([expectation(None, condition=condition)], SCHEMA).rows
    assert rule.unexpected.count("TRY_CAST") == 1
    assert ("'cast('" in rule.unexpected) == ("'cast('" in condition)


@pytest.mark.parametrize(
    "condition",
    ["a) OR (true", "(a", "a; b", "n IN (SELECT 1)", "count(*) > 1", "sum (n) > 1", "rank() OVER (ORDER BY n) = 1",
     "-- nothing", "'open"],
)  # fmt: skip
def test_conditions_that_are_no_single_expression_over_a_row(condition: str) -> None:
    assert type(problem(None, condition=condition)) is InvalidValue
    assert type(problem("expect_column_values_to_be_null", {"column": "n", "row_condition": condition})) is InvalidValue


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("expect_column_values_to_be_null", {"column": "idd"}),
        ("expect_column_pair_values_to_be_equal", {"column_A": "id", "column_B": "nn"}),
        ("expect_multicolumn_values_to_be_equal", {"column_list": ["id", "nn"]}),
        ("expect_column_max_to_be_between", {"column": "idd", "min_value": 1}),
        ("expect_column_values_to_be_unique", {"column": "idd"}),
        ("expect_compound_columns_to_be_unique", {"column_list": ["idd", "n"]}),
        ("expect_column_median_to_be_between", {"column": "idd", "min_value": 1}),
        ("expect_column_value_z_scores_to_be_less_than", {"column": "idd", "threshold": 3, "double_sided": True}),
        ("expect_column_values_to_be_in_table_column", {"column": "idd", "references": "a.b.c"}),
        ("expect_table_freshness", {"column": "dayy", "max_age": "1 day"}),
        ("expect_drift_below", {"column": "dd", "threshold": 0.1}),
        ("expect_table_no_worse_than_last_version", {"columns": ["dd"], "null_share": 0.1}),
        ("expect_column_values_to_be_of_type", {"column": "idd", "type_": "LongType"}),
        ("expect_column_values_to_be_null", {"column": "plce.city"}),
        ("expect_column_values_to_be_null",
         {"column": "id", "row_condition": 'col("idd") > 1', "condition_parser": "great_expectations"}),
    ],
)  # fmt: skip
def test_columns_that_are_not_there(kind: str, arguments: dict[str, Any]) -> None:
    error = problem(kind, arguments)
    assert type(error) is UnknownName
    assert error.name.startswith(("id", "nn", "d", "plce"))


def test_the_nearest_column_is_named() -> None:
    error = problem("expect_column_values_to_be_null", {"column": "idd"})
    assert isinstance(error, UnknownName)
    assert error.nearest == "id"


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        ("expect_column_values_to_be_between", {"column": "s", "min_value": 1}),
        ("expect_column_values_to_be_between", {"column": "b", "min_value": 1}),
        ("expect_column_values_to_be_between", {"column": "day", "min_value": 1}),
        ("expect_column_values_to_be_between", {"column": "n", "min_value": "one"}),
        ("expect_column_values_to_be_between", {"column": "n", "min_value": 2, "max_value": 1}),
        ("expect_column_values_to_be_between", {"column": "n"}),
        ("expect_column_values_to_be_between", {"column": "day", "max_value": "soon"}),
        ("expect_column_values_to_be_in_set", {"column": "n", "value_set": ["a"]}),
        ("expect_column_values_to_be_in_set", {"column": "s", "value_set": [1]}),
        ("expect_column_values_to_be_in_set", {"column": "b", "value_set": [1]}),
        ("expect_column_values_to_be_in_set", {"column": "n", "value_set": [None]}),
        ("expect_column_values_to_be_in_set", {"column": "n", "value_set": [10**40]}),
        ("expect_column_values_to_not_be_in_set", {"column": "n", "value_set": [True]}),
        ("expect_column_distinct_values_to_contain_set", {"column": "n", "value_set": [None]}),
        ("expect_column_value_lengths_to_be_between", {"column": "s", "min_value": 1.5}),
        ("expect_column_value_lengths_to_be_between", {"column": "tags", "min_value": 1}),
        ("expect_column_values_to_match_regex_list", {"column": "s", "regex_list": []}),
        ("expect_column_values_to_match_like_pattern", {"column": "s", "like_pattern": "a", "escape": "ab"}),
        ("expect_column_values_to_match_strftime_format", {"column": "day", "strftime_format": "%Y"}),
        ("expect_column_pair_values_to_be_in_set", {"column_A": "n", "column_B": "s", "value_pairs_set": [["a", "b"]]}),
        ("expect_column_pair_values_to_be_in_set", {"column_A": "n", "column_B": "s", "value_pairs_set": []}),
        ("expect_multicolumn_sum_to_equal", {"column_list": ["n", "s"], "sum_total": 1}),
        ("expect_multicolumn_values_to_be_equal", {"column_list": ["n"]}),
        ("expect_column_mean_to_be_between", {"column": "s", "min_value": 1}),
        ("expect_column_max_to_be_between", {"column": "s", "min_value": 1}),
        ("expect_column_max_to_be_between", {"column": "n", "min_value": 2, "max_value": 1}),
        ("expect_column_median_to_be_between", {"column": "day", "min_value": 1}),
        ("expect_column_quantile_values_to_be_between",
         {"column": "n", "quantile_ranges": {"quantiles": [0.5, 2], "value_ranges": [[0, 1], [0, 1]]}}),
        ("expect_column_quantile_values_to_be_between",
         {"column": "n", "quantile_ranges": {"quantiles": [0.5], "value_ranges": [[0, 1], [0, 1]]}}),
        ("expect_column_type_to_be", {"column": "n", "type_": "IntType"}),
        ("expect_table_freshness", {"column": "at", "max_age": "soon"}),
        ("expect_table_freshness", {"column": "n", "max_age": "1 day"}),
        ("expect_drift_below", {"column": "s", "threshold": 0.1, "measure": "wasserstein"}),
        ("expect_column_values_to_be_in_table_column", {"column": "n", "references": "b.c"}),
        ("expect_column_values_to_be_in_table_column", {"columns": ["n", "s"], "references": ["a.b.c"]}),
        ("expect_column_values_to_be_in_table_column", {"columns": ["n", "s"], "references": ["a.b.c", "a.x.c"]}),
        ("expect_table_row_count_to_equal_other_table", {"other_table_name": "orders"}),
        ("expect_column_values_to_be_null", {"column": "n", "row_condition": "n > 1", "condition_parser": "pandas"}),
        ("expect_column_values_to_be_null",
         {"column": "n", "row_condition": 'col("n") > 1 and', "condition_parser": "great_expectations"}),
    ],
)  # fmt: skip
def test_arguments_that_would_fail_on_every_row(kind: str, arguments: dict[str, Any]) -> None:
    assert type(problem(kind, arguments)) is InvalidValue


@pytest.mark.parametrize(
    ("kind", "arguments", "on_violation"),
    [
        ("expect_column_values_to_be_unique", {"column": "n"}, OnViolation.DROP),
        ("expect_column_max_to_be_between", {"column": "n", "min_value": 1}, OnViolation.QUARANTINE),
        ("unexpected_rows_expectation", {"unexpected_rows_query": "SELECT 1"}, OnViolation.FAIL),
        ("expect_column_values_to_match_strftime_format", {"column": "s", "strftime_format": "%U"}, OnViolation.DROP),
    ],
)
def test_violations_without_a_row_to_act_on(kind: str, arguments: dict[str, Any], on_violation: OnViolation) -> None:
    assert type(problem(kind, arguments, on_violation=on_violation)) is InvalidValue


def test_fail_is_for_rows_and_tables() -> None:
    rules = compile_rules(
        [
            expectation("expect_column_values_to_be_unique", {"column": "n"}, on_violation=OnViolation.FAIL),
            expectation("expect_column_values_to_be_null", {"column": "n"}, on_violation=OnViolation.FAIL),
            expectation("expect_column_values_to_match_strftime_format", {"column": "s", "strftime_format": "%U"}),
        ],
        SCHEMA,
    )
    assert [len(rules.rows), len(rules.tables), len(rules.engine)] == [1, 1, 1]


def test_all_problems_at_once() -> None:
    wrong = [expectation("expect_column_values_to_be_null", {"column": name}) for name in ("x", "y")]
    with pytest.raises(DefinitionErrors) as caught:
        compile_rules(wrong, SCHEMA)
    assert [type(each) for each in caught.value.problems] == [UnknownName, UnknownName]


def test_without_a_schema_nothing_is_checked_of_columns() -> None:
    rule = row_rule("expect_column_values_to_be_between", None, column="a.b", min_value=1)
    assert rule.missing == "`a.b` IS NULL"


def test_fields_of_structs_and_case_of_names() -> None:
    assert row_rule("expect_column_values_to_be_null", column="place.city").unexpected == "`place`.`city` IS NOT NULL"
    assert row_rule("expect_column_values_to_be_null", column="ID").unexpected == "`ID` IS NOT NULL"


@pytest.mark.parametrize(
    ("text", "sql"),
    [
        ('col("n") >= 5', "`n` >= 5"),
        ('col("n")=="5"', "`n` == 5"),
        ("col(\"s\") != 'a b'", "`s` != 'a b'"),
        ('col("day") > date("2024-01-01")', "`day` > '2024-01-01'"),
        ('col("s").notNull()', "`s` IS NOT NULL"),
        ('col("d") < -1.5e3', "`d` < -1500.0D"),
    ],
)
def test_the_condition_language_of_great_expectations(text: str, sql: str) -> None:
    arguments = {"column": "n", "row_condition": text, "condition_parser": "great_expectations"}
    assert row_rule("expect_column_values_to_be_null", **arguments).element == sql


def test_whole_numbers_are_widened_before_they_are_added() -> None:
    rule = row_rule("expect_multicolumn_sum_to_equal", column_list=["n", "d"], sum_total=1)
    assert rule.unexpected == (
        "NOT coalesce(try_add(CAST(coalesce(`n`, 0) AS DECIMAL(38, 0)), coalesce(`d`, 0)) = 1, false)"
    )


def test_a_number_as_text_is_a_number() -> None:
    assert "0.5D" in row_rule("expect_column_values_to_be_between", column="n", min_value="0.5").unexpected


def test_tables_that_are_read() -> None:
    rules = compile_rules(
        [
            expectation(
                "expect_column_values_to_be_in_table_column",
                {"columns": ["n", "s"], "references": ["silver.other.k", "silver.other.S2"], "mostly": 0.9},
            ),
            expectation("expect_table_row_count_to_equal_other_table", {"other_table_name": "silver.other"}),
        ],
        SCHEMA,
    )
    first, second = rules.tables
    assert (first.reads, first.read_columns, first.columns) == (TableName("silver", "other"), ("k", "S2"), ("n", "s"))
    assert (first.mostly, first.missing) == (0.9, "`n` IS NULL OR `s` IS NULL")
    assert (second.reads, second.read_columns) == (TableName("silver", "other"), ())
    assert {rule.kind for rule in rules.tables} == {TableRuleKind.REFERENCE}


class TestFingerprint:
    def test_depends_on_what_is_asked(self) -> None:
        first = expectation("expect_column_values_to_be_between", {"column": "n", "min_value": 1, "mostly": 0.5})
        others = [
            expectation("expect_column_values_to_be_between", {"column": "n", "min_value": 1}),
            expectation("expect_column_values_to_be_between", {"column": "n", "min_value": 2, "mostly": 0.5}),
            expectation("expect_column_max_to_be_between", {"column": "n", "min_value": 1, "mostly": 0.5}),
            expectation(None, condition="n > 1"),
            expectation(None, condition="n > 2"),
            expectation(None, condition="n > 'a b'"),
            expectation(None, condition="n > 'a  b'"),
        ]
        found = [rule_fingerprint(each) for each in (first, *others)]
        assert len(set(found)) == len(found)
        assert all(len(each) == 64 for each in found)

    def test_does_not_depend_on_the_rest(self) -> None:
        arguments = {"column": "n", "min_value": 1}
        first = rule_fingerprint(expectation("expect_column_values_to_be_between", arguments))
        assert first == rule_fingerprint(
            expectation(
                "expect_column_values_to_be_between",
                {"min_value": 1, "column": "n", "max_value": None, "mostly": 1, "meta": {"a": 1}, "notes": "why"},
                name="another",
                on_violation=OnViolation.DROP,
            )
        )
        assert rule_fingerprint(expectation(None, condition="n>0 -- x")) == rule_fingerprint(
            expectation(None, condition="n  >\n0")
        )
