"""Values of users' rows that a report may show: who reads the file is not known, so it shows what the rules of access
keep from no one in general.

A mask that holds for `account users` withholds its column, a row filter all columns of its table; so does a policy
that makes the table unreadable.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from lakehouse.catalog.principal import ACCOUNT_USERS
from lakehouse.catalog.table_access import policies_on
from lakehouse.definition.expectation import Expectation
from lakehouse.names import TableName
from lakehouse.quality.column_profile import ColumnProfile, TableProfile
from lakehouse.quality.judgement import Judgement
from lakehouse.run.access_rules import project_rules, rules_over, table_shape
from lakehouse.run.workspace import Workspace

Withheld = Callable[[str], frozenset[str]]
"""The columns (lower case) of a dataset (`schema.table`) whose values are not shown; `*` stands for all."""

_ALL = frozenset({"*"})


def withheld_columns(workspace: Workspace) -> Withheld:
    """What the project's rules withhold of its tables at their newest published versions; nothing without rules.

    Raises what is wrong with the rules: then nothing may be shown.
    """
    spec = workspace.project.spec
    publication = workspace.warehouse.latest_publication()
    if spec.access is None or publication is None:
        return lambda dataset: frozenset()
    rules = rules_over(spec, project_rules(spec).policy, workspace.warehouse, publication)
    found: dict[str, frozenset[str]] = {}

    def of(dataset: str) -> frozenset[str]:
        if dataset not in found:
            published = publication.tables.get(TableName(*dataset.split(".", 1)))
            shape = None
            if published is not None:
                shape = table_shape(published.name, workspace.warehouse.location(published.name), published.version)
            policies = policies_on(rules.compiled, ACCOUNT_USERS, rules.with_tags(shape)) if shape else None
            if policies is None or policies.filters or policies.refusal:
                found[dataset] = _ALL
            else:
                found[dataset] = frozenset(policies.masks)
        return found[dataset]

    return of


def is_withheld(withheld: frozenset[str], column: str) -> bool:
    """Whether a column's values are not shown."""
    return "*" in withheld or column.lower() in withheld


def visible(row: Mapping[str, Any], columns: Iterable[str], withheld: frozenset[str]) -> dict[str, Any]:
    """Of these columns of a row, what may be shown: None where it is withheld; columns that the row lacks are left
    out."""
    return {name: None if is_withheld(withheld, name) else row[name] for name in columns if name in row}


def tells_nothing(withheld: frozenset[str], expectation: str) -> bool:
    """Whether what an expectation measured may be shown: the text of it names no column that is withheld."""
    return not withheld or not (withheld == _ALL or any(name in expectation.lower() for name in withheld))


def what_is_asked(expectation: Expectation) -> str:
    """All that an expectation says of columns, as text: its condition or its arguments."""
    return expectation.condition or json.dumps(expectation.arguments, default=str, ensure_ascii=False)


def visible_judgement(judgement: Judgement, withheld: frozenset[str]) -> Judgement:
    """The judgement without values that are withheld: counts and status stay, what was measured of such a column, and
    rows that were picked by its values, do not."""
    verdict = judgement.verdict
    if tells_nothing(withheld, what_is_asked(judgement.rule.expectation)):
        samples = tuple(visible(row, row, withheld) for row in verdict.samples)
        return replace(judgement, verdict=replace(verdict, samples=samples))
    details = verdict.details and "what it says of values is withheld"
    return replace(judgement, verdict=replace(verdict, samples=(), observed=None, details=details))


def visible_profile(profile: TableProfile, withheld: frozenset[str]) -> TableProfile:
    """The profile without what tells of values in columns that are withheld; counts stay."""
    return replace(profile, columns=tuple(_visible_column(column, withheld) for column in profile.columns))


def _visible_column(column: ColumnProfile, withheld: frozenset[str]) -> ColumnProfile:
    if not is_withheld(withheld, column.name):
        return column
    return ColumnProfile(
        name=column.name, type=column.type, rows=column.rows, nulls=column.nulls, distinct=column.distinct
    )
