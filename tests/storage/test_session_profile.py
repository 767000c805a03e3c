from __future__ import annotations

from pathlib import Path

import pytest

from lakehouse.errors import InvalidValue
from lakehouse.storage.session_profile import (
    DELTA_CATALOG,
    DELTA_EXTENSION,
    appended,
    class_path,
    driver_memory,
    granted_memory,
    installed_defaults,
    is_local,
    java_options,
    join_options,
    leading_jars,
    memory_bytes,
    session_defaults,
    with_delta,
    with_quiet_log,
)

GIB = 1 << 30


@pytest.mark.parametrize(
    ("master", "local"),
    [
        ("local", True),
        ("local[*]", True),
        ("local[2,3]", True),
        ("local-cluster[2,1,1024]", False),
        ("spark://h:7077", False),
        ("yarn", False),
        ("k8s://https://h", False),
    ],
)
def test_is_local(master: str, local: bool) -> None:
    assert is_local(master) is local


def test_delta_is_added_to_the_users_extensions() -> None:
    merged = with_delta({"spark.sql.extensions": "a.B", "spark.sql.session.timeZone": "Europe/Rome"})
    assert merged["spark.sql.extensions"] == f"a.B,{DELTA_EXTENSION}"
    assert merged["spark.sql.catalog.spark_catalog"] == DELTA_CATALOG
    assert merged["spark.sql.session.timeZone"] == "Europe/Rome"
    assert with_delta(merged) == merged
    assert with_delta({})["spark.sql.session.timeZone"] == "UTC"


def test_timestamps_are_written_as_the_user_says() -> None:
    kind = "spark.sql.parquet.outputTimestampType"
    assert with_delta({})[kind] == "TIMESTAMP_MICROS"
    assert with_delta({kind: "INT96"})[kind] == "INT96"


def test_users_catalog_stays() -> None:
    assert with_delta({"spark.sql.catalog.spark_catalog": "x.Y"})["spark.sql.catalog.spark_catalog"] == "x.Y"


CODE = "-XX:ReservedCodeCacheSize=256m"


def test_quick_work_gets_one_compiler_and_one_collector_thread() -> None:
    assert java_options([], [], None) == ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", CODE]
    assert java_options(["-Dx=1"], [], 59) == ["-Dx=1", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", CODE]
    assert java_options([], [], 60) == ["-XX:+UseParallelGC"]


@pytest.mark.parametrize(
    ("given", "elsewhere", "expected"),
    [
        (["-XX:+UseG1GC"], [], ["-XX:+UseG1GC", "-XX:TieredStopAtLevel=1", CODE]),
        ([], ["-XX:+UseZGC"], ["-XX:TieredStopAtLevel=1", CODE]),
        (["-XX:TieredStopAtLevel=3"], [], ["-XX:TieredStopAtLevel=3", "-XX:+UseSerialGC", CODE]),
        (
            ["-XX:ReservedCodeCacheSize=1g", "-XX:+UseSerialGC"],
            ["-Xint"],
            ["-XX:ReservedCodeCacheSize=1g", "-XX:+UseSerialGC"],
        ),
        (["-XX:-TieredCompilation"], ["-XX:+UseParallelGC"], ["-XX:-TieredCompilation", CODE]),
    ],
)
def test_the_users_java_options_decide(given: list[str], elsewhere: list[str], expected: list[str]) -> None:
    assert java_options(given, elsewhere, None) == expected


def test_logging_is_ours_unless_the_user_names_another() -> None:
    assert with_quiet_log([], Path("/x/log.properties")) == ["-Dlog4j2.configurationFile=file:///x/log.properties"]
    assert with_quiet_log(["-Dlog4j2.configurationFile=y"], Path("/x")) == ["-Dlog4j2.configurationFile=y"]


def test_options_with_blanks_are_quoted_for_the_launcher() -> None:
    assert join_options(["-Da=b", "-XX:SharedArchiveFile=/a b/c.jsa"]) == '-Da=b "-XX:SharedArchiveFile=/a b/c.jsa"'


@pytest.mark.parametrize(
    ("granted", "heap"), [(2 * GIB, GIB), (8 * GIB, 8 * GIB // 3), (24 * GIB, 8 * GIB), (256 * GIB, 24 * GIB)]
)
def test_driver_memory(granted: int, heap: int) -> None:
    assert driver_memory(granted) == heap


@pytest.mark.parametrize(
    ("setting", "size"), [("2g", 2 * GIB), ("512m", GIB // 2), ("1024", GIB), ("1GB", GIB), ("x", 0)]
)
def test_memory_bytes(setting: str, size: int) -> None:
    assert memory_bytes(setting) == size


def test_granted_memory_is_plausible() -> None:
    assert GIB // 4 < granted_memory() < 1 << 50


def test_partitions_follow_cores_and_work() -> None:
    quick = [session_defaults(cores, None)["spark.sql.shuffle.partitions"] for cores in (1, 2, 16)]
    assert quick == ["2", "2", "4"]
    assert session_defaults(16, 600)["spark.sql.shuffle.partitions"] == "64"


def test_defaults_come_from_the_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPARK_CONF_DIR", raising=False)
    monkeypatch.setenv(
        "PYSPARK_SUBMIT_ARGS",
        "--master local[3] --conf spark.b=sub=mitted -c spark.d=4 --driver-memory 3g --name x pyspark-shell",
    )
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "spark-defaults.conf").write_text("# no\nspark.a   1 2\nspark.b=file\n\n  spark.c: 3  \n")
    assert installed_defaults(tmp_path) == {
        "spark.a": "1 2",
        "spark.b": "sub=mitted",
        "spark.c": "3",
        "spark.d": "4",
        "spark.master": "local[3]",
        "spark.driver.memory": "3g",
    }


def test_defaults_of_a_bare_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPARK_CONF_DIR", raising=False)
    monkeypatch.delenv("PYSPARK_SUBMIT_ARGS", raising=False)
    assert installed_defaults(tmp_path) == {}


@pytest.mark.parametrize("arguments", ["--conf 'open", "pyspark-shell --master"])
def test_arguments_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: str) -> None:
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", arguments)
    with pytest.raises(InvalidValue) as caught:
        installed_defaults(tmp_path)
    assert "PYSPARK_SUBMIT_ARGS" in caught.value.message


def test_class_path_has_what_the_launcher_puts_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SPARK_CONF_DIR", "YARN_CONF_DIR", "SPARK_DIST_CLASSPATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HADOOP_CONF_DIR", "/etc/hadoop")
    (tmp_path / "jars").mkdir()
    for name in ("spark-core_2.13-4.1.4.jar", "a.jar", "scala-library-2.13.17.jar"):
        (tmp_path / "jars" / name).touch()
    entries = class_path({"spark.driver.extraClassPath": "/x.jar:/y.jar"}, tmp_path)
    assert entries[:4] == [Path("/x.jar"), Path("/y.jar"), tmp_path / "conf", Path("/etc/hadoop")]
    assert [entry.name for entry in entries[4:]] == ["a.jar", "scala-library-2.13.17.jar", "spark-core_2.13-4.1.4.jar"]
    assert [entry.name for entry in leading_jars(tmp_path)] == [
        "scala-library-2.13.17.jar",
        "spark-core_2.13-4.1.4.jar",
    ]


def test_appended_keeps_order_and_says_nothing_twice() -> None:
    assert appended("b, a", "c", ",") == "b,a,c"
    assert appended("b,a", "a", ",") == "b,a"
