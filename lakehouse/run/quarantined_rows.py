"""What lies in quarantine, for those who look at it: counted and read without Spark.

It is what belongs to the published rows, with what somebody mended or removed since: the rows that a replay judges.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deltalake import DeltaTable

from lakehouse.names import TableName
from lakehouse.plan.records import RefreshRecord
from lakehouse.plan.sieve import (
    FAILED_EXPECTATIONS,
    META,
    QUARANTINED_AT,
    QUARANTINED_BY,
    VERSIONS_READ,
)
from lakehouse.run.location import locate_quarantine
from lakehouse.run.view_state import quarantine_version
from lakehouse.run.workspace import Workspace
from lakehouse.storage.small_table import ask, quoted_name
from lakehouse.storage.table_log import read_table_facts


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineSummary:
    """How many rows of a dataset lie in quarantine, how many of them each expectation set aside (a row may fail
    several), and since when the oldest lies there. `version` is that of the table at `location`."""

    dataset: TableName
    rows: int
    by_expectation: Mapping[str, int]
    since: datetime | None
    location: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantinedRow:
    """One row: its own columns, the expectations that set it aside, in which run, when, and what that run read."""

    values: Mapping[str, Any]
    failed_expectations: tuple[str, ...]
    run: str
    at: datetime
    versions_read: Mapping[str, int]


def summarize(workspace: Workspace, name: TableName, record: RefreshRecord) -> QuarantineSummary | None:
    """What lies in quarantine beside the rows of `record`; None if nothing does."""
    if record.quarantine < 0:
        return None
    location = locate_quarantine(workspace.project.spec, name)
    version, _ = quarantine_version(read_table_facts(location), record)
    if version < 0:
        return None
    table = DeltaTable(location, version=version)
    [counted] = ask(table, f'SELECT count(*) AS "rows", min("{QUARANTINED_AT}") AS since FROM "rows"')
    if not counted["rows"]:
        return None
    reasons = ask(
        table,
        f'SELECT name, count(*) AS n FROM (SELECT unnest("{FAILED_EXPECTATIONS}") AS name FROM "rows") '
        "GROUP BY name ORDER BY n DESC, name",
    )
    return QuarantineSummary(
        dataset=name,
        rows=counted["rows"],
        by_expectation={row["name"]: row["n"] for row in reasons},
        since=counted["since"],
        location=location,
        version=version,
    )


def published_quarantines(workspace: Workspace) -> dict[TableName, QuarantineSummary]:
    """The declared datasets that have rows in quarantine, by name, as of what readers see."""
    publication = workspace.warehouse.latest_publication()
    published = publication.tables if publication else {}
    declared = [dataset.name for dataset in workspace.project.stored if dataset.name in published]
    found = {name: summarize(workspace, name, published[name].record) for name in declared}
    return {name: summary for name, summary in found.items() if summary is not None}


def quarantined_rows(summary: QuarantineSummary, limit: int) -> list[QuarantinedRow]:
    """At most `limit` of the rows, newest first; columns in the order of the table."""
    table = DeltaTable(summary.location, version=summary.version)
    names = [field.name for field in table.schema().fields]
    columns = ", ".join(map(quoted_name, names))
    found = ask(
        table, f'SELECT {columns} FROM "rows" ORDER BY "{QUARANTINED_AT}" DESC, "{QUARANTINED_BY}" LIMIT {limit}'
    )
    return [
        QuarantinedRow(
            values={name: value for name, value in row.items() if name not in META},
            failed_expectations=tuple(row[FAILED_EXPECTATIONS] or ()),
            run=row[QUARANTINED_BY],
            at=row[QUARANTINED_AT],
            versions_read=json.loads(row[VERSIONS_READ] or "{}"),
        )
        for row in found
    ]
