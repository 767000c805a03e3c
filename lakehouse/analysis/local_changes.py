"""Changes whose rows are part of the plan (see `local_rows`): netted, and made into change sets, without a job.

As there, None says that Spark has to do it. The work is done by local_changes.java, in one call each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pyspark.sql import DataFrame

from lakehouse.analysis import local_rows
from lakehouse.analysis.java_source import compiled
from lakehouse.analysis.local_rows import java_frame, java_list, java_session
from lakehouse.plan.change_set import CHANGE


def netted_rows(signed: DataFrame, form: Literal["sum", "unit", "counts"] = "sum") -> DataFrame | None:
    """Every row once, with the sum of its signs in the last column, `__w` (int), if that is not 0. As `unit` a row is
    there as often as that says, with +1 or -1; as `counts` it has, in place of the sign, how often it goes and how
    often it comes (`__old`, `__new`)."""
    return java_frame(_changes(signed).netted(java_session(signed), signed._jdf, form, local_rows.MOST_ROWS), signed)


def paired_rows(netted: DataFrame, key: Sequence[str], hidden: Sequence[str], was: str) -> DataFrame | None:
    """A netted change (its last column is `__w`) in which a key occurs in one row that comes and one that goes at most,
    as a change set: every row that comes, an update where one of its key goes, and the others that go.

    Columns: the rows', without the sign; the columns `hidden` of the row that goes, under `was` and their names;
    `_change` (see `plan.change_set`)."""
    session, keys, kept = java_session(netted), java_list(netted, key), java_list(netted, hidden)
    return java_frame(
        _changes(netted).paired(session, netted._jdf, keys, kept, was, CHANGE, local_rows.MOST_ROWS), netted
    )


def repeated_rows(counted: DataFrame) -> DataFrame | None:
    """A change set of a bag, from distinct rows whose last two columns (int) say how often each is there and has to be:
    where fewer have to be there they are removed, and those that stay or come are inserted. `_change` takes the place
    of the two."""
    session = java_session(counted)
    return java_frame(_changes(counted).repeated(session, counted._jdf, CHANGE, local_rows.MOST_ROWS), counted)


def _changes(frame: DataFrame) -> Any:
    return compiled(frame.sparkSession._jvm, ("local_rows.java", "LocalRows"), ("local_changes.java", "LocalChanges"))
