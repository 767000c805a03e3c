"""Great Expectations' own engine over a frame: what it counts and decides, to compare with."""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

from pyspark.sql import DataFrame

from lakehouse.definition.expectation import Expectation
from lakehouse.quality.suite import engine_arguments


@dataclass(frozen=True)
class EngineResult:
    """`error` is the exception's text; counts are None for expectations that count no rows."""

    success: bool
    elements: int | None
    missing: int | None
    unexpected: int | None
    error: str | None


def run_engine(frame: DataFrame, expectations: Sequence[Expectation], *, strip: bool = True) -> list[EngineResult]:
    """The results of expectations of Great Expectations' types, in their order, from one validation.

    One data source a run: results of several in one process would mix. `strip` is what the product does to arguments.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _run(frame, expectations, strip)


def _run(frame: DataFrame, expectations: Sequence[Expectation], strip: bool) -> list[EngineResult]:
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    source = context.data_sources.add_spark("frame", persist=False)
    batch = source.add_dataframe_asset("asset").add_batch_definition_whole_dataframe("batch")
    entries = [
        {
            "type": expectation.type,
            "kwargs": engine_arguments(expectation) if strip else expectation.arguments,
            "meta": {"case": number},
        }
        for number, expectation in enumerate(expectations)
    ]
    suite = context.suites.add(gx.ExpectationSuite(name="suite", expectations=entries))
    validation = context.validation_definitions.add(gx.ValidationDefinition(name="run", data=batch, suite=suite))
    with _counts_without_samples():
        outcome = validation.run(
            batch_parameters={"dataframe": frame},
            result_format={"result_format": "BOOLEAN_ONLY", "return_unexpected_index_query": False},
        )
    found: dict[int, EngineResult] = {}
    for result in outcome.results:
        found[result.expectation_config.meta["case"]] = _read(result)
    return [found[number] for number in range(len(expectations))]


@contextmanager
def _counts_without_samples() -> Iterator[None]:
    """The counts by which Great Expectations decides, without the job that it starts for each sample of bad rows."""
    names = ("expectation", "core.expect_column_values_to_be_null", "core.expect_column_values_to_not_be_null")
    with ExitStack() as patches:
        for name in names:
            module = importlib.import_module(f"great_expectations.expectations.{name}")
            patches.enter_context(mock.patch.object(module, "_format_map_output", _counts))
        yield


def _counts(
    result_format: Any,
    success: bool,
    element_count: int | None = None,
    nonnull_count: int | None = None,
    unexpected_count: int | None = None,
    **samples: Any,
) -> dict[str, Any]:
    elements = element_count or 0  # of no rows it says nothing
    missing = 0 if nonnull_count is None else elements - nonnull_count
    return {
        "success": success,
        "result": {"element_count": elements, "missing_count": missing, "unexpected_count": unexpected_count or 0},
    }


def _read(result: Any) -> EngineResult:
    return EngineResult(
        success=bool(result.success),
        elements=result.result.get("element_count"),
        missing=result.result.get("missing_count"),
        unexpected=result.result.get("unexpected_count"),
        error=_error(result.exception_info or {}),
    )


def _error(info: dict[str, Any]) -> str | None:
    if "raised_exception" in info:
        return str(info.get("exception_message")) if info["raised_exception"] else None
    return next((str(each["exception_message"]) for each in info.values() if each.get("raised_exception")), None)
