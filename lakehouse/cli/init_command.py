"""`lakehouse init NAME`: a new project from the template in this package."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from lakehouse.cli.screen import Screen
from lakehouse.errors import InstallationError, UsageError

TEMPLATE = Path(__file__).parent.parent / "templates" / "project"
_NAME = "__NAME__"  # ${…} is the projects' own
_RENAMED = {"gitignore": ".gitignore"}  # under its own name git would heed it inside the template


def execute(arguments: argparse.Namespace, screen: Screen) -> int:
    """Exit code 0. Raises UsageError for a name that cannot be one, or a folder that holds something already."""
    name = arguments.name
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", name):
        raise UsageError(
            f"'{name}' cannot be the name of a project.", hint="Use letters, digits, _ and -, a letter first."
        )
    folder = Path(arguments.folder or name).expanduser()
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise UsageError(f"'{folder}' is there already and not empty.", hint="Choose another NAME or --folder.")
        made = make_project(folder, name)
    except OSError as error:
        raise InstallationError(f"'{folder}' cannot be written: {error.strerror or error}.") from error
    screen.event("created", project=name, folder=str(folder), files=[path.as_posix() for path in made])
    for path in made:
        screen.say(f"{folder / path}")
    screen.say()
    screen.say(f"Made the project {name}. Next: cd {folder} && lakehouse run", "green")
    return 0


def make_project(folder: Path, name: str) -> list[Path]:
    """Writes the template's files below `folder`; returns their paths in it, sorted. Raises OSError."""
    made: list[Path] = []
    for source in sorted(TEMPLATE.rglob("*")):
        if not source.is_file() or "__pycache__" in source.parts:
            continue
        path = source.relative_to(TEMPLATE).with_name(_RENAMED.get(source.name, source.name))
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(source.read_text(encoding="utf-8").replace(_NAME, name), encoding="utf-8")
        made.append(path)
    return sorted(made)
