"""CREATE POLICY, in the words of Unity Catalog's attribute-based policies."""

from __future__ import annotations

from lakehouse.catalog.policy import TagMatch
from lakehouse.catalog.statement_parts import take_arguments, take_identifier, take_names, take_parts, take_securable
from lakehouse.catalog.statements import CreatePolicy
from lakehouse.catalog.tag_condition import take_tag_match
from lakehouse.definition.sql_cursor import Cursor
from lakehouse.errors import InvalidValue


def parse_create_policy(cursor: Cursor) -> CreatePolicy:
    """Takes a CREATE POLICY statement. Raises InvalidValue."""
    cursor.expect("CREATE")
    or_replace = cursor.accept("OR", "REPLACE")
    cursor.expect("POLICY")
    name = take_identifier(cursor).lower()
    cursor.expect("ON")
    scope = take_securable(cursor)
    if cursor.accept("COMMENT"):
        cursor.string()
    is_mask = cursor.accept("COLUMN", "MASK")
    if not is_mask:
        cursor.expect("ROW", "FILTER")
    function = take_parts(cursor)
    cursor.expect("TO")
    to = take_names(cursor)
    exempt = take_names(cursor) if cursor.accept("EXCEPT") else ()
    cursor.expect("FOR", "TABLES")
    when = take_tag_match(cursor) if cursor.accept("WHEN") else None
    matched = _matched(cursor)
    on_column = None
    if is_mask:
        cursor.expect("ON", "COLUMN")
        on_column = take_identifier(cursor).lower()
        if on_column not in dict(matched):
            raise InvalidValue(f"MATCH COLUMNS names no '{on_column}'.", where=cursor.where())
    using = take_arguments(cursor) if cursor.accept("USING", "COLUMNS") else ()
    for argument in using:
        if argument.startswith("`") and argument[1:-1].replace("``", "`") not in dict(matched):
            raise InvalidValue(f"MATCH COLUMNS names no {argument}.", where=cursor.where())
    return CreatePolicy(
        name=name,
        scope=scope,
        function=function,
        to=to,
        exempt=exempt,
        when=when,
        matched=matched,
        on_column=on_column,
        using=using,
        or_replace=or_replace,
    )


def _matched(cursor: Cursor) -> tuple[tuple[str, TagMatch], ...]:
    found: list[tuple[str, TagMatch]] = []
    if not cursor.accept("MATCH", "COLUMNS"):
        return ()
    while True:
        condition = take_tag_match(cursor)
        cursor.accept("AS")
        name = take_identifier(cursor).lower()
        if name in dict(found):
            raise InvalidValue(f"MATCH COLUMNS names '{name}' twice.", where=cursor.where())
        found.append((name, condition))
        if not cursor.accept(","):
            return tuple(found)
