"""The rows of a load judged on their way into the table, and those it sets aside."""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import DataFrame

from lakehouse.plan.sieve import QUARANTINED
from lakehouse.refresh.quarantine import Quarantine
from lakehouse.refresh.sifting import Sifted
from lakehouse.storage.staged_write import StagedWrite, WriteMode


class SiftedLoad:
    """One attempt to stage the rows of a load: `kept` are those that are written."""

    def __init__(self, rows: DataFrame, quarantine: Quarantine) -> None:
        self._quarantine = quarantine
        self._sifted = Sifted(rows, quarantine.sieve, quarantine.watch)
        self.kept = self._sifted.kept

    def counts(self, staged: StagedWrite) -> Mapping[str, int]:
        """The counts of the sieve over all rows of the load; none without expectations."""
        return self._sifted.counts(staged.rows) if self._quarantine.sieve.predicates else {}

    def set_aside(self, staged: StagedWrite) -> StagedWrite | None:
        """Stages what goes to quarantine, as the table's write does: beside what is there, in place of the rows of
        files that are loaded again, or of all. None where nothing changes there."""
        quarantine = self._quarantine
        found = self.counts(staged).get(QUARANTINED, 0)
        is_empty = quarantine.version < 0
        if not found and (is_empty or staged.write.mode is WriteMode.APPEND):
            return None
        rows = self._sifted.rejected()
        if staged.write.mode is WriteMode.OVERWRITE:
            return quarantine.stage_all(rows)
        if staged.write.replace_where is not None:
            return quarantine.stage_in_place(rows, staged.write.replace_where)
        return quarantine.stage_more(rows)
