"""Where in a statement something stands that does not fit the rules: found when the statement was read long since.

What does not fit is named in quotes by the problem's message, in the statement's own words or resolved (lower case, the
catalog before it). The place is that of the longest such name that the statement has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lakehouse.definition.sql_text import Token, significant, tokenize, unquoted
from lakehouse.errors import DefinitionError, InvalidValue, SourceLocation

_NAMED = re.compile(r"'([^']+)'")


def place_in(text: str, problem: DefinitionError, file: str) -> SourceLocation:
    """The place in a statement's text that the problem is about; that of its first word if none is named."""
    try:
        tokens = significant(tokenize(text))
    except InvalidValue:
        return SourceLocation(file, 1, 1)
    names = list(_names(tokens))
    for named in _NAMED.findall(problem.message):
        wanted = named.lower().removeprefix("group:").removeprefix("role:")
        fits = [(len(name), -token.start, token) for name, token in names if _is_end_of(wanted, name)]
        if fits:
            return _place(text, max(fits)[2], file)
    return _place(text, tokens[0], file) if tokens else SourceLocation(file, 1, 1)


def _is_end_of(wanted: str, name: str) -> bool:
    return wanted == name or wanted.endswith(f".{name}")


def _names(tokens: tuple[Token, ...]) -> Iterator[tuple[str, Token]]:
    """Every name with its dots, in lower case, with its first token; after each, too, what is left of it."""
    for start, first in enumerate(tokens):
        parts = []
        place = start
        while place < len(tokens) and tokens[place].kind in ("word", "quoted", "string"):
            parts.append(_plain(tokens[place]))
            yield ".".join(parts), first
            if place + 2 >= len(tokens) or tokens[place + 1].text != ".":
                break
            place += 2


def _plain(token: Token) -> str:
    text = token.text[1:-1] if token.kind == "string" else unquoted(token)
    return text.lower().removeprefix("group:").removeprefix("role:")


def _place(text: str, token: Token, file: str) -> SourceLocation:
    before = text[: token.start]
    return SourceLocation(file, before.count("\n") + 1, token.start - (before.rfind("\n") + 1) + 1)
