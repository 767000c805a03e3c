"""A check: the expectations of published tables judged on the versions that readers see.

Nothing is refreshed and no lock is taken: a version does not change. Verdicts that are there are not made again, so a
check of tables that did not change since the last one starts no Spark.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from typing import TYPE_CHECKING, Any

from lakehouse.definition.dataset import ExternalTable, StoredDataset, TemporaryView
from lakehouse.errors import UsageError
from lakehouse.graph.selection import resolve_names
from lakehouse.graph.validation import validate_project
from lakehouse.names import TableName
from lakehouse.plan.records import Publication, PublishedTable
from lakehouse.quality.judgement import Judgement
from lakehouse.quality.rule import TableRule
from lakehouse.run.check_outcome import (
    Checked,
    CheckedTable,
    CheckEvent,
    CheckOutcome,
    CheckStarted,
    TableChecked,
    TableStarted,
)
from lakehouse.run.check_plan import CHECK, TablePast, TableTask, declared_rules, plan_table
from lakehouse.run.judgement_rows import described, recorded_verdict
from lakehouse.run.pipeline import new_run_id
from lakehouse.run.workspace import Workspace
from lakehouse.storage.commit_log import CommitLog

if TYPE_CHECKING:  # importing it imports pyspark
    from lakehouse.run.spark_checking import SparkChecking


class Engine(str, Enum):
    """Who judges: our own single pass, or Great Expectations wherever it knows the type."""

    LAKEHOUSE = "lakehouse"
    GREAT_EXPECTATIONS = "great_expectations"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRequest:
    """`tables` names datasets exactly (default: all that declare expectations); with `full`, verdicts that are there
    are made anew; with `profile`, versions that have no profile get one."""

    tables: tuple[str, ...] = ()
    full: bool = False
    engine: Engine = Engine.LAKEHOUSE
    profile: bool = False


def run_check(workspace: Workspace, request: CheckRequest, emit: Callable[[CheckEvent], None]) -> CheckOutcome:
    """Judges what the request names and records the verdicts, table by table.

    Raises UsageError where nothing is published or a named dataset cannot be checked, DefinitionError and its kin.
    What cannot be judged is a verdict, not an exception.
    """
    started_at = datetime.now(timezone.utc)
    check = new_run_id(started_at)
    datasets = checkable(workspace, request.tables)
    publication = workspace.warehouse.latest_publication()
    if datasets and publication is None:
        raise UsageError(
            f"the project '{workspace.project.spec.name}' has published nothing yet, so there is nothing to check.",
            hint="Run it first: 'lakehouse run'.",
        )
    published = dict(publication.tables) if publication else {}
    missing = tuple(dataset.name for dataset in datasets if dataset.name not in published)
    if missing and request.tables:
        raise UsageError(
            f"{', '.join(map(str, missing))}: not published yet, so there is no version to check.",
            hint=f"Run it first: 'lakehouse run --select +{missing[0]}'.",
        )
    tasks = _tasks(workspace, [dataset for dataset in datasets if dataset.name in published], published, request.full)
    emit(
        CheckStarted(
            check,
            rules=sum(len(task.due) for task in tasks),
            tables=sum(1 for task in tasks if task.due),
            known=sum(len(task.known) for task in tasks),
        )
    )
    judge = _Judge(workspace, publication, request.engine, (check, started_at))
    tables = []
    for task in tasks:
        tables.append(_check_table(task, judge, check, emit))
        if request.profile:
            judge.profile(task)
    return CheckOutcome(
        check=check,
        tables=tuple(tables),
        unpublished=missing,
        started_at=started_at,
        ended_at=datetime.now(timezone.utc),
    )


def checkable(workspace: Workspace, names: Iterable[str] = ()) -> list[StoredDataset]:
    """The named datasets, by default all that are stored and declare expectations.

    Raises UnknownName, UsageError for a named dataset without expectations or without a table of its own.
    """
    project = workspace.project
    validate_project(project)
    wanted = resolve_names(project, names)
    for name in wanted:
        dataset = project.by_name[name]
        if isinstance(dataset, ExternalTable | TemporaryView):
            raise UsageError(
                f"{name} is no table of this project, so there is nothing to check.", where=dataset.location
            )
        if isinstance(dataset, StoredDataset) and not dataset.expectations:
            raise UsageError(f"{name} declares no expectations.", where=dataset.location)
    return [dataset for dataset in project.stored if dataset.expectations and (not wanted or dataset.name in wanted)]


class _Judge:
    """Spark's part, made when the first rule needs it."""

    def __init__(
        self, workspace: Workspace, publication: Publication | None, engine: Engine, moment: tuple[str, datetime]
    ) -> None:
        self.workspace, self.now = workspace, moment[1]
        self._moment = moment
        self._versions = {name: table.version for name, table in publication.tables.items()} if publication else {}
        self._by_great_expectations = engine is Engine.GREAT_EXPECTATIONS
        self._checking: SparkChecking | None = None

    def judge(self, task: TableTask) -> dict[str, Judgement]:
        """The rules of the task that are due, by name."""
        if not task.due:
            return {}
        found = self._open().judge(task, by_great_expectations=self._by_great_expectations)
        return {judgement.rule.name: judgement for judgement in found}

    def profile(self, task: TableTask) -> None:
        """Takes the profile of the task's version, unless it is there."""
        known = self.workspace.warehouse.profiles.rows(
            columns=["version"],
            filters=[
                ("project", "=", self.workspace.project.spec.name),
                ("dataset", "=", str(task.dataset.name)),
                ("version", "=", task.version),
            ],
        )
        if not known:
            self._open().profile(task)

    def _open(self) -> SparkChecking:
        if self._checking is None:
            workspace = self.workspace
            self._checking = workspace.spark.checking(
                workspace.project, self._versions, workspace.warehouse, self._moment
            )
        return self._checking


