"""What expectations cost inside the write, beside the same write without them.

    python tests/benchmarks/expectations.py [--rows 2000000] [--rounds 5]

A view copies a table of ten columns: without expectations, with 10 simple rules, with 20 of which two are regular
expressions, and with 10 whose quarantine takes 1 % of the rows. Each is refreshed in full, in turn, in one warm
session; beside them a bare `spark.read…write.format("delta")` of the same rows, and one hand-written aggregate that
counts the violations. Every counter is compared with that aggregate's.
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

from pyspark.sql import SparkSession

sys.path.insert(0, str(Path(__file__).parents[2]))

from lakehouse.run.pipeline import run_pipeline
from lakehouse.run.request import RunRequest
from lakehouse.run.workspace import Workspace
from lakehouse.storage.session import open_session, stop_session
from tests.benchmarks.machine import describe_machine

SPEC = "name: bench\ndatabase: lab\nlibraries: [{glob: {include: tables/**}}]\nmax_concurrent_refreshes: 1\n"
COLUMNS = """
    id,
    id % 50000 AS customer,
    CASE WHEN id % 1000 = 0 THEN NULL ELSE id % 97 END AS quantity,
    cast((id * 7919) % 100000 AS DOUBLE) / 100 AS price,
    cast((id * 31) % 10000 AS DECIMAL(12,2)) AS amount,
    concat('C', lpad(cast((id * 17) % 1000000 AS STRING), 6, '0')) AS code,
    if(id % 100 = 1, 'XX', element_at(array('NO','SE','DK','FI'), cast(id % 4 + 1 AS INT))) AS country,
    date_add(DATE'2024-01-01', cast(id % 700 AS INT)) AS day,
    timestampadd(SECOND, id % 86400, TIMESTAMP'2024-01-01 00:00:00') AS moment,
    concat('user', id % 5000, '@example.', element_at(array('com','org'), cast(id % 2 + 1 AS INT))) AS mail
