"""From the system tables to the values of a report. Nothing is started, no table of the user's is read."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby, pairwise
from typing import Any

from lakehouse import __version__
from lakehouse.definition.expectation_types import expectation_types, own_expectation_types
from lakehouse.quality.column_profile import compare, stored_profile
from lakehouse.quality.rule import rule_fingerprint
from lakehouse.run.outcome import StepStatus
from lakehouse.run.workspace import Workspace
from lakehouse.serving.report_facts import (
    Comparison,
    ExpectationHistory,
    Judgement,
    ProfileHistory,
    RefreshLine,
    Report,
    RunLine,
    VersionProfile,
)
from lakehouse.serving.run_history import run_rows
from lakehouse.serving.table_states import known_graph, table_states
from lakehouse.serving.visible_values import (
    Withheld,
    tells_nothing,
    visible,
    visible_profile,
    what_is_asked,
    withheld_columns,
)
from lakehouse.storage.system_tables import SCHEMAS, SystemTable

_RUNS = 30
_JUDGEMENTS = 40
_COMPARISONS = 8
_SAMPLES = 10
_SKETCHES = {"distinct_sketch", "quantile_sketch"}
_REFRESH_COLUMNS = (
    "run", "dataset", "status", "mode", "seconds", "rows_out", "rows_dropped", "rows_quarantined", "reason", "error",
    "started_at",
)  # fmt: skip
# What a verdict says in words is read for the newest ones only: it may be long, and there are many.
_LIGHT_COLUMNS = tuple(name for name in SCHEMAS["expectations"] if name not in {"project", "observed", "details"})


def gather_report(workspace: Workspace, made_at: datetime) -> Report:
    """The project's report as of now. What was never recorded is empty."""
    publication = workspace.warehouse.latest_publication()
    tables = table_states(workspace)
    withheld = withheld_columns(workspace)
    order = {str(state.dataset.name): position for position, state in enumerate(tables)}
    return Report(
        project=workspace.project.spec.name,
        made_by=f"lakehouse {__version__}",
        made_at=made_at,
        publication=publication.sequence if publication else None,
        published_at=publication.published_at if publication else None,
        tables=tables,
        graph=known_graph(workspace),
        runs=run_lines(workspace),
        expectations=expectation_histories(workspace, order, withheld),
        profiles=profile_histories(workspace, order, withheld),
    )


def run_lines(workspace: Workspace) -> tuple[RunLine, ...]:
    """The newest runs with what each did, newest first."""
    runs = run_rows(workspace, _RUNS)
    refreshes: dict[str, list[RefreshLine]] = defaultdict(list)
    filters = [("status", "!=", StepStatus.SKIPPED.value), ("run", "in", [row["run"] for row in runs])]
    rows = _read(workspace, workspace.warehouse.refreshes, _REFRESH_COLUMNS, filters) if runs else []
    for row in sorted(rows, key=lambda row: row["started_at"]):
        refreshes[row["run"]].append(
            RefreshLine(
                dataset=row["dataset"],
                status=row["status"],
                mode=row["mode"],
                seconds=row["seconds"] or 0.0,
                rows_out=row["rows_out"] or 0,
                rows_dropped=row["rows_dropped"] or 0,
                rows_quarantined=row["rows_quarantined"] or 0,
                why=row["error"] or row["reason"] or "",
            )
        )
    return tuple(
        RunLine(
            run=row["run"],
            status=row["status"],
            started_at=row["started_at"],
            seconds=row["seconds"],
            publication=row["publication"],
            refreshes=tuple(refreshes[row["run"]]),
        )
        for row in runs
    )


def expectation_histories(
    workspace: Workspace, order: Mapping[str, int], withheld: Withheld
) -> tuple[ExpectationHistory, ...]:
    """The expectations of the datasets in `order` with their newest verdicts, in that order and by name."""
    table = workspace.warehouse.expectations
    rows = [row for row in _read(workspace, table, _LIGHT_COLUMNS) if row["dataset"] in order]
    rows.sort(key=lambda row: (order[row["dataset"]], row["name"], row["judged_at"]))
    groups = [list(group)[-_JUDGEMENTS:] for _, group in groupby(rows, key=lambda row: (row["dataset"], row["name"]))]
    told = _words(workspace, [group[-1] for group in groups])
    asked = _asked(workspace)
    return tuple(
        ExpectationHistory(
            dataset=group[-1]["dataset"],
            name=group[-1]["name"],
            expectation=group[-1]["expectation"],
            on_violation=group[-1]["on_violation"],
            severity=group[-1]["severity"],
            judgements=tuple(
                _judgement({**row, **told.get(_key(row), {})}, withheld(row["dataset"]), asked) for row in group
            ),
        )
        for group in groups
    )


