"""One commit that marks rows of data files as deleted and adds files that lie there, by Delta's own transaction.

Delta writes the deletion vectors, checks what is committed and finds conflicts; nothing here knows its formats but
the actions of its log. (Delta protocol: "Deletion Vectors", "Add File and Remove File", "Add CDC File".)
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from lakehouse.storage.change_engine import TOO_MANY_ATTEMPTS, CommitNote, RowCounts, commit_settings, lost_race
from lakehouse.storage.session import sibling_session
from lakehouse.storage.staged_write import scala_map, scala_seq
from lakehouse.storage.table_files import Numbers

_SOURCE_ROWS = "operationNumSourceRows"  # Delta asks for it in every merge
_VECTOR_PATTERN = "deletion_vector_{}.bin"


class VectorCommit:
    """A transaction on the table in a local folder, that reads all of it. `version` is the table's where it starts.
    Nothing is visible before `publish`."""

    def __init__(self, session: SparkSession, folder: str, note: CommitNote) -> None:
        self._session = sibling_session(session, commit_settings(note))
        self._note, self._folder = note, Path(folder)
        jvm: Any = session._jvm
        self._jvm = jvm
        self._delta = jvm.org.apache.spark.sql.delta
        self._activate(self._session)
        try:
            self._transaction: Any = self._delta.DeltaLog.forTable(
                self._session._jsparkSession, folder
            ).startTransaction()
            self._transaction.txnVersion(note.application)  # a second commit of the epoch conflicts from now on
            self._transaction.readWholeTable()
        finally:
            self._activate(session)
        self._caller = session
        self.version = int(self._transaction.readVersion())
        self._actions: list[Any] = []
        self._written: list[Path] = []

    @cached_property
    def _files(self) -> dict[str, Any]:
        """The table's data files by the last part of their paths, which is unlike any other's."""
        found = self._transaction.snapshot().allFiles().collectAsList()
        return {unquote(file.path()).rpartition("/")[2]: file for file in found}

    def sizes(self) -> dict[str, int]:
        """The bytes of the table's data files, by the last part of their paths."""
        return {name: int(file.size()) for name, file in self._files.items()}

    def remove(self, names: Iterable[str]) -> None:
        """Removes files, by the last part of their paths."""
        self._actions += [self._files[name].remove() for name in names]

    def mark(self, places: Mapping[str, Numbers]) -> None:
        """Marks rows as deleted: for files, by the last part of their paths, the numbers of all their deleted rows."""
        whole = [name for name, rows in places.items() if len(rows) == self._files[name].numPhysicalRecords().get()]
        self.remove(whole)
        places = {name: rows for name, rows in places.items() if name not in whole}
        if not places:
            return
        configuration = self._session._jsparkSession.sessionState().newHadoopConf()
        store = self._delta.storage.dv.HadoopFileSystemDVStore(configuration)
        folder = self._delta.util.PathWithFileSystem.withConf(
            self._jvm.org.apache.hadoop.fs.Path(str(self._folder)), configuration
        )
        identifier = self._jvm.java.util.UUID.randomUUID()
        self._written.append(self._folder / _VECTOR_PATTERN.format(identifier.toString()))
        writer = store.createWriter(store.generateFileNameInTable(folder, identifier, ""))
        try:
            for name, rows in places.items():
                data = self._bitmap(rows)
                at = self._jvm.scala.Option.apply(writer.write(data).offset())
                none = self._jvm.scala.Option.empty()
                vector = self._delta.actions.DeletionVectorDescriptor.onDiskWithRelativePath(
                    identifier, "", len(data), len(rows), at, none
                )
                both = self._files[name].removeRows(vector, True, True)
                self._actions += [both._1(), both._2()]
        finally:
            writer.close()

    def add(self, kind: str, path: str, **told: Any) -> None:
        """Adds a file that lies at `path` in the table's folder, by an action of this kind: `add` or `cdc`."""
        action = {"path": path, "partitionValues": {}, "size": (self._folder / path).stat().st_size, **told}
        self._actions.append(self._delta.actions.Action.fromJson(json.dumps({kind: action})))

    def will_write(self, path: str) -> Path:
        """Where a file of this path is to be written; `discard` deletes it, however much of it there is."""
        self._written.append(self._folder / path)
        self._written[-1].parent.mkdir(exist_ok=True)
        return self._written[-1]

    def publish(self, counts: RowCounts) -> int:
        """Makes the commit, also one without files, and returns its version. Raises Delta's exception of a conflict."""
        self._count(counts)
        now = self._jvm.scala.Option.apply(int(time.time() * 1000))
        actions = self._delta.actions
        identifier = actions.SetTransaction(self._note.application, self._note.epoch, now)
        nothing = scala_seq(self._jvm, ())
        none = self._jvm.scala.Option.empty()
        operation = getattr(self._delta, "DeltaOperations$Merge")(none, none, none, none, nothing, nothing, nothing)
        self._activate(self._session)
        try:
            return int(self._transaction.commit(scala_seq(self._jvm, [*self._actions, identifier]), operation))
        except Py4JJavaError as error:
            if TOO_MANY_ATTEMPTS in str(error.java_exception):
                text = "another writer committed while the change was applied"
                raise lost_race(str(self._folder), text) from error
            raise
        finally:
            self._activate(self._caller)

    def discard(self) -> None:
        """Deletes the files of a commit that was not made; the table is as if it had never been."""
        for place in self._written:
            place.unlink(missing_ok=True)
            place.with_name(f".{place.name}.crc").unlink(missing_ok=True)

    def _bitmap(self, rows: Numbers) -> bytes:
        """The numbers as a deletion vector, by Delta's own serialisation. They go over in one piece: each call into
        the JVM takes as long as some thousand numbers."""
        numbers = self._jvm.java.nio.ByteBuffer.wrap(np.sort(rows).astype(">i8").tobytes()).asLongBuffer()
        gateway: Any = self._session.sparkContext._gateway
        held = gateway.new_array(self._jvm.long, len(rows))
        numbers.get(held)
        vectors = self._delta.deletionvectors
        bitmap = vectors.RoaringBitmapArray.apply(self._jvm.scala.collection.immutable.ArraySeq.unsafeWrapArray(held))
        bitmap.runOptimize()
        return bytes(bitmap.serializeAsByteArray(vectors.RoaringBitmapArrayFormat.Portable()))

    def _count(self, counts: RowCounts) -> None:
        """Tells the commit what it does, in Delta's own words, for whoever reads the table's history."""
        context = self._session._jsparkSession.sparkContext()
        numbers = {f"numTargetRows{name.capitalize()}": number for name, number in asdict(counts).items()}
        metrics = {}
        for name, number in {**numbers, _SOURCE_ROWS: sum(numbers.values())}.items():
            metrics[name] = self._jvm.org.apache.spark.sql.execution.metric.SQLMetrics.createMetric(context, name)
            metrics[name].set(number)
        self._transaction.registerSQLMetrics(self._session._jsparkSession, scala_map(self._jvm, metrics))

    def _activate(self, session: SparkSession) -> None:
        """Delta reads the settings of the thread's active session."""
        self._jvm.org.apache.spark.sql.classic.SparkSession.setActiveSession(session._jsparkSession)
