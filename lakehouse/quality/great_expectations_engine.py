"""Great Expectations itself as the judge of a saved table, and our verdicts as its own result documents.

The only module that imports `great_expectations`, which takes seconds; import it when there is something to do. Made
for 1.24: what it knows of the inside of Great Expectations is held by tests. Never from two threads: results of two
validations at a time get mixed up there.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from datetime import datetime
from typing import TYPE_CHECKING, Any

from lakehouse.definition.expectation import Expectation
from lakehouse.definition.expectation_types import own_expectation_types
from lakehouse.quality.bounds import json_value
from lakehouse.quality.judgement import Judgement
from lakehouse.quality.result_metrics import metric_values, violating_values
from lakehouse.quality.rule import EngineRule, RowRule, TableRule
from lakehouse.quality.suite import suite_entry
from lakehouse.quality.verdict import Status, Verdict, without_judgement

os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")

# What its libraries deprecate is no news to our users.
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import great_expectations as gx  # after the switch that it reads
    from great_expectations.core.expectation_validation_result import (
        ExpectationSuiteValidationResult,
        ExpectationValidationResult,
    )
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Rule = RowRule | TableRule | EngineRule

# Counts without samples: fetching them takes a job an expectation. The query for them would read observed metrics.
_COUNTS = {"result_format": "BASIC", "partial_unexpected_count": 0, "return_unexpected_index_query": False}
# As a checkpoint does by default, where there are samples.
_COUNTS_AND_VALUES = {**_COUNTS, "result_format": "SUMMARY", "partial_unexpected_count": 20}
_NAME = "lakehouse"
_VIEW = "tmp_view"  # where Great Expectations puts the batch for a query


def judge_by_engine(frame: DataFrame, rules: Sequence[Rule]) -> tuple[Verdict, ...]:
    """The verdicts of Great Expectations' own Spark engine, in the order of the rules.

    `frame` is read several times, so it should be a saved table. What raises there is an ERROR. None of the rules may
    be of our own types. What Great Expectations calls the observed value is `observed`.
    """
    # Results come in another order. The size is what a condition's violations are a part of.
    entries = [*map(_entry, rules), {"type": "expect_table_row_count_to_be_between", "kwargs": {}}]
    numbered = [{**entry, "meta": {_NAME: number}} for number, entry in enumerate(entries)]
    with _quiet():
        found = {result.expectation_config.meta[_NAME]: result for result in _validate(frame, numbered)}
    rows = (found[len(rules)].result or {}).get("observed_value")
    return tuple(_verdict(rule, found[number], rows) for number, rule in enumerate(rules))


def _validate(frame: DataFrame, entries: list[dict[str, Any]]) -> Sequence[Any]:
    """The results of one validation in a context of its own: frames of one asset are not told apart."""
    context = gx.get_context(mode="ephemeral")
    context.enable_analytics(False)
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    source = context.data_sources.add_spark("table", persist=False)  # persist caches the rows and never lets go
    # Queries run in the session of the engine, which would be another than that of the frame.
    source.get_execution_engine().spark = frame.sparkSession
    batch = source.add_dataframe_asset("rows").add_batch_definition_whole_dataframe("all")
    suite = context.suites.add(gx.ExpectationSuite("rules", expectations=entries))
    validation = context.validation_definitions.add(gx.ValidationDefinition(name="check", data=batch, suite=suite))
    try:
        results: Sequence[Any] = validation.run(batch_parameters={"dataframe": frame}, result_format=_COUNTS).results
        return results
    finally:
        frame.sparkSession.catalog.dropTempView(_VIEW)


def result_document(name: str, judgements: Sequence[Judgement], *, run: str, at: datetime) -> dict[str, Any]:
    """Verdicts on one table as the JSON of Great Expectations' own result of a suite, called `name`.

    Where the verdict's numbers are all that Great Expectations asks for, its own code makes the result out of them.
    Our own types, and rules that had nothing to be judged by, are in the document's `meta` alone.
    """
    results, own = [], []
    with _quiet():
        for judgement in judgements:
            verdict, kind = judgement.verdict, judgement.rule.expectation.type
            if kind in own_expectation_types() or verdict.status is Status.SKIPPED:
                own.append({"name": verdict.rule, "status": verdict.status.value, "observed": verdict.observed})
            else:
                results.append(_result(judgement))
        good = sum(1 for result in results if result.success)
        all_good = good == len(results) and not any(each["status"] in ("failed", "error") for each in own)
        document = ExpectationSuiteValidationResult(
            success=all_good,
            results=results,
            suite_name=name,
            statistics={
                "evaluated_expectations": len(results),
                "successful_expectations": good,
                "unsuccessful_expectations": len(results) - good,
                "success_percent": 100.0 * good / len(results) if results else None,
            },
            meta={
                "great_expectations_version": gx.__version__,
                "run_id": {"run_name": run, "run_time": at.isoformat()},
                "batch_markers": {},
                "active_batch_definition": {
                    "datasource_name": _NAME,
                    "data_connector_name": "published",
                    "data_asset_name": name,
                    "batch_identifiers": {},
                },
                _NAME: {"verdicts": own},
            },
        )
        found: dict[str, Any] = document.to_json_dict()  # type: ignore[no-untyped-call]  # a decorator hides its types
    return found


def _result(judgement: Judgement) -> ExpectationValidationResult:
    verdict = judgement.verdict
    settings = _settings(suite_entry(judgement.rule.expectation))
    if verdict.status is Status.ERROR:
        return ExpectationValidationResult(
            success=False,
            expectation_config=settings,
            result={},
            exception_info={
                "raised_exception": True,
                "exception_message": verdict.details,
                "exception_traceback": None,
            },
        )
    has_numbers = verdict.elements is not None or verdict.observed is not None
    judged = judged_by_numbers(judgement.rule.expectation, verdict) if has_numbers else None
    passed = verdict.status is Status.PASSED
    if judged is not None and judged.success is passed:
        return judged
    return ExpectationValidationResult(
        success=passed,
        expectation_config=settings,
        result={"observed_value": verdict.observed, **_counts(verdict)},
        exception_info=_no_exception(),
    )


def judged_by_numbers(expectation: Expectation, verdict: Verdict) -> ExpectationValidationResult | None:
    """What Great Expectations' own code says of a verdict's numbers and samples; None where it wants others than a
    verdict has."""
    settings = _settings(suite_entry(expectation))
    shown = violating_values(expectation.arguments, verdict)
    wanted = {"result_format": _COUNTS_AND_VALUES if shown else _COUNTS}
    judge = settings.to_domain_obj()
    try:
        needs = judge.get_validation_dependencies(
            execution_engine=None, runtime_configuration=wanted
        ).metric_configurations
    except (TypeError, AttributeError):  # it wants to look at the engine first
        return None
    values = metric_values(tuple(needs), getattr(judge, "map_metric", None), verdict, shown)
    if values is None:
        return None
    result: ExpectationValidationResult = judge.metrics_validate(
        metrics={needs[name].id: value for name, value in values.items()},
        runtime_configuration=wanted,
        execution_engine=None,
    )
    result.success = bool(result.success)  # numpy's, here and there
    result.expectation_config = settings
    result.exception_info = _no_exception()
    return result


def _settings(entry: Mapping[str, Any]) -> ExpectationConfiguration:
    return ExpectationConfiguration(
        type=entry["type"], kwargs=entry["kwargs"], meta=entry["meta"], severity=entry["severity"]
    )


def _entry(rule: Rule) -> dict[str, Any]:
    """A rule as an expectation of a suite; a condition as we judge it, not as it was written."""
    if rule.expectation.type is not None:
        return {key: value for key, value in suite_entry(rule.expectation).items() if key != "description"}
    assert isinstance(rule, RowRule), "a condition is a rule over rows"
    condition = rule.violation.replace("{", "{{").replace("}", "}}")
    query = f"SELECT * FROM {{batch}} WHERE {condition}"
    return {"type": "unexpected_rows_expectation", "kwargs": {"unexpected_rows_query": query}}


def _verdict(rule: Rule, result: Any, rows: int | None) -> Verdict:
    failure = _failure(result.exception_info)
    if failure is not None:
        return without_judgement(rule, Status.ERROR, failure)
    found = result.result or {}
    failed, elements = found.get("unexpected_count"), found.get("element_count")
    if rule.expectation.type is None:
        failed, elements = found.get("observed_value"), rows
    status = Status.PASSED if result.success else Status.FAILED
    if failed is None or elements is None:
        observed = json_value(found.get("observed_value"))
        return Verdict(rule=rule.name, fingerprint=rule.fingerprint, status=status, observed=observed)
    return Verdict(
        rule=rule.name,
        fingerprint=rule.fingerprint,
        status=status,
        passed_records=elements - failed,
        failed_records=failed,
        elements=elements,
        missing=found.get("missing_count") or 0,
    )


def _failure(information: Mapping[str, Any] | None) -> str | None:
    """The first line of what was raised, None if nothing was. It is there once, or once a metric."""
    if not information or information.get("raised_exception") is False:
        return None
    each = [information] if "raised_exception" in information else list(information.values())
    texts = [str(one.get("exception_message") or "") for one in each if isinstance(one, Mapping)]
    return next((text.strip().splitlines()[0] for text in texts if text.strip()), "Great Expectations failed")


def _counts(verdict: Verdict) -> dict[str, Any]:
    if verdict.elements is None:
        return {}
    return {
        "element_count": verdict.elements,
        "missing_count": verdict.missing,
        "unexpected_count": verdict.failed_records,
    }


def _no_exception() -> dict[str, Any]:
    return {"raised_exception": False, "exception_message": None, "exception_traceback": None}


@contextmanager
def _quiet() -> Iterator[None]:
    """Without its log and its warnings, and with what it prints beside our output."""
    logger = logging.getLogger("great_expectations")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with redirect_stdout(sys.stderr), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
