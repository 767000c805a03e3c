"""`${name}` in a project's texts, from its configuration. `$${` stands for `${` itself.

A name is letters, digits, `_`, `.` and `-`. Other forms, as `${env:HOME}`, are refused: a project means the same in
every environment, and what differs is said in `conf/` or by --var.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from lakehouse.definition.sql_text import tokenize
from lakehouse.errors import DefinitionError, InvalidValue, SourceLocation, UndefinedVariable

_REFERENCE = re.compile(r"\$\$\{|\$\{([^}\n]*)(\}?)")
_NAME = re.compile(r"[A-Za-z_][\w.\-]*")


def substitute(text: str, variables: Mapping[str, str], where: SourceLocation | None) -> str:
    """`text`, which begins at `where`, with its variables replaced.

    Raises UndefinedVariable or InvalidValue at the line of the variable.
    """

    def replacement(match: re.Match[str]) -> str:
        if match.group(0) == "$${":
            return "${"
        place = _later(where, text.count("\n", 0, match.start()))
        name = match.group(1).strip()
        if not match.group(2) or not _NAME.fullmatch(name):
            raise InvalidValue(
                f"'{match.group(0)}' is not a variable; expected ${{name}} with a name from 'configuration:' or --var.",
                where=place,
                hint="Write $${ for a literal ${.",
            )
        if name not in variables:
            raise UndefinedVariable(name, variables, where=place)
        return variables[name]

    return _REFERENCE.sub(replacement, text) if "${" in text else text


def substitute_sql(text: str, variables: Mapping[str, str], where: SourceLocation) -> str:
    """As `substitute`, for SQL text: comments stay as they are."""
    if "${" not in text:
        return text
    pieces: list[str] = []
    position = 0

    def add(end: int) -> None:
        begins = _later(where, text.count("\n", 0, position))
        pieces.append(substitute(text[position:end], variables, begins))

    for token in tokenize(text, where):
        if token.kind == "comment":
            add(token.start)
            pieces.append(token.text)
            position = token.end
    add(len(text))
    return "".join(pieces)


def resolve_variables(
    configuration: Mapping[str, str], where: Callable[[str], SourceLocation | None]
) -> tuple[dict[str, str], tuple[DefinitionError, ...]]:
    """Configuration whose values may use each other's `${name}`, with every value resolved, and the problems.

    `where` gives a key's place. A value that uses itself, directly or through others, is an InvalidValue.
    """
    resolved: dict[str, str] = {}
    problems: list[DefinitionError] = []

    def resolve(key: str, path: tuple[str, ...]) -> str:
        if key in resolved:
            return resolved[key]
        if key in path:
            circle = " -> ".join((*path[path.index(key) :], key))
            raise InvalidValue(f"configuration values use each other in a circle: {circle}.", where=where(key))
        text = configuration[key]
        used = {match.group(1).strip() for match in _REFERENCE.finditer(text) if match.group(1)}
        for name in used & configuration.keys():
            resolve(name, (*path, key))
        resolved[key] = substitute(text, {**dict.fromkeys(configuration, ""), **resolved}, where(key))
        return resolved[key]

    for key in configuration:
        try:
            resolve(key, ())
        except DefinitionError as problem:
            resolved[key] = configuration[key]
            problems.append(problem)
    return resolved, tuple(problems)


def _later(where: SourceLocation | None, lines: int) -> SourceLocation | None:
    return None if where is None else SourceLocation(where.file, where.line + lines)
