"""A project's folder becomes a `Project`: every file is read, and all problems are reported together."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lakehouse.definition.dataset import Dataset, TemporaryView
from lakehouse.definition.dataset_document import read_dataset
from lakehouse.definition.definition_files import definition_files
from lakehouse.definition.document import Declarations
from lakehouse.definition.document import Path as DocumentPath
from lakehouse.definition.project import Project, ProjectSpec
from lakehouse.definition.source_text import source_text
from lakehouse.definition.spec_file import find_project, read_spec
from lakehouse.definition.sql_definitions import read_sql
from lakehouse.definition.substitution import substitute, substitute_sql
from lakehouse.definition.yaml_text import read_yaml
from lakehouse.errors import DefinitionError, DefinitionErrors, DuplicateName, InvalidValue, SourceLocation
from lakehouse.names import TableName

__all__ = ["find_project", "load_project"]

_SQL_KEYS = ("query", "select")


def load_project(
    root: Path,
    *,
    target: str | None = None,
    variables: Mapping[str, str] | None = None,
    open_session: Callable[[], Any] | None = None,
) -> Project:
    """Everything that the project in the folder `root` declares.

    `target` names a file in `conf/`, `variables` are the values of --var. `open_session` returns the Spark session
    for Python files that really use one while they are read; without it such a file is an error.
    Raises a DefinitionError, or DefinitionErrors with all problems of all files.
    """
    spec = read_spec(root, target=target, variables=variables or {})
    files, found = definition_files(spec)
    parts = [found, *(_read_text_file(file, spec) for file in files if file.suffix.lower() != ".py")]
    python_files = [file for file in files if file.suffix.lower() == ".py"]
    if python_files:
        # pyspark takes a third of a second to import: only when a project has a Python file.
        from lakehouse.definition.python_file import read_python_files

        parts += read_python_files(python_files, spec, open_session)
    datasets = _in_order([dataset for part in parts for dataset in part.datasets], files, spec)
    problems = [problem for part in parts for problem in part.problems]
    problems += _duplicates(datasets, spec)
    if problems:
        raise DefinitionErrors(problems) if len(problems) > 1 else problems[0]
    notices = [notice for part in parts for notice in part.notices]
    if not datasets:
        notices.append("the project declares no dataset.")
    return Project(spec=spec, datasets=datasets, notices=tuple(notices))


def _read_text_file(file: Path, spec: ProjectSpec) -> Declarations:
    name = os.path.relpath(file, spec.root)
    try:
        text = source_text(file, spec.root)
    except InvalidValue as problem:
        return Declarations(problems=(problem,))
    return read_sql(text, name, spec) if file.suffix.lower() == ".sql" else _read_yaml_file(text, name, spec)


def _read_yaml_file(text: str, name: str, spec: ProjectSpec) -> Declarations:
    def expand(scalar: str, path: DocumentPath, where: SourceLocation) -> str:
        replace = substitute_sql if path and path[-1] in _SQL_KEYS else substitute
        return replace(scalar, spec.configuration, where)

    documents, broken = read_yaml(text, name, expand=expand)
    problems = list(broken)
    datasets: list[Dataset] = []
    for document in documents:
        try:
            datasets.append(read_dataset(document, spec))
        except DefinitionErrors as several:
            problems.extend(several.problems)
        except DefinitionError as problem:
            problems.append(problem)
    return Declarations(datasets=tuple(datasets), problems=tuple(problems))


def _in_order(datasets: Iterable[Dataset], files: Sequence[Path], spec: ProjectSpec) -> tuple[Dataset, ...]:
    """By file, then by line; what a file registers from elsewhere comes last."""
    order = {os.path.relpath(file, spec.root): position for position, file in enumerate(files)}
    return tuple(sorted(datasets, key=lambda d: (order.get(d.location.file, len(order)), d.location.line)))


def _duplicates(datasets: Sequence[Dataset], spec: ProjectSpec) -> list[DefinitionError]:
    """Two datasets of one name. A temporary view hides a table of the same name in the project's own database."""
    first: dict[TableName, Dataset] = {}
    problems: list[DefinitionError] = []
    for dataset in datasets:
        is_view = isinstance(dataset, TemporaryView)
        shown = TableName(spec.database.lower(), dataset.name.name) if is_view else dataset.name
        if shown in first:
            problems.append(DuplicateName(str(dataset.name), first=first[shown].location, where=dataset.location))
        else:
            first[shown] = dataset
    return problems
