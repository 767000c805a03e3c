"""From the names in a query to the datasets they mean, and what can be known of edges before Spark starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lakehouse.definition.dataset import MaterializedView, SqlQuery, TemporaryView
from lakehouse.definition.project import Project
from lakehouse.definition.sql_references import referenced_tables
from lakehouse.errors import DefinitionError, InvalidValue, SourceLocation, UnknownName
from lakehouse.names import TableName, parse_table_name


@dataclass(frozen=True, slots=True, kw_only=True)
class TextReads:
    """What the texts of a project's SQL queries read, and the names in them that no dataset has."""

    reads: Mapping[TableName, tuple[TableName, ...]]
    problems: tuple[DefinitionError, ...]


def resolve_reference(project: Project, parts: Sequence[str], known: frozenset[TableName]) -> TableName | None:
    """The dataset that a name in a query means: a temporary view, else a table, else None."""
    if len(parts) == 1 and (view := TableName("", parts[0].lower())) in known:
        return view
    try:
        name = parse_table_name(
            ".".join(f"`{part}`" for part in parts),
            default_schema=project.spec.database,
            catalog=project.spec.catalog,
        )
    except InvalidValue:
        return None
    return name if name in known else None


def read_texts(project: Project) -> TextReads:
    """The edges that the project's SQL texts show. Queries in Python have none here: only Spark knows them."""
    known = frozenset(dataset.name for dataset in project.datasets)
    reads: dict[TableName, tuple[TableName, ...]] = {}
    problems: list[DefinitionError] = []
    for dataset in project.datasets:
        reads[dataset.name] = ()
        if not isinstance(dataset, MaterializedView | TemporaryView) or not isinstance(dataset.query, SqlQuery):
            continue
        found: list[TableName] = []
        for reference in referenced_tables(dataset.query.text, dataset.query.location):
            name = resolve_reference(project, reference.parts, known)
            if name is not None:
                found.append(name)
                continue
            start = dataset.query.location
            problems.append(
                UnknownName(
                    ".".join(reference.parts),
                    map(str, known),
                    used_by=str(dataset.name),
                    where=SourceLocation(start.file, start.line + reference.line - 1),
                )
            )
        reads[dataset.name] = tuple(dict.fromkeys(found))
    return TextReads(reads=reads, problems=tuple(problems))
