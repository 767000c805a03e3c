"""Declared columns: from YAML, and from DDL text (`a INT NOT NULL COMMENT '…', b STRING`) as SQL and Python have it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lakehouse.definition.dataset import Column
from lakehouse.definition.document import Document
from lakehouse.definition.document import Path as DocumentPath
from lakehouse.definition.sql_text import Token, significant, string_value, tokenize, unquoted
from lakehouse.errors import DuplicateName, InvalidValue, SourceLocation, UnknownKey

_KEYS = ("name", "type", "comment", "nullable")
_NO_TYPE = ("COMMENT", "CONSTRAINT", "DEFAULT", "GENERATED", "MASK", "NOT", "PRIMARY")


def read_columns(document: Document, value: Any) -> tuple[Column, ...]:
    """The columns under the key `columns`: a mapping of name to type (or to type, comment, nullable), or a list.

    Raises InvalidValue, UnknownKey or DuplicateName.
    """
    if isinstance(value, dict):
        columns = [_column(document, ("columns", name), name, item) for name, item in value.items()]
    elif isinstance(value, list):
        columns = []
        for index, item in enumerate(value):
            name = item.get("name") if isinstance(item, dict) else item
            if not isinstance(name, str):
                raise InvalidValue("a listed column needs a 'name'.", where=document.where("columns", index))
            columns.append(_column(document, ("columns", index), name, item if isinstance(item, dict) else None))
    else:
        raise InvalidValue("'columns' must be a mapping or a list.", where=document.where("columns"))
    return distinct(columns, document.where("columns"))


def distinct(columns: Sequence[Column], where: SourceLocation) -> tuple[Column, ...]:
    """The columns, if no two have one name; case does not matter. Raises DuplicateName."""
    names: set[str] = set()
    for column in columns:
        if column.name.lower() in names:
            raise DuplicateName(column.name, first=where, where=where)
        names.add(column.name.lower())
    return tuple(columns)


def parse_ddl(text: str, where: SourceLocation) -> tuple[Column, ...]:
    """The columns of DDL text as Spark reads it. Raises InvalidValue where it is none."""
    tokens = significant(tokenize(text, where))
    return distinct([parse_column(item, text, where) for item in split_at_commas(tokens) if item], where)


def parse_column(tokens: Sequence[Token], text: str, where: SourceLocation) -> Column:
    """`name [:] [type] [NOT NULL] [COMMENT 'text']`, as tokens of `text`."""
    first, rest = tokens[0], list(tokens[1:])
    if first.kind not in ("word", "quoted"):
        raise InvalidValue(f"expected a column name, found '{first.text}'.", where=where)
    comment, nullable = None, True
    if len(rest) >= 2 and rest[-2].is_word("COMMENT") and rest[-1].kind == "string":
        comment = string_value(rest.pop())
        rest.pop()
    if len(rest) >= 2 and rest[-2].is_word("NOT") and rest[-1].is_word("NULL"):
        nullable = False
        del rest[-2:]
    if rest and rest[0].text == ":":
        del rest[0]
    if any(token.is_word(*_NO_TYPE) for token in _outermost(rest[1:])):
        raise InvalidValue(
            f"'{text[rest[0].start : rest[-1].end]}' is not the type of a column.",
            where=where,
            hint="Expected name [type] [NOT NULL] [COMMENT 'text'].",
        )
    return Column(
        name=unquoted(first),
        type=text[rest[0].start : rest[-1].end] if rest else None,
        comment=comment,
        nullable=nullable,
    )


def split_at_commas(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    """The parts between commas that no (…) or <…> encloses."""
    part: list[Token] = []
    for token, depth in _depths(tokens):
        if token.text == "," and depth == 0:
            yield part
            part = []
        else:
            part.append(token)
    yield part


def _depths(tokens: Sequence[Token]) -> Iterator[tuple[Token, int]]:
    """Each token with the number of (…) and <…> around it; inside (…) a < compares."""
    round_depth = angle_depth = 0
    for token in tokens:
        round_depth += (token.text == "(") - (token.text == ")")
        if round_depth == 0:
            angle_depth += (token.text == "<") - (token.text == ">")
        yield token, round_depth + angle_depth


def _outermost(tokens: Sequence[Token]) -> list[Token]:
    return [token for token, depth in _depths(tokens) if depth == 0]


def _column(document: Document, path: DocumentPath, name: str, item: Any) -> Column:
    where = document.where(*path)
    if item is None or isinstance(item, str):
        return Column(name=name, type=item)
    if not isinstance(item, dict):
        raise InvalidValue(f"column '{name}' needs a type, or a mapping of {', '.join(_KEYS)}.", where=where)
    for key, value in item.items():
        if key not in _KEYS:
            raise UnknownKey(key, _KEYS, inside=f"column '{name}'", where=document.where(*path, key))
        if not isinstance(value, bool if key == "nullable" else str):
            expected = "true or false" if key == "nullable" else "text"
            raise InvalidValue(f"'{key}' of column '{name}' must be {expected}.", where=document.where(*path, key))
    return Column(name=name, type=item.get("type"), comment=item.get("comment"), nullable=item.get("nullable", True))
