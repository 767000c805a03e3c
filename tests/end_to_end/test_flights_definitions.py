"""The demo's definitions are valid as they stand, without Java, and say what the demo promises."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from lakehouse.definition.dataset import MaterializedView, StreamingTable, TemporaryView
from lakehouse.definition.expectation import OnViolation
from lakehouse.definition.loading import load_project
from lakehouse.definition.project import Project

PIPELINE = Path(__file__).parents[2] / "pipelines" / "flights"


@pytest.fixture(scope="module")
def project() -> Project:
    """The demo, read and not run."""
    return load_project(PIPELINE)


def test_layers_hold_the_promised_tables(project: Project) -> None:
    assert Counter(dataset.name.schema for dataset in project.stored) == {"bronze": 5, "silver": 6, "gold": 6}
    kinds = Counter(type(dataset) for dataset in project.datasets)
    assert kinds == {StreamingTable: 5, MaterializedView: 12, TemporaryView: 1}


def test_all_three_ways_of_declaring_are_used(project: Project) -> None:
    assert {Path(dataset.location.file).suffix for dataset in project.datasets} == {".yml", ".sql", ".py"}


def test_every_table_and_every_silver_and_gold_column_has_a_comment(project: Project) -> None:
    assert [str(dataset.name) for dataset in project.datasets if not dataset.comment] == []
    described = [dataset for dataset in project.stored if dataset.name.schema != "bronze"]
    assert all(dataset.layout.columns for dataset in described)
    assert [
        f"{dataset.name}.{column.name}"
        for dataset in described
        for column in dataset.layout.columns
        if not column.comment
    ] == []


def test_expectations_keep_every_departure(project: Project) -> None:
    declared = [(str(dataset.name), each) for dataset in project.stored for each in dataset.expectations]
    assert len(declared) >= 12
    removing = {
        (name, each.name) for name, each in declared if each.on_violation not in (OnViolation.WARN, OnViolation.FAIL)
    }
    assert removing == {("silver.weather", "plausible_wind")}


@pytest.mark.parametrize("target", ["local", "cluster"])
def test_the_example_targets_fit(target: str) -> None:
    assert load_project(PIPELINE, target=target).spec.target == target
