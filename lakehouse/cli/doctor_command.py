"""`lakehouse doctor`: what this machine has and lacks."""

from __future__ import annotations

import argparse
from pathlib import Path

from lakehouse.cli.project_arguments import project_folder, variables
from lakehouse.cli.screen import Column, Screen
from lakehouse.definition.spec_file import read_spec
from lakehouse.errors import InstallationError, UsageError
from lakehouse.storage.doctor import diagnose
from lakehouse.storage.jars import delta_jars
from lakehouse.storage.java import find_java, install_java

_COLUMNS = (
    Column(key="name", title="check"),
    Column(key="result", title="result"),
    Column(key="detail", title="found", folds=True),
)


def execute(arguments: argparse.Namespace, screen: Screen) -> int:
    """Exit code 0 if everything is there, 2 if something is missing."""
    warehouse = _warehouse(arguments)
    if arguments.install:
        _install(screen)
    findings = diagnose(warehouse)
    for finding in findings:
        screen.event("finding", name=finding.name, ok=finding.ok, detail=finding.detail, fix=finding.fix)
    rows = [
        {"name": finding.name, "result": "ok" if finding.ok else "missing", "detail": finding.detail}
        for finding in findings
    ]
    screen.table(_COLUMNS, rows)
    bad = [finding for finding in findings if not finding.ok]
    screen.say()
    for finding in bad:
        screen.say(f"{finding.name}: {finding.fix or finding.detail}", "red")
    if not bad:
        screen.say("Everything is there.", "green")
    return 2 if bad else 0


def _warehouse(arguments: argparse.Namespace) -> str:
    """The project's warehouse; outside of a project, where one would be made here."""
    named = arguments.project or arguments.pipeline
    try:
        folder = project_folder(arguments)
    except UsageError:
        if named:
            raise
        return str(Path.cwd())
    return read_spec(folder, target=arguments.target, variables=variables(arguments.var)).warehouse


def _install(screen: Screen) -> None:
    try:
        java = find_java()
    except InstallationError:
        java = install_java()
    screen.event("installed", what="java", detail=f"{java.version} in {java.home}")
    jars = delta_jars()
    screen.event("installed", what="jars", detail=str(jars.folder))
