"""`STREAM read_files('path', format => 'csv', …)` in the query of a streaming table becomes its file source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lakehouse.definition.columns import split_at_commas
from lakehouse.definition.dataset import FileSource
from lakehouse.definition.document import Document
from lakehouse.definition.file_source import SOURCE_PLACEHOLDER, read_source
from lakehouse.definition.sql_cursor import Cursor
from lakehouse.definition.sql_references import dotted_name
from lakehouse.definition.sql_text import Token, closing, string_value, unquoted
from lakehouse.errors import InvalidValue

# Databricks' spelling of our keys; what is neither is an option of Spark's reader.
_KEYS = {
    "format": "format",
    "schema": "schema",
    "schemaevolution": "schema_evolution",
    "schema_evolution": "schema_evolution",
    "schemaevolutionmode": "schema_evolution",
    "on_change": "on_change",
    "deduplicate": "deduplicate",
    "max_bad_files": "max_bad_files",
}
_EVOLUTION_MODES = {"addnewcolumns": "add_columns", "rescue": "rescue", "failonnewcolumns": "fail", "none": "ignore"}


def read_file_query(cursor: Cursor, name: str) -> FileSource:
    """The file source of the streaming table `name`, whose query the cursor stands at. Takes all tokens.

    The query with the call replaced by `{source}` is the source's `select`, or None where it is `SELECT *`.
    Raises InvalidValue if it streams anything but one call of read_files.
    """
    query = cursor.tokens[cursor.position :]
    streams = [index for index in range(len(query)) if _streams(query, index)]
    for index in streams:
        if not _is_call(query, index):
            read, _ = dotted_name(query, index + 1 + (query[index + 1].text == "("))
            raise InvalidValue(
                f"streaming table '{name}' streams '{'.'.join(read)}'; streaming tables are fed by files for now.",
                where=cursor.where(query[index]),
                hint="Use STREAM read_files('path', …), or a materialized view over the table.",
            )
    calls = [index for index, token in enumerate(query) if token.is_word("READ_FILES")]
    if len(streams) != 1 or len(calls) != 1:
        raise InvalidValue(
            f"streaming table '{name}' must read FROM STREAM read_files('path', …), once.", where=cursor.where()
        )
    close = closing(query, calls[0] + 1)
    if close == len(query):
        raise InvalidValue("this '(' is never closed.", where=cursor.where(query[calls[0] + 1]))
    end = close + (query[streams[0] + 1].text == "(")
    value, lines = _arguments(cursor, query[calls[0] + 2 : close])
    start = query[streams[0]].start
    text = cursor.text
    select = text[query[0].start : start] + SOURCE_PLACEHOLDER + text[query[end].end : query[-1].end]
    if select.upper().split() != ["SELECT", "*", "FROM", SOURCE_PLACEHOLDER.upper()]:
        value["select"] = select
    where = cursor.where(query[calls[0]])
    document = Document(
        value=value, file=where.file, line=where.line, lines=lines, text_lines={("select",): cursor.where().line}
    )
    cursor.position = len(cursor.tokens)
    return read_source(document, (), value)


def _streams(query: Sequence[Token], index: int) -> bool:
    """Whether STREAM at `index` is the keyword: after FROM, JOIN, a comma or a parenthesis, before a relation."""
    before, after = query[index - 1] if index else None, query[index + 1] if index + 1 < len(query) else None
    return (
        query[index].is_word("STREAM")
        and before is not None
        and (before.is_word("FROM", "JOIN") or before.text in (",", "("))
        and after is not None
        and (after.kind in ("word", "quoted") or after.text == "(")
    )


def _is_call(query: Sequence[Token], index: int) -> bool:
    start = index + 1 + (query[index + 1].text == "(")
    return start + 1 < len(query) and query[start].is_word("READ_FILES") and query[start + 1].text == "("


def _arguments(cursor: Cursor, tokens: Sequence[Token]) -> tuple[dict[str, Any], dict[tuple[str | int, ...], int]]:
    """The call's arguments under the keys of `source:`, and their lines."""
    value: dict[str, Any] = {"options": {}}
    lines: dict[tuple[str | int, ...], int] = {}
    for position, item in enumerate(split_at_commas(tokens)):
        where = cursor.where(item[0] if item else None)
        if position == 0 and len(item) == 1 and item[0].kind == "string":
            value["files"], lines["files",] = string_value(item[0]), where.line
            continue
        if len(item) < 3 or item[1].text != "=>":
            raise InvalidValue("expected read_files('path', option => value, …).", where=where)
        key = _KEYS.get(unquoted(item[0]).lower())
        argument = _literal(cursor, item[2:])
        if key is None:
            value["options"][unquoted(item[0])] = argument
            lines["options", unquoted(item[0])] = where.line
        else:
            if key == "schema_evolution":
                argument = _EVOLUTION_MODES.get(str(argument).lower(), argument)
            value[key], lines[key,] = argument, where.line
    return value, lines


def _literal(cursor: Cursor, tokens: Sequence[Token]) -> str | int | bool:
    text = cursor.text[tokens[0].start : tokens[-1].end]
    if len(tokens) == 1 and tokens[0].kind == "string":
        return string_value(tokens[0])
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    if text.isdigit():
        return int(text)
    try:
        float(text)
    except ValueError:
        raise InvalidValue(
            f"an option of read_files must be a literal, not '{text}'.", where=cursor.where(tokens[0])
        ) from None
    return text
