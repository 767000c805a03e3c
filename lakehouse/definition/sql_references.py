"""The tables that a query's text reads, as far as text goes, without Spark.

Counted: names after FROM, JOIN, in comma lists, after TABLE, in subqueries. Not counted: CTE names where they are in
scope (a CTE's own body does not see itself unless RECURSIVE), table functions, VALUES, paths such as delta.`/x`,
LATERAL VIEW, and the FROM of EXTRACT, TRIM, SUBSTRING, OVERLAY and IS DISTINCT FROM.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from lakehouse.definition.declared_name import without_prefix
from lakehouse.definition.sql_text import Token, closing, significant, tokenize, unquoted
from lakehouse.errors import InvalidValue, SourceLocation

_QUERY_STARTS = ("SELECT", "WITH", "FROM", "VALUES", "TABLE", "MAP", "REDUCE")
_FROM_ENDS = (
    *("SELECT", "WHERE", "GROUP", "HAVING", "ORDER", "SORT", "CLUSTER", "DISTRIBUTE", "LIMIT", "OFFSET"),
    *("WINDOW", "UNION", "INTERSECT", "EXCEPT", "MINUS", "QUALIFY"),
)
_FROM_FUNCTIONS = ("EXTRACT", "TRIM", "SUBSTRING", "SUBSTR", "OVERLAY")
_FILE_FORMATS = frozenset(("avro", "binaryfile", "csv", "delta", "iceberg", "json", "orc", "parquet", "text", "xml"))


class Reference(NamedTuple):
    """A table name in a query: its parts in lower case, the line (1 is the text's first), and its span."""

    parts: tuple[str, ...]
    line: int
    start: int
    end: int


def referenced_tables(sql: str, where: SourceLocation | None = None) -> tuple[Reference, ...]:
    """Every table name the query reads, in order of appearance; a name that is read twice appears twice.

    Raises InvalidValue where a string or comment never ends, or parentheses are nested beyond all reason.
    """
    reading = _Reading(sql, significant(tokenize(sql, where)))
    try:
        reading.frame(0, len(reading.tokens), frozenset(), is_query=True)
    except RecursionError:
        raise InvalidValue(
            "the parentheses of this query are nested too deep to be read.",
            where=where,
            hint="Split it with WITH, or into temporary views.",
        ) from None
    return tuple(sorted(reading.found, key=lambda reference: reference.start))


def own_names_shortened(sql: str, catalog: str | None, where: SourceLocation | None = None) -> str:
    """The query without `LIVE.` or the project's catalog before its tables; all else stays as it is written."""
    folded = sql.lower()
    if "live" not in folded and (catalog is None or catalog.lower() not in folded):
        return sql
    return names_replaced(sql, lambda name: without_prefix(name, catalog), where)


def names_replaced(sql: str, replace: Callable[[str], str], where: SourceLocation | None = None) -> str:
    """The query with each table name as `replace` returns it, also where a name qualifies a column."""
    renamed: dict[tuple[str, ...], str] = {}
    for reference in referenced_tables(sql, where):
        name = sql[reference.start : reference.end]
        if replace(name) != name:
            renamed[reference.parts] = replace(name)
    if not renamed:
        return sql
    tokens = significant(tokenize(sql, where))
    pieces, position, index = [], 0, 0
    while index < len(tokens):
        parts, after = dotted_name(tokens, index)
        prefix = next((parts[:n] for n in range(len(parts), 0, -1) if parts[:n] in renamed), None)
        if prefix:
            pieces += [sql[position : tokens[index].start], renamed[prefix]]
            position = tokens[index + 2 * len(prefix) - 2].end
        index = max(after, index + 1)
    return "".join([*pieces, sql[position:]])


def dotted_name(tokens: Sequence[Token], index: int) -> tuple[tuple[str, ...], int]:
    """The parts of the dotted name at `index`, in lower case, and the position after it."""
    parts: list[str] = []
    while index < len(tokens) and tokens[index].kind in ("word", "quoted"):
        parts.append(unquoted(tokens[index]).lower())
        if not (index + 2 < len(tokens) and tokens[index + 1].text == "."):
            return tuple(parts), index + 1
        if tokens[index + 2].kind not in ("word", "quoted"):  # t.*
            return tuple(parts), index + 1
        index += 2
    return tuple(parts), index


class _Reading:
    def __init__(self, sql: str, tokens: Sequence[Token]) -> None:
        self.sql, self.tokens = sql, tokens
        self.found: list[Reference] = []

    def frame(self, start: int, end: int, ctes: frozenset[str], *, is_query: bool, in_from: bool = False) -> None:
        """What stands between two parentheses, or the whole text. `in_from`: it begins with a relation."""
        index = start
        if is_query and not in_from and index < end and self.tokens[index].is_word("WITH"):
            index, ctes = self._common_tables(index + 1, end, ctes)
            start = index
        expects_relation = in_from
        while index < end:
            token = self.tokens[index]
            if expects_relation and token.is_word("LATERAL", "STREAM"):
                index += 1
            elif token.text == "(":
                close = min(closing(self.tokens, index), end)
                self._parenthesised(index, close, ctes, in_from=expects_relation)
                expects_relation, index = False, close + 1
            elif expects_relation:
                is_values = token.is_word("VALUES")
                index = self._rows(index + 1, end, ctes) if is_values else self._relation(index, ctes)
                expects_relation = False
            elif is_query and token.is_word("FROM", "JOIN") and not self._is_distinct_from(index):
                expects_relation = in_from = True
                index += 1
            elif self._is_table_query(index, start, is_query) or (in_from and token.text == ","):
                expects_relation = True
                index += 1
            else:
                if token.text == "|>" or token.is_word(*_FROM_ENDS) or self._is_lateral_view(index):
                    in_from = False
                index += 1

    def _common_tables(self, index: int, end: int, ctes: frozenset[str]) -> tuple[int, frozenset[str]]:
        recursive = self.tokens[index].is_word("RECURSIVE") if index < end else False
        index += recursive
        while index < end:
            name = unquoted(self.tokens[index]).lower()
            while index < end and not self.tokens[index].is_word("AS"):
                if self.tokens[index].text == "(" and self._begins_query(index + 1):
                    break  # AS may be left out
                index = closing(self.tokens, index) if self.tokens[index].text == "(" else index
                index += 1
            while index < end and self.tokens[index].text != "(":
                index += 1
            close = min(closing(self.tokens, index), end) if index < end else end
            self.frame(index + 1, close, ctes | {name} if recursive else ctes, is_query=True)
            ctes |= {name}
            index = close + 1
            if index >= end or self.tokens[index].text != ",":
                break
            index += 1
        return index, ctes

    def _parenthesised(self, index: int, close: int, ctes: frozenset[str], *, in_from: bool) -> None:
        before = self.tokens[index - 1] if index else None
        if self._begins_query(index + 1):
            self.frame(index + 1, close, ctes, is_query=True)
        elif in_from:  # (a JOIN b …)
            self.frame(index + 1, close, ctes, is_query=True, in_from=True)
        elif before is not None and before.is_word("TABLE"):  # f(TABLE(t))
            self._relation(index + 1, ctes)
        else:
            nested = index + 1 < close and self.tokens[index + 1].text == "("
            takes_from = before is not None and before.is_word(*_FROM_FUNCTIONS)
            self.frame(index + 1, close, ctes, is_query=nested and not takes_from)

    def _rows(self, index: int, end: int, ctes: frozenset[str]) -> int:
        """Takes the rows after VALUES, whose commas separate no relations; returns the position after them."""
        expects_row = True
        while index < end:
            token = self.tokens[index]
            if token.text == "(":
                close = min(closing(self.tokens, index), end)
                self._parenthesised(index, close, ctes, in_from=False)
                index = close
            elif token.text != "," and not expects_row:
                break
            expects_row = token.text == ","
            index += 1
        return index

    def _relation(self, index: int, ctes: frozenset[str]) -> int:
        """Takes the relation at `index`; returns the position after its name."""
        parts, after = dotted_name(self.tokens, index)
        if not parts:
            return index + 1
        follows = self.tokens[after].text if after < len(self.tokens) else ""
        is_path = len(parts) == 2 and parts[0] in _FILE_FORMATS and self.tokens[after - 1].kind == "quoted"
        is_common = len(parts) == 1 and parts[0] in ctes
        if follows == "(":
            return after  # a table function or IDENTIFIER(…); its arguments are a frame of their own
        if not (is_path or is_common):
            start, end = self.tokens[index].start, self.tokens[after - 1].end
            self.found.append(Reference(parts, self.sql.count("\n", 0, start) + 1, start, end))
        return after

    def _begins_query(self, index: int) -> bool:
        return index < len(self.tokens) and self.tokens[index].is_word(*_QUERY_STARTS)

    def _is_table_query(self, index: int, start: int, is_query: bool) -> bool:
        """Whether TABLE stands where a query may start, and not in another sense."""
        before = self.tokens[index - 1] if index > start else None
        starts = before is None or before.is_word("UNION", "ALL", "INTERSECT", "EXCEPT", "MINUS", "DISTINCT")
        return is_query and starts and self.tokens[index].is_word("TABLE")

    def _is_distinct_from(self, index: int) -> bool:
        return (
            index >= 2
            and self.tokens[index - 1].is_word("DISTINCT")
            and self.tokens[index - 2].is_word("IS", "NOT")  # SELECT DISTINCT FROM is no query
        )

    def _is_lateral_view(self, index: int) -> bool:
        return (
            self.tokens[index].is_word("LATERAL")
            and index + 1 < len(self.tokens)
            and self.tokens[index + 1].is_word("VIEW")
        )
