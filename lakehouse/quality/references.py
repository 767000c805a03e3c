"""Which tables the expectations of a project look into beside their own."""

from __future__ import annotations

from lakehouse.definition.project import Project
from lakehouse.errors import UnknownName
from lakehouse.names import TableName
from lakehouse.quality.rule import compile_rules


def referenced_tables(project: Project) -> dict[TableName, tuple[TableName, ...]]:
    """The tables that the expectations of each stored dataset look into. Raises UnknownName for one that is not
    declared, and what `compile_rules` raises."""
    found: dict[TableName, tuple[TableName, ...]] = {}
    for dataset in project.stored:
        if not dataset.expectations:
            continue
        rules = compile_rules(dataset.expectations, None)
        for rule in rules.tables:
            if rule.reads is None:
                continue
            if rule.reads not in project.by_name:
                known = [str(each.name) for each in project.datasets if each.name.schema]
                where = rule.expectation.location
                raise UnknownName(str(rule.reads), known, used_by=f"the expectation '{rule.name}'", where=where)
            found[dataset.name] = (*found.get(dataset.name, ()), rule.reads)
    return found
