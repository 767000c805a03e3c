"""A document against a pydantic model: each of pydantic's complaints becomes an error at the user's line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from lakehouse.definition.document import Document
from lakehouse.definition.document import Path as DocumentPath
from lakehouse.errors import DefinitionError, DefinitionErrors, InvalidValue, UnknownKey, nearest

Model = TypeVar("Model", bound=BaseModel)

_EXPECTED = {
    "string_type": "expected text",
    "int_type": "expected a whole number",
    "bool_type": "expected true or false",
    "list_type": "expected a list",
    "dict_type": "expected a mapping",
    "model_type": "expected a mapping",
}


# What a value is called in messages where its text would say nothing.
_KINDS = {list: "a list", tuple: "a list", dict: "a mapping", type(None): "empty"}


class StrictModel(BaseModel):
    """No unknown keys, no silent conversions."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=False)


def text_of(value: Any) -> Any:
    """A scalar as the text Spark's options and properties want; anything else is left for the model to refuse."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def _texts(value: Any) -> Any:
    return {key: text_of(item) for key, item in value.items()} if isinstance(value, Mapping) else value


def _one_or_many(value: Any) -> Any:
    return [value] if isinstance(value, str) else list(value) if isinstance(value, tuple) else value


Texts = Annotated[dict[str, str], BeforeValidator(_texts)]
Words = Annotated[list[str], BeforeValidator(_one_or_many)]


def checked(model: type[Model], document: Document, path: DocumentPath, value: Any, *, inside: str) -> Model:
    """`value`, which stands at `path`, as a `model`. `inside` names the whole in messages.

    Raises UnknownKey or InvalidValue, or DefinitionErrors with several of them.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        complaints = error.errors(include_url=False)
    problems: list[DefinitionError] = []
    misspelt = set()
    for complaint in sorted(complaints, key=lambda complaint: complaint["type"] == "missing"):
        if complaint["type"] == "missing" and complaint["loc"] in misspelt:
            continue  # it is there under a name that is nearly its own, and that is said already
        problem = _problem(complaint, model, document, path, inside)
        if isinstance(problem, UnknownKey):
            misspelt.add((*complaint["loc"][:-1], problem.nearest))
        problems.append(problem)
    raise problems[0] if len(problems) == 1 else DefinitionErrors(problems)


def _problem(
    complaint: Any, model: type[BaseModel], document: Document, path: DocumentPath, inside: str
) -> DefinitionError:
    inner: DocumentPath = complaint["loc"]
    key = ".".join(str(part) for part in inner)
    where = document.where(*path, *inner)
    kind, limits = complaint["type"], complaint.get("ctx", {})
    if kind == "extra_forbidden":
        valid = _keys(model, inner[:-1])
        holder = f"'{'.'.join(str(part) for part in inner[:-1])}' of {inside}" if inner[:-1] else inside
        return UnknownKey(str(inner[-1]), valid, inside=holder, where=where)
    if kind == "missing":
        return InvalidValue(f"{inside} needs the key '{key}'.", where=where)
    given = complaint["input"]
    shown = _KINDS.get(type(given)) or (repr(given) if isinstance(given, str | int | float) else "not that")
    hint = None
    if kind in ("literal_error", "enum"):
        choices = [choice.strip("'") for choice in str(limits["expected"]).replace(" or ", ", ").split(", ")]
        expected = f"expected one of {', '.join(choices)}" if len(choices) > 1 else f"expected {choices[0]}"
        near = nearest(str(complaint["input"]), choices)
        hint = f"Did you mean '{near}'?" if near else None
    elif kind == "greater_than_equal":
        expected = f"expected at least {limits['ge']}"
    else:
        expected = _EXPECTED.get(kind, complaint["msg"])
    return InvalidValue(f"'{key}' of {inside} is {shown}; {expected}.", where=where, hint=hint)


def _keys(model: type[BaseModel], inner: DocumentPath) -> list[str]:
    """The keys that are valid at `inner` of a model."""
    for part in inner:
        field = next((f for n, f in model.model_fields.items() if part in (n, f.alias)), None)
        nested = _nested(field.annotation) if field else None
        model = nested or model
    return [field.alias or name for name, field in model.model_fields.items()]


def _nested(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for found in map(_nested, get_args(annotation)) if found), None)
