from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from lakehouse.errors import InstallationError
from lakehouse.storage.jars import find_jars, spark_home
from lakehouse.storage.java import find_java
from lakehouse.storage.session import isolated_session, open_session

pytestmark = pytest.mark.spark

PROBE = Path(__file__).with_name("session_probe.py")
ROWS = [1000, sum(number % 7 for number in range(1000))]
SUBMIT = spark_home() / "bin" / "spark-submit"


def run(
    program: list[str], folder: Path, **environment: str
) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    """Run a program in an empty folder of its own; what it printed last, as JSON."""
    work = folder / "work"
    work.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYSPARK", "SPARK"))}
    settings = {**kept, "JAVA_HOME": str(find_java().home), "PYSPARK_PYTHON": sys.executable, **environment}
    done = subprocess.run(program, cwd=work, env=settings, capture_output=True, text=True, timeout=300)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    assert lines, done.stdout + done.stderr
    return done, json.loads(lines[-1])


def test_isolated_sessions_share_nothing(spark: SparkSession) -> None:
    one, two = isolated_session(spark, {"spark.sql.shuffle.partitions": "9"}), isolated_session(spark, {})
    one.sql("CREATE DATABASE silver")
    one.range(1).createOrReplaceTempView("seen")
    assert "silver" in [schema.name for schema in one.catalog.listDatabases()]
    assert "silver" not in [schema.name for schema in two.catalog.listDatabases()]
    assert not two.catalog.tableExists("seen")
    assert one.conf.get("spark.sql.shuffle.partitions") == "9"
    assert two.conf.get("spark.sql.shuffle.partitions") == spark.conf.get("spark.sql.shuffle.partitions")


def test_second_session_in_one_process_is_on_the_same_spark(spark: SparkSession) -> None:
    second = open_session({"spark.sql.shuffle.partitions": "11", "landing": "x"}, app_name="other")
    assert second.sparkContext is spark.sparkContext
    assert second.conf.get("spark.sql.shuffle.partitions") == "11"
    assert spark.conf.get("spark.sql.shuffle.partitions") != "11"
    assert second.conf.get("landing", None) is None
    assert second.conf.get("spark.sql.session.timeZone") == "UTC"


def test_failed_queries_print_nothing(spark: SparkSession, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(AnalysisException):
        spark.sql("SELECT nowhere")
    with pytest.raises(AnalysisException):
        spark.range(1).select("nowhere")
    shown = capfd.readouterr()
    assert shown.out + shown.err == ""


def test_a_jvm_that_does_not_start_says_why(tmp_path: Path) -> None:
    option = "spark.driver.extraJavaOptions=-XX:+UseSerialGC -XX:+UseParallelGC"
    done, seen = run([sys.executable, str(PROBE), str(tmp_path), "--setting", option], tmp_path)
    assert done.returncode == InstallationError.exit_code
    assert "collector" in seen["error"]
    assert "\n" not in seen["error"]
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("argument", "value", "said"),
    [
        ("--master", "spork://x", "Master must"),
        ("--master", "local[x]", "'local[x]'"),
        ("--setting", "spark.sql.shuffle.partitions=many", "spark.sql.shuffle.partitions"),
    ],
)
def test_what_spark_does_not_start_with_is_an_error(tmp_path: Path, argument: str, value: str, said: str) -> None:
    done, seen = run([sys.executable, str(PROBE), str(tmp_path), argument, value], tmp_path)
    assert done.returncode == InstallationError.exit_code
    assert said in seen["error"]
    assert "\n" not in seen["error"]
    assert done.stderr == ""


def test_own_session_starts_quietly_and_ends_completely(tmp_path: Path) -> None:
    done, seen = run([sys.executable, str(PROBE), str(tmp_path)], tmp_path, LAKEHOUSE_CLASS_ARCHIVE="off")
    assert done.returncode == 0
    assert done.stderr == ""
    assert (seen["rows"], seen["version"], seen["refused"]) == (ROWS, 0, "UNRESOLVED_COLUMN.WITHOUT_SUGGESTION")
    assert seen["master"] == "local[*]"
    assert seen["spark.sql.session.timeZone"] == "UTC"
    assert seen["schemas"] == ["default"]
    assert seen["gone"]
    assert seen["left"] == []


