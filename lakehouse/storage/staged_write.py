"""Write, audit, publish: data files are put down first, and become visible with a commit, or vanish.

Delta's own `WriteIntoDelta` checks types, constraints and schema and writes the files; its actions are kept and
committed later in the same transaction, together with the transaction identifier (application = the table,
version = epoch) and the record of what was read. Reading the identifier through `txnVersion` first makes a second
commit of the same epoch a conflict. (Delta protocol: "Transaction Identifiers".)
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from urllib.parse import unquote

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from lakehouse.storage.file_statistics import SETTINGS, are_in_footers, with_statistics
from lakehouse.storage.session import sibling_session


class WriteMode(str, Enum):
    """Add rows, replace all rows, or replace the rows that `replace_where` selects."""

    APPEND = "Append"
    OVERWRITE = "Overwrite"
    REPLACE = "Replace"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableWrite:
    """What is written where. `evolve` lets new columns in (append) or takes the frame's schema (overwrite);
    `properties`, `partition_by`, `cluster_by` and `comment` shape the table when the write creates it.
    `application` is the table's application id in Delta's transaction identifiers."""

    path: str
    application: str
    mode: WriteMode
    replace_where: str | None = None
    properties: Mapping[str, str] = field(default_factory=dict)
    partition_by: tuple[str, ...] = ()
    cluster_by: tuple[str, ...] = ()
    comment: str | None = None
    evolve: bool = False


class StagedWrite:
    """Data files that no reader sees yet, as `write` says. `rows` is what the files hold, `bytes` their size;
    `read_version` is the table's version they were written for, -1 if there is none, `read_epoch` the application's
    last epoch then."""

    def __init__(self, session: SparkSession, write: TableWrite, transaction: Any, actions: Any) -> None:
        self._session = session
        self.write = write
        self._transaction = transaction
        self._actions = actions
        added = [json.loads(actions.apply(index).json()) for index in range(actions.size())]
        files = [action["add"] for action in added if "add" in action]
        self.read_version = int(transaction.readVersion())
        self.read_epoch = int(transaction.txnVersion(write.application))  # -1 if the application never committed
        self._data = [file["path"] for file in files]
        self._files = [action[kind]["path"] for action in added for kind in ("add", "cdc") if kind in action]
        self.rows = sum(json.loads(file["stats"])["numRecords"] for file in files if file.get("stats"))
        self.bytes = sum(file["size"] for file in files)

    def read(self) -> DataFrame | None:
        """The staged rows, read from their files; None where the files do not name the table's columns."""
        metadata = self._transaction.metadata()
        if str(metadata.columnMappingMode().name()) != "none":
            return None
        schema = StructType.fromJson(json.loads(metadata.schema().json()))
        if not self._data:
            return self._session.createDataFrame([], schema)
        files = [f"{self.write.path}/{unquote(file)}" for file in self._data]
        reader = self._session.read.schema(schema).option("basePath", self.write.path)
        return reader.option("__globPaths__", "false").parquet(*files)  # names are names, not patterns

    def commit(self, epoch: int, metadata: str) -> int:
        """Makes the rows visible as one Delta version and returns it.

        `metadata` is stored as the commit's userMetadata. Raises the Delta exception of a conflicting commit.
        """
        actions = self._actions.appended(self._identifier(epoch))
        return int(self._transaction.commit(actions, self._operation(metadata)))

    def commit_next(self, epoch: int, metadata: str) -> int:
        """`commit` as the version right after `read_version` or not at all: raises Delta's ConcurrentWriteException
        if any other commit came first. For commits without files."""
        jvm: Any = self._session._jvm
        assert self._actions.isEmpty()
        actions = self._actions.appended(self._identifier(epoch)).iterator()
        nothing = scala_map(jvm, {})
        none = jvm.scala.Option.empty()
        done = self._transaction.commitLarge(
            self._session._jsparkSession, actions, none, self._operation(metadata), nothing, nothing
        )
        return int(done._1())

    def _operation(self, metadata: str) -> Any:
        jvm: Any = self._session._jvm
        none, some = jvm.scala.Option.empty(), jvm.scala.Option.apply
        return getattr(jvm.org.apache.spark.sql.delta, "DeltaOperations$Write")(
            _save_mode(jvm, self.write.mode), none, none, some(metadata), none, none, none, none, none
        )

    def _identifier(self, epoch: int) -> Any:
        jvm: Any = self._session._jvm
        now = jvm.scala.Option.apply(int(time.time() * 1000))
        return jvm.org.apache.spark.sql.delta.actions.SetTransaction(self.write.application, epoch, now)

    def discard(self) -> None:
        """Deletes the staged files; the table is as if the write had never been."""
        jvm: Any = self._session._jvm
        configuration = self._session._jsparkSession.sessionState().newHadoopConf()
        folder = jvm.org.apache.hadoop.fs.Path(self.write.path)
        filesystem = folder.getFileSystem(configuration)
        for file in self._files:
            filesystem.delete(jvm.org.apache.hadoop.fs.Path(f"{self.write.path}/{unquote(file)}"), False)


