"""What can be wrong with a project as a whole, found before anything starts or is written.

Each rule is a function from the project to the problems it sees; `validate_project` applies them all.
"""

from __future__ import annotations

from collections.abc import Iterator

from lakehouse.definition.dataset import (
    PROFILE_PROPERTY,
    PROPERTY_PREFIX,
    MaterializedView,
    StreamingTable,
    TemporaryView,
)
from lakehouse.definition.expectation import OnViolation
from lakehouse.definition.project import Project
from lakehouse.errors import DefinitionError, DefinitionErrors, InvalidValue, UnknownKey
from lakehouse.graph.dataflow import build_graph
from lakehouse.graph.resolution import TextReads, read_texts
from lakehouse.names import TableName, quarantine_name


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


def own_properties(project: Project) -> Iterator[DefinitionError]:
    """Table properties with our prefix are ours: one that is unknown, or has a value without meaning, does nothing."""
    for dataset in project.stored:
        for key, value in dataset.layout.properties:
            if key.startswith(PROPERTY_PREFIX) and key != PROFILE_PROPERTY:
                inside = f"the table properties of {dataset.name}"
                yield UnknownKey(key, [PROFILE_PROPERTY], inside=inside, where=dataset.location)
            elif key == PROFILE_PROPERTY and value.lower() not in ("true", "false"):
                yield InvalidValue(
                    f"the table property '{key}' of {dataset.name} is '{value}'.",
                    where=dataset.location,
                    hint="It is 'true' or 'false'.",
                )


def temporary_views(project: Project) -> Iterator[DefinitionError]:
    """A temporary view is never written, so nothing can be counted, set aside or refused; rows can be left out."""
    for dataset in project.datasets:
        if not isinstance(dataset, TemporaryView):
            continue
        for expectation in dataset.expectations:
            if expectation.on_violation is not OnViolation.DROP:
                yield InvalidValue(
                    f"the expectation '{expectation.name}' of the temporary view {dataset.name} says "
                    f"'on_violation: {expectation.on_violation.value}', but a temporary view is never written.",
                    where=expectation.location,
                    hint="Declare it on the table that reads the view, or use 'on_violation: drop'.",
                )


def quarantines(project: Project) -> Iterator[DefinitionError]:
    """Rows that are set aside have a table of their own: `a_b.c` and `a.b_c` would have the same."""
    taken: dict[TableName, TableName] = {}
    for dataset in project.stored:
        sets_aside = [each for each in dataset.expectations if each.on_violation is OnViolation.QUARANTINE]
        first = taken.setdefault(quarantine_name(dataset.name), dataset.name) if sets_aside else dataset.name
        if first != dataset.name:
            yield InvalidValue(
                f"the rows that {dataset.name} and {first} set aside would both go to {quarantine_name(dataset.name)}.",
                where=sets_aside[0].location,
                hint="Rename one of them, or choose another 'on_violation'.",
            )


RULES = (layouts, own_properties, temporary_views, quarantines)


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
