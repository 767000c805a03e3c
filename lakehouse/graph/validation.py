"""What can be wrong with a project as a whole, found before anything starts or is written.

Each rule is a function from the project to the problems it sees; `validate_project` applies them all.
"""

from __future__ import annotations

from collections.abc import Iterator

from lakehouse.definition.dataset import ExternalTable, MaterializedView, StreamingTable
from lakehouse.definition.project import Project
from lakehouse.errors import DefinitionError, DefinitionErrors, DuplicateName, InvalidValue
from lakehouse.graph.dataflow import build_graph
from lakehouse.graph.resolution import TextReads, read_texts
from lakehouse.names import RESERVED_SCHEMAS, TableName


def duplicate_names(project: Project) -> Iterator[DefinitionError]:
    """Two declarations may not claim one name, whatever they are."""
    first: dict[TableName, object] = {}
    for dataset in project.datasets:
        if dataset.name in first:
            earlier = next(other for other in project.datasets if other.name == dataset.name)
            yield DuplicateName(str(dataset.name), first=earlier.location, where=dataset.location)
        first[dataset.name] = dataset


def shadowed_tables(project: Project) -> Iterator[DefinitionError]:
    """A temporary view hides a table of the default schema with the same name."""
    tables = {dataset.name: dataset for dataset in project.datasets if dataset.name.schema}
    for dataset in project.datasets:
        if dataset.name.schema:
            continue
        hidden = tables.get(TableName(project.spec.database, dataset.name.name))
        if hidden is not None:
            yield DuplicateName(str(dataset.name), first=hidden.location, where=dataset.location)


def reserved_schemas(project: Project) -> Iterator[DefinitionError]:
    """`system` and `quarantine` are the framework's own."""
    for dataset in project.datasets:
        if dataset.name.schema in RESERVED_SCHEMAS and not isinstance(dataset, ExternalTable):
            yield InvalidValue(
                f"'{dataset.name}': the schema '{dataset.name.schema}' is reserved for the framework's own tables.",
                where=dataset.location,
                hint="Choose another schema.",
            )


def layouts(project: Project) -> Iterator[DefinitionError]:
    """A table is partitioned or clustered, not both, and by columns it declares, if it declares types for all."""
    for dataset in project.datasets:
        if not isinstance(dataset, StreamingTable | MaterializedView):
            continue
        layout = dataset.layout
        if layout.partition_by and layout.cluster_by:
            yield InvalidValue(
                f"{dataset.name} declares both partition_by and cluster_by.",
                where=dataset.location,
                hint="Keep cluster_by; partitions pay only for very large tables.",
            )
        if len(layout.cluster_by) > 4:
            yield InvalidValue(
                f"{dataset.name} is clustered by {len(layout.cluster_by)} columns; Delta allows 4.",
                where=dataset.location,
            )


RULES = (duplicate_names, shadowed_tables, reserved_schemas, layouts)


def validate_project(project: Project) -> TextReads:
    """Applies every rule, then looks for unknown tables and circles as far as the SQL texts show them.

    Returns what the texts read. Raises the problem, or DefinitionErrors with all of them.
    """
    problems = [problem for rule in RULES for problem in rule(project)]
    texts = read_texts(project)
    problems += texts.problems
    if not problems:
        try:
            build_graph(texts.reads, {dataset.name: dataset.location for dataset in project.datasets})
        except DefinitionError as circle:
            problems.append(circle)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise DefinitionErrors(problems)
    return texts