def test_class_archive_is_recorded_after_the_end_and_then_used(tmp_path: Path) -> None:
    program = [sys.executable, str(PROBE), "--leave-running"]
    cache = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "LAKEHOUSE_CLASS_ARCHIVE": "on"}
    (tmp_path / "1").mkdir()
    started = time.monotonic()
    done, _ = run([*program, str(tmp_path / "1")], tmp_path / "1", **cache)
    assert done.stderr == ""
    folder = tmp_path / "cache" / "lakehouse" / "classes"
    (lock,) = folder.glob("*.lock")
    # The pipe was free although the JVM still held the lock: whoever reads our output does not wait for the archive.
    assert subprocess.run(["flock", "--nonblock", str(lock), "true"]).returncode == 1
    subprocess.run(["flock", str(lock), "true"], check=True, timeout=120 + time.monotonic() - started)
    assert [path.suffix for path in folder.iterdir() if path.stat().st_size > 1 << 25] == [".part"]
    (tmp_path / "2").mkdir()
    done, _ = run([*program, str(tmp_path / "2")], tmp_path / "2", **cache)
    assert done.stderr == ""
    assert [path.suffix for path in folder.iterdir() if path.stat().st_size > 1 << 25] == [".jsa"]


def test_a_running_session_learns_delta_and_stays_as_it_was(tmp_path: Path) -> None:
    zone = "spark.sql.session.timeZone=Asia/Tokyo"
    program = [str(SUBMIT), "--master", "local[2]", "--conf", zone, str(PROBE), str(tmp_path), "--existing"]
    _, seen = run([*program, "--setting", "spark.sql.shuffle.partitions=3"], tmp_path)
    assert (seen["rows"], seen["version"]) == (ROWS, 0)
    assert seen["spark.sql.shuffle.partitions"] == "3"
    assert seen["before"] == [3, "Asia/Tokyo"]


def test_spark_submit(tmp_path: Path) -> None:
    program = [str(SUBMIT), "--master", "local[2]", "--conf", "spark.log.level=OFF", str(PROBE), str(tmp_path)]
    done, seen = run(program, tmp_path)
    assert done.returncode == 0
    assert (seen["rows"], seen["version"], seen["master"]) == (ROWS, 0, "local[2]")
    assert seen["left"] == []


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[str]:
    """A standalone master with two workers, each a JVM of the installed Spark; its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"spark://127.0.0.1:{port}"
    start = str(spark_home() / "bin" / "spark-class")
    common = ["--host", "127.0.0.1", "--webui-port", "0"]
    deploy = "org.apache.spark.deploy"
    commands = [[start, f"{deploy}.master.Master", *common, "--port", str(port)]]
    for number in range(2):
        place = str(tmp_path / f"worker{number}")
        commands.append([start, f"{deploy}.worker.Worker", *common, "-c", "1", "-m", "1g", "-d", place, address])
    environment = {**os.environ, "JAVA_HOME": str(find_java().home)}
    logs = [(tmp_path / f"cluster{number}.log").open("wb") for number in range(len(commands))]
    processes = [
        subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        for command, log in zip(commands, logs, strict=True)
    ]
    try:
        deadline = time.monotonic() + 90
        registered = "Successfully registered with master"
        while sum(registered in (tmp_path / f"cluster{number}.log").read_text() for number in (1, 2)) < 2:
            assert time.monotonic() < deadline, (tmp_path / "cluster1.log").read_text()[-2000:]
            time.sleep(0.5)
        yield address
    finally:
        for process in processes:
            process.terminate()
        for process, log in zip(processes, logs, strict=True):
            process.wait()
            log.close()


@pytest.mark.long
def test_standalone_cluster(tmp_path: Path, cluster: str) -> None:
    small = ("spark.executor.memory=600m", "spark.databricks.delta.snapshotPartitions=1")
    as_conf = [word for setting in small for word in ("--conf", setting)]
    as_setting = [word for setting in small for word in ("--setting", setting)]
    for number, program in enumerate(
        (
            [str(SUBMIT), "--master", cluster, *as_conf, "--conf", "spark.driver.host=127.0.0.1", str(PROBE)],
            [sys.executable, str(PROBE), "--master", cluster, *as_setting],
        )
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        _, seen = run([*program, str(folder)], folder)
        assert (seen["rows"], seen["version"]) == (ROWS, 0)
        assert seen["master"] == cluster
        assert seen["executors"] == 2


@pytest.mark.long
def test_jars_are_fetched_by_delta_sparks_own_mechanism(tmp_path: Path) -> None:
    settings = f"spark.jars.ivy={tmp_path / 'ivy'}"
    program = [sys.executable, str(PROBE), str(tmp_path), "--setting", settings]
    done, seen = run(program, tmp_path, LAKEHOUSE_CLASS_ARCHIVE="off")
    assert seen["rows"] == ROWS
    assert len(done.stderr.splitlines()) == 1
    found = find_jars({"spark.jars.ivy": str(tmp_path / "ivy")})
    assert found is not None
    shutil.rmtree(tmp_path / "ivy")
