"""What a change set does to the rows of a table that it looks for: which leave, and which come. Pure, in Arrow; the
meaning is that of `Change`.

Values are compared null-safely; NaN equals NaN, and 0.0 equals -0.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from lakehouse.plan.change_set import CHANGE, Change
from lakehouse.storage.change_engine import RowCounts
from lakehouse.storage.change_rows import canonical
from lakehouse.storage.table_files import Numbers

CHANGE_TYPE = "_change_type"
"""The column of a change feed that says what became of a row. (Delta protocol: "Add CDC File".)"""

_DELETIONS = pa.array([Change.DELETE.value, Change.REMOVE.value])


@dataclass(frozen=True, slots=True, kw_only=True)
class RowMoves:
    """`leaves` says which of the rows that were found leave the table, `enters` are the rows to add. `feed` are all of
    these, with the table's columns and `CHANGE_TYPE`."""

    leaves: npt.NDArray[np.bool_]
    enters: pa.Table
    feed: pa.Table
    counts: RowCounts


def row_moves(rows: pa.Table, found: pa.Table, match: Sequence[str]) -> RowMoves:
    """What the change set `rows` (the table's columns and `_change`) does to a table, of which `found` are at least
    the rows that equal one of it in the columns `match`. No two rows that are looked for are equal in these."""
    is_insert = pc.equal(rows[CHANGE], Change.INSERT.value)
    unseen, sought = rows.filter(is_insert).drop_columns([CHANGE]), rows.filter(pc.invert(is_insert))
    is_deletion = pc.is_in(sought[CHANGE], value_set=_DELETIONS).to_numpy()
    sought = sought.drop_columns([CHANGE])
    found = found.select(sought.column_names).cast(sought.schema)
    by_match = equal_numbers(sought.select(match), found.select(match))
    order = np.argsort(by_match[0], kind="stable")
    hits, seekers = _partners(by_match[1], by_match[0][order], order)
    whole = by_match if len(match) == sought.num_columns else equal_numbers(sought, found)
    is_deleted = np.zeros(found.num_rows, bool)
    is_deleted[hits] = is_deletion[seekers]
    is_updated = np.zeros(found.num_rows, bool)
    is_updated[hits] = ~is_deletion[seekers] & (whole[1][hits] != whole[0][seekers])
    is_missing = ~is_deletion
    is_missing[seekers] = False
    seeker_of = np.zeros(found.num_rows, np.int64)
    seeker_of[hits] = seekers
    deleted, before = found.filter(pa.array(is_deleted)), found.filter(pa.array(is_updated))
    after = sought.take(pa.array(seeker_of[is_updated]))
    inserted = pa.concat_tables([unseen, sought.filter(pa.array(is_missing))])
    typed = {"delete": deleted, "update_preimage": before, "update_postimage": after, "insert": inserted}
    return RowMoves(
        leaves=is_deleted | is_updated,
        enters=pa.concat_tables([after, inserted]),
        feed=pa.concat_tables([_typed(some, name) for name, some in typed.items()]),
        counts=RowCounts(inserted=inserted.num_rows, updated=before.num_rows, deleted=deleted.num_rows),
    )


def equal_numbers(*tables: pa.Table) -> list[Numbers]:
    """A number for each row of these tables, which have the same flat columns: the same for equal rows, no others."""
    rows = pa.concat_tables(tables)
    numbers = np.zeros(rows.num_rows, np.int64)
    for column in rows.columns:
        encoded: Any = canonical(column).combine_chunks().dictionary_encode(null_encoding="encode")
        codes = encoded.indices.to_numpy().astype(np.int64)
        numbers = np.unique(numbers * (len(encoded.dictionary) + 1) + codes, return_inverse=True)[1]
    ends = np.cumsum([table.num_rows for table in tables])
    return list(np.split(numbers.astype(np.int64), ends[:-1]))


def _partners(wanted: Numbers, known: Numbers, order: Numbers) -> tuple[Numbers, Numbers]:
    """The places in `wanted` of numbers that are `known` (ascending), and for each its place before they were put in
    `order`."""
    if not len(known):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    places = np.minimum(np.searchsorted(known, wanted), len(known) - 1)
    hits = np.flatnonzero(known[places] == wanted)
    return hits, order[places[hits]]


def _typed(rows: pa.Table, name: str) -> pa.Table:
    return rows.append_column(CHANGE_TYPE, pa.repeat(pa.scalar(name), rows.num_rows))
