"""The SQL of filters and masks, token by token: who asks folded to literals, names replaced by columns.

Works on text, with the lexical rules of `definition.sql_text`: what stands in a string, a comment or a quoted name is
never taken for code. What cannot be told by tokens alone is refused: a refused expression makes its table unreadable.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from lakehouse.definition.sql_literals import literal
from lakehouse.definition.sql_text import Token, closing, significant, string_value, tokenize, unquoted
from lakehouse.errors import InvalidValue

_USER_FUNCTIONS = frozenset({"current_user", "session_user", "user"})
_GROUP_FUNCTIONS = frozenset({"is_account_group_member", "is_member"})
_QUERY_STARTS = ("SELECT", "WITH", "FROM", "VALUES", "TABLE", "MAP", "REDUCE")


@dataclass(frozen=True, slots=True)
class Invoker:
    """Who reads: the name that `current_user()` gives, and all groups (lower case) that is_member() knows them in."""

    name: str
    groups: frozenset[str] = frozenset()


def expression_tokens(text: str) -> tuple[Token, ...]:
    """The tokens of one SQL expression without comments.

    Raises InvalidValue for text that could be more than that or mean something else where it is put: parentheses that
    do not pair, `;`, hints, `${…}`, nothing at all.
    """
    tokens = significant(tokenize(text))
    depth = 0
    for token in tokens:
        depth += (token.text == "(") - (token.text == ")")
        if depth < 0 or token.text in (";", "/*+", "*/"):
            raise InvalidValue(f"'{token.text}' does not belong into an expression here.")
    if depth or not tokens:
        raise InvalidValue("the expression is empty." if not tokens else "a '(' is never closed.")
    if "${" in text:
        raise InvalidValue("'${' has no meaning in an expression of a policy.")
    return tokens


def subqueries(tokens: Sequence[Token]) -> list[tuple[int, int]]:
    """The outermost parenthesised queries, each as the positions of its `(` and its `)`."""
    found, index = [], 0
    while index < len(tokens):
        if tokens[index].text == "(" and index + 1 < len(tokens) and _starts_query(tokens, index + 1):
            close = closing(tokens, index)
            found.append((index, close))
            index = close
        index += 1
    return found


def folded(text: str, invoker: Invoker, columns: Collection[str]) -> str:
    """The expression without comments, with who asks as literals, subqueries included: `current_user`,
    `session_user`, `user` with or without parentheses, `is_account_group_member('g')` and `is_member('g')`.

    `columns` (lower case) are the table's: a bare `user` may be one of them, or in a subquery one of another table,
    and then stays. Raises InvalidValue for a group that is no literal.
    """
    tokens = expression_tokens(text)
    nested = subqueries(tokens)
    pieces: list[tuple[int, int, str]] = []  # start, end (token positions), text
    index = 0
    while index < len(tokens):
        name, called = _name(tokens, index), _is_text(tokens, index + 1, "(")
        end = index + 1
        if called and name in _USER_FUNCTIONS | _GROUP_FUNCTIONS:
            if _is_text(tokens, index - 1, "."):
                raise InvalidValue(f"'{name}' is called under a qualified name; expected {name}(…).")
            end = closing(tokens, index + 1) + 1
            pieces.append((index, end, _answer(name, tokens[index + 2 : end - 1], invoker)))
        elif tokens[index].kind == "word" and name in _USER_FUNCTIONS and not _is_part(tokens, index):
            in_query = any(start < index < stop for start, stop in nested)
            if not (in_query and name == "user") and name not in columns:
                pieces.append((index, end, literal(invoker.name)))
        index = end
    return replaced(text, tokens, pieces)


def bound(text: str, names: Mapping[str, str]) -> str:
    """The expression with each of `names` (lower case) replaced by its SQL, where it stands for a value: not after a
    `.`, not as a function's or a named argument's name.

    Raises InvalidValue where a lambda function's parameter has one of the names, and for a subquery: in there the same
    name could be another table's.
    """
    tokens = expression_tokens(text)
    if subqueries(tokens):
        raise InvalidValue("a subquery is left in the expression.")
    pieces = []
    for index in range(len(tokens)):
        name = _name(tokens, index)
        if name not in names or _is_text(tokens, index - 1, "."):
            continue
        if _is_parameter(tokens, index):
            raise InvalidValue(f"'{name}' is the name of a parameter and of a column; call the parameter otherwise.")
        if not _is_text(tokens, index + 1, "(", "=>"):
            pieces.append((index, index + 1, names[name]))
    return replaced(text, tokens, pieces)


def replaced(text: str, tokens: Sequence[Token], pieces: Sequence[tuple[int, int, str]]) -> str:
    """The text of these tokens, some stretches of them (start, end as positions, in order) with other text. Comments
    become blanks, so that none can reach past the expression's end."""
    result: list[str] = []
    index, ended = 0, None
    replacements = {start: (end, new) for start, end, new in pieces}
    while index < len(tokens):
        if ended is not None and tokens[index].start > ended:
            result.append(" ")
        end, new = replacements.get(index, (index + 1, tokens[index].text))
        result.append(new)
        ended = tokens[end - 1].end
        index = end
    return "".join(result)


def names_used(text: str) -> frozenset[str]:
    """All words and quoted names of an expression, in lower case: columns, functions, keywords and numbers."""
    return frozenset(
        unquoted(token).lower() for token in significant(tokenize(text)) if token.kind in ("word", "quoted")
    )


def _answer(function: str, arguments: Sequence[Token], invoker: Invoker) -> str:
    if function in _USER_FUNCTIONS:
        if arguments:
            raise InvalidValue(f"{function}() takes no argument.")
        return literal(invoker.name)
    if len(arguments) != 1 or arguments[0].kind != "string":
        raise InvalidValue(f"{function}(…) takes one group's name in quotes.")
    return literal(string_value(arguments[0]).lower() in invoker.groups)


def _starts_query(tokens: Sequence[Token], index: int) -> bool:
    """Whether a query begins here; `map(…)` is a function, and `(values)` or `(table.x)` a column."""
    starts = tokens[index].is_word(*_QUERY_STARTS)
    is_function = _is_text(tokens, index + 1, "(") and tokens[index].is_word("MAP", "REDUCE")
    is_name = _is_text(tokens, index + 1, ")", ",", ".") and not tokens[index].is_word("SELECT")
    return starts and not is_function and not is_name


def _is_part(tokens: Sequence[Token], index: int) -> bool:
    return _is_text(tokens, index - 1, ".") or _is_text(tokens, index + 1, ".", "(", "=>")


def _is_parameter(tokens: Sequence[Token], index: int) -> bool:
    """Whether the name at `index` stands left of `->`, alone or in a parenthesised list."""
    if _is_text(tokens, index + 1, "->"):
        return True
    while index < len(tokens) and (tokens[index].kind in ("word", "quoted") or tokens[index].text == ","):
        index += 1
    return _is_text(tokens, index, ")") and _is_text(tokens, index + 1, "->")


def _name(tokens: Sequence[Token], index: int) -> str:
    token = tokens[index]
    return unquoted(token).lower() if token.kind in ("word", "quoted") else ""


def _is_text(tokens: Sequence[Token], index: int, *texts: str) -> bool:
    return 0 <= index < len(tokens) and tokens[index].text in texts