def profile_histories(workspace: Workspace, order: Mapping[str, int], withheld: Withheld) -> tuple[ProfileHistory, ...]:
    """The newest profile of every dataset in `order` that has one, and how the ones before it compare."""
    table = workspace.warehouse.profiles
    commits = {
        (row["dataset"], row["is_increment"], row["version"], row["run"])
        for row in _read(workspace, table, ("dataset", "is_increment", "version", "run"))
        if row["dataset"] in order
    }
    wanted = {
        commit
        for _, group in groupby(sorted(commits), key=lambda commit: commit[:2])
        for commit in list(group)[-_COMPARISONS - 1 :]
    }
    if not wanted:
        return ()
    columns = [name for name in SCHEMAS["profiles"] if name not in _SKETCHES]
    rows = _read(workspace, table, columns, [("run", "in", sorted({run for *_, run in wanted}))])
    columns_of: dict[tuple[Any, ...], dict[str, Mapping[str, Any]]] = defaultdict(dict)
    for row in rows:
        commit = (row["dataset"], row["is_increment"], row["version"], row["run"])
        if commit in wanted:
            columns_of[commit][row["column_name"]] = row  # a repeated epoch may have recorded it twice
    found: dict[str, list[VersionProfile]] = defaultdict(list)
    for (dataset, is_increment, version, _), named in sorted(columns_of.items()):
        profile = visible_profile(stored_profile(named.values()), withheld(dataset))
        found[dataset].append(VersionProfile(version=version, is_increment=is_increment, profile=profile))
    return tuple(_history(dataset, found[dataset]) for dataset in sorted(found, key=order.__getitem__))


def samples_and_note(details: str | None, withheld: frozenset[str]) -> tuple[tuple[Mapping[str, Any], ...], str | None]:
    """What `details` of a verdict holds: violating records (a JSON list of objects), or a remark."""
    if details is None:
        return (), None
    try:
        found = json.loads(details)
    except ValueError:
        return (), details
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        return (), details
    return tuple(visible(row, row, withheld) for row in found[:_SAMPLES]), None


def _history(dataset: str, profiles: Sequence[VersionProfile]) -> ProfileHistory:
    """Whole versions are compared, where there are two; else loads. A load says little of the table, but a change from
    one load to the next is what there is to see in a table that is only appended to."""
    whole = [profile for profile in profiles if not profile.is_increment]
    compared = whole if len(whole) > 1 else [profile for profile in profiles if profile.is_increment] or whole
    return ProfileHistory(
        dataset=dataset,
        newest=(whole or compared)[-1],
        comparisons=tuple(
            Comparison(baseline=before.version, current=now.version, results=compare(before.profile, now.profile))
            for before, now in pairwise(compared)
        ),
    )


def _asked(workspace: Workspace) -> dict[str, str]:
    """By the fingerprint of each declared expectation, all that it says of columns."""
    return {
        rule_fingerprint(expectation): what_is_asked(expectation)
        for dataset in workspace.project.stored
        for expectation in dataset.expectations
    }


def _judgement(row: Mapping[str, Any], withheld: frozenset[str], asked: Mapping[str, str]) -> Judgement:
    # A verdict names the type; of what columns, only the declaration tells. One that is gone may speak of any.
    is_type = row["expectation"] in expectation_types() or row["expectation"] in own_expectation_types()
    text = asked.get(row["fingerprint"]) if is_type else row["expectation"]
    told = row if not withheld or (text is not None and tells_nothing(withheld, text)) else {}
    samples, note = samples_and_note(told.get("details"), withheld)
    elements = row["element_count"]
    return Judgement(
        run=row["run"],
        version=row["version"],
        origin=row["origin"],
        status=row["status"],
        failed=row["failed_records"],
        considered=None if elements is None else elements - (row["missing_records"] or 0),
        judged_at=row["judged_at"],
        observed=told.get("observed"),
        note=note,
        samples=samples,
    )


def _words(workspace: Workspace, newest: Iterable[Mapping[str, Any]]) -> dict[tuple[Any, ...], Mapping[str, Any]]:
    """What these verdicts say in words."""
    keys = {_key(row) for row in newest}
    if not keys:
        return {}
    columns = ("run", "dataset", "name", "judged_at", "observed", "details")
    filters = [("run", "in", sorted({run for run, *_ in keys}))]
    rows = _read(workspace, workspace.warehouse.expectations, columns, filters)
    return {_key(row): {"observed": row["observed"], "details": row["details"]} for row in rows if _key(row) in keys}


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["run"], row["dataset"], row["name"], row["judged_at"]


def _read(
    workspace: Workspace,
    table: SystemTable,
    columns: Iterable[str],
    filters: Iterable[tuple[str, str, Any]] = (),
) -> list[dict[str, Any]]:
    return table.rows(columns, [("project", "=", workspace.project.spec.name), *filters])
