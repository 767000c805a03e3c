"""A table's columns, properties and features at one version, without Spark."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from lakehouse.storage.commit_log import CommitLog

_MAPPING = "delta.columnMapping.mode"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableMetadata:
    """What a `metaData` action says. `schema` is the protocol's struct type; `features` are those that a reader must
    know, as far as the table lists them."""

    table_id: str
    schema: Mapping[str, Any]
    properties: Mapping[str, str]
    partition_by: tuple[str, ...]
    features: frozenset[str] = frozenset()

    @property
    def has_feed(self) -> bool:
        """Whether commits made from here on record their changed rows."""
        return self.properties.get("delta.enableChangeDataFeed", "").lower() == "true"

    @property
    def column_mapping(self) -> str:
        """How columns are found in files: `none` means by their names."""
        return self.properties.get(_MAPPING, "none").lower()


def metadata_of_action(action: Mapping[str, Any], features: frozenset[str] = frozenset()) -> TableMetadata:
    """The metadata that a `metaData` action's contents set."""
    return TableMetadata(
        table_id=str(action["id"]),
        schema=json.loads(action["schemaString"]),
        properties=action.get("configuration") or {},
        partition_by=tuple(action.get("partitionColumns") or ()),
        features=features,
    )


def metadata_of_table(table: DeltaTable) -> TableMetadata:
    """The metadata of an opened table."""
    metadata, protocol = table.metadata(), table.protocol()
    return TableMetadata(
        table_id=str(metadata.id),
        schema=json.loads(table.schema().to_json()),
        properties=metadata.configuration,
        partition_by=tuple(metadata.partition_columns),
        features=frozenset(protocol.reader_features or ()),
    )


def open_version(location: str, version: int) -> DeltaTable | None:
    """One version of a table, None if `deltalake` cannot open it: a feature it lacks, or a log cut off before it."""
    try:
        return DeltaTable(location, version=version)
    except (DeltaError, OSError, ValueError):
        return None


def metadata_at(location: str, version: int) -> TableMetadata | None:
    """The metadata in force at a version, None if neither `deltalake` nor the JSON log tells."""
    table = open_version(location, version)
    if table is not None:
        return metadata_of_table(table)
    log, features, found = CommitLog(location), None, None
    for number in range(version, -1, -1):
        commit = log.commit(number)
        if commit is None:
            return None
        if features is None:
            features = next((frozenset(p.get("readerFeatures") or ()) for p in commit.of("protocol")), None)
        found = found or next(commit.of("metaData"), None)
        if found is not None and features is not None:
            return metadata_of_action(found, features)
    return None
