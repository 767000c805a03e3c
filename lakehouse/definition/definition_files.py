"""Which files a spec's libraries name, in the order in which they are read: library by library, by path within one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from lakehouse.definition.document import Declarations
from lakehouse.definition.project import ProjectSpec
from lakehouse.errors import DefinitionError, InvalidValue, SourceLocation

KINDS = frozenset({".sql", ".py", ".yml", ".yaml"})


def definition_files(spec: ProjectSpec) -> tuple[tuple[Path, ...], Declarations]:
    """The definition files, each once, and what to tell about the others. Raises nothing.

    Left out: hidden files, `__pycache__`, the spec itself, the access rules, `conf/`, and the warehouse.
    """
    found: dict[Path, None] = {}
    others: list[Path] = []
    problems: list[DefinitionError] = []
    notices: list[str] = []
    where = SourceLocation(spec.file.name, 1)
    left_out = {spec.file, spec.root / "conf", Path(spec.warehouse)}
    if spec.access:
        left_out.add((spec.root / spec.access).resolve())
    for pattern in spec.libraries:
        files = []
        try:
            files = [file for file in _matching(spec.root, pattern) if not left_out & {file, *file.parents}]
        except (ValueError, NotImplementedError, OSError) as error:
            # Not found has our own words, and what the system refuses names the folder.
            why = f"'{error.filename}': {error.strerror}" if getattr(error, "filename", None) else error  # type: ignore[union-attr]
            problems.append(
                InvalidValue(
                    f"'include: {pattern}' names nothing: {why}.",
                    where=where,
                    hint="Expected a file, or a folder followed by /**, relative to the project.",
                )
            )
            continue
        if not files:
            notices.append(f"no definition file matches 'include: {pattern}'.")
        for file in files:
            if file.suffix.lower() in KINDS:
                found[file] = None
            elif file not in others:
                others.append(file)
    notices += [f"ignored '{os.path.relpath(file, spec.root)}': not a .sql, .py or .yml file." for file in others]
    return tuple(found), Declarations(problems=tuple(problems), notices=tuple(notices))


def _matching(root: Path, pattern: str) -> Iterator[Path]:
    if Path(pattern).is_absolute():
        raise ValueError("it is an absolute path")
    if pattern.endswith("**") and not any(mark in pattern[:-2] for mark in "*?["):
        folder = Path(os.path.normpath(root / pattern[:-2]))
        if not folder.is_dir():
            raise FileNotFoundError("there is no such folder")
        yield from _below(folder)
    elif not any(mark in pattern for mark in "*?["):
        file = Path(os.path.normpath(root / pattern))
        if not file.is_file():
            raise FileNotFoundError("there is no such file" if not file.is_dir() else f"write '{pattern}/**'")
        yield file
    else:
        yield from (file for file in sorted(root.glob(pattern)) if file.is_file() and not _hidden(file, root))


def _below(folder: Path) -> Iterator[Path]:
    def refused(error: OSError) -> None:
        raise error  # a folder left out in silence would take its tables with it

    for directory, folders, files in os.walk(folder, onerror=refused):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "__pycache__")
        yield from (Path(directory, name) for name in sorted(files) if not name.startswith("."))


def _hidden(file: Path, root: Path) -> bool:
    parts = file.relative_to(root).parts
    return any(part == "__pycache__" or (part.startswith(".") and part != "..") for part in parts)
