from __future__ import annotations

import os
from pathlib import Path

import pytest

from lakehouse.errors import InstallationError
from lakehouse.storage import java
from lakehouse.storage.java import find_java, install_command, install_java, major_version, read_installation


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No Java and no package manager, but `/bin/sh` for the programs tests put on the PATH."""
    (tmp_path / "programs").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "programs"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(java, "_HOMES", (f"{tmp_path}/usual/*",))
    monkeypatch.setattr(java, "_is_root", lambda: False)


def program(path: Path, script: str = "exit 0") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def installation(home: Path, version: str, *, with_release: bool = True) -> Path:
    program(home / "bin" / "java", f"echo '    java.version = {version}' >&2; echo '    java.home = {home}' >&2")
    if with_release:
        (home / "release").write_text(f'IMPLEMENTOR="X"\nJAVA_VERSION="{version}"\n')
    return home


@pytest.mark.parametrize(("version", "major"), [("17.0.15", 17), ("21", 21), ("1.8.0_402", 8), ("", 0), ("22-ea", 22)])
def test_major_version(version: str, major: int) -> None:
    assert major_version(version) == major


def test_java_home_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installation(tmp_path / "usual" / "a", "17.0.1")
    monkeypatch.setenv("JAVA_HOME", str(installation(tmp_path / "mine", "21.0.2")))
    found = find_java()
    assert (found.home, found.version, found.major) == (tmp_path / "mine", "21.0.2", 21)
    assert found.executable == tmp_path / "mine" / "bin" / "java"


def test_unfit_java_home_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(installation(tmp_path / "old", "11.0.2")))
    installation(tmp_path / "usual" / "b", "17.0.1")
    assert find_java().home == tmp_path / "usual" / "b"


def test_java_on_the_path_is_found_behind_its_link(tmp_path: Path) -> None:
    home = installation(tmp_path / "linked", "17.0.9")
    (tmp_path / "programs" / "java").symlink_to(home / "bin" / "java")
    assert find_java().home == home


def test_a_shim_on_the_path_is_asked_for_the_real_folder(tmp_path: Path) -> None:
    home = installation(tmp_path / "real", "17.0.9")
    program(tmp_path / "programs" / "java", f"echo '    java.home = {home}' >&2")
    assert find_java().home == home


def test_without_release_file_java_itself_is_asked(tmp_path: Path) -> None:
    found = read_installation(installation(tmp_path / "plain", "17.0.3", with_release=False))
    assert found is not None
    assert found.version == "17.0.3"


def test_a_folder_without_java_is_none(tmp_path: Path) -> None:
    assert read_installation(tmp_path) is None


def test_nothing_found_names_what_was_seen_and_the_command(tmp_path: Path) -> None:
    installation(tmp_path / "usual" / "c", "25.0.1")
    program(tmp_path / "programs" / "dnf")
    with pytest.raises(InstallationError) as caught:
        find_java()
    assert "25.0.1" in caught.value.message
    assert caught.value.hint is not None
    assert caught.value.hint.endswith("sudo dnf install -y java-17-openjdk-headless")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "root", "command"),
    [
        ("apt-get", False, "sudo apt-get update && sudo apt-get install -y openjdk-17-jre-headless"),
        ("apt-get", True, "apt-get update && apt-get install -y openjdk-17-jre-headless"),
        ("apk", False, "sudo apk add openjdk17-jre-headless"),
        ("brew", False, "brew install openjdk@17"),
        ("choco", False, "choco install -y temurin17jre"),
    ],
)
def test_command_for_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, root: bool, command: str
) -> None:
    program(tmp_path / "programs" / name)
    monkeypatch.setattr(java, "_is_root", lambda: root)
    assert install_command() == command


def test_without_root_nothing_is_installed(tmp_path: Path) -> None:
    program(tmp_path / "programs" / "apt-get", f"touch {tmp_path}/called")
    with pytest.raises(InstallationError) as caught:
        install_java()
    assert "sudo apt-get" in str(caught.value)
    assert not (tmp_path / "called").exists()


def test_root_gets_the_package_the_index_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    home = installation(tmp_path / "prepared", "21.0.4")
    program(tmp_path / "programs" / "apt-cache", 'case "$2" in *-21-*) exit 0;; *) exit 100;; esac')
    program(
        tmp_path / "programs" / "apt-get",
        f'echo "$DEBIAN_FRONTEND $@" >> {tmp_path}/calls; echo chatter\n'
        f'if [ "$1" = install ]; then PATH=/bin; mkdir -p {tmp_path}/usual; mv {home} {tmp_path}/usual/d; fi',
    )
    monkeypatch.setattr(java, "_is_root", lambda: True)
    assert install_java().home == tmp_path / "usual" / "d"
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[0] == "noninteractive update"
    assert calls[1].split()[-1] == "openjdk-21-jre-headless"
    shown = capfd.readouterr()
    assert "chatter" not in shown.out + shown.err
    assert len(shown.err.splitlines()) == 1


def test_failed_installation_shows_the_last_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path / "programs" / "apt-get", "echo 'E: no network' >&2; exit 100")
    monkeypatch.setattr(java, "_is_root", lambda: True)
    with pytest.raises(InstallationError) as caught:
        install_java()
    assert "E: no network" in caught.value.message


@pytest.mark.skipif(os.name != "posix", reason="reads this machine")
def test_patterns_with_a_home_folder_are_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(java, "_HOMES", ("~/.sdkman/candidates/java/*", "C:/Program Files/Java/*"))
    home = installation(tmp_path / ".sdkman" / "candidates" / "java" / "17.0.1-tem", "17.0.1")
    assert find_java().home == home
