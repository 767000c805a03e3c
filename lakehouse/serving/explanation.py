"""How a published table came about, as text: what it is, how and why it was last computed, from what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from lakehouse.plan.records import PublishedTable
from lakehouse.serving.traces import ALL_ROWS, ColumnEdge
from lakehouse.storage.system_tables import utc
from lakehouse.storage.table_contents import TableContents


def explain_table(
    table: PublishedTable,
    contents: TableContents | None,
    refreshes: Iterable[Mapping[str, Any]],
    edges: Iterable[ColumnEdge],
) -> str:
    """`refreshes` are the table's rows of `system/refreshes`; `edges` those of all columns."""
    lines = [f"{table.name}{f': {contents.comment}' if contents and contents.comment else ''}"]
    lines += [f"  {line}" for line in (*_state(table, contents), *_refreshes(table, list(refreshes)), *_inputs(table))]
    lines += _columns(str(table.name), [column.name for column in contents.columns] if contents else [], list(edges))
    return "\n".join(lines)


def _state(table: PublishedTable, contents: TableContents | None) -> Iterator[str]:
    if contents is None:
        yield f"version {table.version}, which is no longer there"
    else:
        rows = "" if contents.rows is None else f", {contents.rows:,} row{'' if contents.rows == 1 else 's'}"
        yield f"version {table.version}{rows}"


def _refreshes(table: PublishedTable, refreshes: list[Mapping[str, Any]]) -> Iterator[str]:
    refreshes.sort(key=lambda row: row["started_at"])
    made = next((row for row in reversed(refreshes) if row["run"] == table.record.run), None)
    if made is None:
        yield f"computed by run {table.record.run}: {table.record.mode}"
    else:
        yield f"computed {utc(made['started_at'])} UTC by run {made['run']}: {_outcome(made)}"
    last = refreshes[-1] if refreshes else None
    if last is not None and last is not made:
        yield f"last looked at {utc(last['started_at'])} UTC by run {last['run']}: {_outcome(last)}"


def _outcome(row: Mapping[str, Any]) -> str:
    why = row["error"] if row["error"] is not None else row["reason"]
    status = "" if row["status"] in ("refreshed", "skipped") else f", {row['status']}"
    return f"{row['mode']}{status}, because {why}"


def _inputs(table: PublishedTable) -> Iterator[str]:
    record = table.record
    if record.reads:
        yield "reads " + ", ".join(f"{name} (version {version})" for name, version in sorted(record.reads.items()))
    if record.views:
        yield f"through {', '.join(sorted(record.views))}"
    if record.undeclared:
        yield f"reads what is not declared: {', '.join(record.undeclared)}"
    if record.volatile:
        yield f"depends on {', '.join(record.volatile)}"
    if not (record.reads or record.undeclared):
        yield "reads no table"


def _columns(name: str, columns: list[str], edges: list[ColumnEdge]) -> Iterator[str]:
    sources: dict[str, dict[str, list[str]]] = {}
    for edge in edges:
        table, _, column = edge.target.rpartition(".")
        if table == name:
            sources.setdefault(column, {}).setdefault(edge.kind, []).append(edge.source)
    if not sources:
        return
    yield "columns"
    for column in columns:
        found = sources.get(column, {})
        parts = [", ".join(found.get("value", [])) or "no column"]
        if "condition" in found:
            parts.append(f"decided by {', '.join(found['condition'])}")
        yield f"  {column} from {'; '.join(parts)}"
    deciding = [source for kind in sources.get(ALL_ROWS, {}).values() for source in kind]
    if deciding:
        yield f"rows decided by {', '.join(deciding)}"
