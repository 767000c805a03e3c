"""What a commit says of itself, and what a publication holds: the facts that plans are made from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from lakehouse.names import TableName


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshRecord:
    """How a table's rows came about: written into the commit as userMetadata, and kept in the publication.

    `reads` are the exact versions of the tables it was computed from, `views` the fingerprints of the temporary
    views it went through, `volatile` the time functions its query calls, `undeclared` what it reads beside
    declared datasets. `content` is an order-free digest of all rows, or None where it is not known. `identities` tell
    the tables of others that were read from others in their place, `plan` is a digest of a query that a function made.
    `ratios` are actual to predicted seconds of past refreshes, by mode. `state` and `quarantine` are the versions of
    what is kept beside the table that belong to its rows (-1: none); `counts` what its expectations counted, over all
    rows of a view, over those that a load brought; `set_aside` digests the rows in quarantine as `content` does.
    `expected` are the seconds that each mode in question was expected to take.
    """

    project: str
    dataset: str
    run: str
    epoch: int
    mode: str
    fingerprint: str
    layout: str
    settings: str
    reads: Mapping[str, int] = field(default_factory=dict)
    views: Mapping[str, str] = field(default_factory=dict)
    volatile: tuple[str, ...] = ()
    undeclared: tuple[str, ...] = ()
    content: str | None = None
    identities: Mapping[str, str] = field(default_factory=dict)
    plan: str | None = None
    ratios: Mapping[str, float] = field(default_factory=dict)
    state: int = -1
    quarantine: int = -1
    counts: Mapping[str, int] = field(default_factory=dict)
    set_aside: str | None = None
    expected: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> str:
        """The record as one line of JSON under the key `lakehouse`, so that other metadata may stand beside it."""
        return json.dumps({"lakehouse": asdict(self)}, sort_keys=True, separators=(",", ":"))

    @staticmethod
    def from_json(text: str | None) -> RefreshRecord | None:
        """The record in a commit's userMetadata, or None if the commit is not one of ours."""
        try:
            found = json.loads(text or "")["lakehouse"]
            return RefreshRecord(
                **{**found, "volatile": tuple(found["volatile"]), "undeclared": tuple(found["undeclared"])}
            )
        except (ValueError, KeyError, TypeError):
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedTable:
    """One table in a publication: the version that readers see, and how it came about."""

    name: TableName
    version: int
    record: RefreshRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """The set of versions that readers see, as one value; `sequence` counts from 1."""

    sequence: int
    run: str
    published_at: datetime
    tables: Mapping[TableName, PublishedTable]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFacts:
    """What a table's own log says: its newest version, our last commit in it, and whether another writer changed
    rows after it. `version` is -1 where there is no table; `record` is None where no commit of it is ours."""

    version: int = -1
    record: RefreshRecord | None = None
    record_version: int = -1
    foreign_change: bool = False

    @property
    def exists(self) -> bool:
        """Whether there is a table at all."""
        return self.version >= 0


def application_id(project: str, name: TableName) -> str:
    """The table's application in Delta's transaction identifiers; its version is the epoch."""
    return f"lakehouse/{project}/{name}"


def publication_json(publication: Publication) -> str:
    """The tables of a publication as one JSON text."""
    tables: dict[str, Any] = {
        str(name): {"version": table.version, "record": json.loads(table.record.to_json())["lakehouse"]}
        for name, table in sorted(publication.tables.items())
    }
    return json.dumps(tables, sort_keys=True, separators=(",", ":"))


def published_tables(text: str) -> Mapping[TableName, PublishedTable]:
    """The inverse of `publication_json`."""
    tables = {}
    for key, value in json.loads(text).items():
        name = TableName(*key.split(".", 1))
        record = RefreshRecord.from_json(json.dumps({"lakehouse": value["record"]}))
        assert record is not None, f"publication row of {key} cannot be read"
        tables[name] = PublishedTable(name=name, version=value["version"], record=record)
    return tables
