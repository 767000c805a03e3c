"""`lakehouse explain TABLE`: how one dataset came about, how it can be kept up to date, and what would be done now."""

from __future__ import annotations

import argparse

from lakehouse.cli.project_arguments import opened_workspace
from lakehouse.cli.screen import Screen
from lakehouse.definition.dataset import Dataset, ExternalTable, TemporaryView
from lakehouse.errors import UsageError
from lakehouse.run.pipeline import explain
from lakehouse.run.request import RunRequest
from lakehouse.serving.explanation import explained_table, published_fields
from lakehouse.serving.plan_explanation import explanation_fields, explanation_lines
from lakehouse.serving.table_states import find_dataset


def execute(arguments: argparse.Namespace, screen: Screen) -> int:
    """Exit code 0. Raises UnknownName for a dataset that is not declared, UsageError for one that is not refreshed,
    and what a run would raise before it begins."""
    with opened_workspace(arguments) as workspace:
        dataset = find_dataset(workspace.project, arguments.table)
        _require_stored(dataset)
        step = explain(workspace, RunRequest(), dataset.name)
        assert step is not None
        publication = workspace.warehouse.latest_publication()
        table = explained_table(workspace.warehouse, publication, dataset.name) if publication else None
    screen.event("explanation", **explanation_fields(step), published=published_fields(table) if table else None)
    headline, *rest = table.lines() if table else [str(dataset.name), "  not published yet"]
    screen.say(headline, "bold")
    for line in (*rest, "now", *(f"  {line}" for line in explanation_lines(step))):
        screen.say(line)
    return 0


def _require_stored(dataset: Dataset) -> None:
    if isinstance(dataset, TemporaryView | ExternalTable):
        kind = "a temporary view" if isinstance(dataset, TemporaryView) else "a table that others write"
        raise UsageError(
            f"'{dataset.name}' is {kind}, so nothing refreshes it.",
            where=dataset.location,
            hint="Explain a dataset that reads it; see 'lakehouse lineage'.",
        )
