"""A cold full run of the flights demo, beside the same datasets in Spark Declarative Pipelines.

    python tests/benchmarks/cold_run.py --sdp-python VENV/bin/python [--rounds 3]

Both sides start from an empty warehouse and the same twelve landed months, in turn, and write Delta tables, with the
same settings where both have them (PROFILE below). SDP needs a virtual environment of its own, with
`pyspark[pipelines]==4.1.4`.
Afterwards every silver and gold table is compared row by row: a side that computes something else is not a peer.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import deltalake
import duckdb

from lakehouse.storage.jars import find_jars

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "pipelines" / "flights"
PEER = Path(__file__).parent / "sdp_flights"
LEFTOVERS = shutil.ignore_patterns("landing", "warehouse", "__pycache__", ".lakehouse")

# What lakehouse sets for a local master and SDP can have too; SDP takes Delta through this file only.
PROFILE = {
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
    "spark.databricks.delta.snapshotPartitions": "1",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.sources.default": "delta",
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
}
COMPARED = (
    *(f"silver.{name}" for name in ("flights", "weather", "planes", "airports", "airlines", "departures")),
    *(f"gold.{name}" for name in ("carrier_punctuality", "weather_delay", "airport_traffic", "known_gaps")),
    *(f"gold.{name}" for name in ("route_delays", "fleet_age")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One run: wall seconds, and the folder of each compared table."""

    wall: float
    tables: Mapping[str, Path]


def timed(command: list[str], *, folder: Path, environment: Mapping[str, str]) -> float:
    """Wall seconds of a command; exits with the end of its output if it fails."""
    start = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=dict(environment), capture_output=True, text=True)
    wall = time.perf_counter() - start
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed with {done.returncode}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
    return wall


def run_sdp(folder: Path, landing: Path, python: Path) -> Timing:
    """`spark-pipelines run` in a fresh copy of the peer project."""
    shutil.copytree(PEER, folder, ignore=LEFTOVERS)
    (folder / "landing").symlink_to(landing)
    spec = folder / "spark-pipeline.yml"
    spec.write_text(spec.read_text().replace("file:///tmp/sdp_flights_storage", (folder / "storage").as_uri()))
    warehouse = folder / "spark-warehouse"
    wall = run_sdp_project(folder, warehouse, python, PROFILE)
    return Timing(wall=wall, tables={name: warehouse / name.replace(".", "_") for name in COMPARED})


def run_sdp_project(folder: Path, warehouse: Path, python: Path, settings: Mapping[str, str]) -> float:
    """Wall seconds of `spark-pipelines run` on the SDP project in `folder`, with these Spark settings and Delta."""
    jars = find_jars()
    if jars is None:
        sys.exit("Delta's jars were never fetched on this machine; run `lakehouse run` on any project first.")
    settings = {
        **settings,
        "spark.sql.warehouse.dir": str(warehouse),
        "spark.driver.extraClassPath": ":".join(map(str, jars.files)),
    }
    configuration = folder / "conf"
    configuration.mkdir()
    lines = (f"{key} {value}\n" for key, value in settings.items())
    (configuration / "spark-defaults.conf").write_text("".join(lines))
    environment = {
        **{key: value for key, value in os.environ.items() if key not in {"SPARK_HOME", "PYTHONPATH", "VIRTUAL_ENV"}},
        "SPARK_CONF_DIR": str(configuration),
        "PYSPARK_PYTHON": str(python),
        "PATH": f"{python.parent}:{os.environ['PATH']}",
    }
    spec = folder / "spark-pipeline.yml"
    command = [str(python.parent / "spark-pipelines"), "run", "--spec", str(spec)]
    return timed(command, folder=folder, environment=environment)


def run_lakehouse(folder: Path, landing: Path) -> Timing:
    """`lakehouse run` in a fresh copy of the demo."""
    shutil.copytree(DEMO, folder, ignore=LEFTOVERS)
    (folder / "landing").symlink_to(landing)
    command = [str(Path(sys.executable).with_name("lakehouse")), "run", "--project", str(folder)]
    wall = timed(command, folder=folder, environment=os.environ)
    return Timing(wall=wall, tables={name: folder / "warehouse" / name.replace(".", "/") for name in COMPARED})


def differing_rows(left: Path, right: Path) -> int:
    """How many rows two Delta tables do not share, as bags; columns are matched by name."""
    tables = duckdb.connect()
    tables.register("l", deltalake.DeltaTable(str(left)).to_pyarrow_table())
    tables.register("r", deltalake.DeltaTable(str(right)).to_pyarrow_table())
    columns = ", ".join(f'"{name}"' for name in tables.sql("FROM l LIMIT 0").columns)
    only = "SELECT count() FROM (SELECT {0} FROM {1} EXCEPT ALL SELECT {0} FROM {2})"
    counts = (tables.sql(only.format(columns, *pair)).fetchall()[0][0] for pair in (("l", "r"), ("r", "l")))
    return sum(counts)


def report(rounds: list[tuple[Timing, Timing]]) -> None:
    """Prints each round, the ratio of the medians, and what it was measured on."""
    print(f"{'round':>5} {'SDP':>9} {'lakehouse':>10} {'ratio':>6}")
    for number, (peer, ours) in enumerate(rounds, start=1):
        ratio = ours.wall / peer.wall
        print(f"{number:>5} {peer.wall:>8.1f}s {ours.wall:>9.1f}s {ratio:>6.2f}")
    peer_wall, our_wall = (statistics.median(side) for side in zip(*((p.wall, o.wall) for p, o in rounds), strict=True))
    print(f"median: SDP {peer_wall:.1f} s, lakehouse {our_wall:.1f} s, ratio {our_wall / peer_wall:.2f}")
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("pyspark", "delta-spark", "deltalake"))
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    print(f"{machine}, Python {platform.python_version()}, {versions}")


def main() -> None:
    """Runs both sides in turn, compares their tables, prints the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--sdp-python", type=Path, required=True, help="a Python with pyspark[pipelines]==4.1.4")
    parser.add_argument("--rounds", type=int, default=1, help="how often each side runs (default: 1)")
    parser.add_argument("--only", choices=("sdp", "lakehouse"), help="run one side and print its seconds")
    options = parser.parse_args()
    python = options.sdp_python.absolute()  # not resolved: the link is what makes it a virtual environment
    rounds: list[tuple[Timing, Timing]] = []
    with tempfile.TemporaryDirectory(prefix="cold_run_") as folder:
        place = Path(folder)
        landing = place / "landing"
        subprocess.run([sys.executable, str(DEMO / "land.py"), "--out", str(landing)], check=True)
        for number in range(options.rounds):
            peer = None if options.only == "lakehouse" else run_sdp(place / f"sdp{number}", landing, python)
            ours = None if options.only == "sdp" else run_lakehouse(place / f"lakehouse{number}", landing)
            if peer is None or ours is None:
                print(f"{options.only}: {(peer or ours).wall:.1f} s")
                continue
            for name in COMPARED:
                if differing := differing_rows(peer.tables[name], ours.tables[name]):
                    sys.exit(f"{name}: {differing} rows differ between SDP and lakehouse")
            rounds.append((peer, ours))
    if rounds:
        report(rounds)


if __name__ == "__main__":
    main()
