"""Declaring datasets in Python: all of `pyspark.pipelines`, plus expectations, tags, keys and file-fed tables.

    from lakehouse import pipelines as dp

    @dp.materialized_view(name="gold.route_delays", primary_key=["origin", "dest"])
    @dp.expect_or_drop("has_route", "origin IS NOT NULL")
    def route_delays():
        return spark.read.table("silver.flights").groupBy("origin", "dest").avg("arr_delay")

A declaration does nothing but register. Expectations stack, above or below the dataset's decorator, and also around
the decorators of `pyspark.pipelines` itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from pyspark import pipelines as _spark
from pyspark.pipelines import append_flow, create_sink, create_streaming_table
from pyspark.pipelines.graph_element_registry import get_active_graph_element_registry

from lakehouse.definition.dataset_document import StreamingTableModel
from lakehouse.definition.expectation import OnViolation
from lakehouse.definition.file_source import SourceModel
from lakehouse.definition.python_registry import ProjectRegistry
from lakehouse.definition.recorded_expectation import RecordedExpectation, record_expectations
from lakehouse.definition.user_frame import calling_line
from lakehouse.errors import InvalidValue, UnknownKey

__all__ = [
    "append_flow",
    "create_sink",
    "create_streaming_table",
    "expect",
    "expect_all",
    "expect_all_or_drop",
    "expect_all_or_fail",
    "expect_all_or_quarantine",
    "expect_or_drop",
    "expect_or_fail",
    "expect_or_quarantine",
    "materialized_view",
    "streaming_table",
    "table",
    "temporary_view",
]

_SOURCE_KEYS = tuple(field.alias or name for name, field in SourceModel.model_fields.items() if name != "name")
_TABLE_KEYS = ("partition_cols", *(name for name in StreamingTableModel.model_fields if name != "streaming_table"))

Function = TypeVar("Function", bound=Callable[..., Any])
Decorator = Callable[[Function], Function]


def table(
    query_function: Any = None,
    *,
    tags: Sequence[str] = (),
    primary_key: Sequence[str] = (),
    refresh_policy: str = "auto",
    suite: str | None = None,
    **arguments: Any,
) -> Any:
    """As `pyspark.pipelines.table`, for a function that returns a batch frame: the same as `materialized_view`.

    `tags` are words to select by, `primary_key` the columns that identify a row. `refresh_policy` says how it may be
    refreshed when what it reads changed: auto, incremental, incremental_strict, full. `suite` is a file with more
    expectations, a suite of Great Expectations. Returns the function.
    """
    return _registering(
        _spark.table,
        query_function,
        arguments,
        tags=tags,
        primary_key=primary_key,
        refresh_policy=refresh_policy,
        suite=suite,
    )


def materialized_view(
    query_function: Any = None,
    *,
    tags: Sequence[str] = (),
    primary_key: Sequence[str] = (),
    refresh_policy: str = "auto",
    suite: str | None = None,
    **arguments: Any,
) -> Any:
    """As `pyspark.pipelines.materialized_view`: a stored dataset whose rows are what the function returns.

    `tags` are words to select by, `primary_key` the columns that identify a row. `refresh_policy` says how it may be
    refreshed when what it reads changed: auto, incremental, incremental_strict, full. `suite` is a file with more
    expectations, a suite of Great Expectations. Returns the function.
    """
    return _registering(
        _spark.materialized_view,
        query_function,
        arguments,
        tags=tags,
        primary_key=primary_key,
        refresh_policy=refresh_policy,
        suite=suite,
    )


def temporary_view(query_function: Any = None, *, tags: Sequence[str] = (), **arguments: Any) -> Any:
    """As `pyspark.pipelines.temporary_view`: a named query for other queries. Returns the function."""
    return _registering(_spark.temporary_view, query_function, arguments, tags=tags)


def streaming_table(name: str, *, files: str | None = None, **settings: Any) -> None:
    """Declares a table that files feed, each row once.

    `settings` are the keys of a YAML `streaming_table`: those of its `source` (format, options, schema,
    schema_evolution, on_change, deduplicate, max_bad_files, select), those of the table (comment, tags, columns,
    table_properties, partition_by, cluster_by, primary_key, expectations, suite), or `sources` instead of `files`.
    Raises UnknownKey or InvalidValue.
    """
    for key in settings:
        if key not in (*_SOURCE_KEYS, *_TABLE_KEYS):
            raise UnknownKey(key, (*_SOURCE_KEYS, *_TABLE_KEYS), inside=f"streaming table '{name}'")
    source = {key: settings.pop(key) for key in _SOURCE_KEYS if key in settings}
    value: dict[str, Any] = {"streaming_table": name, **settings}
    if "partition_cols" in value:  # pyspark's word for it
        value["partition_by"] = value.pop("partition_cols")
    if files is not None or source:
        value["source"] = {**({} if files is None else {"files": files}), **source}
    _registry().declare(value)


def expect(name: str | None = None, condition: Any = None, **expectation: Any) -> Decorator[Any]:
    """A violation is recorded. `condition` is SQL or a Column; or `expectation=` names a Great Expectations type, with
    its arguments beside it."""
    return _expecting(OnViolation.WARN, name, condition, expectation)


def expect_or_drop(name: str | None = None, condition: Any = None, **expectation: Any) -> Decorator[Any]:
    """As `expect`; rows that violate it are left out."""
    return _expecting(OnViolation.DROP, name, condition, expectation)


def expect_or_quarantine(name: str | None = None, condition: Any = None, **expectation: Any) -> Decorator[Any]:
    """As `expect`; rows that violate it are set aside, to be looked at and admitted again."""
    return _expecting(OnViolation.QUARANTINE, name, condition, expectation)


def expect_or_fail(name: str | None = None, condition: Any = None, **expectation: Any) -> Decorator[Any]:
    """As `expect`; a violation refuses the refresh, and the table keeps its last good version."""
    return _expecting(OnViolation.FAIL, name, condition, expectation)


def expect_all(expectations: Mapping[str, Any]) -> Decorator[Any]:
    """Several expectations, name → condition; violations are recorded."""
    return _expecting_all(OnViolation.WARN, expectations)


def expect_all_or_drop(expectations: Mapping[str, Any]) -> Decorator[Any]:
    """Several expectations, name → condition; rows that violate any are left out."""
    return _expecting_all(OnViolation.DROP, expectations)


def expect_all_or_quarantine(expectations: Mapping[str, Any]) -> Decorator[Any]:
    """Several expectations, name → condition; rows that violate any are set aside."""
    return _expecting_all(OnViolation.QUARANTINE, expectations)


def expect_all_or_fail(expectations: Mapping[str, Any]) -> Decorator[Any]:
    """Several expectations, name → condition; a violation of any refuses the refresh."""
    return _expecting_all(OnViolation.FAIL, expectations)


def _registering(
    decorator: Callable[..., Any],
    function: Any,
    arguments: dict[str, Any],
    *,
    tags: Sequence[str] = (),
    primary_key: Sequence[str] = (),
    refresh_policy: str = "auto",
    suite: str | None = None,
) -> Any:
    def register(decorated: Any) -> Any:
        decorator(**arguments)(decorated)
        if tags or primary_key or refresh_policy != "auto" or suite is not None:
            _registry().annotate_last(tags=tags, primary_key=primary_key, refresh_policy=refresh_policy, suite=suite)
        return decorated

    return register if function is None else register(function)


def _expecting(
    on_violation: OnViolation, name: str | None, condition: Any, expectation: dict[str, Any]
) -> Decorator[Any]:
    file, line = calling_line()
    severity = {"severity": expectation.pop("severity")} if "severity" in expectation else {}
    kind = expectation.pop("expectation", None)
    if (kind is None) == (condition is None) or (kind is None and expectation):
        raise InvalidValue(
            "an expectation needs a name and a condition, or expectation= with a Great Expectations type."
        )
    declared = {kind: expectation} if kind is not None else {"expect": _sql(condition)}
    named = {} if name is None else {"name": name}
    return _recording(
        RecordedExpectation(
            file=file, line=line, declared={**named, **declared, **severity, "on_violation": on_violation.value}
        )
    )


def _expecting_all(on_violation: OnViolation, expectations: Mapping[str, Any]) -> Decorator[Any]:
    file, line = calling_line()
    return _recording(
        *(
            RecordedExpectation(
                file=file,
                line=line,
                declared={"name": name, "expect": _sql(condition), "on_violation": on_violation.value},
            )
            for name, condition in expectations.items()
        )
    )


def _recording(*expectations: RecordedExpectation) -> Decorator[Any]:
    def record(decorated: Any) -> Any:
        # The decorators of pyspark.pipelines return None; above them, what they have just registered is meant.
        function = _registry().last_function() if decorated is None else decorated
        record_expectations(function, expectations)
        return function

    return record


def _sql(condition: Any) -> Any:
    """A Column as the SQL text of its expression; text as it is."""
    column = getattr(condition, "_jc", None)
    if column is None:
        return condition
    from pyspark.sql import SparkSession  # a Column exists, so pyspark.sql is loaded and Spark runs

    session: Any = SparkSession.active()
    return session._jsparkSession.expression(column).sql()


def _registry() -> ProjectRegistry:
    registry = get_active_graph_element_registry()
    if not isinstance(registry, ProjectRegistry):
        raise InvalidValue(
            "this declaration is Lakehouse's own, and another program reads the file.",
            hint="Read the project with the command 'lakehouse'.",
        )
    return registry
