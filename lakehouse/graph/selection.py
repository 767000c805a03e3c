"""Which datasets a command means: dbt's selection language over names, tags and files.

name  schema.*  tag:daily  path:gold/routes.sql     methods
+name  name+  2+name  name+1  +name+                with ancestors, with descendants, so many edges away
"a b" or a second --select: union;  "a,b": intersection
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable, Iterable

from lakehouse.definition.dataset import Dataset
from lakehouse.definition.project import Project
from lakehouse.errors import UnknownName, UsageError
from lakehouse.graph.dataflow import DataflowGraph
from lakehouse.names import TableName, parse_table_name

_TERM = re.compile(r"(?P<up>\d*\+)?(?P<what>[^+]+)(?P<down>\+\d*)?")


def select_datasets(
    project: Project, graph: DataflowGraph, select: Iterable[str], exclude: Iterable[str] = ()
) -> frozenset[TableName]:
    """The datasets that `select` names (all, if it is empty) without those that `exclude` names.

    Raises UnknownName for a term that matches nothing, UsageError for one that cannot be read.
    """
    chosen = _union(project, graph, select)
    if chosen is None:
        chosen = frozenset(dataset.name for dataset in project.datasets)
    return chosen - (_union(project, graph, exclude) or frozenset())


def resolve_names(project: Project, names: Iterable[str]) -> tuple[TableName, ...]:
    """Exact dataset names, as `--refresh a,b` gives them. Raises UnknownName with the nearest name."""
    existing = {dataset.name for dataset in project.datasets}
    found = []
    for text in names:
        if (temporary := TableName("", text.lower())) in existing:
            found.append(temporary)
            continue
        name = parse_table_name(text, default_schema=project.spec.database, catalog=project.spec.catalog)
        if name not in existing:
            raise UnknownName(text, map(str, existing), what="dataset")
        found.append(name)
    return tuple(found)


def _union(project: Project, graph: DataflowGraph, expressions: Iterable[str]) -> frozenset[TableName] | None:
    chosen: frozenset[TableName] | None = None
    for expression in expressions:
        for group in expression.split():
            terms = [_term(project, graph, term) for term in group.split(",") if term]
            matched = frozenset.intersection(*terms) if terms else frozenset()
            chosen = matched if chosen is None else chosen | matched
    return chosen


def _term(project: Project, graph: DataflowGraph, text: str) -> frozenset[TableName]:
    match = _TERM.fullmatch(text)
    if match is None:
        raise UsageError(f"cannot read the selection '{text}'.", hint="Expected e.g. gold.x, +gold.x, tag:daily.")
    matched = _method(project, match["what"])
    chosen = set(matched)
    for name in matched:
        if match["up"]:
            chosen |= graph.ancestors(name, _depth(match["up"]))
        if match["down"]:
            chosen |= graph.descendants(name, _depth(match["down"]))
    return frozenset(chosen)


def _depth(plus: str) -> int | None:
    digits = plus.strip("+")
    return int(digits) if digits else None


def _method(project: Project, text: str) -> frozenset[TableName]:
    kind, _, value = text.rpartition(":")
    if kind == "tag":
        existing = {tag for dataset in project.datasets for tag in dataset.tags}
        return _matching(project, value, "tag", existing, lambda dataset: dataset.tags)
    if kind == "path":
        existing = {dataset.location.file for dataset in project.datasets}
        return _matching(project, value, "path", existing, lambda dataset: _paths(dataset.location.file))
    if kind:
        raise UsageError(f"unknown selection method '{kind}:'.", hint="Methods: a name, tag:, path:.")
    if any(mark in text for mark in "*?["):
        existing = {str(dataset.name) for dataset in project.datasets}
        return _matching(project, text.lower(), "dataset", existing, lambda dataset: (str(dataset.name),))
    return frozenset(resolve_names(project, [text]))


def _paths(file: str) -> tuple[str, ...]:
    """A file and the folders it lies in.

    >>> _paths("gold/air/x.sql")
    ('gold/air/x.sql', 'gold/air', 'gold')
    """
    parts = file.split("/")
    return tuple("/".join(parts[:end]) for end in range(len(parts), 0, -1))


def _matching(
    project: Project,
    pattern: str,
    what: str,
    existing: set[str],
    values: Callable[[Dataset], Iterable[str]],
) -> frozenset[TableName]:
    pattern = pattern.rstrip("/")
    matched = frozenset(
        dataset.name
        for dataset in project.datasets
        if any(fnmatch.fnmatchcase(value, pattern) for value in values(dataset))
    )
    if not matched:
        raise UnknownName(pattern, existing, what=what)
    return matched
