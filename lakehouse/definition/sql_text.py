"""Spark SQL as tokens: enough of its lexical rules to find statements, names and comments, and no more.

Strings ('…' and "…" with backslash escapes, r'…' without), `quoted` names, `--` comments (a backslash at the end of a
line continues them), nested `/* */` comments. A hint `/*+ … */` is no comment: its words are tokens.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from lakehouse.errors import InvalidValue, SourceLocation

_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<comment>--(?:\\\r?\n|[^\r\n])*)
  | (?P<hint>/\*\+)
  | (?P<block>/\*)
  | (?P<string>[rR](?:'[^']*'|"[^"]*") | '(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.|"")*")
  | (?P<quoted>`(?:[^`]|``)*`)
  | (?P<word>\w+)
  | (?P<symbol><=>|=>|->|\|>|<>|!=|>=|<=|==|\|\||::|\*/|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_COMMENT_EDGE = re.compile(r"/\*|\*/")
_ESCAPES = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a", "%": "\\%", "_": "\\_"}
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-3][0-7]{2}|.)", re.DOTALL)


class Token(NamedTuple):
    """`kind` is word (keyword, name or number), quoted, string, symbol or comment; offsets are into the text."""

    kind: str
    text: str
    start: int
    end: int

    def is_word(self, *words: str) -> bool:
        """Whether this is one of these keywords, given in upper case."""
        return self.kind == "word" and self.text.upper() in words


def tokenize(text: str, where: SourceLocation | None = None) -> tuple[Token, ...]:
    """All tokens of a SQL text that begins at `where`, comments included.

    Raises InvalidValue where a string, quoted name or comment never ends.
    """
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        assert match is not None, "the last alternative takes any character"
        kind, end = str(match.lastgroup), match.end()
        if kind == "block":
            kind, end = "comment", _comment_end(text, position, where)
        elif kind == "symbol" and match.group() in "'\"`":
            what = "quoted name" if match.group() == "`" else "string"
            raise InvalidValue(f"this {what} never ends.", where=place(text, position, where))
        elif kind == "hint":
            kind = "symbol"
        if kind != "space":
            tokens.append(Token(kind, text[position:end], position, end))
        position = end
    return tuple(tokens)


def significant(tokens: Iterable[Token]) -> tuple[Token, ...]:
    """The tokens without comments."""
    return tuple(token for token in tokens if token.kind != "comment")


def statements(tokens: Iterable[Token]) -> tuple[tuple[Token, ...], ...]:
    """The significant tokens of each statement, without the `;` between them."""
    result: list[list[Token]] = [[]]
    for token in significant(tokens):
        if token.text == ";":
            result.append([])
        else:
            result[-1].append(token)
    return tuple(tuple(statement) for statement in result if statement)


def closing(tokens: Sequence[Token], position: int) -> int:
    """The position of the `)` that closes the `(` at `position`, or the number of tokens if none does."""
    depth = 0
    for index in range(position, len(tokens)):
        if tokens[index].text == "(":
            depth += 1
        elif tokens[index].text == ")":
            depth -= 1
            if depth == 0:
                return index
    return len(tokens)


def place(text: str, offset: int, where: SourceLocation | None) -> SourceLocation | None:
    """Where the character at `offset` stands, if the text begins at `where`."""
    return None if where is None else SourceLocation(where.file, where.line + text.count("\n", 0, offset))


def string_value(token: Token) -> str:
    r"""The text that a string token means.

    >>> string_value(Token("string", r"'it\'s'", 0, 7))
    "it's"
    """
    if token.text[0] in "rR":
        return token.text[2:-1]
    quote = token.text[0]
    body = token.text[1:-1].replace(quote * 2, quote)
    return _ESCAPE.sub(_unescaped, body)


def unquoted(token: Token) -> str:
    """A name as it is meant: without its back quotes."""
    return token.text[1:-1].replace("``", "`") if token.kind == "quoted" else token.text


def _unescaped(match: re.Match[str]) -> str:
    code = match.group(1)
    if len(code) == 3:
        return chr(int(code, 8))
    return chr(int(code[1:], 16)) if len(code) > 1 else _ESCAPES.get(code, code)


def _comment_end(text: str, start: int, where: SourceLocation | None) -> int:
    depth, position = 1, start + 2
    while depth:
        edge = _COMMENT_EDGE.search(text, position)
        if edge is None:
            raise InvalidValue("this comment never ends.", where=place(text, start, where))
        depth += 1 if edge.group() == "/*" else -1
        position = edge.end()
    return position
