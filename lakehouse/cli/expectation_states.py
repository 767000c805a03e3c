"""The expectations of a dataset with what was last said of each, without Spark."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from lakehouse.cli.screen import Column
from lakehouse.definition.dataset import Dataset, ExternalTable
from lakehouse.definition.expectation import Expectation
from lakehouse.quality.rule import rule_fingerprint
from lakehouse.run.workspace import Workspace
from lakehouse.serving.figures import age, count

_VERDICT = ("status", "failed_records", "element_count", "observed", "details", "judged_at", "run")


def expectation_states(workspace: Workspace, dataset: Dataset) -> list[dict[str, Any]]:
    """Every expectation: name, expects, on_violation, severity, and of its last verdict status, failed_records,
    element_count, observed, details, judged_at, run; all None where it was not judged as it is declared today."""
    declared: tuple[Expectation, ...] = (
        () if isinstance(dataset, ExternalTable) else getattr(dataset, "expectations", ())
    )
    if not declared:
        return []
    rows = workspace.warehouse.expectations.rows(
        columns=("name", "fingerprint", *_VERDICT),
        filters=[("project", "=", workspace.project.spec.name), ("dataset", "=", str(dataset.name))],
    )
    last = {(row["name"], row["fingerprint"]): row for row in sorted(rows, key=lambda row: row["judged_at"])}
    return [{**_declared(each), **_verdict(last.get((each.name, rule_fingerprint(each)), {}))} for each in declared]


def expectation_columns(states: list[dict[str, Any]], now: datetime) -> tuple[Column, ...]:
    """The columns of `expectation_states` for people; verdicts have some where there is one."""
    columns = (
        Column(key="name", title="expectation", folds=True),
        Column(key="expects", title="expects", folds=True),
        Column(key="on_violation", title="on violation"),
    )
    if all(state["status"] is None for state in states):
        return columns
    return (
        *columns,
        Column(key="status", title="last verdict"),
        Column(key="failed_records", title="failed", write=count, right=True),
        Column(key="element_count", title="of", write=count, right=True),
        Column(key="judged_at", title="judged", write=lambda moment: age(moment, now), wide=True),
    )


def _declared(expectation: Expectation) -> dict[str, Any]:
    arguments = json.dumps(expectation.arguments) if expectation.arguments else ""
    return {
        "name": expectation.name,
        "expects": expectation.condition or f"{expectation.type} {arguments}".strip(),
        "on_violation": expectation.on_violation.value,
        "severity": expectation.severity.value,
    }


def _verdict(row: dict[str, Any]) -> dict[str, Any]:
    observed = row.get("observed")
    return {**{key: row.get(key) for key in _VERDICT}, "observed": json.loads(observed) if observed else None}
