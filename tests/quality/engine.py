"""Great Expectations' own engine over a frame: what it counts and decides, to compare with."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame, SparkSession

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
    result_format = {"result_format": "BASIC", "partial_unexpected_count": 0, "return_unexpected_index_query": False}
    with _without_code_generation(frame.sparkSession):
        # Not through a validation definition: that stores results as JSON, which fails on a quantile's numpy booleans.
        outcome = batch.get_batch(batch_parameters={"dataframe": frame}).validate(suite, result_format=result_format)
    found: dict[int, EngineResult] = {}
    for result in outcome.results:
        found[result.expectation_config.meta["case"]] = _read(result)
    return [found[number] for number in range(len(expectations))]


@contextmanager
def _without_code_generation(session: SparkSession) -> Iterator[None]:
    """Great Expectations runs hundreds of small queries, each of which would be compiled for longer than it runs."""
    interpreted = {
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.codegen.factoryMode": "NO_CODEGEN",
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.shuffle.partitions": "1",
    }
    before = {key: session.conf.get(key) for key in interpreted}
    try:
        for key, value in interpreted.items():
            session.conf.set(key, value)
        yield
    finally:
        for key, old in before.items():
            session.conf.set(key, str(old))


def _read(result: Any) -> EngineResult:
    elements = result.result.get("element_count")
    return EngineResult(
        success=bool(result.success),
        elements=elements,
        # Of no rows, and of NULLs where NULL is what it looks for, it says nothing.
        missing=None if elements is None else result.result.get("missing_count") or 0,
        unexpected=None if elements is None else result.result.get("unexpected_count") or 0,
        error=_error(result.exception_info or {}),
    )


def _error(info: dict[str, Any]) -> str | None:
    if "raised_exception" in info:
        return str(info.get("exception_message")) if info["raised_exception"] else None
    return next((str(each["exception_message"]) for each in info.values() if each.get("raised_exception")), None)