def stage_write(frame: DataFrame, write: TableWrite) -> StagedWrite:
    """Computes `frame` and puts its rows down as data files of the table at `write.path`, not yet visible.

    Raises Delta's AnalysisException where frame and table do not fit, and whatever the query itself raises.
    """
    session = frame.sparkSession
    jvm: Any = session._jvm
    delta = jvm.org.apache.spark.sql.delta
    none = jvm.scala.Option.empty()
    jsession = session._jsparkSession
    # Delta asks for the thread's active session where it reads a checkpoint anew; a thread of py4j may have none.
    activate = jvm.org.apache.spark.sql.classic.SparkSession.setActiveSession
    activate(jsession)
    transaction = delta.DeltaLog.forTable(jsession, write.path).startTransaction()
    transaction.txnVersion(write.application)
    creates = transaction.readVersion() < 0
    configuration = dict(write.properties)
    if write.comment is not None:
        configuration["comment"] = write.comment
    clustering = none
    if write.cluster_by and (creates or write.evolve):
        # The write records the clustering domain itself, but only CREATE TABLE would turn its features on.
        configuration |= {"delta.feature.clustering": "supported", "delta.feature.domainMetadata": "supported"}
        clustering = _cluster_by(jvm, write.cluster_by)
    if write.mode is WriteMode.REPLACE:
        # The rows that replace the selected ones may come together with rows of new files.
        session.conf.set("spark.databricks.delta.replaceWhere.constraintCheck.enabled", "false")
    options = delta.DeltaOptions(scala_map(jvm, _options(write)), jsession.sessionState().conf())
    command = delta.commands.WriteIntoDelta(
        delta.DeltaLog.forTable(jsession, write.path),
        _save_mode(jvm, write.mode),
        options,
        scala_seq(jvm, write.partition_by),
        scala_map(jvm, configuration if creates else {}),
        frame._jdf,
        none,
        none,
        False,
    )
    in_footers = not write.partition_by and are_in_footers(session, transaction, frame.schema, write.properties)
    if in_footers:  # the active session decides how files are written
        activate(sibling_session(session, SETTINGS)._jsparkSession)
    try:
        actions = command.write(transaction, jsession, clustering, False)
    finally:
        activate(jsession)
    if in_footers:
        actions = with_statistics(session, transaction, actions)
    return StagedWrite(session, write, transaction, actions)


def stage_nothing(session: SparkSession, write: TableWrite) -> StagedWrite:
    """A commit that changes no row of the existing table at `write.path`: it only carries identifier and metadata."""
    jvm: Any = session._jvm
    log = jvm.org.apache.spark.sql.delta.DeltaLog.forTable(session._jsparkSession, write.path)
    return StagedWrite(session, write, log.startTransaction(), scala_seq(jvm, ()))


def _options(write: TableWrite) -> dict[str, str]:
    options: dict[str, str] = {}
    if write.evolve:
        options["overwriteSchema" if write.mode is WriteMode.OVERWRITE else "mergeSchema"] = "true"
    if write.mode is WriteMode.REPLACE:
        assert write.replace_where is not None
        options["replaceWhere"] = write.replace_where
    return options


def _save_mode(jvm: Any, mode: WriteMode) -> Any:
    name = "Append" if mode is WriteMode.APPEND else "Overwrite"
    return getattr(jvm.org.apache.spark.sql.SaveMode, name)


def _cluster_by(jvm: Any, columns: tuple[str, ...]) -> Any:
    reference = jvm.org.apache.spark.sql.connector.expressions.FieldReference
    specification = jvm.org.apache.spark.sql.delta.skipping.clustering.temp.ClusterBySpec
    return jvm.scala.Option.apply(
        specification(scala_seq(jvm, [reference(scala_seq(jvm, [column])) for column in columns]))
    )


def scala_map(jvm: Any, entries: Mapping[str, Any]) -> Any:
    """The entries as an immutable map of Scala's."""
    java_map = jvm.java.util.HashMap()
    for key, value in entries.items():
        java_map.put(key, value)
    return jvm.PythonUtils.toScalaMap(java_map)


def scala_seq(jvm: Any, items: Iterable[Any]) -> Any:
    """The items as a sequence of Scala's."""
    java_list = jvm.java.util.ArrayList()
    for item in items:
        java_list.add(item)
    return jvm.PythonUtils.toSeq(java_list)
