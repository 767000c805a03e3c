"""The rows that changed between two versions of a table, netted, as a frame for Spark.

A small feed is read by `deltalake` where that is right (hundredths of a second), else by Spark; where none was
recorded, the files that came are read against those that went. However it was read, the result is the same. A feed is
read and netted once a run, by `FeedCache`, and shared by all that consume it.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable
from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.pandas.types import to_arrow_schema
from pyspark.sql.types import IntegerType, StructField, StructType

from lakehouse.errors import ChangeFeedError
from lakehouse.plan.table_change import FeedReader, TableChange
from lakehouse.storage.arrow_frame import arrow_frame
from lakehouse.storage.delta_rows import feed_rows, file_rows, table_columns
from lakehouse.storage.feed_netting import WEIGHT, check_comparable, is_flat, net_arrow, net_frame
from lakehouse.storage.session_profile import is_local

_SMALL_FEED = 32 << 20  # bytes of files that are read into this process
_LOCAL_ROWS, _LOCAL_BYTES = 10_000, 16 << 20  # what goes into a plan as rows; more goes through a file
_ENTERS = pa.array(["insert", "update_postimage"])


def _nothing() -> None:
    """There is nothing to give back."""


@dataclass(frozen=True, slots=True)
class ChangeFeed:
    """Netted changes: `frame` has the table's columns at the later version, and `__w`, the number of insertions of a
    row minus its deletions (int, never 0); each distinct row once. All columns are nullable. `rows` are the frame's,
    `inserts_only` says that no weight is negative, `is_unit` that all are +1 or -1. Whoever read it closes it, or the
    cache that did.
    """

    frame: DataFrame
    rows: int
    inserts_only: bool
    is_unit: bool
    release: Callable[[], None] = field(default=_nothing, repr=False, compare=False)

    def close(self) -> None:
        """Gives back the file or the memory behind the frame, which cannot be used after that."""
        self.release()


def read_change_feed(session: SparkSession, location: str, change: TableChange) -> ChangeFeed:
    """The netted changes of the table at `location` (absolute path or URI) that `read_table_change` described.

    Raises ChangeFeedError if the change has an obstacle, a column is of a type without equality (VARIANT) or named
    `__w`, and Spark's own exceptions for files that vanished since.
    """
    if change.obstacle is not None:
        raise ChangeFeedError(
            f"the changed rows of {location} cannot be read: {change.obstacle_text}.", location=location
        )
    small = None
    if change.reader is FeedReader.ANY and change.bytes <= _SMALL_FEED:
        small = DeltaTable(location, version=change.to_version)
    columns = table_columns(session, location, change) if small is None else _plain_columns(small)
    columns = StructType([StructField(entry.name, entry.dataType) for entry in columns.fields])
    check_comparable(columns, location)
    schema = StructType([*columns.fields, StructField(WEIGHT, IntegerType())])
    if not change.changes_rows:
        return _from_arrow(session, to_arrow_schema(schema).empty_table(), schema)
    if small is None:
        read = file_rows if change.reader is FeedReader.FILES else feed_rows
        return _net(read(session, location, change, columns), change.rows)
    signed = _small_feed(small, change, schema)
    if is_flat(columns):
        return _from_arrow(session, net_arrow(signed), schema)
    with ExitStack() as held:
        raw = _from_arrow(session, signed, schema)
        held.callback(raw.close)
        netted = _net(raw.frame, signed.num_rows)
        if netted.release is not _nothing:
            held.pop_all()
            return replace(netted, release=lambda: _close_both(netted, raw))
        return netted


def _plain_columns(table: DeltaTable) -> StructType:
    """The columns of a table that `deltalake` reads."""
    fields = json.loads(table.schema().to_json())["fields"]
    # Metadata stays behind: Spark would take some of it for a type.
    return StructType([StructField.fromJson({**entry, "metadata": {}}) for entry in fields])


def _small_feed(table: DeltaTable, change: TableChange, schema: StructType) -> pa.Table:
    """The feed as `deltalake` reads it, each row with its sign, in the types that Spark takes."""
    names = [entry.name for entry in schema.fields[:-1]]
    found = table.load_cdf(starting_version=change.from_version + 1, ending_version=change.to_version)
    rows = pa.table(found.read_all())
    enters = pc.is_in(rows["_change_type"].cast(pa.string()), value_set=_ENTERS)
    signs = pc.if_else(enters, pa.scalar(1, pa.int32()), pa.scalar(-1, pa.int32()))
    columns = [*(rows[name] for name in names), signs]
    return pa.table(columns, names=[*names, WEIGHT]).cast(to_arrow_schema(schema))


def _close_both(netted: ChangeFeed, raw: ChangeFeed) -> None:
    netted.close()
    raw.close()


def _net(signed: DataFrame, bound: int | None) -> ChangeFeed:
    """Nets in Spark. A result that is small becomes rows of the plan: its size is known, and it is sent around."""
    session, netted = signed.sparkSession, net_frame(signed)
    schema = StructType([StructField(entry.name, entry.dataType) for entry in netted.schema.fields])
    if bound is not None and bound <= _LOCAL_ROWS:
        return _from_arrow(session, netted.toArrow(), schema)
    kept = netted.persist(StorageLevel.MEMORY_AND_DISK)
    try:
        rows, least, most = kept.agg(F.count(F.lit(1)), F.min(WEIGHT), F.max(F.abs(WEIGHT))).collect()[0]
        if rows <= _LOCAL_ROWS:
            small = _from_arrow(session, kept.toArrow(), schema)
            kept.unpersist()
            return small
    except BaseException:
        kept.unpersist()
        raise
    return ChangeFeed(kept, rows, least is None or least > 0, most in (None, 1), lambda: _unpersist(kept))


def _unpersist(frame: DataFrame) -> None:
    frame.unpersist()


def _from_arrow(session: SparkSession, rows: pa.Table, schema: StructType) -> ChangeFeed:
    """Rows of this process in Spark: in the plan itself, or where there are many, by a temporary file (8 × faster at
    a million rows), which only a Spark on this machine can read."""
    least = pc.min(rows[WEIGHT]).as_py()
    inserts_only = least is None or least > 0
    is_unit = pc.max(pc.abs(rows[WEIGHT])).as_py() in (None, 1)
    few = rows.num_rows <= _LOCAL_ROWS and rows.nbytes <= _LOCAL_BYTES
    if few or not is_local(str(session.sparkContext.master)):
        return ChangeFeed(arrow_frame(session, rows, schema), rows.num_rows, inserts_only, is_unit)
    folder = tempfile.mkdtemp(prefix="lakehouse-feed-")
    try:
        pq.write_table(rows, str(Path(folder) / "rows.parquet"))
        reader = session.read.schema(schema).option("datetimeRebaseMode", "CORRECTED")
        frame = reader.parquet(str(Path(folder) / "rows.parquet"))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return ChangeFeed(frame, rows.num_rows, inserts_only, is_unit, lambda: shutil.rmtree(folder, ignore_errors=True))


class FeedCache:
    """The feeds of one run: each is read and netted once, whatever number of threads ask. Leaving the context, or
    `close`, gives back what the feeds hold."""

    def __init__(self, session: SparkSession) -> None:
        self._session = session
        self._guard = threading.Lock()
        self._places: dict[tuple[str, int, int], _Place] = {}

    def __enter__(self) -> FeedCache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(self, location: str, change: TableChange) -> ChangeFeed:
        """What `read_change_feed` gives. Not to be closed by the caller. A failure is not kept: the next one tries
        again."""
        with self._guard:
            place = self._places.setdefault((location, change.from_version, change.to_version), _Place())
        with place.lock:
            if place.feed is None:
                place.feed = read_change_feed(self._session, location, change)
            return place.feed

    def close(self) -> None:
        """Closes every feed."""
        with self._guard:
            places, self._places = self._places, {}
        for place in places.values():
            with place.lock:
                if place.feed is not None:
                    place.feed.close()


@dataclass(slots=True)
class _Place:
    lock: Any = field(default_factory=threading.Lock)
    feed: ChangeFeed | None = None
