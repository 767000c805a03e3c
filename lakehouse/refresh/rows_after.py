"""The rows that a table will have once what is staged is committed: what its expectations judge before that."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from lakehouse.plan.change_set import CHANGE, Change
from lakehouse.refresh.signed_rows import named, null_safe
from lakehouse.refresh.view_change import ViewChange
from lakehouse.storage.staged_write import StagedWrite


def rows_after_write(stays: DataFrame | None, staged: StagedWrite, rows: DataFrame) -> DataFrame:
    """The rows that stay and those staged, read from their files; where those cannot be read, `rows` computes them."""
    new = staged.read()
    new = rows if new is None else new
    return new if stays is None else stays.unionByName(new, allowMissingColumns=True)


def rows_after_change(stored: DataFrame, change: ViewChange) -> DataFrame:
    """The stored rows after a change set of the table (its columns and `_change`)."""
    columns = [name for name in change.rows.columns if name != CHANGE]
    keys = list(change.key) if change.key is not None else columns
    touching = change.rows if change.key is not None else change.rows.where(F.col(CHANGE) == Change.REMOVE.value)
    ends = [f"k{place}" for place in range(len(keys))]
    touched = touching.select(*[named(name).alias(end) for name, end in zip(keys, ends, strict=True)]).distinct()
    left = stored.select(*map(named, columns)).join(touched, null_safe(keys, ends), "left_anti")
    comes = F.col(CHANGE).isin(Change.INSERT.value, Change.UPDATE.value)
    return left.unionAll(change.rows.where(comes).select(*map(named, columns)))
