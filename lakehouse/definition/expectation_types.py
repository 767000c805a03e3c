"""The types of Great Expectations and their arguments, from a file generated out of GX's own schemas.

Importing GX costs seconds; this does not. `tests/definition/generate_expectation_types.py` makes the file, a test
compares it with the installed GX.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

_FILE = Path(__file__).with_name("expectation_types.json")
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


@lru_cache(maxsize=1)
def expectation_types() -> Mapping[str, Mapping[str, Any]]:
    """Each type's snake_case name → its `properties` (argument → JSON schema), `required` arguments, and
    `any_of`: arguments of which at least one must be there."""
    types: Mapping[str, Mapping[str, Any]] = json.loads(_FILE.read_text(encoding="utf-8"))
    return types


def judges_rows(type_name: str) -> bool:
    """Whether a type judges each row, so that a violating row can be dropped; the others judge the whole table.

    >>> judges_rows("expect_column_values_to_not_be_null"), judges_rows("expect_table_row_count_to_equal")
    (True, False)
    """
    return "mostly" in expectation_types()[type_name]["properties"]


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
