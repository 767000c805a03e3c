"""Subqueries of filters and masks, answered once and replaced by literals.

Spark turns IN and EXISTS into joins late and evaluates a reader's own predicates below them, so that a failing cast
tells values of hidden rows. A list of literals keeps its place before the reader's predicates, and skips files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from typing import NamedTuple

from lakehouse.catalog.policy_expression import expression_tokens, replaced, subqueries
from lakehouse.definition.sql_text import Token
from lakehouse.errors import InvalidValue

LONGEST_LIST = 10_000
"""The most values that a subquery after IN may give."""

# What a subquery may follow and still be an operand: operators that are words. After another word it is an argument.
_OPERATORS = (
    *("AND", "OR", "NOT", "WHEN", "THEN", "ELSE", "CASE", "LIKE", "ILIKE", "RLIKE", "REGEXP", "BETWEEN", "DIV", "FROM"),
)
# Where the left operand of IN ends, going backwards.
_BOUNDARIES = ("AND", "OR", "NOT", "WHEN", "THEN", "ELSE", "CASE")


class QueryUse(str, Enum):
    """What a subquery stands for."""

    LIST = "list"  # after IN
    SCALAR = "scalar"
    EXISTS = "exists"


class QueryAnswer(NamedTuple):
    """What a subquery gave: the SQL literals of its one column, of the type `type` (DDL text)."""

    type: str
    literals: tuple[str, ...]


Ask = Callable[[str, int], QueryAnswer]
"""Runs a query of one column, as the owner of the tables; gives at most so many values. Raises InvalidValue for a
query that does not stand by itself, or whose answer would be another at another time."""


def answered(text: str, ask: Ask) -> str:
    """The expression with every subquery replaced by what it gives now.

    After IN: a list of literals, NULLs among them; without any, FALSE (for NOT IN: TRUE), also for a NULL at its left.
    EXISTS: TRUE or FALSE. Elsewhere: one literal, NULL of its type without rows. Raises InvalidValue for more than one
    row there, more than LONGEST_LIST after IN, for a subquery in another place, and what `ask` raises.
    """
    tokens = expression_tokens(text)
    pieces = []
    for opening, close in subqueries(tokens):
        query = replaced(text, tokens[opening + 1 : close], [])
        use = _use(tokens, opening)
        if use is QueryUse.EXISTS:
            found = ask(f"SELECT 1 FROM ({query}) LIMIT 1", 1).literals
            pieces.append((opening - 1, close + 1, "true" if found else "false"))
        elif use is QueryUse.SCALAR:
            pieces.append((opening, close + 1, _scalar(ask(query, 2))))
        else:
            pieces.append(_membership(text, tokens, opening, close, ask(query, LONGEST_LIST + 1)))
    return replaced(text, tokens, pieces)


def _use(tokens: Sequence[Token], opening: int) -> QueryUse:
    before = tokens[opening - 1] if opening else None
    if before is None or before.kind == "symbol":
        if before is not None and before.text in (".", "::"):
            raise InvalidValue("a subquery cannot stand here.")
        return QueryUse.SCALAR
    if before.is_word("IN"):
        return QueryUse.LIST
    if before.is_word("EXISTS"):
        return QueryUse.EXISTS
    if before.is_word(*_OPERATORS):
        return QueryUse.SCALAR
    raise InvalidValue(f"a subquery cannot stand after '{before.text}'.", hint="Use IN, EXISTS, or compare with it.")


def _scalar(answer: QueryAnswer) -> str:
    if len(answer.literals) > 1:
        raise InvalidValue("a subquery that stands for one value gives several rows.")
    return answer.literals[0] if answer.literals else f"CAST(NULL AS {answer.type})"


def _membership(
    text: str, tokens: Sequence[Token], opening: int, close: int, answer: QueryAnswer
) -> tuple[int, int, str]:
    """`x [NOT] IN (…)`: the list alone, or the whole comparison where the list is empty."""
    if len(answer.literals) > LONGEST_LIST:
        raise InvalidValue(
            f"a subquery after IN gives more than {LONGEST_LIST} values.",
            hint="Let the policy compare with fewer: join the values into a column of the table.",
        )
    if answer.literals:
        return opening, close + 1, f"({', '.join(answer.literals)})"
    negated = opening >= 2 and tokens[opening - 2].is_word("NOT")
    end = opening - 2 if negated else opening - 1  # the position after the left operand
    start = _operand_start(tokens, end)
    if start == end:
        raise InvalidValue("there is nothing at the left of IN.")
    operand = replaced(text, tokens[start:end], [])
    # The operand stays, so that a column that does not exist is still found out.
    return start, close + 1, f"(true OR ({operand}) IS NULL)" if negated else f"(false AND ({operand}) IS NULL)"


def _operand_start(tokens: Sequence[Token], end: int) -> int:
    """The position where the operand that ends before `end` begins."""
    index, parentheses, cases = end, 0, 0
    while index > 0:
        token = tokens[index - 1]
        if token.text == ")":
            parentheses += 1
        elif token.text == "(":
            if parentheses == 0:
                break
            parentheses -= 1
        elif parentheses == 0:
            if token.is_word("END"):
                cases += 1
            elif token.is_word("CASE") and cases:
                cases -= 1
            elif not cases and (token.is_word(*_BOUNDARIES) or token.text in (",", "->", "=>")):
                break
        index -= 1
    if cases:
        raise InvalidValue("the operand of IN cannot be told; put it into parentheses.")
    return index
