"""The data files of one version of an unpartitioned Delta table in a local folder: where they are, what their columns
lie between, and which of their rows are deleted. (Delta protocol: "Per-file Statistics", "Deletion Vectors".)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from deltalake import DeltaTable

Numbers = npt.NDArray[np.int64]
VECTORS = "deletionVectors"  # the table feature
_NONE: Numbers = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TableFile:
    """A data file: its `place`, how many rows it has if the log tells, the numbers of those that are deleted,
    ascending, and for the columns whose statistics the log has, the least and the greatest value and whether there are
    NULLs."""

    place: Path
    rows: int | None
    deleted: Numbers
    bounds: Mapping[str, tuple[Any, Any]]
    without_null: frozenset[str]

    def may_hold(self, column: str, ranges: Sequence[tuple[Any, Any]], *, null: bool) -> bool:
        """Whether the statistics allow that the column holds a value in one of the ranges, or NULL if that is asked."""
        if null and column not in self.without_null:
            return True
        least, greatest = self.bounds.get(column, (None, None))
        if least is None or greatest is None:
            return bool(ranges)
        return any(low <= greatest and least <= high for low, high in ranges)


def table_files(table: DeltaTable, columns: Sequence[str]) -> list[TableFile]:
    """The table's files, with the bounds of these columns."""
    actions = pa.table(table.get_add_actions(flatten=True))
    paths = actions["path"].to_pylist()
    deleted = _deleted_rows(table) if VECTORS in (table.protocol().reader_features or ()) else {}
    folder = Path(unquote(urlsplit(table.table_uri).path) if "://" in table.table_uri else table.table_uri)

    def told(kind: str, column: str) -> list[Any]:
        name = f"{kind}.{column}"
        return actions[name].to_pylist() if name in actions.column_names else [None] * len(paths)

    counts = actions["num_records"].to_pylist() if "num_records" in actions.column_names else [None] * len(paths)
    bounds = {column: list(zip(told("min", column), told("max", column), strict=True)) for column in columns}
    nulls = {column: told("null_count", column) for column in columns}
    found = []
    for number, path in enumerate(paths):
        place = _place(folder, path)
        found.append(
            TableFile(
                place=place,
                rows=counts[number],
                deleted=deleted.get(place.name, _NONE),
                bounds={column: bounds[column][number] for column in columns},
                without_null=frozenset(column for column in columns if nulls[column][number] == 0),
            )
        )
    return found


def _place(folder: Path, path: str) -> Path:
    if "://" in path or path.startswith("file:"):
        return Path(unquote(urlsplit(path).path))
    as_it_is = folder / path
    return as_it_is if as_it_is.exists() else folder / unquote(path)


def _deleted_rows(table: DeltaTable) -> dict[str, Numbers]:
    """The deleted rows of each file that has some, by the last part of its path, which is unlike any other's."""
    vectors = pa.table(table.deletion_vectors().read_all())
    found = {}
    for path, kept in zip(vectors["filepath"].to_pylist(), vectors["selection_vector"], strict=True):
        mask: npt.NDArray[np.bool_] = kept.values.to_numpy(zero_copy_only=False)
        found[unquote(str(path)).rpartition("/")[2]] = np.flatnonzero(~mask)
    return found
