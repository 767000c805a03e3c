"""Rows of a Delta table's log entries through Delta's own classes, whatever features the table has: its change feed,
and the rows of single files, each with its sign. The columns are those of the later version."""

from __future__ import annotations

import json
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StructType

from lakehouse.plan.table_change import TableChange
from lakehouse.storage.changed_files import SignedFile, signed_files
from lakehouse.storage.commit_log import CommitLog
from lakehouse.storage.feed_netting import WEIGHT, quoted

_ADD_KEYS = ("path", "partitionValues", "size", "deletionVector", "stats", "baseRowId", "defaultRowCommitVersion")


def table_columns(session: SparkSession, location: str, change: TableChange) -> StructType:
    """The columns of the table at the later version, as Spark reads them."""
    reader = session.read.format("delta").option("versionAsOf", change.to_version)
    return reader.load(location).schema


def feed_rows(session: SparkSession, location: str, change: TableChange, columns: StructType) -> DataFrame:
    """Every row of the change feed with weight 1 or -1.

    Not by the `readChangeFeed` option: that reads with the columns of the newest version, whatever the range, and
    turns every row into an object and back.
    """
    jvm: Any = session._jvm
    delta = jvm.org.apache.spark.sql.delta
    none = jvm.scala.Option.empty()
    log = delta.DeltaLog.forTable(session._jsparkSession, location)
    snapshot = log.getSnapshotAt(change.to_version, none, none, False)
    rows = DataFrame(
        delta.commands.cdc.CDCReader.changesToBatchDF(
            log,
            change.from_version + 1,
            change.to_version,
            session._jsparkSession,
            none,
            jvm.scala.Option.apply(snapshot),
            False,
            none,
        ),
        session,
    )
    enters = F.col("_change_type").isin("insert", "update_postimage")
    return rows.select(*_named(columns), F.when(enters, 1).otherwise(-1).alias(WEIGHT))


def file_rows(session: SparkSession, location: str, change: TableChange, columns: StructType) -> DataFrame:
    """Every row of the files that entered (weight 1) or left (-1) the table."""
    jvm: Any = session._jvm
    delta = jvm.org.apache.spark.sql.delta
    none = jvm.scala.Option.empty()
    log = delta.DeltaLog.forTable(session._jsparkSession, location)
    snapshot = log.getSnapshotAt(change.to_version, none, none, False)
    commits = CommitLog(location)
    found = [commits.commit(version) for version in range(change.from_version + 1, change.to_version + 1)]
    moved = signed_files(commit for commit in found if commit is not None)
    frames = []
    for sign in (1, -1):
        adds = jvm.java.util.ArrayList()
        for file in moved:
            if file.sign == sign:
                adds.add(delta.actions.Action.fromJson(_as_add(file)))
        if not adds.isEmpty():
            rows = log.createDataFrame(snapshot, jvm.PythonUtils.toSeq(adds), False, none)
            frames.append(DataFrame(rows, session).select(*_named(columns), F.lit(sign).alias(WEIGHT)))
    if not frames:  # what came has gone again
        return session.createDataFrame([], columns).withColumn(WEIGHT, F.lit(1))
    return frames[0] if len(frames) == 1 else frames[0].unionAll(frames[1])


def _named(columns: StructType) -> list[Any]:
    return [F.col(quoted(entry.name)) for entry in columns.fields]


def _as_add(file: SignedFile) -> str:
    """A file as an `add` action: also one that was removed, to read it once more."""
    known = {key: file.action[key] for key in _ADD_KEYS if file.action.get(key) is not None}
    add = {"partitionValues": {}, "size": 0, "modificationTime": 0, "dataChange": True, **known}
    return json.dumps({"add": add})
