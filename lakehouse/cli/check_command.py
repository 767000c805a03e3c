"""`lakehouse check`: the expectations of published tables, judged on what readers see."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lakehouse.cli.check_text import check_fields, closing_text, sample_lines, verdict_columns, verdict_fields
from lakehouse.cli.project_arguments import listed, opened_workspace
from lakehouse.cli.screen import Screen
from lakehouse.definition.dataset import StoredDataset
from lakehouse.errors import UsageError
from lakehouse.quality.judgement import Judgement
from lakehouse.quality.suite import suite_document
from lakehouse.run.check_outcome import CheckEvent, CheckOutcome, CheckStarted, TableChecked, TableStarted
from lakehouse.run.checking import CheckRequest, Engine, checkable, run_check
from lakehouse.serving.figures import counted
from lakehouse.serving.visible_values import Withheld, visible_judgement, withheld_columns

_STANDARD_OUTPUT = "-"


def execute(arguments: argparse.Namespace, screen: Screen) -> int:
    """Exit code 0, or 3 where an expectation of severity critical or warning is not met or cannot be judged.

    Raises UsageError and DefinitionError; nothing is refreshed.
    """
    with opened_workspace(arguments) as workspace:
        names = listed(arguments.tables)
        if arguments.export_suite is not None:
            return _export(checkable(workspace, names), arguments.export_suite, bool(names), screen)
        request = CheckRequest(
            tables=names, full=arguments.full, engine=Engine(arguments.engine), profile=arguments.profile
        )
        outcome = run_check(workspace, request, lambda event: _tell(event, screen))
        if not outcome.tables and not outcome.unpublished:
            screen.event("notice", text="no dataset declares expectations", about="")
            screen.say(f"{workspace.project.spec.name} declares no expectations.")
        if arguments.results is not None:
            write_results(outcome, Path(arguments.results), withheld_columns(workspace))
    for name in outcome.unpublished:
        screen.event("notice", text="not published yet, so not checked", about=str(name))
        screen.say(f"note: {name}: not published yet, so not checked.")
    rows = [verdict_fields(name, checked) for name, checked in outcome.all()]
    screen.table(verdict_columns(), sorted(rows, key=lambda row: row["rank"]))
    for line in sample_lines(outcome):
        screen.say(line, "dim")
    screen.event("check_ended", **check_fields(outcome))
    if outcome.tables:
        screen.say(closing_text(outcome), "red" if outcome.alarms else "green")
    return outcome.exit_code


def write_results(outcome: CheckOutcome, folder: Path, withheld: Withheld) -> None:
    """One JSON file a table, `<schema>.<table>.json`: Great Expectations' own result of a suite. Who reads it is not
    known, so values that are withheld are not in it."""
    # Seconds to import, and most checks need none of it.
    from lakehouse.quality.great_expectations_engine import result_document

    folder.mkdir(parents=True, exist_ok=True)
    for table in outcome.tables:
        hidden = withheld(str(table.dataset))
        judgements: Sequence[Judgement] = [visible_judgement(checked.judgement, hidden) for checked in table.checked]
        document = result_document(str(table.dataset), judgements, run=outcome.check, at=outcome.started_at)
        _write(folder / f"{table.dataset}.json", document)


def _tell(event: CheckEvent, screen: Screen) -> None:
    match event:
        case CheckStarted(check=check, rules=rules, tables=tables, known=known):
            screen.event("check_started", check=check, rules=rules, tables=tables, known=known)
            if rules:
                there = f", {counted(known, 'verdict')} known" if known else ""
                screen.say(f"check {check}: {counted(rules, 'rule')} of {counted(tables, 'table')} to judge{there}")
        case TableStarted(dataset=dataset, version=version, rules=rules):
            screen.event("table_started", dataset=str(dataset), version=version, rules=rules)
            screen.say(f"{dataset}: judging version {version} by {counted(rules, 'rule')}")
        case TableChecked(table=table):
            for checked in table.checked:
                screen.event("verdict", version=table.version, **_plain(verdict_fields(table.dataset, checked)))
            screen.event("table_checked", dataset=str(table.dataset), version=table.version, seconds=table.seconds)


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key != "rank"}


def _export(datasets: Sequence[StoredDataset], target: str, is_named: bool, screen: Screen) -> int:
    """Suites as Great Expectations reads them: one named dataset is one object in a file, several are files of a
    folder; on standard output several are a list."""
    suites = [suite_document(str(dataset.name), dataset.expectations) for dataset in datasets]
    if not suites:
        raise UsageError("no dataset declares expectations, so there is no suite to write.")
    single = len(suites) == 1 and is_named
    if target == _STANDARD_OUTPUT:
        for suite in suites:
            screen.event("suite", suite=suite)
        screen.say(_text(suites[0] if single else suites))
        return 0
    path = Path(target)
    if not single and re.search(r"\.json$", path.name, re.IGNORECASE):
        raise UsageError(
            f"{counted(len(suites), 'suite')} cannot be written into the file '{target}'.",
            hint="Name one TABLE, or a folder.",
        )
    files = [path] if single and not path.is_dir() else [path / f"{suite['name']}.json" for suite in suites]
    for file, suite in zip(files, suites, strict=True):
        file.parent.mkdir(parents=True, exist_ok=True)
        _write(file, suite)
        screen.event("suite_written", dataset=suite["name"], path=str(file))
        screen.say(str(file))
    return 0


def _write(file: Path, document: Any) -> None:
    file.write_text(_text(document) + "\n", encoding="utf-8")


def _text(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False, default=str)
