"""What a connection offers, as text and as HTML."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from lakehouse.names import TableName
from lakehouse.storage.table_contents import TableContents

_HEADINGS = ("table", "rows", "columns", "comment")


def overview_html(title: str, tables: Mapping[TableName, TableContents | None]) -> str:
    """A table of the published tables; every text is escaped."""
    head = "".join(f'<th style="text-align:left">{heading}</th>' for heading in _HEADINGS)
    body = "".join(f"<tr>{''.join(_cells(name, contents))}</tr>" for name, contents in sorted(tables.items()))
    return f"<p>{escape(title)}</p><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cells(name: TableName, contents: TableContents | None) -> list[str]:
    if contents is None:
        return [_cell(str(name)), _cell(""), _cell(""), _cell("its version is no longer there")]
    columns = ", ".join(column.name for column in contents.columns)
    rows = "" if contents.rows is None else f"{contents.rows:,}"
    return [_cell(str(name)), _cell(rows), _cell(columns), _cell(contents.comment or "")]


def _cell(text: str) -> str:
    return f'<td style="text-align:left">{escape(text)}</td>'
