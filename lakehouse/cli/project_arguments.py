"""From the arguments that name a project to the project itself."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.definition.loading import find_project
from lakehouse.errors import UsageError

if TYPE_CHECKING:  # importing it imports deltalake
    from lakehouse.run.workspace import Workspace


def project_folder(arguments: argparse.Namespace) -> Path:
    """The folder of the project: as given by --project or PIPELINE, else the nearest one upward.

    Raises UsageError if both are given, or there is none. A folder that is given must be the project's own: taking
    one above it would run another project for a mistyped name.
    """
    positional = getattr(arguments, "pipeline", None)
    if positional and arguments.project:
        raise UsageError(
            f"the project is given twice: '{positional}' and --project '{arguments.project}'.", hint="Keep one of them."
        )
    given = positional or arguments.project
    if given is None:
        return find_project(Path())
    folder = Path(given).expanduser()
    if folder.is_file():
        folder = folder.parent
    if not folder.is_dir():
        raise UsageError(f"there is no folder '{given}'.", hint="Give the folder that holds spark-pipeline.yml.")
    return folder.resolve()


def variables(assignments: Iterable[str]) -> dict[str, str]:
    """The values of --var. Raises UsageError for one without a name or a `=`.

    >>> variables(["landing=data/in", "note=a=b"])
    {'landing': 'data/in', 'note': 'a=b'}
    """
    found = {}
    for assignment in assignments:
        name, equals, value = assignment.partition("=")
        if not equals or not name.strip():
            raise UsageError(f"--var {assignment} has no value.", hint="Expected --var NAME=VALUE.")
        found[name.strip()] = value
    return found


@contextmanager
def opened_workspace(arguments: argparse.Namespace) -> Iterator[Workspace]:
    """The project with its warehouse. Raises UsageError or DefinitionError; nothing is started or written."""
    folder, values = project_folder(arguments), variables(arguments.var)
    from lakehouse.run.workspace import Workspace  # imports deltalake, and arguments that do not fit need not wait

    workspace = Workspace(folder, target=arguments.target, variables=values)
    try:
        yield workspace
    finally:
        workspace.close()


def listed(texts: Iterable[str]) -> tuple[str, ...]:
    """The names in comma-separated lists.

    >>> listed(["a, b", "c"])
    ('a', 'b', 'c')
    """
    return tuple(name.strip() for text in texts for name in text.split(",") if name.strip())
