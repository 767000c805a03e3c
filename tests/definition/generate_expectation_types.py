"""Makes lakehouse/definition/expectation_types.json out of the argument schemas of the installed Great Expectations.

python -m tests.definition.generate_expectation_types
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lakehouse.definition.expectation_types as target

FILE = Path(target.__file__).with_name("expectation_types.json")

# Set by the framework or by GX itself, never by who declares an expectation.
NOT_ARGUMENTS = {
    "batch_id",
    "catch_exceptions",
    "id",
    "library_metadata",
    "metadata",
    "rendered_content",
    "result_format",
    "severity",
    "windows",
}
NOT_CHECKED = {"default", "description", "examples", "format", "multipleOf", "title", "uniqueItems"}

# GX's schema of a value set describes its own form; its code takes any mixture of scalars.
VALUE_SET = {
    "type": "array",
    "items": {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]},
    "minItems": 1,
}


def generated_types() -> dict[str, Any]:
    """Each core expectation's arguments as a trimmed JSON schema. Imports Great Expectations."""
    import great_expectations.expectations.core as core  # slow: only when generating

    classes = [value for value in vars(core).values() if isinstance(value, type) and hasattr(value, "schema_json")]
    types = {}
    for expectation in classes:
        schema = json.loads(expectation.schema_json())
        name = getattr(expectation, "expectation_type", "")
        if name:
            properties = {
                key: VALUE_SET if key == "value_set" else _trimmed(value, schema.get("definitions", {}))
                for key, value in sorted(schema["properties"].items())
                if key not in NOT_ARGUMENTS
            }
            required = sorted(set(schema.get("required", ())) - NOT_ARGUMENTS)
            types[name] = {"properties": properties, "required": required, "any_of": _bounds(expectation, required)}
    return dict(sorted(types.items()))


def _bounds(expectation: Any, required: list[str]) -> list[str]:
    """The two bounds of which GX wants at least one; it says so in code, not in its schema."""
    try:
        expectation(**dict.fromkeys(required, "x"))
    except ValueError as error:
        return ["min_value", "max_value"] if "min_value and max_value cannot both be None" in str(error) else []
    return []


def _trimmed(schema: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_trimmed(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _trimmed(definitions[schema["$ref"].rsplit("/", 1)[1]], definitions)
    if len(schema.get("allOf", ())) == 1:
        return _trimmed(schema["allOf"][0], definitions)
    result = {key: value for key, value in schema.items() if key not in NOT_CHECKED}
    if "anyOf" in result:
        # The object beside the real types is GX's {"$PARAMETER": …}, which has no meaning in a declaration,
        # or one of its condition objects, which YAML writes as text.
        alternatives = [item for item in result["anyOf"] if not _stands_for_expression(item)]
        trimmed = [_trimmed(item, definitions) for item in alternatives]
        rest = {key: value for key, value in result.items() if key != "anyOf"}
        return {**trimmed[0], **rest} if len(trimmed) == 1 else {"anyOf": trimmed, **rest}
    if "items" in result and not isinstance(result["items"], dict):
        del result["items"]
    return {key: _trimmed(value, definitions) for key, value in result.items()}


def _stands_for_expression(schema: dict[str, Any]) -> bool:
    return schema == {"type": "object"} or str(schema.get("$ref", "")).endswith("Condition")


def text_of(types: dict[str, Any]) -> str:
    """The file's text: one type a line, so that a change shows as a line."""
    lines = (f"{json.dumps(name)}: {json.dumps(value, separators=(',', ':'))}" for name, value in types.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    FILE.write_text(text_of(generated_types()), encoding="utf-8")
