"""How a published table came about: what it is, how and why it was last computed, from what. The one source of what
`Connection.explain` and `lakehouse explain` say."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lakehouse.names import TableName
from lakehouse.plan.records import Publication, PublishedTable
from lakehouse.run.delta_warehouse import DeltaWarehouse
from lakehouse.run.outcome import RowsChanged
from lakehouse.serving.traces import ALL_ROWS, ColumnEdge, column_edges
from lakehouse.storage.system_tables import utc
from lakehouse.storage.table_contents import TableContents, read_contents


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainedTable:
    """A table of a publication; `contents` is None where its files are gone, `refreshes` are its rows of
    `system/refreshes`, oldest first, `edges` those between columns of the publication."""

    table: PublishedTable
    contents: TableContents | None
    refreshes: tuple[Mapping[str, Any], ...]
    edges: tuple[ColumnEdge, ...]

    @property
    def made(self) -> Mapping[str, Any] | None:
        """The refresh that wrote its rows."""
        return next((row for row in reversed(self.refreshes) if row["run"] == self.table.record.run), None)

    def lines(self) -> list[str]:
        """A headline, and all that is known of it."""
        table, contents = self.table, self.contents
        told = (*_state(table, contents), *_refreshes(self), *_inputs(table))
        columns = [column.name for column in contents.columns] if contents else []
        return [
            f"{table.name}{f': {contents.comment}' if contents and contents.comment else ''}",
            *(f"  {line}" for line in told),
            *_columns(str(table.name), columns, self.edges),
        ]


def explained_table(warehouse: DeltaWarehouse, publication: Publication, name: TableName) -> ExplainedTable | None:
    """What is known of a table of the publication without Spark; None if the publication does not have it."""
    table = publication.tables.get(name)
    if table is None:
        return None
    own = ("project", "=", table.record.project)
    refreshes = warehouse.refreshes.rows(filters=[own, ("dataset", "=", str(name))])
    return ExplainedTable(
        table=table,
        contents=read_contents(warehouse.location(name), table.version),
        refreshes=tuple(sorted(refreshes, key=lambda row: row["started_at"])),
        edges=column_edges(publication, warehouse.lineage.rows(filters=[own])),
    )


def published_fields(found: ExplainedTable) -> dict[str, Any]:
    """The same for programs: the version that readers see, and how it came about."""
    record, made = found.table.record, found.made
    return {
        "version": found.table.version,
        "rows": found.contents.rows if found.contents else None,
        "run": record.run,
        "mode": record.mode,
        "reason": made["reason"] if made else None,
        "lacking": _lacking(made) if made else [],
        "expected": json.loads(made["expected"]) if made and made["expected"] else {},
        "versions_read": dict(record.reads),
        "undeclared": list(record.undeclared),
        "volatile": list(record.volatile),
    }


def _state(table: PublishedTable, contents: TableContents | None) -> Iterator[str]:
    if contents is None:
        yield f"version {table.version}, which is no longer there"
    else:
        rows = "" if contents.rows is None else f", {contents.rows:,} row{'' if contents.rows == 1 else 's'}"
        yield f"version {table.version}{rows}"


def _refreshes(found: ExplainedTable) -> Iterator[str]:
    made, record = found.made, found.table.record
    if made is None:
        yield f"computed by run {record.run}: {record.mode}"
    else:
        yield f"computed {utc(made['started_at'])} UTC by run {made['run']}: {_outcome(made)}"
        if made["expected"] is not None and made["seconds"] is not None:
            yield f"took {made['seconds']:.1f} s; expected were {_expected(made['expected'])}"
        yield from (f"no cheaper way: {text}" for text in _lacking(made))
    last = found.refreshes[-1] if found.refreshes else None
    if last is not None and last is not made:
        yield f"last looked at {utc(last['started_at'])} UTC by run {last['run']}: {_outcome(last)}"


def _outcome(row: Mapping[str, Any]) -> str:
    why = row["error"] if row["error"] is not None else row["reason"]
    status = "" if row["status"] in ("refreshed", "skipped") else f", {row['status']}"
    return f"{row['mode']}{status}{_changed(row)}, because {why}"


def _changed(row: Mapping[str, Any]) -> str:
    if row["status"] != "refreshed" or row["mode"] == "full" or row["rows_inserted"] is None:
        return ""
    return f", {RowsChanged(row['rows_inserted'], row['rows_updated'], row['rows_deleted'])} rows"


def _expected(text: str) -> str:
    """The seconds expected of the modes that were weighed, the quickest first."""
    found = sorted(json.loads(text).items(), key=lambda item: item[1])
    return ", ".join(f"{seconds:.1f} s for {mode}" for mode, seconds in found)


def _lacking(row: Mapping[str, Any]) -> list[str]:
    return list(json.loads(row["lacking"])) if row["lacking"] else []


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


def _columns(name: str, columns: list[str], edges: Iterable[ColumnEdge]) -> Iterator[str]:
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
