"""`doctor`: findings, and the exit code they make."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cli.conftest import Answer
from lakehouse.cli import doctor_command
from lakehouse.errors import InstallationError
from lakehouse.storage.doctor import Finding
from lakehouse.storage.jars import DeltaJars
from lakehouse.storage.java import JavaInstallation

Command = Callable[..., Answer]
GOOD = Finding(name="python", ok=True, detail="3.11")
BAD = Finding(name="java", ok=False, detail="none", fix="Install it: apt-get install it")


@pytest.mark.parametrize(("findings", "code"), [((GOOD,), 0), ((GOOD, BAD), 2)])
def test_one_bad_finding_makes_the_exit_code(
    lakehouse: Command, project: Path, monkeypatch: pytest.MonkeyPatch, findings: tuple[Finding, ...], code: int
) -> None:
    looked_at: list[str] = []

    def diagnose(warehouse: str) -> tuple[Finding, ...]:
        looked_at.append(warehouse)
        return findings

    monkeypatch.setattr(doctor_command, "diagnose", diagnose)
    answer = lakehouse("doctor", project, "--json")
    assert answer.code == code
    assert [event["ok"] for event in answer.named("finding")] == [finding.ok for finding in findings]
    assert lakehouse("doctor", project).out.splitlines()[-1] == (
        "java: Install it: apt-get install it" if code else "Everything is there."
    )
    assert looked_at == [str(project / "warehouse")] * 2


def test_it_works_outside_of_a_project(lakehouse: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(doctor_command, "diagnose", lambda warehouse: (Finding(name=warehouse, ok=True, detail=""),))
    assert [event["name"] for event in lakehouse("doctor", "--json").events] == [str(tmp_path)]
    assert lakehouse("doctor", "--project", tmp_path).code == 2, "a project that is given must be one"


def test_install_gets_what_is_missing(lakehouse: Command, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java = JavaInstallation(home=Path("/jvm"), version="17.0.1", executable=Path("/jvm/bin/java"))

    def no_java() -> JavaInstallation:
        raise InstallationError("there is no Java")

    monkeypatch.setattr(doctor_command, "find_java", no_java)
    monkeypatch.setattr(doctor_command, "install_java", lambda: java)
    monkeypatch.setattr(doctor_command, "delta_jars", lambda: DeltaJars(files=(), origin="ivy", folder=Path("/ivy")))
    monkeypatch.setattr(doctor_command, "diagnose", lambda _: (GOOD,))
    installed = lakehouse("doctor", project, "--install", "--json").named("installed")
    assert [(event["what"], event["detail"]) for event in installed] == [("java", "17.0.1 in /jvm"), ("jars", "/ivy")]
    monkeypatch.setattr(doctor_command, "install_java", no_java)
    (error,) = lakehouse("doctor", project, "--install", "--json").events
    assert error["class"] == "InstallationError"
