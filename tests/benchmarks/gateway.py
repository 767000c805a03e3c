"""The same queries on plain Spark and through the gateway, in turn: small ones, a million rows, many millions.

    PYTHONPATH=. python tests/benchmarks/gateway.py [--rounds 15] [--large 20000000] [--memory 1g]

Plain is a Spark session of this process over the same Delta tables, `DataFrame.toArrow()`. The gateway is
`lakehouse serve` in a process of its own, asked by `lakehouse.connect`. Its table has a row filter and a mask that
keep everything, so that both give the same rows. Memory is what the gateway's Python and JVM hold at most while a
twentieth, a quarter and all of the large result are read and thrown away. Linux only.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from machine import describe_machine

import lakehouse
from lakehouse.names import TableName
from lakehouse.storage.session import open_session, stop_session
from tests.serving.gateway.memory import watched
from tests.serving.shop import SPEC, Shop

NUMBERS, LARGE = TableName("gold", "numbers"), TableName("gold", "large")
ROWS = 1_000_000
RULES = """\
principals: {users: {ana@corp: {}}}
securables:
  main: {grants: {ana@corp: [USE CATALOG, USE SCHEMA, SELECT]}}
  main.gold.numbers: {row_filter: {using: "id >= 0"}, columns: {s: {mask: {using: "concat(val, '')"}}}}
...
"""
QUERIES = {
    "one row": "SELECT * FROM gold.numbers WHERE id = 4711",
    "aggregate": "SELECT id % 10 AS k, count(*) AS n, sum(d) AS d FROM gold.numbers GROUP BY ALL ORDER BY k",
    "join": "SELECT count(*) AS n FROM gold.numbers a JOIN gold.numbers b ON a.id = b.b WHERE a.id < 1000",
}


def make(folder: Path, large: int, memory: str) -> Shop:
    shop = Shop(folder)
    settings = f"configuration: {{spark.driver.memory: {memory}}}\n" if memory else ""
    (folder / "spark-pipeline.yml").write_text(f"{SPEC}access: access.yml\n{settings}")
    (folder / "access.yml").write_text(RULES)
    session = open_session({}, app_name="benchmark")
    for name, rows in ((NUMBERS, ROWS), (LARGE, large)):
        frame = session.range(rows).selectExpr("id", "id * 2 AS b", "CAST(id AS STRING) AS s", "id / 3 AS d")
        frame.write.format("delta").save(shop.warehouse.location(name))
    shop.publish({NUMBERS: 0, LARGE: 0}, {})
    return shop


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, int]]:
    """The address of the gateway, and its process."""
    command = [sys.executable, "-m", "lakehouse", "serve", "--json", "--project", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["address"], process.pid
        finally:
            process.terminate()


def token(folder: Path) -> str:
    command = [sys.executable, "-m", "lakehouse", "token", "create", "ana@corp", "--json", "--project", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return str(json.loads(done.stdout)["secret"])


def seconds(work: Callable[[], Any]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def report(name: str, plain: list[float], through: list[float]) -> None:
    direct, gateway = statistics.median(plain), statistics.median(through)
    print(
        f"{name:12}{direct * 1000:12.0f}{gateway * 1000:12.0f}{(gateway - direct) * 1000:+12.0f}{gateway / direct:9.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--large", type=int, default=20_000_000)
    parser.add_argument("--memory", default="", help="spark.driver.memory of the gateway")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "shop"
        shop = make(folder, given.large, given.memory)
        session = open_session({}, app_name="benchmark")
        session.sql("CREATE DATABASE gold")
        for name in (NUMBERS, LARGE):
            session.sql(f"CREATE TABLE {name} USING delta LOCATION '{shop.warehouse.location(name)}'")
        with served(folder) as (address, process), lakehouse.connect(address, token=token(folder)) as connection:
            print(describe_machine())
            print(f"{'':12}{'plain ms':>12}{'gateway ms':>12}{'difference':>12}{'ratio':>9}")
            for name, query in {**QUERIES, "1 M rows": "SELECT * FROM gold.numbers"}.items():
                plain, through = [], []
                for count in range(given.rounds + 3):
                    one = seconds(lambda query=query: session.sql(query).toArrow())
                    other = seconds(lambda query=query: connection.sql(query).to_arrow())
                    if count >= 3:  # both are warm by then
                        plain.append(one)
                        through.append(other)
                report(name, plain, through)
            peaks = []
            for part in (20, 4, 1):
                rows = 0
                with watched(process) as held:
                    for batch in connection.sql(f"SELECT * FROM gold.large WHERE id < {given.large // part}").batches():
                        rows += batch.num_rows
                peaks.append(max(held))
                print(f"{rows:10} rows: the gateway holds {held[0] >> 20} MiB before, {peaks[-1] >> 20} MiB at most")
            print(f"at most, for twenty times the rows: {peaks[-1] / peaks[0]:.2f} times")
    stop_session()


if __name__ == "__main__":
    main()
