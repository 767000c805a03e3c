"""Functions for filters and masks from what is written of them: parameters with or without types, and a body."""

from __future__ import annotations

import re
from collections.abc import Sequence

from lakehouse.catalog.expression import read_expression, replace_names
from lakehouse.catalog.policy import SqlFunction
from lakehouse.catalog.securable import Securable
from lakehouse.errors import InvalidValue, SourceLocation

_PARAMETER = re.compile(r"(?P<name>[A-Za-z_]\w*)(?:\s+(?P<type>\S.*))?", re.DOTALL)
_TYPE = re.compile(r"[A-Za-z_][\w\s(),<>:]*")


def make_function(
    name: Securable, parameters: Sequence[str], returns: str | None, body: str, where: SourceLocation | None = None
) -> SqlFunction:
    """A function whose parameters are `name` or `name TYPE`.

    As in Spark a value is cast to its parameter's type and the result to `returns`, where these are given; the casts
    become part of the body. Raises InvalidValue.
    """
    names: list[str] = []
    casts: dict[str, str] = {}
    for parameter in parameters:
        match = _PARAMETER.fullmatch(parameter.strip())
        if match is None:
            raise InvalidValue(f"'{parameter}' is not a parameter; expected a name, or a name and type.", where=where)
        short = match["name"].lower()
        if short in names:
            raise InvalidValue(f"'{name}' has the parameter '{short}' twice.", where=where)
        names.append(short)
        if match["type"]:
            casts[short] = f"CAST({match['name']} AS {_type(match['type'], where)})"
    text = read_expression(body, f"the body of '{name}'", where)
    replace_names(text, {short: short for short in names}, where)  # whether it can be put in at all
    text = replace_names(text, casts, where)
    if returns is not None:
        text = f"CAST(({text}) AS {_type(returns, where)})"
    return SqlFunction(name, tuple(names), text, str(where or ""))


def _type(text: str, where: SourceLocation | None) -> str:
    if not _TYPE.fullmatch(text.strip()):
        raise InvalidValue(f"'{text}' is not a type.", where=where)
    read_expression(text, "a type", where)
    return " ".join(text.split())
