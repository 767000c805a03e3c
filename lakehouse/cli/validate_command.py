"""`lakehouse validate`: every file is read and the project is checked as a whole, without Spark."""

from __future__ import annotations

import argparse
from collections import Counter

from lakehouse.cli.figures import counted
from lakehouse.cli.kinds import kind_of
from lakehouse.cli.project_arguments import project_folder, variables
from lakehouse.cli.screen import Screen
from lakehouse.definition.loading import load_project
from lakehouse.graph.validation import validate_project


def execute(arguments: argparse.Namespace, screen: Screen) -> int:
    """Exit code 0. Raises UsageError, or DefinitionError with everything that is wrong."""
    folder = project_folder(arguments)
    project = load_project(folder, target=arguments.target, variables=variables(arguments.var))
    validate_project(project)
    for notice in project.notices:
        screen.event("notice", text=notice, about="")
        screen.say(f"note: {notice}")
    kinds = Counter(kind_of(dataset) for dataset in project.datasets)
    screen.event("validated", project=project.spec.name, datasets=len(project.datasets), kinds=dict(kinds))
    parts = ", ".join(counted(number, kind) for kind, number in kinds.items())
    screen.say(
        f"{project.spec.name} is valid: {counted(len(project.datasets), 'dataset')}"
        + (f" ({parts})." if parts else ".")
    )
    return 0
