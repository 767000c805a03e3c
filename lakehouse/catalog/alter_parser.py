"""ALTER statements as far as they are about access: owners, groups, row filters, masks and tags."""

from __future__ import annotations

from lakehouse.catalog.securable import SecurableKind
from lakehouse.catalog.securable_names import SecurableName
from lakehouse.catalog.statement_parts import (
    take_arguments,
    take_columns,
    take_identifier,
    take_names,
    take_parts,
    take_principal,
    take_securable,
)
from lakehouse.catalog.statements import (
    AlterGroup,
    DropMask,
    DropRowFilter,
    SetMask,
    SetOwner,
    SetRowFilter,
    SetTags,
    Statement,
    UnsetTags,
)
from lakehouse.catalog.tag_condition import tag_key
from lakehouse.definition.sql_cursor import Cursor
from lakehouse.errors import InvalidValue


def parse_alter(cursor: Cursor) -> Statement | None:
    """Takes an ALTER statement about access; None if it is about something else. Raises InvalidValue."""
    cursor.expect("ALTER")
    if cursor.accept("GROUP"):
        return _group(cursor)
    try:
        securable = take_securable(cursor)
    except InvalidValue:
        return None  # as ALTER TABLE with a path: not a form of ours, so Spark's to refuse or do
    if cursor.accept("SET", "OWNER", "TO") or cursor.accept("OWNER", "TO"):
        return SetOwner(securable, take_principal(cursor))
    if cursor.accept("SET", "TAGS"):
        return SetTags(securable, None, _tags(cursor))
    if cursor.accept("UNSET", "TAGS"):
        return UnsetTags(securable, None, _keys(cursor))
    if securable.kind is not SecurableKind.TABLE:
        return None
    if cursor.accept("SET", "ROW", "FILTER"):
        function = take_parts(cursor)
        cursor.expect("ON")
        columns = () if cursor.accept("(", ")") else take_columns(cursor)
        return SetRowFilter(securable, function, columns)
    if cursor.accept("DROP", "ROW", "FILTER"):
        return DropRowFilter(securable)
    if cursor.accept("ALTER"):
        cursor.accept("COLUMN")
        return _column(cursor, securable)
    return None


def _group(cursor: Cursor) -> AlterGroup:
    group = take_principal(cursor)
    adds = cursor.accept("ADD")
    if not adds:
        cursor.expect("DROP")
    if not cursor.accept("USER") and not cursor.accept("GROUP"):
        raise cursor.unexpected("USER or GROUP")
    return AlterGroup(group, adds, take_names(cursor))


def _column(cursor: Cursor, table: SecurableName) -> Statement | None:
    token = cursor.peek()
    if token is None or token.kind not in ("word", "quoted"):
        return None
    column = take_identifier(cursor).lower()
    if cursor.accept("SET", "MASK"):
        function = take_parts(cursor)
        using = take_arguments(cursor) if cursor.accept("USING", "COLUMNS") else ()
        return SetMask(table, column, function, using)
    if cursor.accept("DROP", "MASK"):
        return DropMask(table, column)
    if cursor.accept("SET", "TAGS"):
        return SetTags(table, column, _tags(cursor))
    if cursor.accept("UNSET", "TAGS"):
        return UnsetTags(table, column, _keys(cursor))
    return None


def _tags(cursor: Cursor) -> tuple[tuple[str, str], ...]:
    cursor.expect("(")
    found: dict[str, str] = {}
    while True:
        where = cursor.where()
        key = tag_key(cursor.string(), where)
        if key in found:
            raise InvalidValue(f"the tag '{key}' is set twice.", where=where)
        found[key] = cursor.string() if cursor.accept("=") else ""
        if not cursor.accept(","):
            cursor.expect(")")
            return tuple(found.items())


def _keys(cursor: Cursor) -> tuple[str, ...]:
    cursor.expect("(")
    found = [tag_key(cursor.string(), cursor.where())]
    while cursor.accept(","):
        found.append(tag_key(cursor.string(), cursor.where()))
    cursor.expect(")")
    return tuple(found)
