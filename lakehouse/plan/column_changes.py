"""What became of a table's columns between two of its schemas (Delta protocol: "Schema Serialization Format")."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PHYSICAL_NAME = "delta.columnMapping.physicalName"
_COLLATIONS = "__COLLATIONS"
_FIXED_LENGTH = "__CHAR_VARCHAR_TYPE_STRING"


def breaking_change(before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    """The first column of `before` whose values are not to be found in `after` under its name and type, as a clause;
    None if columns were at most added, moved, commented, or made nullable. Both are struct types of the protocol.

    >>> old = {"type": "struct", "fields": [{"name": "a", "type": "integer"}]}
    >>> breaking_change(old, {"type": "struct", "fields": [{"name": "a", "type": "long"}]})
    "column 'a' changed its type"
    """
    return _breaking_field(before, after, "")


def changed_inside(before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether a column of both has another type now, were it only a field more inside a struct."""
    types = {field["name"]: _bare(field["type"]) for field in after["fields"]}
    return any(_bare(field["type"]) != types.get(field["name"]) for field in before["fields"])


def _breaking_field(before: Mapping[str, Any], after: Mapping[str, Any], path: str) -> str | None:
    now = {field["name"]: field for field in after["fields"]}
    for field in before["fields"]:
        name, place = field["name"], f"{path}{field['name']}"
        if name not in now:
            return f"column '{place}' was dropped or renamed"
        if _stored_as(field) != _stored_as(now[name]):
            return f"column '{place}' was dropped and added again"
        if _text_rules(field) != _text_rules(now[name]):
            return f"column '{place}' changed its type"
        if found := _breaking_type(field["type"], now[name]["type"], place):
            return found
    return None


def _breaking_type(before: Any, after: Any, place: str) -> str | None:
    if isinstance(before, str) or isinstance(after, str) or before["type"] != after["type"]:
        return None if before == after else f"column '{place}' changed its type"
    match before["type"]:
        case "struct":
            return _breaking_field(before, after, f"{place}.")
        case "array":
            return _breaking_type(before["elementType"], after["elementType"], f"{place}.element")
        case "map":
            return _breaking_type(before["keyType"], after["keyType"], f"{place}.key") or _breaking_type(
                before["valueType"], after["valueType"], f"{place}.value"
            )
        case _:
            return None if before == after else f"column '{place}' changed its type"


def _stored_as(field: Mapping[str, Any]) -> Any:
    return (field.get("metadata") or {}).get(_PHYSICAL_NAME, field["name"])


def _text_rules(field: Mapping[str, Any]) -> tuple[Any, Any]:
    """How texts compare, and to what length they are padded (a varchar is not)."""
    metadata = field.get("metadata") or {}
    length = metadata.get(_FIXED_LENGTH)
    return metadata.get(_COLLATIONS), length if str(length).startswith("char") else None


def _bare(kind: Any) -> Any:
    """A type without what does not matter to its values: nullability and metadata."""
    if isinstance(kind, str):
        return kind
    if kind["type"] == "struct":
        return [(field["name"], _bare(field["type"])) for field in kind["fields"]]
    return {key: _bare(value) for key, value in kind.items() if key in {"type", "elementType", "keyType", "valueType"}}
