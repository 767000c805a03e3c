"""The types of expectations and their arguments: those of Great Expectations, and a few of our own.

Importing GX costs seconds; this does not. `tests/definition/generate_expectation_types.py` makes the file of GX's types
out of its schemas, a test compares it with the installed GX.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("expectation_types.json")
_OWN_FILE = Path(__file__).with_name("own_expectation_types.json")
_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
    "array": (list, tuple),
    "object": (dict,),
    "null": (type(None),),
}
_WORDS = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
}

_JUDGED_WITH_OTHER_ROWS = frozenset(
    {
        "expect_column_values_to_be_in_table_column",
        "expect_column_values_to_be_in_type_list",
        "expect_column_values_to_be_of_type",
        "expect_column_values_to_be_unique",
        "expect_compound_columns_to_be_unique",
    }
)
# Judged by Great Expectations' own engine, over a table that is written.
ONLY_THE_ENGINE = frozenset(
    {
        "expect_column_kl_divergence_to_be_less_than",
        "expect_column_value_z_scores_to_be_less_than",
        "expect_column_values_to_match_json_schema",
        "expect_column_values_to_not_be_outliers",
        "unexpected_rows_expectation",
    }
)
# Great Expectations has these types, but on Spark they have no meaning; each with what to do instead.
NOT_ON_SPARK: Mapping[str, str] = {
    "expect_column_values_to_be_dateutil_parseable": "Use expect_column_values_to_match_strftime_format.",
    "expect_column_values_to_be_decreasing": "Rows of a table have no order; compare two columns of a row.",
    "expect_column_values_to_be_increasing": "Rows of a table have no order; compare two columns of a row.",
    "expect_query_results_to_match_comparison": "Use expect_column_values_to_be_in_table_column.",
}


@lru_cache(maxsize=1)
def expectation_types() -> Mapping[str, Mapping[str, Any]]:
    """Each type's snake_case name → its `properties` (argument → JSON schema), `required` arguments, and
    `any_of`: arguments of which at least one must be there."""
    types: dict[str, Mapping[str, Any]] = json.loads(_FILE.read_text(encoding="utf-8"))
    return {**types, **own_expectation_types()}


@lru_cache(maxsize=1)
def own_expectation_types() -> Mapping[str, Mapping[str, Any]]:
    """The types that Great Expectations does not have, in the same shape."""
    types: dict[str, Mapping[str, Any]] = json.loads(_OWN_FILE.read_text(encoding="utf-8"))
    return types


def judges_rows(type_name: str) -> bool:
    """Whether a type judges each row by itself, so that a violating row can be dropped while rows are written.

    A type with `mostly` that compares a row with others (uniqueness, outliers) judges the table.

    >>> judges_rows("expect_column_values_to_not_be_null"), judges_rows("expect_column_values_to_be_unique")
    (True, False)
    """
    return "mostly" in expectation_types()[type_name]["properties"] and type_name not in (
        _JUDGED_WITH_OTHER_ROWS | ONLY_THE_ENGINE | NOT_ON_SPARK.keys()
    )


def mismatch(value: Any, schema: Mapping[str, Any]) -> str | None:
    """What was expected instead of `value`, or None if it fits the JSON schema.

    >>> mismatch(1.5, {"type": "number", "minimum": 0, "maximum": 1})
    'at most 1'
    """
    alternatives = schema.get("anyOf") or schema.get("oneOf")
    if alternatives:
        expected = [mismatch(value, alternative) for alternative in alternatives]
        return None if None in expected else " or ".join(dict.fromkeys(str(words) for words in expected))
    return next(_mismatches(value, schema), None)


def _mismatches(value: Any, schema: Mapping[str, Any]) -> Iterator[str]:
    kind = schema.get("type")
    # In Python true is a number; in JSON it is not.
    if kind and (not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean")):
        yield _WORDS[kind]
        return
    if "enum" in schema and value not in schema["enum"]:
        yield "one of " + ", ".join(map(str, schema["enum"]))
    if "minimum" in schema and value < schema["minimum"]:
        yield f"at least {schema['minimum']:g}"
    if "maximum" in schema and value > schema["maximum"]:
        yield f"at most {schema['maximum']:g}"
    for smallest, largest, things in (("minLength", "maxLength", "characters"), ("minItems", "maxItems", "items")):
        if len(value) < schema[smallest] if smallest in schema else False:
            yield f"at least {schema[smallest]} {things}"
        if len(value) > schema[largest] if largest in schema else False:
            yield f"at most {schema[largest]} {things}"
    if isinstance(schema.get("items"), dict):
        for item in value:
            if item is None:  # GX's schemas leave out that a bound or a member may be null
                continue
            expected = mismatch(item, schema["items"])
            if expected:
                yield f"a list whose items are {expected}"
