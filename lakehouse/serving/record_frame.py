"""Recorded facts as a pandas frame, which is what a notebook shows and sorts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas import DataFrame  # type: ignore[import-untyped]  # pandas ships no types


def record_frame(rows: Iterable[Any], columns: Sequence[str]) -> DataFrame:
    """A frame of these rows (mappings or sequences) with these columns, also where there is no row."""
    import pandas  # a third of a second that reading with Spark need not pay

    return pandas.DataFrame(list(rows), columns=list(columns))
