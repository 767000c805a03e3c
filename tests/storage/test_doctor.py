from __future__ import annotations

import shutil
import sys
from collections import namedtuple
from pathlib import Path
from types import SimpleNamespace

import pytest

from lakehouse.errors import InstallationError
from lakehouse.storage import doctor
from lakehouse.storage.doctor import Finding, diagnose


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("LAKEHOUSE_JARS", raising=False)


def look(warehouse: object) -> dict[str, Finding]:
    return {finding.name: finding for finding in diagnose(str(warehouse))}


def test_names_are_what_was_promised(tmp_path: Path) -> None:
    names = ["python", "packages", "java", "jars", "class archive", "memory", "disk", "warehouse", "cache"]
    assert list(look(tmp_path)) == names


def test_a_fault_has_a_remedy_and_nothing_else_has(tmp_path: Path) -> None:
    for finding in diagnose(str(tmp_path)):
        assert bool(finding.fix) is not finding.ok, finding
        assert "\n" not in finding.detail


def test_missing_java_carries_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise InstallationError("no Java.", hint="do this")

    monkeypatch.setattr(doctor, "find_java", missing)
    assert look(tmp_path)["java"] == Finding(name="java", ok=False, detail="no Java.", fix="do this")


def test_jars_not_fetched_yet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "find_jars", lambda settings: None)
    assert not look(tmp_path)["jars"].ok


def test_jars_folder_that_is_wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEHOUSE_JARS", str(tmp_path))
    assert not look(tmp_path)["jars"].ok


def test_old_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version = namedtuple("version", "major minor micro")(3, 9, 1)
    monkeypatch.setattr(doctor, "sys", SimpleNamespace(version_info=version, executable=sys.executable))
    assert not look(tmp_path)["python"].ok


def test_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: SimpleNamespace(free=1000))
    assert not look(tmp_path)["disk"].ok


def test_little_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "granted_memory", lambda: 1 << 30)
    assert not look(tmp_path)["memory"].ok


def test_folder_that_will_be_made(tmp_path: Path) -> None:
    assert look(tmp_path / "not" / "yet")["warehouse"].ok
    assert not (tmp_path / "not").exists()


def test_folder_without_write_access(monkeypatch: pytest.MonkeyPatch) -> None:
    found = look("/proc/nowhere")["warehouse"]
    assert not found.ok
    assert "/proc" in found.detail


@pytest.mark.parametrize("below", [".", "deep/down"])
def test_a_file_where_the_folder_should_be(tmp_path: Path, below: str) -> None:
    (tmp_path / "lake").write_text("mine")
    found = look(tmp_path / "lake" / below)["warehouse"]
    assert not found.ok
    assert str(tmp_path / "lake") in found.fix


def test_elsewhere_is_not_checked(tmp_path: Path) -> None:
    found = look("s3a://bucket/warehouse")
    assert found["warehouse"].ok
    assert "bucket" not in found["disk"].detail
