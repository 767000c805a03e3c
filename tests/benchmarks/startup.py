"""Session plus first Delta commit: the plain way beside ours, in turn.

    python tests/benchmarks/startup.py [--rounds 3]

Plain is what Delta's documentation shows: `configure_spark_with_delta_pip` and default settings. Ours is
`open_session` with the class archive ready; a round before the count makes it. Wall seconds are of a whole Python
process, imports included; CPU seconds are of Python and its JVM. On a loaded machine trust the ratios. Linux only.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from machine import describe_machine

from lakehouse.storage.class_archive import cache_folder

PLAIN = """
from delta import configure_spark_with_delta_pip
from pyspark.sql import SparkSession
builder = (
    SparkSession.builder.config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
    .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
)
session = configure_spark_with_delta_pip(builder).getOrCreate()
"""
OURS = """
from lakehouse.storage.session import open_session
session = open_session({}, app_name="startup")
"""
COMMIT = """
import os, sys, time
session.range(1000).write.format("delta").save(sys.argv[1])
with open(f"/proc/{session.sparkContext._gateway.proc.pid}/stat") as file:
    ticks = sum(map(int, file.read().rpartition(")")[2].split()[11:13]))
print("CPU", time.process_time() + ticks / os.sysconf("SC_CLK_TCK"))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One start: wall and CPU seconds."""

    wall: float
    cpu: float


def measure(program: str) -> Timing:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", program + COMMIT, str(Path(folder) / "table")]
        started = time.monotonic()
        done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
        wall = time.monotonic() - started
    return Timing(wall=wall, cpu=float(done.stdout.split("CPU")[1]))


def make_archive() -> None:
    """Let a session record the archive if there is none, and wait until its JVM has written it."""
    for _ in range(2):
        measure(OURS)
        for lock in (cache_folder() / "classes").glob("*.lock"):
            subprocess.run(["flock", str(lock), "true"], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    make_archive()
    plain, ours = [], []
    for _ in range(rounds):
        plain.append(measure(PLAIN))
        ours.append(measure(OURS))
    print(describe_machine())
    print(f"{'':8}{'wall s (median)':>18}{'all':>24}{'CPU s (median)':>18}")
    for name, timings in (("plain", plain), ("ours", ours)):
        walls = " ".join(f"{timing.wall:.1f}" for timing in timings)
        wall, cpu = (statistics.median(getattr(timing, field) for timing in timings) for field in ("wall", "cpu"))
        print(f"{name:8}{wall:18.1f}{walls:>24}{cpu:18.1f}")
    ratios = [
        statistics.median(getattr(one, field) / getattr(other, field) for one, other in zip(ours, plain, strict=True))
        for field in ("wall", "cpu")
    ]
    print(f"{'ratio':8}{ratios[0]:18.2f}{'':>24}{ratios[1]:18.2f}")


if __name__ == "__main__":
    main()
