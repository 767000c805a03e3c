"""The parts that statements about access share, taken from a cursor: names, principals, privileges, securables."""

from __future__ import annotations

from lakehouse.catalog.privilege import Privilege
from lakehouse.catalog.privilege_scope import read_privilege
from lakehouse.catalog.securable import SecurableKind
from lakehouse.catalog.securable_names import SecurableName
from lakehouse.catalog.statements import PrivilegeItem
from lakehouse.definition.sql_cursor import Cursor
from lakehouse.definition.sql_text import Token, string_value, unquoted
from lakehouse.errors import InvalidValue

_KINDS = {
    "METASTORE": SecurableKind.METASTORE,
    "CATALOG": SecurableKind.CATALOG,
    "SCHEMA": SecurableKind.SCHEMA,
    "DATABASE": SecurableKind.SCHEMA,
    "TABLE": SecurableKind.TABLE,
    "VIEW": SecurableKind.TABLE,
    "FUNCTION": SecurableKind.FUNCTION,
    "PIPELINE": SecurableKind.PIPELINE,
}
_WHAT_FOLLOWS = ("TO", "FROM", "ON", "FOR", "ROW", "COLUMN", "COMMENT", "OWNER", "SET", "UNSET")


def take_identifier(cursor: Cursor) -> str:
    """Takes one name and returns it unquoted. Raises InvalidValue."""
    token = cursor.peek()
    if token is None or token.kind not in ("word", "quoted") or not unquoted(token).strip():
        raise cursor.unexpected("a name")
    return unquoted(cursor.take())


def take_parts(cursor: Cursor) -> tuple[str, ...]:
    """Takes a dotted name; its parts unquoted and in lower case. Raises InvalidValue."""
    parts = [take_identifier(cursor).lower()]
    while cursor.accept("."):
        parts.append(take_identifier(cursor).lower())
    return tuple(parts)


def take_principal(cursor: Cursor) -> str:
    """Takes a principal's name, as it is written. Raises InvalidValue."""
    name = take_identifier(cursor)
    following = cursor.peek()
    if following is not None and following.text in ("@", ".", "-", ":"):
        raise InvalidValue(
            f"a principal's name with '{following.text}' in it is written in back quotes.",
            where=cursor.where(following),
        )
    return name


def take_names(cursor: Cursor) -> tuple[str, ...]:
    """Takes principals between commas. Raises InvalidValue."""
    names = [take_principal(cursor)]
    while cursor.accept(","):
        names.append(take_principal(cursor))
    return tuple(names)


def take_securable(cursor: Cursor) -> SecurableName:
    """Takes a securable after ON; without a word for the kind it is a table. Raises InvalidValue."""
    token = cursor.peek()
    following = cursor.peek(1)
    # A table may have a name that is a word for a kind: what follows tells.
    is_name = following is not None and following.text == "."
    if token is None or not token.is_word(*_KINDS) or is_name:
        return SecurableName(SecurableKind.TABLE, take_parts(cursor))
    kind = _KINDS[cursor.take().text.upper()]
    if kind is SecurableKind.METASTORE:
        return SecurableName(kind, ())
    after = cursor.peek()
    if kind is SecurableKind.CATALOG and (after is None or after.is_word(*_WHAT_FOLLOWS)):
        return SecurableName(kind, ())  # the project's
    return SecurableName(kind, take_parts(cursor))


def take_privileges(cursor: Cursor) -> tuple[PrivilegeItem, ...]:
    """Takes privileges between commas up to ON, each with its columns. Raises UnknownName or InvalidValue."""
    items = [_privilege(cursor)]
    while cursor.accept(","):
        items.append(_privilege(cursor))
    return tuple(items)


def take_columns(cursor: Cursor) -> tuple[str, ...]:
    """Takes `(name, …)`, in lower case. Raises InvalidValue; there must be one at least."""
    cursor.expect("(")
    names = [take_identifier(cursor).lower()]
    while cursor.accept(","):
        names.append(take_identifier(cursor).lower())
    cursor.expect(")")
    return tuple(names)


def take_arguments(cursor: Cursor) -> tuple[str, ...]:
    """Takes `(argument, …)`, names or literals, as SQL text in which names are quoted. Raises InvalidValue."""
    cursor.expect("(")
    found = [_argument(cursor)]
    while cursor.accept(","):
        found.append(_argument(cursor))
    cursor.expect(")")
    return tuple(found)


def take_text(cursor: Cursor) -> str:
    """Takes a string or a name, for keys and values of tags. Raises InvalidValue."""
    token = cursor.peek()
    if token is not None and token.kind == "string":
        return string_value(cursor.take())
    return take_identifier(cursor)


def quoted_name(name: str) -> str:
    """A name in back quotes."""
    return "`" + name.replace("`", "``") + "`"


def _privilege(cursor: Cursor) -> PrivilegeItem:
    words: list[Token] = []
    token = cursor.peek()
    while token is not None and token.kind == "word" and not token.is_word("ON"):
        words.append(cursor.take())
        token = cursor.peek()
    if not words:
        raise cursor.unexpected("a privilege")
    privilege: Privilege = read_privilege(" ".join(word.text for word in words), cursor.where(words[0]))
    if token is None or token.text != "(":
        return PrivilegeItem(privilege)
    return PrivilegeItem(privilege, frozenset(take_columns(cursor)))


def _argument(cursor: Cursor) -> str:
    token = cursor.peek()
    if token is not None and token.kind == "string":
        return cursor.take().text
    if (
        token is not None
        and token.kind == "word"
        and (token.text[0].isdigit() or token.is_word("TRUE", "FALSE", "NULL"))
    ):
        return cursor.take().text
    return quoted_name(take_identifier(cursor).lower())
