"""Conditions on tags as Unity Catalog's policies write them: `has_tag('pii')`, `has_tag_value('pii', 'email')`.

One condition only: those joined by AND or OR are refused, as two policies say it as well.
"""

from __future__ import annotations

from lakehouse.catalog.policy import TagMatch
from lakehouse.definition.sql_cursor import Cursor
from lakehouse.definition.sql_text import significant, tokenize
from lakehouse.errors import InvalidValue, SourceLocation

_ONE = ("HAS_TAG", "HASTAG")
_WITH_VALUE = ("HAS_TAG_VALUE", "HASTAGVALUE")


def read_tag_match(text: str, where: SourceLocation) -> TagMatch:
    """The condition that is all of `text`. Raises InvalidValue."""
    tokens = significant(tokenize(text, where))
    if not tokens:
        raise InvalidValue("expected has_tag('…'), found nothing.", where=where)
    cursor = Cursor(tokens, text, where.file)
    try:
        found = take_tag_match(cursor)
        if not cursor.at_end:
            raise cursor.unexpected("one condition")
    except InvalidValue as problem:
        raise InvalidValue(problem.message, where=where) from None
    return found


def take_tag_match(cursor: Cursor) -> TagMatch:
    """Takes a condition. Raises InvalidValue."""
    token = cursor.peek()
    if token is None or not token.is_word(*_ONE, *_WITH_VALUE):
        raise cursor.unexpected("has_tag('…') or has_tag_value('…', '…')")
    cursor.take()
    cursor.expect("(")
    tag = tag_key(cursor.string(), cursor.where(token))
    value = None
    if token.is_word(*_WITH_VALUE):
        cursor.expect(",")
        value = cursor.string()
    cursor.expect(")")
    return TagMatch(tag, value)


def tag_key(text: str, where: SourceLocation | None = None) -> str:
    """A tag's key, in lower case. Raises InvalidValue for an empty one or one with space around it."""
    if not text or text != text.strip() or not text.isprintable():
        raise InvalidValue(f"'{text}' is not the key of a tag.", where=where)
    return text.lower()
