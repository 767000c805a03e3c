"""SQL statements about access: those that Spark's parser does not know. All others are left to Spark.

The grammar is that of Databricks SQL for Unity Catalog (GRANT, REVOKE, SHOW GRANTS, ALTER … OWNER TO, SET ROW FILTER,
SET MASK, CREATE POLICY, SET TAG, ALTER GROUP, CREATE FUNCTION … RETURN); roles, DENY and EXPLAIN ACCESS are ours.
Keywords and names outside back quotes are ASCII: a letter that only looks or folds like one is refused.
"""

from __future__ import annotations

from collections.abc import Callable

from lakehouse.catalog.alter_parser import parse_alter
from lakehouse.catalog.policy import Effect
from lakehouse.catalog.policy_parser import parse_create_policy
from lakehouse.catalog.securable import SecurableKind
from lakehouse.catalog.securable_names import SecurableName
from lakehouse.catalog.statement_parts import (
    take_identifier,
    take_parts,
    take_principal,
    take_privileges,
    take_securable,
    take_text,
)
from lakehouse.catalog.statements import (
    CreateFunction,
    CreateRole,
    DropFunction,
    DropPolicy,
    DropRole,
    ExplainAccess,
    GrantPrivileges,
    GrantRole,
    RevokePrivileges,
    RevokeRole,
    SetTags,
    ShowGrants,
    Statement,
    UnsetTags,
)
from lakehouse.catalog.tag_condition import tag_key
from lakehouse.definition.sql_cursor import Cursor
from lakehouse.definition.sql_text import Token, statements, tokenize
from lakehouse.errors import InvalidValue, SourceLocation

_MOST_CHARACTERS = 64 * 1024


def parse_statement(text: str, file: str = "statement") -> Statement | None:
    """The statement about access that `text` is; None if it is another one, which is for Spark to read.

    Raises InvalidValue or UnknownName with the line in `file`: for a statement about access that is not well formed,
    or that is not alone.
    """
    if len(text) > _MOST_CHARACTERS and _parser(_first_words(text[:_MOST_CHARACTERS])) is None:
        return None
    try:
        found = statements(tokenize(text, SourceLocation(file, 1)))
    except InvalidValue:
        if _parser(_first_words(text)) is None:
            return None  # Spark says it better
        raise
    if not found:
        return None
    tokens = found[0]
    parse = _parser(tokens)
    if parse is None:
        return None
    cursor = Cursor(tokens, text, file)
    if len(text) > _MOST_CHARACTERS:
        raise InvalidValue("this statement is too long.", where=cursor.where())
    statement = parse(cursor)
    if statement is None:
        return None
    for token in tokens[: cursor.position]:
        if token.kind == "word" and not token.text.isascii() and not isinstance(statement, CreateFunction):
            raise InvalidValue(f"'{token.text}' is written in back quotes here.", where=cursor.where(token))
    if not cursor.at_end:
        raise cursor.unexpected("the end of the statement")
    if len(found) > 1:
        raise InvalidValue("one statement at a time.", where=Cursor(found[1], text, file).where())
    return statement


def _first_words(text: str) -> tuple[Token, ...]:
    """The first tokens of a text that does not end properly: those before anything that is quoted."""
    for marks in (("'", '"', "`"), ("'", '"', "`", "/*")):
        end = min((place for place in map(text.find, marks) if place >= 0), default=len(text))
        try:
            return next(iter(statements(tokenize(text[:end]))), ())
        except InvalidValue:
            continue  # a comment that does not end
    return ()


def _parser(tokens: tuple[Token, ...]) -> Callable[[Cursor], Statement | None] | None:
    """What reads a statement with these first words."""
    words = [token.text.upper() if token.kind == "word" and token.text.isascii() else "" for token in tokens[:4]]
    words += [""] * (4 - len(words))
    first, second = words[:2]
    if first == "CREATE" and words[1:3] == ["OR", "REPLACE"]:
        second = words[3]
    return _PARSERS.get((first, second)) or _PARSERS.get((first, ""))


def _grant(cursor: Cursor) -> Statement:
    cursor.expect("GRANT")
    if cursor.accept("ROLE"):
        role = take_principal(cursor)
        cursor.expect("TO")
        return GrantRole(role, take_principal(cursor))
    return _give(cursor, Effect.ALLOW)


def _deny(cursor: Cursor) -> Statement:
    cursor.expect("DENY")
    return _give(cursor, Effect.DENY)


def _give(cursor: Cursor, effect: Effect) -> Statement:
    items = take_privileges(cursor)
    cursor.expect("ON")
    securable = take_securable(cursor)
    cursor.expect("TO")
    return GrantPrivileges(effect, items, securable, take_principal(cursor))


def _revoke(cursor: Cursor) -> Statement:
    cursor.expect("REVOKE")
    if cursor.accept("ROLE"):
        role = take_principal(cursor)
        cursor.expect("FROM")
        return RevokeRole(role, take_principal(cursor))
    effect = Effect.DENY if cursor.accept("DENY") else Effect.ALLOW
    items = take_privileges(cursor)
    cursor.expect("ON")
    securable = take_securable(cursor)
    cursor.expect("FROM")
    return RevokePrivileges(effect, items, securable, take_principal(cursor))


def _create_role(cursor: Cursor) -> Statement:
    cursor.expect("CREATE", "ROLE")
    if_not_exists = cursor.accept("IF", "NOT", "EXISTS")
    role = take_principal(cursor)
    boundary = None
    if cursor.accept("BOUNDARY"):
        cursor.expect("(")
        items = () if cursor.accept(")") else take_privileges(cursor)
        if items:
            cursor.expect(")")
        if any(item.columns is not None for item in items):
            raise InvalidValue("a boundary has privileges without columns.", where=cursor.where())
        boundary = frozenset(item.privilege for item in items)
    return CreateRole(role, boundary, if_not_exists)


