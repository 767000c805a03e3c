"""The README shows the table of what is maintained as the rules give it; Spark's plans are asked elsewhere."""

from __future__ import annotations

from pathlib import Path

from lakehouse.plan.maintained_operators import as_markdown, maintained_operators
from lakehouse.plan.refresh_plan import RefreshMode

README = Path(__file__).parents[2] / "README.md"


def test_the_readme_shows_what_the_rules_say() -> None:
    text = README.read_text(encoding="utf-8")
    shown = text.partition("<!-- maintained -->\n")[2].partition("\n<!-- /maintained -->")[0]
    assert shown == as_markdown(maintained_operators())


def test_every_way_occurs_and_no_kind_twice() -> None:
    found = maintained_operators()
    assert len({operator.text for operator in found}) == len(found)
    assert {operator.when_added for operator in found} == {
        RefreshMode.APPEND,
        RefreshMode.AGGREGATE,
        RefreshMode.KEYS,
        RefreshMode.FULL,
    }
    assert RefreshMode.APPEND not in {operator.when_changed for operator in found}
