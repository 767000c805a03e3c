from __future__ import annotations

import fcntl
import os
import shutil
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from lakehouse.storage.class_archive import (
    ATTEMPTS,
    ArchiveState,
    ClassArchive,
    archive_key,
    cache_folder,
    discard,
    is_complete,
    judge,
    open_archive,
)
from lakehouse.storage.java import JavaInstallation

OPTIONS = ("-XX:+UseSerialGC",)


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("LAKEHOUSE_CLASS_ARCHIVE", raising=False)


@pytest.fixture
def java(tmp_path: Path) -> JavaInstallation:
    (tmp_path / "java" / "lib" / "server").mkdir(parents=True)
    (tmp_path / "java" / "release").write_text("JAVA_VERSION=17")
    (tmp_path / "java" / "lib" / "server" / "libjvm.so").write_text("code")
    return JavaInstallation(home=tmp_path / "java", version="17.0.1", executable=tmp_path / "java" / "bin" / "java")


@pytest.fixture
def path(tmp_path: Path) -> Iterator[list[Path]]:
    files = [tmp_path / "a.jar", tmp_path / "b.jar", tmp_path / "no-such-folder"]
    files[0].write_text("a")
    files[1].write_text("b")
    return files


def write_archive(path: Path, *, magic: int = 0xF00BABA8) -> None:
    with path.open("wb") as file:
        file.write(struct.pack("=I", magic))
        file.truncate(2 << 20)


def record(java: JavaInstallation, path: list[Path]) -> ClassArchive:
    """A recording session whose JVM has ended without writing anything yet."""
    archive = open_archive(java, path, OPTIONS)
    archive.release()
    return archive


