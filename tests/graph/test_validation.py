"""What is wrong with a project as a whole, before Spark starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakehouse.definition.loading import load_project
from lakehouse.errors import DefinitionError, DefinitionErrors, InvalidValue, UnknownKey
from lakehouse.graph.validation import validate_project

SPEC = "name: test\nlibraries: [{glob: {include: tables/**}}]\n"


def validate(root: Path, text: str, file: str = "views.yml") -> None:
    (root / "tables").mkdir()
    (root / "spark-pipeline.yml").write_text(SPEC)
    (root / "tables" / file).write_text(text)
    validate_project(load_project(root))


@pytest.mark.parametrize("action", ["warn", "quarantine", "fail"])
def test_a_temporary_view_can_only_drop_rows(tmp_path: Path, action: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        validate(
            tmp_path,
            "temporary_view: v\nquery: SELECT 1 AS a\nexpectations:\n"
            f"  - {{expect: a > 0, on_violation: drop}}\n  - {{expect: a > 1, on_violation: {action}}}\n",
        )
    where = refused.value.where
    assert where is not None
    assert (where.file, where.line) == ("tables/views.yml", 5)
    assert refused.value.hint


def test_all_of_them_are_told_in_sql_too(tmp_path: Path) -> None:
    view = "CREATE TEMPORARY VIEW v (CONSTRAINT {} EXPECT (a > 0) {}) AS SELECT 1 AS a"
    constraints = "a EXPECT (a > 0) ON VIOLATION FAIL UPDATE, CONSTRAINT b EXPECT (a > 1)"
    with pytest.raises(DefinitionErrors) as refused:
        validate(tmp_path, f"CREATE TEMPORARY VIEW v (CONSTRAINT {constraints}) AS SELECT 1 AS a", "views.sql")
    assert len(refused.value.problems) == 2
    (tmp_path / "tables/views.sql").write_text(view.format("a", "ON VIOLATION DROP ROW"))
    validate_project(load_project(tmp_path))


def test_two_tables_do_not_share_a_quarantine(tmp_path: Path) -> None:
    view = "CREATE MATERIALIZED VIEW {} (CONSTRAINT p EXPECT (a > 0) ON VIOLATION {}) AS SELECT 1 AS a;\n"
    texts = [view.format("a_b.c", "QUARANTINE"), view.format("a.b_c", "QUARANTINE")]
    with pytest.raises(InvalidValue) as refused:
        validate(tmp_path, "".join(texts), "views.sql")
    assert refused.value.where is not None
    assert refused.value.where.line == 2
    (tmp_path / "tables/views.sql").write_text(texts[0] + view.format("a.b_c", "DROP ROW"))
    validate_project(load_project(tmp_path))


@pytest.mark.parametrize(
    ("written", "error"),
    [
        ("lakehouse.profile: daily", InvalidValue),
        ("lakehouse.profile: ''", InvalidValue),
        ("lakehouse.profiled: 'true'", UnknownKey),
        ("lakehouse.profile: 'true', delta.appendOnly: 'true'", None),
        ("lakehouse.profile: False", None),
    ],
)
def test_our_own_table_properties_are_known_and_have_values_that_mean_something(
    tmp_path: Path, written: str, error: type[DefinitionError] | None
) -> None:
    text = (
        "materialized_view: lab.first\nquery: SELECT 1 AS a\n---\n"
        f"materialized_view: lab.v\nquery: SELECT 1 AS a\nproperties: {{{written}}}\n"
    )
    if error is None:
        validate(tmp_path, text)
        return
    with pytest.raises(error) as refused:
        validate(tmp_path, text)
    assert refused.value.where is not None
    assert (refused.value.where.file, refused.value.where.line) == ("tables/views.yml", 4)
    assert refused.value.hint


def test_our_own_table_properties_are_checked_in_sql_too(tmp_path: Path) -> None:
    view = "CREATE MATERIALIZED VIEW lab.v TBLPROPERTIES ('lakehouse.profile' = '{}') AS SELECT 1 AS a;\n"
    with pytest.raises(InvalidValue):
        validate(tmp_path, view.format("yes"), "views.sql")
    (tmp_path / "tables/views.sql").write_text(view.format("TRUE"))
    validate_project(load_project(tmp_path))
