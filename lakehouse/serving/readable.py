"""What a connection can read: every name with the version it stands for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from lakehouse.definition.project import Project, ProjectSpec
from lakehouse.names import TableName, quarantine_name
from lakehouse.plan.records import Publication
from lakehouse.run.location import locate, locate_quarantine
from lakehouse.storage.table_log import newest_version

_SYSTEM_TABLES = ("runs", "refreshes", "files", "publications", "lineage", "expectations", "profiles")


class TableVersion(NamedTuple):
    """One version of the Delta table at `location`."""

    location: str
    version: int


def system_tables(spec: ProjectSpec) -> dict[TableName, TableVersion]:
    """The framework's own tables at their newest versions; those that were written before."""
    places = {TableName("system", name): f"{spec.warehouse}/system/{name}" for name in _SYSTEM_TABLES}
    newest = {name: TableVersion(place, newest_version(place)) for name, place in places.items()}
    return {name: found for name, found in newest.items() if found.version >= 0}


def published_tables(spec: ProjectSpec, publication: Publication) -> dict[TableName, TableVersion]:
    """The project's own tables at their published versions, and the rows set aside that belong to these."""
    tables = {
        name: TableVersion(f"{spec.warehouse}/{name.schema}/{name.name}", table.version)
        for name, table in publication.tables.items()
    }
    aside = {
        quarantine_name(name): TableVersion(locate_quarantine(spec, name), table.record.quarantine)
        for name, table in publication.tables.items()
        if table.record.quarantine >= 0
    }
    return {**tables, **aside}


def external_tables(project: Project, publication: Publication) -> dict[TableName, TableVersion]:
    """The tables of others that published tables were computed from, at the newest version that one of them read."""
    read: dict[str, int] = {}
    for table in publication.tables.values():
        for name, version in table.record.reads.items():
            read[name] = max(version, read.get(name, -1))
    return {
        dataset.name: TableVersion(locate(project, dataset.name), read[str(dataset.name)])
        for dataset in project.external
        if str(dataset.name) in read
    }


def reads_of_others(publication: Publication) -> bool:
    """Whether a published table was computed from one that the project did not write."""
    own: Mapping[str, object] = {str(name): table for name, table in publication.tables.items()}
    return any(read not in own for table in publication.tables.values() for read in table.record.reads)
