"""What a table's log says of its columns, features and settings, as far as it decides who may write the table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from arro3.core import Table
from deltalake import DeltaTable

VECTORS = "delta.enableDeletionVectors"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableColumn:
    """A column as the log has it: `type` is the Delta protocol's (a name, or a dictionary for a nested type),
    `marks` the keys of its metadata, by which Delta stores defaults, generation, char and varchar lengths."""

    name: str
    type: Any
    nullable: bool = True
    marks: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class TableShape:
    """One version of a table, without its rows. `features` are the protocol's table features, empty on the older
    protocols that number them; `bytes` is the size of its data files, `is_local` whether they are in a local folder."""

    columns: tuple[TableColumn, ...]
    partition_by: tuple[str, ...] = ()
    configuration: Mapping[str, str] = field(default_factory=dict)
    features: frozenset[str] = frozenset()
    bytes: int = 0
    is_local: bool = True

    @property
    def has_vectors(self) -> bool:
        """Whether rows may be deleted by marking them in their files."""
        return is_on(self.configuration, VECTORS)

    def column(self, name: str) -> TableColumn:
        """The column of this exact name, which must exist."""
        return next(column for column in self.columns if column.name == name)


def is_on(properties: Mapping[str, str], name: str) -> bool:
    """Whether a table property is set to true."""
    return properties.get(name, "").lower() == "true"


def read_shape(table: DeltaTable) -> TableShape:
    """The shape of the version that `table` is at."""
    protocol, metadata = table.protocol(), table.metadata()
    sizes = Table.from_arrow(table.get_add_actions(flatten=True)).column("size_bytes").to_pylist()
    return TableShape(
        columns=tuple(
            TableColumn(
                name=column["name"],
                type=column["type"],
                nullable=column["nullable"],
                marks=frozenset(column["metadata"]) - {"comment"},
            )
            for column in json.loads(table.schema().to_json())["fields"]
        ),
        partition_by=tuple(metadata.partition_columns),
        configuration=dict(metadata.configuration),
        features=frozenset(protocol.writer_features or ()) | frozenset(protocol.reader_features or ()),
        bytes=sum(sizes),
        is_local="://" not in table.table_uri or table.table_uri.startswith("file:"),
    )


def partition_values(table: DeltaTable, columns: tuple[str, ...]) -> frozenset[str]:
    """The texts that these partition columns have in the table's files, NULL left out."""
    if not columns:
        return frozenset()
    actions = Table.from_arrow(table.get_add_actions(flatten=True))
    found = [value for name in columns for value in actions.column(f"partition.{name}").to_pylist()]
    return frozenset(str(value) for value in found if value is not None)
