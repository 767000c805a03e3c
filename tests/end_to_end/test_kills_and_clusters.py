"""The real command line under force: killed at random moments, told to stop, run twice, run by spark-submit, run on a
cluster of processes."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyspark
import pytest
from deltalake import DeltaTable

pytestmark = pytest.mark.spark

LAKEHOUSE = [sys.executable, "-m", "lakehouse"]
REPOSITORY = Path(__file__).parents[2]
SPEC = """\
name: numbers
database: silver
libraries: [{glob: {include: tables/**}}]
"""
TABLES = """\
streaming_table: bronze.numbers
source: {files: landing/*.csv, format: csv, options: {header: true}}
---
materialized_view: silver.numbers
query: SELECT CAST(n AS BIGINT) AS n, file FROM bronze.numbers
---
materialized_view: gold.totals
query: SELECT file, count(*) AS numbers, sum(n) AS total FROM silver.numbers GROUP BY file
"""
FILES, ROWS = 8, 2000


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of three tables over eight files that are all there."""
    root = tmp_path / "numbers"
    (root / "tables").mkdir(parents=True)
    (root / "landing").mkdir()
    (root / "spark-pipeline.yml").write_text(SPEC)
    (root / "tables" / "all.yml").write_text(TABLES)
    for file in range(FILES):
        lines = "\n".join(f"{number},f{file}" for number in range(ROWS))
        (root / "landing" / f"{file}.csv").write_text(f"n,file\n{lines}\n")
    return root


def rows(project: Path, table: str) -> Counter[tuple[object, ...]]:
    """A table's rows as a bag, without the columns that say when and by whom they were loaded."""
    found = DeltaTable(str(project / "warehouse" / table.replace(".", "/"))).to_pyarrow_table()
    kept = [name for name in found.column_names if not name.startswith("_")]
    return Counter(tuple(row.values()) for row in found.select(kept).to_pylist())


def expected() -> dict[str, Counter[tuple[object, ...]]]:
    bronze = Counter((str(number), f"f{file}") for file in range(FILES) for number in range(ROWS))
    gold = Counter((f"f{file}", ROWS, sum(range(ROWS))) for file in range(FILES))
    return {"bronze.numbers": bronze, "gold.totals": gold}


def check(project: Path) -> None:
    for table, bag in expected().items():
        assert rows(project, table) == bag, table


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*LAKEHOUSE, "run", "--project", str(project), *arguments], capture_output=True, text=True, check=False
    )


@contextlib.contextmanager
def started(project: Path) -> Iterator[subprocess.Popen[str]]:
    """A run in a process group of its own, which is gone afterwards."""
    command = [*LAKEHOUSE, "run", "--project", str(project), "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def wait_for(process: subprocess.Popen[str], event: str) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == event:
            return
    raise AssertionError(f"the run ended without {event}")


def kill_at_random(project: Path, seed: int, kills: int) -> None:
    print(f"seed {seed}")
    chance = random.Random(seed)
    for _ in range(kills):
        with started(project) as process:
            wait_for(process, "refresh_started")
            time.sleep(chance.uniform(0.0, 6.0))
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    ended = run(project)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    check(project)
    ledger = DeltaTable(str(project / "warehouse/system/files")).to_pyarrow_table().to_pylist()
    assert Counter(row["path"] for row in ledger if row["status"] == "loaded") == Counter(
        f"landing/{file}.csv" for file in range(FILES)
    )
    assert not [row for row in ledger if row["status"] == "pending"]


def test_killed_at_random_every_file_lands_once(project: Path) -> None:
    kill_at_random(project, seed=7, kills=3)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(10))
def test_killed_more_often(project: Path, seed: int) -> None:
    kill_at_random(project, seed=seed, kills=5)


def test_told_to_stop_a_run_publishes_nothing_and_lets_go(project: Path) -> None:
    with started(project) as process:
        wait_for(process, "refresh_started")
        refused = run(project)
        assert refused.returncode == 4
        assert str(process.pid) in refused.stderr + refused.stdout
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=120) == 128 + signal.SIGTERM
    assert not (project / "warehouse/system/publications").exists()
    assert run(project).returncode == 0
    check(project)


def spark_submit(project: Path, master: str, *options: str) -> subprocess.CompletedProcess[str]:
    home = Path(pyspark.__file__).parent
    entry = subprocess.run([*LAKEHOUSE, "--entry-point"], capture_output=True, text=True, check=True).stdout.strip()
    environment = {
        **os.environ,
        "PYSPARK_PYTHON": sys.executable,
        "SPARK_HOME": str(home),
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    return subprocess.run(
        [str(home / "bin/spark-submit"), "--master", master, *options, entry, "run", "--project", str(project)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextlib.contextmanager
def standalone_cluster(folder: Path) -> Iterator[str]:
    """A master and two workers as processes on loopback; yields the master's URL."""
    home = Path(pyspark.__file__).parent
    port, ui = free_port(), free_port()
    url = f"spark://127.0.0.1:{port}"
    environment = {
        **os.environ,
        "SPARK_HOME": str(home),
        "SPARK_LOCAL_IP": "127.0.0.1",
        "SPARK_WORKER_DIR": str(folder / "work"),
        "PYSPARK_PYTHON": sys.executable,
    }
    spark_class = str(home / "bin/spark-class")
    node = ["--host", "127.0.0.1", "--webui-port"]
    master = [spark_class, "org.apache.spark.deploy.master.Master", "--port", str(port), *node, str(ui)]
    worker = [spark_class, "org.apache.spark.deploy.worker.Worker", "--cores", "1", "--memory", "1g", *node]
    with contextlib.ExitStack() as processes:

        def start(command: list[str]) -> None:
            log = processes.enter_context((folder / f"{len(command)}-{time.time_ns()}.log").open("w"))
            process = processes.enter_context(
                subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
            )
            processes.callback(lambda: os.killpg(process.pid, signal.SIGKILL))

        start(master)
        for _ in range(2):
            start([*worker, str(free_port()), url])
        yield url


def test_spark_submit_and_a_cluster_build_the_same_tables(project: Path, tmp_path: Path) -> None:
    submitted = tmp_path / "submitted"
    shutil.copytree(project, submitted)
    ended = spark_submit(submitted, "local[2]")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    check(submitted)
    with standalone_cluster(tmp_path) as master:
        ended = spark_submit(
            project, master, "--conf", "spark.driver.host=127.0.0.1", "--conf", "spark.driver.bindAddress=127.0.0.1"
        )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    check(project)
    for table in ("bronze.numbers", "silver.numbers", "gold.totals"):
        assert rows(project, table) == rows(submitted, table)
