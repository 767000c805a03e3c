from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest

from lakehouse.errors import InstallationError
from lakehouse.storage import jars
from lakehouse.storage.jars import delta_jars, delta_version, find_jars, spark_home

DELTA = metadata.version("delta-spark")
SPARK = ".".join(metadata.version("pyspark").split(".")[:2])
NAMES = (f"delta-spark_{SPARK}_2.13-{DELTA}.jar", f"delta-storage-{DELTA}.jar")


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("LAKEHOUSE_JARS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("SPARK_HOME", str(tmp_path / "spark"))
    monkeypatch.setattr(jars, "_homes", lambda: [tmp_path / "home"])
    (tmp_path / "spark" / "jars").mkdir(parents=True)


def put(folder: Path, *names: str) -> tuple[Path, ...]:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()
    return tuple(folder / name for name in names)


def test_none_on_a_bare_machine() -> None:
    assert find_jars() is None


def test_ivy_cache_is_found(tmp_path: Path) -> None:
    files = put(tmp_path / "home" / ".ivy2.5.2" / "jars", *(f"io.delta_{name}" for name in NAMES))
    put(files[0].parent, "io.delta_delta-kernel-api-4.4.0.jar", "org.example_delta-x-1.0.jar")
    found = find_jars()
    assert found is not None
    assert (found.files, found.origin) == (files, "ivy")


def test_given_folder_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "home" / ".ivy2.5.2" / "jars", *(f"io.delta_{name}" for name in NAMES))
    files = put(tmp_path / "given", *NAMES)
    monkeypatch.setenv("LAKEHOUSE_JARS", str(tmp_path / "given"))
    found = find_jars()
    assert found is not None
    assert (found.files, found.origin) == (files, "LAKEHOUSE_JARS")


def test_given_folder_without_them_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "given", NAMES[0])
    monkeypatch.setenv("LAKEHOUSE_JARS", str(tmp_path / "given"))
    with pytest.raises(InstallationError) as caught:
        find_jars()
    assert str(tmp_path / "given") in caught.value.message


def test_spark_with_delta_needs_none(tmp_path: Path) -> None:
    put(tmp_path / "spark" / "jars", f"delta-spark_{SPARK}_2.13-9.9.9.jar", "delta-storage-9.9.9.jar")
    found = find_jars()
    assert found is not None
    assert (found.files, found.origin) == ((), "spark")


@pytest.mark.parametrize("name", [f"delta-spark_9.0_2.13-{DELTA}.jar", f"delta-spark_{SPARK}_2.13-0.0.1.jar"])
def test_jars_of_other_versions_do_not_count(tmp_path: Path, name: str) -> None:
    put(tmp_path / "home" / ".ivy2.5.2" / "jars", f"io.delta_{name}", f"io.delta_{NAMES[1]}")
    assert find_jars() is None


def test_spark_jars_ivy_names_another_cache(tmp_path: Path) -> None:
    files = put(tmp_path / "elsewhere" / "jars", *(f"io.delta_{name}" for name in NAMES))
    found = find_jars({"spark.jars.ivy": str(tmp_path / "elsewhere")})
    assert found is not None
    assert found.files == files


def fake_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = tmp_path / "python"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))


def test_fetched_once_and_quietly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "home" / ".ivy2.5.2" / "jars"
    touched = " ".join(str(folder / f"io.delta_{name}") for name in NAMES)
    fake_python(tmp_path, monkeypatch, f"echo pages of Ivy; mkdir -p {folder}; touch {touched}; echo x >> {tmp_path}/n")
    assert delta_jars().files == delta_jars().files
    assert (tmp_path / "n").read_text() == "x\n"
    shown = capfd.readouterr()
    assert (shown.out, len(shown.err.splitlines())) == ("", 1)


def test_a_home_that_cannot_be_written_to_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jars, "_is_writable", lambda folder: False)
    fake_python(tmp_path, monkeypatch, f'echo "$3" > {tmp_path}/settings')
    with pytest.raises(InstallationError):
        delta_jars({"spark.jars.repositories": "file:/r", "spark.executor.memory": "1g"})
    ivy = tmp_path / "cache" / "lakehouse" / "ivy"
    assert (
        tmp_path / "settings"
    ).read_text() == f'{{"spark.jars.repositories": "file:/r", "spark.jars.ivy": "{ivy}"}}\n'


def test_without_network_the_reason_is_ivys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "resolving\\n\\t\\t:: unresolved dependency: io.delta#delta-spark: not found\\nException in thread main"
    fake_python(tmp_path, monkeypatch, f"printf '{lines}'; exit 1")
    with pytest.raises(InstallationError) as caught:
        delta_jars()
    assert "unresolved dependency: io.delta#delta-spark" in caught.value.message
    assert "\n" not in str(caught.value)


def test_spark_home_is_the_installed_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPARK_HOME")
    assert (spark_home() / "bin" / "spark-submit").exists()
    assert delta_version() == DELTA
