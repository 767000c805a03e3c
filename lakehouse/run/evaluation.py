"""A project's queries as frames: SQL text and Python functions, over the names registered in a session."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from lakehouse.analysis.failure import Failure, describe_failure
from lakehouse.definition.dataset import MaterializedView, Query, SqlQuery, TemporaryView
from lakehouse.definition.session_stand_in import using_session
from lakehouse.errors import LakehouseError, QueryError, RefreshError, SourceLocation

# Definition files may change the working directory or rely on it; it is one per process, like the import state.
_USER_CODE = threading.RLock()


class MissingTable(QueryError):
    """A query reads a table that the session does not know (yet); carries the parts of its name."""

    def __init__(self, error: QueryError, parts: tuple[str, ...]) -> None:
        super().__init__(error.message, condition=error.condition, query=error.query, where=error.where)
        self.parts = parts


def evaluate_query(session: SparkSession, dataset: MaterializedView | TemporaryView, root: Path) -> DataFrame:
    """The dataset's query as an analysed frame of `session`. Raises MissingTable, or QueryError with the user's
    file and line."""
    query = dataset.query
    text = query.text if isinstance(query, SqlQuery) else None
    with failures_named(f"{dataset.name}", query, root), _USER_CODE, working_directory(root):
        if isinstance(query, SqlQuery):
            return session.sql(query.text)
        with using_session(session):
            frame: Any = query.function()
        if not isinstance(frame, DataFrame):
            raise QueryError(
                f"the query function of {dataset.name} returned {type(frame).__name__}; expected a DataFrame.",
                condition=None,
                query=text,
                where=query.location,
            )
        return frame


@contextmanager
def failures_named(
    name: str, query: Query | None, root: Path, declared: SourceLocation | None = None
) -> Iterator[None]:
    """Turns whatever Spark or user code raises inside into a QueryError that names dataset, file and line; without a
    query, the place where it was `declared`."""
    try:
        yield
    except LakehouseError:
        raise
    except Exception as error:
        text = query.text if isinstance(query, SqlQuery) else None
        failure = describe_failure(error, query=text, root=root)
        where = failure.where(query.location) if query else failure.location or declared
        raise _query_error(name, text, failure, where) from error


def _query_error(name: str, text: str | None, failure: Failure, where: SourceLocation | None) -> RefreshError:
    condition = f" [{failure.condition}]" if failure.condition else ""
    error = QueryError(
        f"{name} cannot be computed: {failure.message}{condition}",
        condition=failure.condition,
        query=text,
        where=where,
    )
    return MissingTable(error, failure.missing_table) if failure.missing_table else error


@contextmanager
def working_directory(root: Path) -> Iterator[None]:
    """Inside, relative paths start at `root`. The working directory is one per process: hold what guards it."""
    before = Path.cwd()
    os.chdir(root)
    try:
        yield
    finally:
        os.chdir(before)
