"""Reading one SQL statement token by token."""

from __future__ import annotations

from collections.abc import Sequence

from lakehouse.definition.sql_text import Token, closing, string_value
from lakehouse.errors import InvalidValue, SourceLocation


class Cursor:
    """A position in the significant tokens of one statement of `text`, which is the text of `file`."""

    def __init__(self, tokens: Sequence[Token], text: str, file: str) -> None:
        self.tokens, self.text, self.file = tokens, text, file
        self.position = 0

    @property
    def at_end(self) -> bool:
        """Whether all is read."""
        return self.position >= len(self.tokens)

    def peek(self, ahead: int = 0) -> Token | None:
        """The next token, or the one `ahead` of it."""
        index = self.position + ahead
        return self.tokens[index] if index < len(self.tokens) else None

    def where(self, token: Token | None = None) -> SourceLocation:
        """The place of a token; without one, of the next."""
        found = token or self.peek() or self.tokens[-1]
        return SourceLocation(self.file, self.text.count("\n", 0, found.start) + 1)

    def accept(self, *words: str) -> bool:
        """Takes these keywords or symbols if they come next, all of them or none."""
        for ahead, word in enumerate(words):
            token = self.peek(ahead)
            if token is None or not (token.is_word(word) or token.text == word):
                return False
        self.position += len(words)
        return True

    def expect(self, *words: str) -> None:
        """Takes these keywords or symbols. Raises InvalidValue if something else comes."""
        if not self.accept(*words):
            raise self.unexpected(" ".join(words))

    def take(self) -> Token:
        """Takes the next token, whatever it is. Raises InvalidValue at the end."""
        token = self.peek()
        if token is None:
            raise self.unexpected("more")
        self.position += 1
        return token

    def name(self) -> str:
        """Takes a dotted name and returns its text. Raises InvalidValue if none comes."""
        token = self.peek()
        parts = []
        while token is not None and token.kind in ("word", "quoted"):
            parts.append(self.take().text)
            if not self.accept("."):
                return ".".join(parts)
            token = self.peek()
        raise self.unexpected("a name")

    def string(self) -> str:
        """Takes a string and returns what it means. Raises InvalidValue if none comes."""
        token = self.peek()
        if token is None or token.kind != "string":
            raise self.unexpected("a string in quotes")
        self.position += 1
        return string_value(token)

    def parenthesised(self) -> Sequence[Token]:
        """Takes `( … )` and returns the tokens inside. Raises InvalidValue if none comes or it never closes."""
        opening = self.peek()
        if opening is None or opening.text != "(":
            raise self.unexpected("(")
        close = closing(self.tokens, self.position)
        if close == len(self.tokens):
            raise InvalidValue("this '(' is never closed.", where=self.where(opening))
        inside = self.tokens[self.position + 1 : close]
        self.position = close + 1
        return inside

    def unexpected(self, expected: str) -> InvalidValue:
        """The error that something else than `expected` came."""
        token = self.peek()
        found = f"'{token.text}'" if token else "the end of the statement"
        return InvalidValue(f"expected {expected}, found {found}.", where=self.where())
