"""`lakehouse validate`: every file is read and the project is checked as a whole, without Spark."""

from __future__ import annotations

import argparse
from collections import Counter
from contextlib import ExitStack
from typing import TYPE_CHECKING

from lakehouse.cli.project_arguments import project_folder, variables
from lakehouse.cli.screen import Screen
from lakehouse.definition.loading import load_project
from lakehouse.definition.spec_file import read_spec
from lakehouse.graph.validation import validate_project
from lakehouse.quality.references import referenced_tables
from lakehouse.run.access_check import check_access
from lakehouse.serving.figures import counted
from lakehouse.serving.kinds import kind_of

if TYPE_CHECKING:  # importing it takes a third of a second
    from pyspark.sql import SparkSession


def execute(arguments: argparse.Namespace, screen: Screen) -> int:
    """Exit code 0. Raises UsageError, or DefinitionError with everything that is wrong."""
    folder, values = project_folder(arguments), variables(arguments.var)
    with ExitStack() as ended:

        def open_session() -> SparkSession:
            # Only for a definition file that really uses Spark while it is read; all others are checked without.
            from lakehouse.run.spark_side import SparkSide

            side = SparkSide(read_spec(folder, target=arguments.target, variables=values))
            ended.callback(side.close)
            return side.session()

        project = load_project(folder, target=arguments.target, variables=values, open_session=open_session)
        validate_project(project)
        referenced_tables(project)
        check_access(project)
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