"""
SIMPLE = [
    ("id_known", "id IS NOT NULL"),
    ("quantity_known", "quantity IS NOT NULL"),
    ("quantity_small", "quantity IS NULL OR quantity < 96"),
    ("price_positive", "price >= 0"),
    ("price_plausible", "price < 999"),
    ("amount_plausible", "amount BETWEEN 0 AND 9990"),
    ("country_listed", "country IN ('NO', 'SE', 'DK', 'FI')"),
    ("day_not_early", "day >= DATE'2024-01-02'"),
    ("moment_of_the_day", "moment < TIMESTAMP'2024-01-01 23:59:00'"),
    ("customer_even", "customer % 2 = 0"),
]
MORE = [
    ("code_well_formed", "code RLIKE '^C[0-9]{6}$'"),
    ("mail_well_formed", "mail RLIKE '^[a-z0-9]+@example\\\\\\\\.(com|org)$'"),
    ("code_of_seven", "length(code) = 7"),
    ("mail_not_short", "length(mail) > 15"),
    ("amount_below_price_times_100", "amount <= price * 100 + 10000"),
    ("code_not_zero", "code <> 'C000000'"),
    ("customer_small", "customer < 49999"),
    ("day_in_range", "day < DATE'2025-12-01'"),
    ("quantity_not_7", "quantity IS NULL OR quantity <> 7"),
    ("country_two_letters", "length(country) = 2"),
]
VIEWS = {
    "plain": [],
    "ten": SIMPLE,
    "twenty": SIMPLE + MORE,
    "aside": SIMPLE,
}


def write_project(root: Path) -> None:
    """One view a variant, over one external table."""
    (root / "tables").mkdir(parents=True)
    (root / "spark-pipeline.yml").write_text(SPEC)
    documents = ["external_table: raw.events\nlocation: events\n"]
    for view, rules in VIEWS.items():
        text = f"materialized_view: lab.{view}\nrefresh_policy: full\nquery: SELECT * FROM raw.events\n"
        if rules:
            text += "expectations:\n"
        for name, condition in rules:
            action = "quarantine" if view == "aside" and name == "country_listed" else "warn"
            text += f'  - {{name: {name}, expect: "{condition}", on_violation: {action}}}\n'
        documents.append(text)
    (root / "tables/views.yml").write_text("---\n".join(documents))


def make_events(spark: SparkSession, root: Path, rows: int) -> None:
    """The table of ten columns, in eight files."""
    events = spark.range(rows).selectExpr(*_split(COLUMNS))
    events.repartition(8).write.format("delta").save(str(root / "events"))


def refresh(root: Path, view: str) -> float:
    """Seconds of one full refresh of a view, as the run itself records them."""
    request = RunRequest(full_refresh=(f"lab.{view}",))
    outcome = run_pipeline(Workspace(root), request, lambda event: None)
    step = next(found for found in outcome.steps if found.step.dataset.name == view)
    if step.error is not None:
        raise step.error
    return step.seconds


def bare(spark: SparkSession, root: Path) -> float:
    """Seconds of the write without a framework."""
    started = time.perf_counter()
    events = spark.read.format("delta").load(str(root / "events"))
    events.write.format("delta").mode("overwrite").save(str(root / "bare"))
    return time.perf_counter() - started


def by_hand(spark: SparkSession, root: Path) -> tuple[float, dict[str, int]]:
    """Seconds of one aggregate that counts all violations, and its counts."""
    started = time.perf_counter()
    counts = ", ".join(f"count_if(NOT coalesce({text}, false)) AS {name}" for name, text in SIMPLE + _unescaped())
    events = spark.read.format("delta").load(str(root / "events"))
    events.createOrReplaceTempView("events")
    [row] = spark.sql(f"SELECT {counts} FROM events").collect()
    return time.perf_counter() - started, row.asDict()


def check_counts(root: Path, expected: dict[str, int]) -> None:
    """Exits if a recorded counter is not what the aggregate counted."""
    for row in Workspace(root).warehouse.expectations.rows():
        if row["failed_records"] != expected[row["name"]]:
            sys.exit(f"{row['dataset']} {row['name']}: {row['failed_records']}, expected {expected[row['name']]}")


def _unescaped() -> list[tuple[str, str]]:
    return [(name, text.replace("\\\\\\\\", "\\\\")) for name, text in MORE]


def main() -> None:
    """Prints one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="expectations-"))
    write_project(root)
    spark = open_session({}, app_name="expectations", master="local[2]")
    try:
        make_events(spark, root, arguments.rows)
        sides: dict[str, Callable[[], float]] = {"bare write": lambda: bare(spark, root)}
        sides |= {view: (lambda view=view: refresh(root, view)) for view in VIEWS}  # type: ignore[misc]
        sides["aggregate by hand"] = lambda: by_hand(spark, root)[0]
        times: dict[str, list[float]] = {name: [] for name in sides}
        for round_number in range(arguments.rounds + 1):
            for name, side in sides.items():
                taken = side()
                if round_number:
                    times[name].append(taken)
        check_counts(root, by_hand(spark, root)[1])
        print(describe_machine())
        print(f"{arguments.rows:,} rows, median of {arguments.rounds} rounds")
        medians = {name: statistics.median(taken) for name, taken in times.items()}
        print(f"{'':20} {'median s':>9} {'min s':>7} {'/ bare':>7} {'/ plain':>8}")
        for name, taken in times.items():
            ratios = [medians[name] / medians[base] for base in ("bare write", "plain")]
            print(f"{name:20} {medians[name]:9.2f} {min(taken):7.2f} {ratios[0]:7.2f} {ratios[1]:8.2f}")
    finally:
        stop_session()
        shutil.rmtree(root, ignore_errors=True)


def _split(text: str) -> list[str]:
    """The columns of `COLUMNS`, one a line."""
    return [line.strip().removesuffix(",") for line in text.strip().splitlines()]


if __name__ == "__main__":
    main()
