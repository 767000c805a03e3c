"""Intermediate rows of a refresh, computed once: a few become part of the plans that use them, many stay with Spark.

A frame that is only persisted keeps its whole history in every plan built on it, and plans built on plans grow beyond
what Spark can plan. Kept rows have no history, and their number is known, so what depends on no rows is left out.
"""

from __future__ import annotations

from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F

from lakehouse.analysis.local_rows import collected_rows, literal_rows


class KeptRows:
    """Keeps frames of one session until `close`. Where few rows are expected they are brought to the driver at once,
    and only if there turn out to be many, computed again to stay with Spark."""

    def __init__(self, *, expects_few: bool = True) -> None:
        self._expects_few = expects_few
        self._checkpoints: list[DataFrame] = []

    def keep(self, frame: DataFrame) -> tuple[DataFrame, int]:
        """The same rows without their history, and how many there are. Runs a job, unless the rows are in the plan."""
        if (known := literal_rows(frame)) is not None:
            return known
        if self._expects_few:
            if (few := collected_rows(frame)) is not None:
                return few
            self._expects_few = False
        counted = Observation()
        watched = frame.observe(counted, F.count(F.lit(1)).alias("rows"))
        kept = watched.localCheckpoint(eager=True)
        rows = int(counted.get["rows"])
        local = collected_rows(kept)
        if local is None:
            self._checkpoints.append(kept)
            return kept, rows
        _forget(kept)
        return local

    def close(self) -> None:
        """Frees what was kept."""
        for frame in self._checkpoints:
            _forget(frame)
        self._checkpoints.clear()


def _forget(checkpoint: DataFrame) -> None:
    checkpoint._jdf.queryExecution().analyzed().rdd().unpersist(False)