def _check_table(task: TableTask, judge: _Judge, check: str, emit: Callable[[CheckEvent], None]) -> CheckedTable:
    name, begun = task.dataset.name, time.monotonic()
    if task.due:
        emit(TableStarted(name, task.version, len(task.due)))
    new = judge.judge(task)
    judge.workspace.warehouse.record_judgements(_row(check, task, judgement, judge.now) for judgement in new.values())
    checked = []
    for rule in task.rules:
        if rule.name in new:
            checked.append(Checked(judgement=new[rule.name], judged_at=judge.now, is_new=True))
        else:
            row = task.known[rule.name]
            verdict = recorded_verdict(row, rule)
            checked.append(Checked(judgement=Judgement(rule, verdict), judged_at=row["judged_at"], is_new=False))
    table = CheckedTable(dataset=name, version=task.version, checked=tuple(checked), seconds=time.monotonic() - begun)
    emit(TableChecked(table))
    return table


def _row(check: str, task: TableTask, judgement: Judgement, at: datetime) -> dict[str, Any]:
    # `at` is when the check began, so that what is published meanwhile is newer than its verdicts.
    return {
        **described(judgement, at),
        "run": check,
        "dataset": str(task.dataset.name),
        "version": task.version,
        "epoch": None,
        "origin": CHECK,
    }


def _tasks(
    workspace: Workspace,
    datasets: list[StoredDataset],
    published: Mapping[TableName, PublishedTable],
    full: bool,
) -> list[TableTask]:
    """What is to judge of each table; reads the verdicts on all of them at once."""
    rows: dict[str, list[dict[str, Any]]] = {}
    names = sorted(str(dataset.name) for dataset in datasets)
    if names:
        own = [("project", "=", workspace.project.spec.name), ("dataset", "in", names)]
        for row in workspace.warehouse.expectations.rows(filters=own):
            rows.setdefault(row["dataset"], []).append(row)
    read = {
        rule.reads
        for dataset in datasets
        for rule in declared_rules(dataset)
        if isinstance(rule, TableRule) and rule.reads in published
    }
    since = {name: workspace.warehouse.published_at(published[name].record.run) for name in read if name is not None}
    tasks = []
    for dataset in datasets:
        table = published[dataset.name]
        past = TablePast(
            rows=rows.get(str(dataset.name), ()),
            committed_at=CommitLog(workspace.locate(dataset.name)).committed_at(table.version),
            read_since={name: moment for name, moment in since.items() if moment is not None},
        )
        tasks.append(plan_table(dataset, table, past, full=full))
    return tasks
