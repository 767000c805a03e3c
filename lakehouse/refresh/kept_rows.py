"""Intermediate rows of a refresh, computed once: a few become part of the plans that use them, many stay with Spark.

A frame that is only persisted keeps its whole history in every plan built on it, and plans built on plans grow beyond
what Spark can plan. Kept rows have no history, and their number is known, so what depends on no rows is left out.
"""

from __future__ import annotations

from typing import Any

from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F

_FEW = 20_000


class KeptRows:
    """Keeps frames of one session until `close`."""

    def __init__(self) -> None:
        self._checkpoints: list[DataFrame] = []

    def keep(self, frame: DataFrame) -> tuple[DataFrame, int]:
        """The same rows without their history, and how many there are. Runs a job."""
        counted = Observation()
        watched = frame.observe(counted, F.count(F.lit(1)).alias("rows"))
        kept = watched.localCheckpoint(eager=True)
        rows = int(counted.get["rows"])
        if rows > _FEW:
            self._checkpoints.append(kept)
            return kept, rows
        local = _as_local(kept)
        _forget(kept)
        return local, rows

    def close(self) -> None:
        """Frees what was kept."""
        for frame in self._checkpoints:
            _forget(frame)
        self._checkpoints.clear()


def _as_local(frame: DataFrame) -> DataFrame:
    """The rows as literal rows of a plan, without a detour through Python."""
    session = frame.sparkSession
    jvm: Any = session._jvm
    execution = frame._jdf.queryExecution()
    rows = execution.executedPlan().executeCollectIterator()._2().toSeq()
    relation = jvm.org.apache.spark.sql.catalyst.plans.logical.LocalRelation(
        execution.analyzed().output(), rows, False, jvm.scala.Option.empty()
    )
    dataset = jvm.org.apache.spark.sql.classic.Dataset.ofRows(session._jsparkSession, relation.newInstance())
    return DataFrame(dataset, session)


def _forget(checkpoint: DataFrame) -> None:
    checkpoint._jdf.queryExecution().analyzed().rdd().unpersist(False)
