"""A scheduled check of 20 expectations, beside a default Great Expectations checkpoint and a hand-written aggregate.

    python tests/benchmarks/checks.py [--rows 2000000] [--rounds 3]

All judge the same version of the same Delta table in one warm session, in turn. The checkpoint runs with its default
result format (SUMMARY) over the table as a frame, not persisted. Verdicts and counts have to be identical. The last
line is a second check of the same version, which starts no Spark job.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import great_expectations as gx
import yaml
from great_expectations.data_context.types.base import ProgressBarsConfig
from pyspark.sql import SparkSession

sys.path.insert(0, str(Path(__file__).parents[2]))

from lakehouse.run.checking import CheckRequest, run_check
from lakehouse.run.pipeline import run_pipeline
from lakehouse.run.request import RunRequest
from lakehouse.run.workspace import Workspace
from lakehouse.storage.session import open_session, stop_session
from tests.benchmarks.expectations import SPEC, make_events
from tests.benchmarks.machine import describe_machine

EXPECTATIONS: list[tuple[str, dict[str, Any]]] = [
    ("expect_column_values_to_not_be_null", {"column": "id"}),
    ("expect_column_values_to_not_be_null", {"column": "quantity", "mostly": 0.99}),
    ("expect_column_values_to_be_between", {"column": "quantity", "min_value": 0, "max_value": 95}),
    ("expect_column_values_to_be_between", {"column": "price", "min_value": 0, "max_value": 999}),
    ("expect_column_values_to_be_between", {"column": "amount", "min_value": 0, "max_value": 9990}),
    ("expect_column_values_to_be_between", {"column": "customer", "min_value": 0, "max_value": 49998}),
    ("expect_column_values_to_be_in_set", {"column": "country", "value_set": ["NO", "SE", "DK", "FI"]}),
    ("expect_column_values_to_not_be_in_set", {"column": "code", "value_set": ["C000000"]}),
    ("expect_column_values_to_match_regex", {"column": "code", "regex": "^C[0-9]{6}$"}),
    ("expect_column_values_to_match_regex", {"column": "mail", "regex": "^[a-z0-9]+@example\\.(com|org)$"}),
    ("expect_column_value_lengths_to_equal", {"column": "code", "value": 7}),
    ("expect_column_value_lengths_to_be_between", {"column": "mail", "min_value": 16}),
    ("expect_column_value_lengths_to_equal", {"column": "country", "value": 2}),
    ("expect_column_pair_values_a_to_be_greater_than_b", {"column_A": "id", "column_B": "customer", "or_equal": True}),
    ("expect_column_mean_to_be_between", {"column": "price", "min_value": 0, "max_value": 600}),
    ("expect_column_max_to_be_between", {"column": "id", "min_value": 0}),
    ("expect_column_min_to_be_between", {"column": "id", "min_value": 0, "max_value": 0}),
    ("expect_column_sum_to_be_between", {"column": "customer", "min_value": 0}),
    ("expect_table_row_count_to_be_between", {"min_value": 1}),
    ("expect_column_values_to_be_unique", {"column": "id"}),
]
BY_HAND = """
    count(*), count_if(id IS NULL), count_if(quantity IS NULL), count_if(quantity NOT BETWEEN 0 AND 95),
    count_if(price NOT BETWEEN 0 AND 999), count_if(amount NOT BETWEEN 0 AND 9990),
    count_if(customer NOT BETWEEN 0 AND 49998), count_if(country NOT IN ('NO', 'SE', 'DK', 'FI')),
    count_if(code = 'C000000'), count_if(NOT code RLIKE '^C[0-9]{6}$'),
    count_if(NOT mail RLIKE '^[a-z0-9]+@example[.](com|org)$'), count_if(length(code) <> 7),
    count_if(length(mail) < 16), count_if(length(country) <> 2), count_if(id < customer),
    avg(price), max(id), min(id), sum(customer)
