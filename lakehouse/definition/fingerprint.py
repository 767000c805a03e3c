"""What a dataset's declaration means, as two hashes: one of what its rows are, one of how its table looks.

Comments, blanks and line numbers do not count. Two declarations with equal `query_fingerprint` compute the same rows
from the same inputs.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from lakehouse.definition.dataset import (
    Dataset,
    ExternalTable,
    FileSource,
    MaterializedView,
    Query,
    SqlQuery,
    StreamingTable,
    TemporaryView,
)
from lakehouse.definition.expectation import Expectation
from lakehouse.definition.sql_text import significant, tokenize


def query_fingerprint(dataset: Dataset) -> str:
    """SHA-256 (hex) of what decides a dataset's rows: query or file sources, and the configuration they run under."""
    match dataset:
        case StreamingTable():
            return _digest("streaming_table", [[flow.name, _source(flow.source)] for flow in dataset.flows])
        case MaterializedView():
            return _digest("materialized_view", [_query(dataset.query), dataset.spark_conf])
        case TemporaryView():
            # Its expectations decide which rows those that read it see, whatever they are called.
            dropping = [_expectation(expectation)[1:4] for expectation in dataset.expectations]
            return _digest("temporary_view", [_query(dataset.query), *dropping])
        case ExternalTable():
            return _digest("external_table", [dataset.path])
    raise AssertionError(f"a kind of dataset without fingerprint: {type(dataset).__name__}")


def layout_fingerprint(dataset: Dataset) -> str:
    """SHA-256 (hex) of comment, columns, properties, partitioning, clustering, primary key and expectations."""
    parts: list[Any] = [dataset.comment]
    if isinstance(dataset, StreamingTable | MaterializedView):
        layout = dataset.layout
        parts += [
            [[column.name, column.type, column.comment, column.nullable] for column in layout.columns],
            layout.properties,
            layout.partition_by,
            layout.cluster_by,
            layout.primary_key,
        ]
    if not isinstance(dataset, ExternalTable):
        parts.append([_expectation(expectation) for expectation in getattr(dataset, "expectations", ())])
    return _digest("layout", parts)


def sql_tokens(text: str) -> list[str]:
    """A SQL text as its tokens, without comments and blanks."""
    return [token.text for token in significant(tokenize(text))]


def _query(query: Query) -> list[Any]:
    return ["sql", sql_tokens(query.text)] if isinstance(query, SqlQuery) else ["python", query.code]


def _source(source: FileSource) -> list[Any]:
    select = None if source.select is None else sql_tokens(source.select)
    return [source.files, source.format, source.options, source.schema, select]


def _expectation(expectation: Expectation) -> list[Any]:
    condition = None if expectation.condition is None else sql_tokens(expectation.condition)
    return [
        expectation.name,
        condition,
        expectation.type,
        expectation.arguments,
        expectation.on_violation.value,
        expectation.severity.value,
    ]


def _digest(kind: str, parts: list[Any]) -> str:
    text = json.dumps([kind, parts], sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()
