"""The `access_tests` of a project's rules, run: decisions by themselves, queries as the principals they name."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

from lakehouse.catalog.access_tests import TestOutcome, decide_tests, judge_rows, query_tests
from lakehouse.catalog.policy import AccessTest
from lakehouse.definition.project import ProjectSpec
from lakehouse.errors import LakehouseError
from lakehouse.run.access_rules import project_rules


def run_access_tests(
    spec: ProjectSpec, *, target: str | None, given: Mapping[str, str], queries: bool = True
) -> list[TestOutcome]:
    """The outcome of every test; with `queries` also of those that run a query, as its principal, over what is
    published: `target` and `given` are the command line's, for these. Raises what is wrong with the rules.
    """
    compiled = project_rules(spec).compiled
    outcomes = list(decide_tests(compiled))
    asked = query_tests(compiled) if queries else ()
    return outcomes + [_outcome(test, spec, target, given) for test in asked]


def _outcome(test: AccessTest, spec: ProjectSpec, target: str | None, given: Mapping[str, str]) -> TestOutcome:
    from lakehouse.serving.connection import connect  # imports the rest of the product
    from lakehouse.serving.guarded import GuardedModeWarning

    assert test.query is not None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GuardedModeWarning)
            connection = connect(spec.root, principal=test.principal.name, target=target, variables=given)
        with connection:
            frame = connection.sql(test.query)
            rows = [dict(zip(frame.columns, row, strict=True)) for row in frame.collect()]
        return judge_rows(test, frame.columns, rows)
    except LakehouseError as error:
        return TestOutcome(test, False, f"the query is refused: {error.message}")