def _drop_role(cursor: Cursor) -> Statement:
    cursor.expect("DROP", "ROLE")
    if_exists = cursor.accept("IF", "EXISTS")
    return DropRole(take_principal(cursor), if_exists)


def _create_function(cursor: Cursor) -> Statement | None:
    cursor.expect("CREATE")
    or_replace = cursor.accept("OR", "REPLACE")
    cursor.expect("FUNCTION")
    if_not_exists = cursor.accept("IF", "NOT", "EXISTS")
    name = take_parts(cursor)
    opening = cursor.peek()
    if opening is None or opening.text != "(":
        return None  # a function in a class, as Spark has them
    inside = cursor.parenthesised()
    parameters = _parameters(inside, cursor.text)
    returns = None
    if cursor.accept("RETURNS"):
        start = cursor.peek()
        while (token := cursor.peek()) is not None and not token.is_word("RETURN"):
            cursor.take()
        if start is None or token is None or start is token:
            raise cursor.unexpected("a type, then RETURN")
        returns = cursor.text[start.start : token.start]
    cursor.expect("RETURN")
    first = cursor.peek()
    if first is None:
        raise cursor.unexpected("an expression")
    last = cursor.tokens[-1]
    cursor.position = len(cursor.tokens)
    return CreateFunction(
        function=SecurableName(SecurableKind.FUNCTION, name),
        parameters=parameters,
        returns=returns,
        body=cursor.text[first.start : last.end],
        or_replace=or_replace,
        if_not_exists=if_not_exists,
    )


def _parameters(tokens: object, text: str) -> tuple[str, ...]:
    parts: list[list[Token]] = [[]]
    depth = 0
    for token in tokens:  # type: ignore[attr-defined]
        depth += {"(": 1, "<": 1, ")": -1, ">": -1}.get(token.text, 0)
        if token.text == "," and depth == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    if parts == [[]]:
        return ()
    return tuple(" ".join(token.text for token in part) for part in parts)


def _drop_function(cursor: Cursor) -> Statement:
    cursor.expect("DROP", "FUNCTION")
    if_exists = cursor.accept("IF", "EXISTS")
    return DropFunction(SecurableName(SecurableKind.FUNCTION, take_parts(cursor)), if_exists)


def _drop_policy(cursor: Cursor) -> Statement:
    cursor.expect("DROP", "POLICY")
    if_exists = cursor.accept("IF", "EXISTS")
    name = take_identifier(cursor).lower()
    cursor.expect("ON")
    return DropPolicy(name, take_securable(cursor), if_exists)


def _show_grants(cursor: Cursor) -> Statement:
    cursor.take(), cursor.take()  # SHOW GRANT or SHOW GRANTS
    principal = None if cursor.accept("ON") else take_principal(cursor)
    if principal is not None:
        cursor.expect("ON")
    return ShowGrants(take_securable(cursor), principal)


def _explain_access(cursor: Cursor) -> Statement:
    cursor.expect("EXPLAIN", "ACCESS")
    items = take_privileges(cursor)
    if len(items) > 1 or items[0].columns is not None:
        raise InvalidValue("EXPLAIN ACCESS explains one privilege on the whole.", where=cursor.where())
    cursor.expect("ON")
    securable = take_securable(cursor)
    cursor.expect("FOR")
    return ExplainAccess(items[0].privilege, securable, take_principal(cursor))


def _set_tag(cursor: Cursor) -> Statement:
    cursor.expect("SET", "TAG", "ON")
    securable, column = _tagged(cursor)
    key = tag_key(take_text(cursor), cursor.where())
    value = take_text(cursor) if cursor.accept("=") else ""
    return SetTags(securable, column, ((key, value),))


def _unset_tag(cursor: Cursor) -> Statement:
    cursor.expect("UNSET", "TAG", "ON")
    securable, column = _tagged(cursor)
    return UnsetTags(securable, column, (tag_key(take_text(cursor), cursor.where()),))


def _tagged(cursor: Cursor) -> tuple[SecurableName, str | None]:
    if not cursor.accept("COLUMN"):
        return take_securable(cursor), None
    parts = take_parts(cursor)
    if len(parts) < 3:
        raise InvalidValue("a column is [catalog.]schema.table.column here.", where=cursor.where())
    return SecurableName(SecurableKind.TABLE, parts[:-1]), parts[-1]


_PARSERS: dict[tuple[str, str], Callable[[Cursor], Statement | None]] = {
    ("GRANT", ""): _grant,
    ("REVOKE", ""): _revoke,
    ("DENY", ""): _deny,
    ("CREATE", "ROLE"): _create_role,
    ("DROP", "ROLE"): _drop_role,
    ("CREATE", "FUNCTION"): _create_function,
    ("DROP", "FUNCTION"): _drop_function,
    ("CREATE", "POLICY"): parse_create_policy,
    ("DROP", "POLICY"): _drop_policy,
    ("ALTER", "GROUP"): parse_alter,
    **{
        ("ALTER", word): parse_alter
        for word in ("CATALOG", "SCHEMA", "DATABASE", "TABLE", "VIEW", "FUNCTION", "PIPELINE")
    },
    ("SHOW", "GRANTS"): _show_grants,
    ("SHOW", "GRANT"): _show_grants,
    ("EXPLAIN", "ACCESS"): _explain_access,
    ("SET", "TAG"): _set_tag,
    ("UNSET", "TAG"): _unset_tag,
}
