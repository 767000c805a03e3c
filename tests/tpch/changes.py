"""Refresh rounds over the tables of `data.py`: orders come, go and change, with their line items.

The generator has no refresh functions, so they are derived from what is there, by a seed:

- RF1 inserts orders that resemble existing ones, under new keys, with other customers, dates, quantities and prices;
- RF2 deletes orders with all their line items;
- RF3 updates an order's status and total price, and of some of its line items (the first one always) quantity, price,
  dates and return flag;
- beside the specification, `dimensions` changes customers, suppliers, parts and their offers.

Touched orders are spread over the whole table, as in a warehouse whose orders live long. Equal tables and an equal
round give equal tables again. Changes are computed with DuckDB and applied by deltalake.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from tests.tpch import change_sql

KEYS = {
    "orders": ("o_orderkey",),
    "lineitem": ("l_orderkey", "l_linenumber"),
    "customer": ("c_custkey",),
    "supplier": ("s_suppkey",),
    "part": ("p_partkey",),
    "partsupp": ("ps_partkey", "ps_suppkey"),
}
_SLICE_ORDERS = 500_000  # of the table: bounds the memory that a merge takes, and how large the files get


class Commits(Enum):
    """How a round reaches a table."""

    ONE = 1  # one MERGE of everything
    TWO = 2  # new rows are appended, the others merged: new keys keep their own files, as where data arrives in order
    THREE = 3  # an append, a delete, an update


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What happens between two runs. `fraction` is the share of all orders that are touched (0 to 1), split by the
    weights `inserts`, `deletes` and `updates`; `dimensions` the share of rows changed in the other tables. A share
    above 0 touches at least one row. More than 500,000 orders are changed part by part, each by its own commits."""

    seed: int
    fraction: float
    inserts: float = 1.0
    deletes: float = 1.0
    updates: float = 1.0
    dimensions: float = 0.0
    commits: Commits = Commits.TWO


@dataclass(slots=True)
class RowCounts:
    """How many rows of a table a round changed."""

    inserted: int = 0
    deleted: int = 0
    updated: int = 0

    @property
    def total(self) -> int:
        """All of them; an update counts once."""
        return self.inserted + self.deleted + self.updated


@dataclass(frozen=True, slots=True)
class _Slice:
    """The orders that one merge touches: existing keys, ascending, and for each insert the order it is derived from
    and its new key."""

    deletes: np.ndarray
    updates: np.ndarray
    templates: np.ndarray
    fresh: np.ndarray


@dataclass(frozen=True, slots=True)
class _Tables:
    """The tables as they were when the round began, in DuckDB under their names."""

    folder: Path
    seed: int
    sql: duckdb.DuckDBPyConnection
    counts: dict[str, RowCounts] = field(default_factory=lambda: {name: RowCounts() for name in KEYS})


def apply_round(folder: Path, what: Round) -> Mapping[str, RowCounts]:
    """Changes the tables in `folder`; returns what was changed, for every table that may change."""
    with duckdb.connect() as sql:
        for name in KEYS:
            files = DeltaTable(str(folder / name)).file_uris()
            sql.read_parquet(files).create_view(name)
        tables = _Tables(folder, what.seed, sql)
        if what.fraction:
            for part in _slices(tables, what):
                for name in ("orders", "lineitem"):
                    _change(tables, name, part, what.commits)
        if what.dimensions:
            for name in ("customer", "supplier", "part", "partsupp"):
                _change_dimension(tables, name, what.dimensions)
        return tables.counts


