"""The text of a query as Spark will see it."""

from __future__ import annotations

from lakehouse.definition.dataset import SqlQuery
from lakehouse.definition.sql_references import own_names_shortened
from lakehouse.definition.sql_text import significant, tokenize
from lakehouse.errors import InvalidValue, SourceLocation

QUERY_STARTS = ("SELECT", "WITH", "FROM", "VALUES", "TABLE", "MAP", "REDUCE")


def read_query(text: str, catalog: str | None, where: SourceLocation, *, of: str) -> SqlQuery:
    """One query that begins at `where`. Its text stays as written but for a `;` at its end, and `LIVE.` or the
    project's own catalog before table names. Raises InvalidValue if it is empty, no query, or more than one."""
    tokens = significant(tokenize(text, where))
    while tokens and tokens[-1].text == ";":
        tokens = tokens[:-1]
    if not tokens:
        raise InvalidValue(f"the query of {of} is empty.", where=where)
    if not (tokens[0].is_word(*QUERY_STARTS) or tokens[0].text == "("):
        raise InvalidValue(
            f"the query of {of} begins with '{tokens[0].text}'.", where=where, hint="Expected SELECT, WITH, FROM, …"
        )
    if any(token.text == ";" for token in tokens):
        raise InvalidValue(f"the query of {of} holds several statements; expected one.", where=where)
    return SqlQuery(text=own_names_shortened(text[: tokens[-1].end], catalog, where), location=where)
