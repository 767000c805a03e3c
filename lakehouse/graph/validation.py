"""What can be wrong with a project as a whole, found before anything starts or is written.

Each rule is a function from the project to the problems it sees; `validate_project` applies them all.
"""

from __future__ import annotations

from collections.abc import Iterator

from lakehouse.definition.dataset import MaterializedView, StreamingTable
from lakehouse.definition.project import Project
from lakehouse.errors import DefinitionError, DefinitionErrors, InvalidValue
from lakehouse.graph.dataflow import build_graph
from lakehouse.graph.resolution import TextReads, read_texts


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


RULES = (layouts,)


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
