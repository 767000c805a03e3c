"""The README shows the table of expectation types as the rules give it, and the rules do what it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lakehouse.definition.expectation import OnViolation
from lakehouse.definition.expectation_reference import ExpectationType, as_markdown, expectation_reference
from lakehouse.definition.expectation_types import NOT_ON_SPARK, expectation_types
from lakehouse.definition.project import Project
from lakehouse.errors import DefinitionError, DefinitionErrors

README = Path(__file__).parents[2] / "README.md"
TYPES = expectation_reference()


def test_the_readme_shows_what_the_rules_say() -> None:
    text = README.read_text(encoding="utf-8")
    shown = text.partition("<!-- expectations -->\n")[2].partition("\n<!-- /expectations -->")[0]
    assert shown == as_markdown(TYPES)


def test_every_type_is_there_once_or_has_an_alternative() -> None:
    assert sorted([*(each.name for each in TYPES), *NOT_ON_SPARK]) == sorted(expectation_types())


@pytest.mark.parametrize("each", TYPES, ids=lambda each: each.name)
def test_the_actions_shown_are_those_that_are_taken(load: Callable[..., Project], each: ExpectationType) -> None:
    for action in OnViolation:
        text = f"""\
        materialized_view: gold.t
        query: SELECT 1 AS a
        expectations:
          - {each.name}: {{}}
            on_violation: {action.value}
        """
        problems: tuple[DefinitionError, ...] = ()
        try:
            load({"tables/t.yml": text})
        except DefinitionErrors as several:
            problems = several.problems
        except DefinitionError as problem:
            problems = (problem,)
        refused = any(problem.where is not None and problem.where.line == 5 for problem in problems)
        assert refused == (action not in each.actions), [str(problem) for problem in problems]