"""


def write_project(root: Path) -> None:
    """One judged view over one external table."""
    (root / "tables").mkdir(parents=True)
    (root / "spark-pipeline.yml").write_text(SPEC)
    view = {
        "materialized_view": "lab.events",
        "query": "SELECT * FROM raw.events",
        "expectations": [
            {kind: arguments, "name": f"e{place}"} for place, (kind, arguments) in enumerate(EXPECTATIONS)
        ],
    }
    source = {"external_table": "raw.events", "location": "events"}
    (root / "tables/views.yml").write_text(yaml.safe_dump_all([source, view]))


def check(root: Path, *, full: bool = True) -> list[tuple[bool, int | None]]:
    """Whether each expectation is met, and its violations, by the product."""
    outcome = run_check(Workspace(root), CheckRequest(full=full), lambda event: None)
    found = {each.judgement.rule.name: each.judgement.verdict for table in outcome.tables for each in table.checked}
    verdicts = [found[f"e{place}"] for place in range(len(EXPECTATIONS))]
    return [(verdict.status.value == "passed", verdict.failed_records) for verdict in verdicts]


def checkpoint(spark: SparkSession, root: Path) -> list[tuple[bool, int | None]]:
    """The same by a checkpoint of Great Expectations."""
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    asset = context.data_sources.add_spark("spark", persist=False).add_dataframe_asset("events")
    batch = asset.add_batch_definition_whole_dataframe("all")
    expectations = [
        {"type": kind, "kwargs": arguments, "meta": {"place": place}}
        for place, (kind, arguments) in enumerate(EXPECTATIONS)
    ]
    suite = context.suites.add(gx.ExpectationSuite("suite", expectations=expectations))
    definition = gx.ValidationDefinition(name="events", data=batch, suite=suite)
    run = gx.Checkpoint(name="check", validation_definitions=[context.validation_definitions.add(definition)])
    frame = spark.read.format("delta").load(str(root / "warehouse/lab/events"))
    result = context.checkpoints.add(run).run(batch_parameters={"dataframe": frame})
    [validated] = result.run_results.values()
    found = sorted(validated.results, key=lambda each: each.expectation_config.meta["place"])
    return [(bool(each.success), each.result.get("unexpected_count")) for each in found]


def by_hand(spark: SparkSession, root: Path) -> None:
    """One aggregate, and one more pass for uniqueness."""
    spark.read.format("delta").load(str(root / "warehouse/lab/events")).createOrReplaceTempView("events")
    spark.sql(f"SELECT {BY_HAND} FROM events").collect()
    spark.sql("SELECT count(*) FROM (SELECT id FROM events GROUP BY id HAVING count(*) > 1)").collect()


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    """Wall seconds, and what came of it."""
    started = time.perf_counter()
    found = work()
    return time.perf_counter() - started, found


def main() -> None:
    """Prints one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="checks-"))
    write_project(root)
    spark = open_session({}, app_name="checks", master="local[2]")
    try:
        make_events(spark, root, arguments.rows)
        run_pipeline(Workspace(root), RunRequest(), lambda event: None)
        sides: dict[str, Callable[[], Any]] = {
            "lakehouse check": lambda: check(root),
            "Great Expectations": lambda: checkpoint(spark, root),
            "by hand": lambda: by_hand(spark, root),
        }
        times: dict[str, list[float]] = {name: [] for name in sides}
        verdicts: dict[str, Any] = {}
        for round_number in range(arguments.rounds + 1):
            for name, side in sides.items():
                taken, verdicts[name] = seconds(side)
                if round_number:
                    times[name].append(taken)
        differing = [
            (kind, ours, theirs)
            for (kind, _), ours, theirs in zip(
                EXPECTATIONS, verdicts["lakehouse check"], verdicts["Great Expectations"], strict=True
            )
            if ours[0] != theirs[0] or (theirs[1] is not None and ours[1] != theirs[1])
        ]
        if differing:
            sys.exit(f"verdicts differ: {differing}")
        medians = {name: statistics.median(taken) for name, taken in times.items()}
        print(describe_machine())
        print(
            f"{arguments.rows:,} rows, {len(EXPECTATIONS)} expectations, identical verdicts, {arguments.rounds} rounds"
        )
        print(f"{'':20} {'median s':>9} {'min s':>7} {'/ GX':>6} {'/ by hand':>10}")
        for name, taken in times.items():
            ratios = [medians[name] / medians[base] for base in ("Great Expectations", "by hand")]
            print(f"{name:20} {medians[name]:9.2f} {min(taken):7.2f} {ratios[0]:6.2f} {ratios[1]:10.2f}")
        again, _ = seconds(lambda: check(root, full=False))
        print(f"{'second check':20} {again:9.2f}")
    finally:
        stop_session()
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
