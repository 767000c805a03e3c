"""SQL expressions of filters, masks and functions as text: checked to be one expression, and functions put in.

Token by token, so that strings, comments and quoted names are never mistaken. Only calls are looked at: what an
expression means is Spark's to say, and a table on which it means nothing cannot be read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lakehouse.catalog.policy import SqlFunction
from lakehouse.catalog.securable import Securable, SecurableKind
from lakehouse.catalog.securable_names import SecurableName, resolve
from lakehouse.definition.sql_text import Token, closing, significant, tokenize, unquoted
from lakehouse.errors import InvalidValue, SourceLocation, UnknownName

_BRACKETS = {"(": ")", "[": "]"}
_SIGNS = frozenset({"(", ")", ","})
_MOST_CHARACTERS = 64 * 1024  # functions that use each other twice grow without end


def read_expression(text: str, what: str, where: SourceLocation | None = None) -> str:
    """`text`, which begins at `where`, as one SQL expression without comments, on one line between its strings.

    What stands around it cannot be reached from inside: brackets close, nothing ends the statement or opens a hint.
    Raises InvalidValue.
    """
    tokens = significant(tokenize(text, where))
    if not tokens:
        raise InvalidValue(f"{what} is empty; expected a SQL expression.", where=where)
    waited: list[str] = []
    for token in tokens:
        if token.text in _BRACKETS:
            waited.append(_BRACKETS[token.text])
        elif token.text in (")", "]"):
            if not waited or waited.pop() != token.text:
                raise InvalidValue(f"{what} closes a bracket that it does not open.", where=where)
        elif token.text in (";", "/*+", "*/"):
            raise InvalidValue(f"'{token.text}' cannot stand in {what}.", where=where)
    if waited:
        raise InvalidValue(f"{what} lacks a '{waited[-1]}'.", where=where)
    return _text(tokens)


def expand(
    text: str, functions: Mapping[Securable, SqlFunction], catalog: str, where: SourceLocation | None = None
) -> str:
    """`text` with every call of one of `functions` replaced by its body, in parentheses, its parameters by the
    arguments. A name without a schema is a function of Spark; one with a schema must be among `functions`.

    Raises UnknownName, or InvalidValue for a wrong number of arguments or functions that call each other in a circle.
    """
    return _Expansion(functions, catalog, where).expand(text, ())


def functions_called(text: str, catalog: str) -> frozenset[Securable]:
    """The functions with a schema in their names that `text` calls itself."""
    tokens = significant(tokenize(text))
    found = set()
    for position in range(len(tokens)):
        name, opening = _call_at(tokens, position)
        if name is not None and tokens[opening].text == "(":
            found.add(resolve(SecurableName(SecurableKind.FUNCTION, name), catalog))
    return frozenset(found)


def replace_names(text: str, replacements: Mapping[str, str], where: SourceLocation | None = None) -> str:
    """`text` with each bare name (lower case) replaced by an expression in parentheses. Parts of dotted names other
    than the first, functions and what is in strings stay.

    Raises InvalidValue for a name inside a subquery, where it might mean a column of the subquery's own table, and for
    one that a lambda of `text` would take for its own variable.
    """
    tokens = significant(tokenize(text, where))
    _check_lambdas(tokens, replacements, where)
    pieces: list[str] = []
    length = 0
    queries: list[bool] = []  # of every open parenthesis, whether it is a query
    for position, token in enumerate(tokens):
        if token.text == "(":
            following = tokens[position + 1] if position + 1 < len(tokens) else token
            queries.append(following.is_word("SELECT", "WITH", "FROM", "TABLE", "VALUES"))
        elif token.text == ")" and queries:
            queries.pop()
        piece = token.text
        if token.kind in ("word", "quoted") and unquoted(token).lower() in replacements:
            before = tokens[position - 1].text if position else ""
            after = tokens[position + 1].text if position + 1 < len(tokens) else ""
            if before != "." and after != "(":
                if any(queries):
                    raise InvalidValue(
                        f"'{token.text}' is used inside a subquery, where it might mean another column.",
                        where=where,
                        hint="Write the condition itself in the row filter, in place of a function.",
                    )
                piece = f"({replacements[unquoted(token).lower()]})"
        pieces.append(_gap(tokens, position) + piece)
        length += len(pieces[-1])
        if length > _MOST_CHARACTERS:
            raise InvalidValue("with its functions put in, this expression is too long.", where=where)
    return "".join(pieces)


def _check_lambdas(tokens: Sequence[Token], replacements: Mapping[str, str], where: SourceLocation | None) -> None:
    variables: set[str] = set()
    for position, token in enumerate(tokens):
        if token.text == "->":
            at = position - 1
            variables.add(unquoted(tokens[at]).lower())
            while tokens[position - 1].text == ")" and at > 0 and tokens[at].text != "(":
                at -= 1
                variables.add(unquoted(tokens[at]).lower())
    if not variables:
        return
    used = set(replacements).union(*({unquoted(t).lower() for t in tokenize(text)} for text in replacements.values()))
    for name in sorted(variables & used):
        if name not in _SIGNS:
            raise InvalidValue(
                f"'{name}' is a variable of a lambda here and a column or parameter besides.",
                where=where,
                hint="Give the variable another name.",
            )


class _Expansion:
    """One expansion; `inside` are the functions whose bodies are being put in."""

    def __init__(self, functions: Mapping[Securable, SqlFunction], catalog: str, where: SourceLocation | None) -> None:
        self.functions, self.catalog, self.where = functions, catalog, where

    def expand(self, text: str, inside: tuple[Securable, ...]) -> str:
        return self._tokens(significant(tokenize(text, self.where)), inside)

    def _tokens(self, tokens: Sequence[Token], inside: tuple[Securable, ...]) -> str:
        pieces: list[str] = []
        position = length = 0
        while position < len(tokens):
            gap = _gap(tokens, position)
            name, opening = _call_at(tokens, position)
            if name is None:
                piece, following = tokens[position].text, position + 1
            elif tokens[opening].text == "(":
                close = closing(tokens, opening)
                arguments = [self._tokens(part, inside) for part in _split(tokens[opening + 1 : close])]
                piece, following = self._call(name, arguments, inside), close + 1
            else:
                piece = _text(tokens[position:opening])
                following = opening
            pieces.append(gap + piece)
            length += len(gap) + len(piece)
            if length > _MOST_CHARACTERS:
                raise InvalidValue("with its functions put in, this expression is too long.", where=self.where)
            position = following
        return "".join(pieces)

    def _call(self, name: tuple[str, ...], arguments: list[str], inside: tuple[Securable, ...]) -> str:
        called = resolve(SecurableName(SecurableKind.FUNCTION, name), self.catalog, self.where)
        function = self.functions.get(called)
        if function is None:
            raise UnknownName(str(called), map(str, self.functions), what="function", where=self.where)
        if called in inside:
            circle = " -> ".join(map(str, (*inside[inside.index(called) :], called)))
            raise InvalidValue(f"functions call each other in a circle: {circle}.", where=self.where)
        if len(arguments) != len(function.parameters):
            raise InvalidValue(
                f"'{called}' takes {len(function.parameters)} arguments, not {len(arguments)}.", where=self.where
            )
        body = self.expand(function.body, (*inside, called))
        replacements = dict(zip(function.parameters, arguments, strict=True))
        return f"({replace_names(body, replacements, self.where)})"


def _call_at(tokens: Sequence[Token], position: int) -> tuple[tuple[str, ...] | None, int]:
    """A dotted name that begins here, and the position after it; None if none does. (`1.5` has no name in it, but is
    read as one; no parenthesis follows.)"""
    if position and tokens[position - 1].text == ".":
        return None, position
    parts = []
    at = position
    while at < len(tokens) and tokens[at].kind in ("word", "quoted"):
        parts.append(unquoted(tokens[at]).lower())
        at += 1
        if at + 1 < len(tokens) and tokens[at].text == "." and tokens[at + 1].kind in ("word", "quoted"):
            at += 1
        else:
            break
    return (tuple(parts), at) if len(parts) > 1 and at < len(tokens) else (None, position)


def _split(tokens: Sequence[Token]) -> list[Sequence[Token]]:
    """The arguments between the commas of a call."""
    if not tokens:
        return []
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(token.text, 0)
        if token.text == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return list(parts)


def _gap(tokens: Sequence[Token], position: int) -> str:
    """A blank where the text has space or a comment before a token."""
    return " " if position and tokens[position - 1].end < tokens[position].start else ""


def _text(tokens: Sequence[Token]) -> str:
    return "".join(_gap(tokens, position) + token.text for position, token in enumerate(tokens))