def _slices(tables: _Tables, what: Round) -> Iterator[_Slice]:
    keys = np.sort(tables.sql.sql("SELECT o_orderkey FROM orders").fetchnumpy()["o_orderkey"])
    weights = np.array([what.deletes, what.updates, what.inserts])
    share = weights / weights.sum()
    wanted = [0 if part == 0 else max(1, round(part * what.fraction * len(keys))) for part in share]
    chosen = np.random.default_rng(what.seed).permutation(len(keys))[: sum(wanted)]
    deletes, updates, templates = (keys[part] for part in np.split(chosen, np.cumsum(wanted)[:-1]))
    fresh = keys[-1] + 1 + np.arange(len(templates))
    # By key ranges: each merge rewrites its part of the table, and none the whole of it.
    count = math.ceil(len(keys) / _SLICE_ORDERS)
    bounds = [keys[len(keys) * part // count] for part in range(1, count)]

    def cut(values: np.ndarray) -> list[np.ndarray]:
        ordered = np.sort(values)
        return np.split(ordered, np.searchsorted(ordered, bounds))

    start = 0
    for gone, changed, copied in zip(cut(deletes), cut(updates), cut(templates), strict=True):
        yield _Slice(gone, changed, copied, fresh[start : start + len(copied)])
        start += len(copied)


def _change(tables: _Tables, name: str, part: _Slice, commits: Commits) -> None:
    sql, seed = tables.sql, tables.seed
    sql.register("deletes", pa.table({"order_key": part.deletes}))
    sql.register("updates", pa.table({"order_key": part.updates}))
    sql.register("copies", pa.table({"order_key": part.templates, "new_key": part.fresh}))
    pieces = {
        "delete": sql.sql(change_sql.deletes(name)).to_arrow_table(),
        "update": sql.sql(change_sql.updates(name, seed)).to_arrow_table(),
        "insert": sql.sql(change_sql.inserts(name, seed)).to_arrow_table(),
    }
    counts = tables.counts[name]
    counts.deleted += len(pieces["delete"])
    counts.updated += len(pieces["update"])
    counts.inserted += len(pieces["insert"])
    filled = {kind: rows for kind, rows in pieces.items() if len(rows)}
    path = tables.folder / name
    if commits is not Commits.ONE and "insert" in filled:
        write_deltalake(str(path), filled.pop("insert"), mode="append")
    for together in [{kind: rows} for kind, rows in filled.items()] if commits is Commits.THREE else [filled]:
        _merge(path, name, together)


def _change_dimension(tables: _Tables, name: str, share: float) -> None:
    (key, *_) = KEYS[name]
    # Every table by its own key; of offers, all suppliers of a part.
    keys = np.sort(tables.sql.sql(f"SELECT DISTINCT {key} AS k FROM {name}").fetchnumpy()["k"])
    chance = np.random.default_rng([tables.seed, *name.encode()])
    chosen = np.sort(chance.choice(keys, max(1, round(share * len(keys))), replace=False))
    tables.sql.register("chosen", pa.table({"k": chosen}))
    rows = tables.sql.sql(change_sql.dimension_updates(name, key, tables.seed)).to_arrow_table()
    tables.counts[name].updated += len(rows)
    _merge(tables.folder / name, name, {"update": rows})


def _merge(path: Path, name: str, pieces: Mapping[str, pa.Table]) -> None:
    """One commit: rows by what becomes of them. Rows to delete need only their key."""
    if not pieces:
        return
    table = DeltaTable(str(path))
    source = pa.concat_tables(
        [rows.append_column("_op", pa.array([kind] * len(rows), pa.string())) for kind, rows in pieces.items()],
        promote_options="default",
    )
    keys = KEYS[name]
    condition = " AND ".join(f'(t."{key}" = s."{key}")' for key in keys)
    touched = [rows[keys[0]] for kind, rows in pieces.items() if kind != "insert"]
    if touched:
        values = pa.chunked_array([chunk for column in touched for chunk in column.chunks]).to_numpy()
        condition += f' AND (t."{keys[0]}" BETWEEN {values.min()} AND {values.max()})'
    columns = {field.name: f's."{field.name}"' for field in table.schema().fields}
    merge = table.merge(source, condition, source_alias="s", target_alias="t")
    if "delete" in pieces:
        merge = merge.when_matched_delete(predicate="s._op = 'delete'")
    if "update" in pieces:
        merge = merge.when_matched_update(columns, predicate="s._op = 'update'")
    if "insert" in pieces:
        merge = merge.when_not_matched_insert(columns, predicate="s._op = 'insert'")
    merge.execute()
