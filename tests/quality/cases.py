"""Every compiled type of Great Expectations with arguments, tolerances, conditions and ignored rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lakehouse.definition.expectation import Expectation
from lakehouse.errors import SourceLocation

HERE = SourceLocation("f.yml", 1)

# type → arguments, without `mostly`, `row_condition` and `ignore_row_if`
COLUMN_TYPES: dict[str, list[dict[str, Any]]] = {
    "expect_column_values_to_not_be_null": [{"column": c} for c in ("i", "d", "s", "nothing", "day")],
    "expect_column_values_to_be_null": [{"column": c} for c in ("i", "d", "nothing", "nowhere")],
    "expect_column_values_to_be_between": [
        {"column": "i", "min_value": 0, "max_value": 5},
        {"column": "i", "min_value": 0, "max_value": 5, "strict_min": True, "strict_max": True},
        {"column": "i", "max_value": 2147483647, "strict_max": True},
        {"column": "i", "min_value": -2147483648},
        {"column": "i", "min_value": 0.5, "max_value": 4.999999999999999},
        {"column": "l", "min_value": -9223372036854775807, "max_value": 9223372036854775806},
        {"column": "l", "max_value": 9223372036854775808},
        {"column": "d", "min_value": 0},
        {"column": "d", "min_value": 0, "strict_min": True},
        {"column": "d", "max_value": 0.3},
        {"column": "d", "min_value": -0.0, "max_value": 0.0},
        {"column": "f", "max_value": 0.1},
        {"column": "m", "min_value": 0, "max_value": 0.1},
        {"column": "m", "min_value": 0, "max_value": 1, "strict_min": True},
        {"column": "day", "min_value": "1970-01-01", "max_value": "2024-02-29", "strict_max": True},
        {"column": "at", "min_value": "2024-01-01", "max_value": "2024-02-29 23:59:59.999999"},
        {"column": "nowhere", "min_value": 0},
    ],
    "expect_column_values_to_be_in_set": [
        {"column": "i", "value_set": [0, 1, 5]},
        {"column": "l", "value_set": [9223372036854775807, 0]},
        {"column": "d", "value_set": [0.0, 1.0]},
        {"column": "d", "value_set": [float("nan"), 5]},
        {"column": "s", "value_set": ["a", "abc\n", "it's", "back\\slash", "${x}", "😀", "a\x00b", 'q"q']},
        {"column": "s", "value_set": [*"abcdefghijklmnop", "日本"]},
        {"column": "b", "value_set": [True]},
        {"column": "day", "value_set": ["2024-02-29"]},
        {"column": "m", "value_set": [0, 1]},
        {"column": "nothing", "value_set": ["a"]},
        {"column": "i", "value_set": [0, None]},
    ],
    "expect_column_values_to_not_be_in_set": [
        {"column": "i", "value_set": [0, 1, 5]},
        {"column": "d", "value_set": [0.0]},
        {"column": "s", "value_set": ["", "NULL", "\t", "100%"]},
        {"column": "s", "value_set": ["a", None]},
        {"column": "nothing", "value_set": ["a"]},
    ],
    "expect_column_values_to_match_regex": [
        {"column": "s", "regex": r"^a"},
        {"column": "s", "regex": r"^[a-z]+$"},
        {"column": "s", "regex": r"\\"},
        {"column": "s", "regex": r"^\$\d\.\d{2}$"},
        {"column": "s", "regex": r"'|\"|\s"},
        {"column": "s", "regex": "^..$"},
        {"column": "s", "regex": ""},
        {"column": "nothing", "regex": "a"},
    ],
    "expect_column_values_to_not_match_regex": [
        {"column": "s", "regex": r"c$"},
        {"column": "s", "regex": r"^\s|\s$"},
        {"column": "s", "regex": "(?i)A"},
    ],
    "expect_column_values_to_match_regex_list": [
        {"column": "s", "regex_list": ["^a", "c$"]},
        {"column": "s", "regex_list": ["^a", "c$"], "match_on": "all"},
        {"column": "s", "regex_list": ["^a", "c$"], "match_on": "any"},
        {"column": "s", "regex_list": ["(a", "b)"], "match_on": "any"},
    ],
    "expect_column_values_to_not_match_regex_list": [
        {"column": "s", "regex_list": ["^a", "c$"]},
        {"column": "s", "regex_list": [r"\d"]},
    ],
    "expect_column_value_lengths_to_be_between": [
        {"column": "s", "min_value": 1, "max_value": 3},
        {"column": "s", "min_value": 1.0, "strict_min": True},
        {"column": "s", "max_value": 4, "strict_max": True},
        {"column": "nothing", "min_value": 1},
        {"column": "i", "max_value": 1},
    ],
    "expect_column_value_lengths_to_equal": [{"column": "s", "value": 1}, {"column": "s", "value": 3.0}],
}
PAIR_TYPES: dict[str, list[dict[str, Any]]] = {
    "expect_column_pair_values_a_to_be_greater_than_b": [
        {"column_A": a, "column_B": b, **more}
        for a, b in (("i", "j"), ("d", "e"), ("s", "t"), ("day", "due"), ("m", "o"), ("d", "nowhere"))
        for more in ({}, {"or_equal": True})
    ],
    "expect_column_pair_values_to_be_equal": [
        {"column_A": a, "column_B": b} for a, b in (("i", "j"), ("d", "e"), ("s", "t"), ("day", "due"), ("i", "l"))
    ],
    "expect_column_pair_values_to_be_in_set": [
        {"column_A": "i", "column_B": "j", "value_pairs_set": [[5, 5], [0, 0], [None, 1]]},
        {"column_A": "s", "column_B": "t", "value_pairs_set": [["a", "a"], ["it's", None], ["", ""]]},
        {"column_A": "d", "column_B": "e", "value_pairs_set": [[0.0, 0.0], [1.0, 1.0]]},
    ],
}
LIST_TYPES: dict[str, list[dict[str, Any]]] = {
    "expect_multicolumn_sum_to_equal": [
        {"column_list": ["i", "j"], "sum_total": 10},
        {"column_list": ["l", "l"], "sum_total": 18446744073709551614},
        {"column_list": ["i", "l"], "sum_total": 0},
        {"column_list": ["d", "e"], "sum_total": 0.4},
        {"column_list": ["m", "o"], "sum_total": 0.3},
    ],
    "expect_multicolumn_values_to_be_equal": [
        {"column_list": ["i", "j"]},
        {"column_list": ["d", "e", "nowhere"]},
        {"column_list": ["s", "t"]},
    ],
    "expect_select_column_values_to_be_unique_within_record": [
        {"column_list": ["i", "j"]},
        {"column_list": ["d", "e", "nowhere"]},
        {"column_list": ["s", "t", "nothing"]},
    ],
}
IGNORED_PAIRS = (None, "both_values_are_missing", "either_value_is_missing", "neither")
IGNORED_LISTS = (None, "all_values_are_missing", "any_value_is_missing", "never")
CONDITIONS: list[dict[str, Any]] = [
    {},
    {"row_condition": "g = 1 OR (i > 3 -- not all\n)"},
    {"row_condition": "g > 100"},
    {"row_condition": 'col("g")>=2', "condition_parser": "great_expectations"},
]
UNIQUE_TYPES: dict[str, list[dict[str, Any]]] = {
    "expect_column_values_to_be_unique": [{"column": c} for c in ("i", "d", "s", "m", "nothing", "b")],
    "expect_compound_columns_to_be_unique": [
        {"column_list": ["i", "j"], **ignored}
        for ignored in ({}, *({"ignore_row_if": word} for word in IGNORED_LISTS[1:]))
    ]
    + [{"column_list": ["d", "e"]}, {"column_list": ["s", "g"]}],
}
_BOUNDS = [{"min_value": 0, "max_value": 5}, {"min_value": 1}, {"max_value": 1, "strict_max": True}]
TABLE_TYPES: dict[str, list[dict[str, Any]]] = {
    **{
        f"expect_column_{function}_to_be_between": [
            {"column": column, **bounds} for column in ("i", "d", "m", "nowhere", "f") for bounds in _BOUNDS
        ]
        for function in ("max", "min", "mean", "sum", "stdev", "median")
    },
    "expect_table_row_count_to_be_between": [{"min_value": 53, "max_value": 53}, {"max_value": 52}, {}],
    "expect_table_row_count_to_equal": [{"value": 53}, {"value": 13}, {"value": 0}],
    "expect_column_proportion_of_non_null_values_to_be_between": [
        {"column": "i", "min_value": 0.8},
        {"column": "nothing", "max_value": 0},
        {"column": "d", "min_value": 0.9, "strict_min": True},
    ],
    "expect_column_unique_value_count_to_be_between": [
        {"column": c, "min_value": low, "max_value": high}
        for c in ("i", "d", "s", "nothing")
        for low, high in ((0, 9), (10, 26))
    ],
    "expect_column_proportion_of_unique_values_to_be_between": [
        {"column": c, "min_value": 0.2, "max_value": 0.6} for c in ("i", "d", "s", "nothing")
    ],
    "expect_column_quantile_values_to_be_between": [
        {"column": c, "quantile_ranges": {"quantiles": [0.1, 0.5, 0.9], "value_ranges": ranges}}
        for c in ("i", "d", "nowhere")
        for ranges in ([[-5, 5], [0, 5], [None, None]], [[None, 0], [0.5, 2], [3, None]])
    ],
    "expect_column_distinct_values_to_be_in_set": [
        {"column": "b", "value_set": [True, False]},
        {"column": "i", "value_set": [0, 1, 2]},
        {"column": "g", "value_set": [0, 1, 2, 3, None]},
        {"column": "nothing", "value_set": ["a"]},
    ],
    "expect_column_distinct_values_to_contain_set": [
        {"column": "b", "value_set": [True]},
        {"column": "i", "value_set": [0, 1, 77]},
        {"column": "nothing", "value_set": ["a"]},
    ],
    "expect_column_distinct_values_to_equal_set": [
        {"column": "b", "value_set": [True, False]},
        {"column": "g", "value_set": [0, 1, 2]},
        {"column": "g", "value_set": [0, 1, 2, 3]},
        {"column": "g", "value_set": [0, 1, 2, 3, 4]},
    ],
    "expect_column_most_common_value_to_be_in_set": [
        {"column": "i", "value_set": [5]},
        {"column": "g", "value_set": [0, 1], "ties_okay": True},
        {"column": "g", "value_set": [0]},
        {"column": "nothing", "value_set": ["a"]},
    ],
}
SCHEMA_TYPES: dict[str, list[dict[str, Any]]] = {
    "expect_column_to_exist": [
        {"column": "i"},
        {"column": "none"},
        {"column": "i", "column_index": 1},
        {"column": "g", "column_index": 0},
        {"column": "g", "column_index": 99},
    ],
    "expect_column_type_to_be": [{"column": "i", "type_": t} for t in ("IntegerType", "LongType", "NumericType")],
    "expect_column_values_to_be_of_type": [
        {"column": c, "type_": t}
        for c, t in (("m", "DecimalType"), ("m", "FractionalType"), ("s", "StringType"), ("day", "TimestampType"))
    ],
    "expect_column_values_to_be_in_type_list": [
        {"column": "l", "type_list": ["IntegerType", "LongType"]},
        {"column": "l", "type_list": ["DoubleType"]},
    ],
    "expect_table_column_count_to_be_between": [{"min_value": 18, "max_value": 18}, {"max_value": 17}],
    "expect_table_column_count_to_equal": [{"value": 18}, {"value": 3}],
    "expect_table_columns_to_match_ordered_list": [{"column_list": ["g", "i"]}],
    "expect_table_columns_to_match_set": [
        {"column_set": ["g", "i"]},
        {"column_set": ["i", "g"], "exact_match": False},
        {"column_set": ["i", "none"], "exact_match": False},
    ],
}


def expectation(kind: str | None, arguments: dict[str, Any] | None = None, **fields: Any) -> Expectation:
    """An expectation of this type and arguments, named by them unless `fields` say else."""
    fields.setdefault("name", f"{kind} {arguments}")
    return Expectation(type=kind, arguments=arguments or {}, location=HERE, **fields)


def row_cases() -> Iterator[Expectation]:
    """Types that judge single rows."""
    for kind, listed in COLUMN_TYPES.items():
        for number, arguments in enumerate(listed):
            for place, condition in enumerate(CONDITIONS):
                # Tolerances are judged from the same counts, so they need not be crossed with everything.
                if place == 0 or number % 3 == place - 1:
                    mostly = ({"mostly": (1, 0.5, 0.9, 0.05)[(number + place) % 4]}) if number % 5 else {}
                    yield expectation(kind, {**arguments, **condition, **mostly})
    for types, ignored in ((PAIR_TYPES, IGNORED_PAIRS), (LIST_TYPES, IGNORED_LISTS)):
        for kind, listed in types.items():
            for number, arguments in enumerate(listed):
                for place, word in enumerate(ignored):
                    condition = CONDITIONS[(number + place) % 4] if place else {}
                    ignore = {} if word is None else {"ignore_row_if": word}
                    yield expectation(kind, {**arguments, **ignore, **condition, "mostly": (1, 0.25)[place % 2]})


def table_cases() -> Iterator[Expectation]:
    """Types that judge the table, some of them over a part of its rows."""
    for types in (UNIQUE_TYPES, TABLE_TYPES):
        for kind, listed in types.items():
            for number, arguments in enumerate(listed):
                yield expectation(kind, arguments)
                if number % 4 == 0:
                    yield expectation(kind, {**arguments, **CONDITIONS[1 + number % 3]})
    for kind, listed in SCHEMA_TYPES.items():
        for arguments in listed:
            yield expectation(kind, arguments)
