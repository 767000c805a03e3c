"""What a dataset is called."""

from __future__ import annotations

from lakehouse.definition.dataset import Dataset, ExternalTable, MaterializedView, StreamingTable, TemporaryView


def kind_of(dataset: Dataset) -> str:
    """The kind in the words of the definition: "streaming table", "materialized view", …"""
    match dataset:
        case StreamingTable():
            return "streaming table"
        case MaterializedView():
            return "materialized view"
        case TemporaryView():
            return "temporary view"
        case ExternalTable():
            return "external table"
    raise AssertionError(f"{type(dataset).__name__} is no kind of dataset")
