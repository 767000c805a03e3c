"""Intermediate rows of a refresh, computed once: a few become part of the plans that use them, many stay with Spark.

A frame that is only persisted keeps its whole history in every plan built on it, and plans built on plans grow beyond
what Spark can plan. Kept rows have no history, and their number is known, so what depends on no rows is left out.
"""

from __future__ import annotations

from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F

from lakehouse.analysis.plan_binding import collected_rows, literal_rows

_FEW = 20_000


class KeptRows:
    """Keeps frames of one session until `close`."""

    def __init__(self) -> None:
        self._checkpoints: list[DataFrame] = []

    def keep(self, frame: DataFrame) -> tuple[DataFrame, int]:
        """The same rows without their history, and how many there are. Runs a job, unless the rows are in the plan."""
        if (known := literal_rows(frame)) is not None:
            return known
        counted = Observation()
        watched = frame.observe(counted, F.count(F.lit(1)).alias("rows"))
        kept = watched.localCheckpoint(eager=True)
        rows = int(counted.get["rows"])
        if rows > _FEW:
            self._checkpoints.append(kept)
            return kept, rows
        local = collected_rows(kept)
        _forget(kept)
        return local, rows

    def close(self) -> None:
        """Frees what was kept."""
        for frame in self._checkpoints:
            _forget(frame)
        self._checkpoints.clear()


def _forget(checkpoint: DataFrame) -> None:
    checkpoint._jdf.queryExecution().analyzed().rdd().unpersist(False)