def test_cache_folder_follows_the_desktop_standard(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert cache_folder() == tmp_path / "cache" / "lakehouse"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "lakehouse"


def test_recorded_then_adopted(java: JavaInstallation, path: list[Path]) -> None:
    first = open_archive(java, path, OPTIONS)
    assert first.state is ArchiveState.RECORDED
    assert first.path is not None
    assert f"-XX:ArchiveClassesAtExit={first.path}" in first.options
    write_archive(first.path)
    first.release()
    second = open_archive(java, path, OPTIONS)
    assert second.state is ArchiveState.USED
    assert second.path == first.path.with_suffix(".jsa")
    assert f"-XX:SharedArchiveFile={second.path}" in second.options
    assert not first.path.exists()
    assert open_archive(java, path, OPTIONS) == second


def test_only_one_session_records(java: JavaInstallation, path: list[Path]) -> None:
    first = open_archive(java, path, OPTIONS)
    assert open_archive(java, path, OPTIONS).state is ArchiveState.OFF
    first.release()
    assert record(java, path).state is ArchiveState.RECORDED


def test_lock_lives_as_long_as_the_jvm_that_inherited_it(java: JavaInstallation, path: list[Path]) -> None:
    first = open_archive(java, path, OPTIONS)
    inherited = os.dup(first.inherited[0])  # what a child process has
    first.release()
    assert open_archive(java, path, OPTIONS).state is ArchiveState.OFF
    os.close(inherited)
    assert record(java, path).state is ArchiveState.RECORDED


@pytest.mark.parametrize("magic", [0, 0xF00BABA2])
def test_unfinished_archive_is_not_adopted(java: JavaInstallation, path: list[Path], magic: int) -> None:
    first = record(java, path)
    assert first.path is not None
    write_archive(first.path, magic=magic)
    assert not is_complete(first.path)
    assert record(java, path).state is ArchiveState.RECORDED
    assert not first.path.exists()


def test_truncated_archive_is_not_complete(tmp_path: Path) -> None:
    (tmp_path / "x.part").write_bytes(struct.pack("=I", 0xF00BABA8))
    assert not is_complete(tmp_path / "x.part")
    assert not is_complete(tmp_path / "none")


def test_gives_up_after_some_attempts(java: JavaInstallation, path: list[Path]) -> None:
    states = [record(java, path).state for _ in range(ATTEMPTS + 1)]
    assert states == [ArchiveState.RECORDED] * ATTEMPTS + [ArchiveState.OFF]


def test_tries_again_a_day_later(java: JavaInstallation, path: list[Path]) -> None:
    for _ in range(ATTEMPTS + 1):
        record(java, path)
    [lock] = (cache_folder() / "classes").glob("*.lock")
    yesterday = time.time() - 90_000
    os.utime(lock, (yesterday, yesterday))
    states = [record(java, path).state for _ in range(ATTEMPTS + 1)]
    assert states == [ArchiveState.RECORDED] * ATTEMPTS + [ArchiveState.OFF]


def test_key_depends_on_java_jars_and_options(java: JavaInstallation, path: list[Path]) -> None:
    keys = {archive_key(java, path, OPTIONS)}
    keys.add(archive_key(java, path, ("-XX:+UseParallelGC",)))
    keys.add(archive_key(java, path[::-1], OPTIONS))
    path[1].write_text("longer")
    keys.add(archive_key(java, path, OPTIONS))
    os.utime(path[1], (1, 1))
    keys.add(archive_key(java, path, OPTIONS))
    (java.home / "lib" / "server" / "libjvm.so").write_text("other code")
    keys.add(archive_key(java, path, OPTIONS))
    assert len(keys) == 6
    assert archive_key(java, path, (*OPTIONS, "-Dmine=1")) in keys


@pytest.mark.parametrize("value", ["off", "OFF", "0", "false"])
def test_switched_off(java: JavaInstallation, path: list[Path], monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("LAKEHOUSE_CLASS_ARCHIVE", value)
    assert record(java, path).state is ArchiveState.OFF
    assert not cache_folder().exists()


@pytest.mark.parametrize("option", ["-Xshare:off", "-XX:SharedArchiveFile=/x", "-XX:ArchiveClassesAtExit=/x"])
def test_off_when_the_user_manages_archives(java: JavaInstallation, path: list[Path], option: str) -> None:
    assert open_archive(java, path, (option,)).state is ArchiveState.OFF


def test_off_with_a_folder_of_files_on_the_class_path(java: JavaInstallation, path: list[Path], tmp_path: Path) -> None:
    conf = tmp_path / "conf"
    conf.mkdir()
    assert record(java, [*path, conf]).state is ArchiveState.RECORDED
    (conf / "spark-defaults.conf").touch()
    assert open_archive(java, [*path, conf], OPTIONS).state is ArchiveState.OFF


def test_off_when_the_disk_is_nearly_full(
    java: JavaInstallation, path: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=(1 << 30) - 1))
    assert open_archive(java, path, OPTIONS).state is ArchiveState.OFF


def test_off_when_the_cache_cannot_be_made(
    java: JavaInstallation, path: list[Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert open_archive(java, path, OPTIONS).state is ArchiveState.OFF


def adopt(java: JavaInstallation, path: list[Path]) -> ClassArchive:
    first = record(java, path)
    assert first.path is not None
    write_archive(first.path)
    return record(java, path)


def test_discarded_archive_is_recorded_again(java: JavaInstallation, path: list[Path]) -> None:
    discard(adopt(java, path))
    assert record(java, path).state is ArchiveState.RECORDED


@pytest.mark.parametrize(("classes", "kept"), [(21_000, True), (30_000, False)])
def test_archive_of_a_small_session_gives_way(
    java: JavaInstallation, path: list[Path], classes: int, kept: bool
) -> None:
    first = record(java, path)
    assert first.path is not None
    judge(first, 20_000)
    write_archive(first.path)
    used = record(java, path)
    judge(used, classes)
    assert used.path is not None
    assert used.path.exists() is kept


def test_old_archives_are_removed(java: JavaInstallation, path: list[Path]) -> None:
    folder = cache_folder() / "classes"
    folder.mkdir(parents=True)
    month_ago = time.time() - 31 * 86_400
    for number in range(6):
        write_archive(folder / f"recent{number}.jsa")
        os.utime(folder / f"recent{number}.jsa", (time.time() - 100 * number - 100,) * 2)
    for name, ago in (("left.part", 7200.0), ("writing.part", 60.0)):
        write_archive(folder / name)
        os.utime(folder / name, (time.time() - ago,) * 2)
    (folder / "old.lock").touch()
    os.utime(folder / "old.lock", (month_ago, month_ago))
    adopted = adopt(java, path)
    assert adopted.path is not None
    assert {file.name for file in folder.glob("*.jsa")} == {
        adopted.path.name,
        "recent0.jsa",
        "recent1.jsa",
        "recent2.jsa",
    }
    assert not (folder / "old.lock").exists()
    assert not (folder / "left.part").exists()
    assert (folder / "writing.part").exists()


def test_lock_is_free_after_release(java: JavaInstallation, path: list[Path]) -> None:
    archive = record(java, path)
    assert archive.path is not None
    with archive.path.with_suffix(".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
