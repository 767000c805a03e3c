"""What a run says of expectations: as JSON, as plain lines, on a terminal; and how a refused run ends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cli.conftest import GOLD, NOON, ORDERS, SILVER, failed, record, refreshed, run_outcome, step, step_outcome
from cli.test_run_output import as_json, events, shown
from lakehouse.cli.run_live import LiveRun
from lakehouse.cli.run_plain import PlainRun
from lakehouse.definition.expectation import Expectation, OnViolation
from lakehouse.errors import ExpectationFailed, SourceLocation
from lakehouse.plan.refresh_plan import RefreshMode, RefreshPlan
from lakehouse.quality.judgement import Judgement
from lakehouse.quality.rule import compile_rules
from lakehouse.quality.verdict import Status, Verdict
from lakehouse.run.outcome import RunOutcome, RunStatus, StepOutcome, StepStatus

PLAN = RefreshPlan(steps=(step(ORDERS), step(SILVER), step(GOLD)))
HERE = SourceLocation("tables/silver.sql", 3)


def judged(
    name: str, action: OnViolation, status: Status, failing: int | None, of: int | None = 10, **fields: Any
) -> Judgement:
    """A condition and its verdict."""
    declared = Expectation(name=name, condition="id > 0", on_violation=action, location=HERE)
    [rule] = compile_rules([declared], None).rows
    passed = None if failing is None or of is None else of - failing
    verdict = Verdict(
        rule=name,
        fingerprint=rule.fingerprint,
        status=status,
        passed_records=passed,
        failed_records=failing,
        elements=of,
        **fields,
    )
    return Judgement(rule, verdict)


JUDGEMENTS = (
    judged("fine", OnViolation.FAIL, Status.PASSED, 0),
    judged("within_mostly", OnViolation.DROP, Status.PASSED, 1),
    judged("tolerated", OnViolation.WARN, Status.PASSED, 1),
    judged("plausible", OnViolation.QUARANTINE, Status.FAILED, 2),
    judged("even", OnViolation.WARN, Status.FAILED, 1200, 5000),
    judged("average", OnViolation.WARN, Status.FAILED, None, None, observed=3.5),
    judged("broken", OnViolation.WARN, Status.ERROR, None, None, details="no such table"),
)


def sifted(judgements: tuple[Judgement, ...] = JUDGEMENTS) -> StepOutcome:
    counts = {"rows": 10, "dropped": 1, "quarantined": 2}
    return step_outcome(
        ORDERS,
        StepStatus.REFRESHED,
        mode=RefreshMode.APPEND,
        rows_in=10,
        rows_out=7,
        files=1,
        judgements=judgements,
        record=replace(record(ORDERS, "f", mode="append"), counts=counts),
    )


def refused() -> StepOutcome:
    error = ExpectationFailed("'has_id' is violated.", expectations=("has_id",), where=HERE)
    judgement = judged("has_id", OnViolation.FAIL, Status.FAILED, 1)
    return step_outcome(SILVER, StepStatus.FAILED, error=error, judgements=(judgement,), record=sifted().record)


def run(*steps: StepOutcome) -> RunOutcome:
    status = RunStatus.SUCCEEDED if all(each.stands for each in steps) else RunStatus.FAILED
    return run_outcome("r1", NOON, steps, status)


def test_json_has_every_expectation_and_what_was_kept_out(project: Path) -> None:
    told = as_json(events(PLAN, run(sifted(), refused())), project)
    first, second = [event for event in told if event["event"] == "refresh_ended"]
    assert (first["rows_dropped"], first["rows_quarantined"]) == (1, 2)
    assert [(e["name"], e["status"], e["on_violation"], e["failed_records"]) for e in first["expectations"]] == [
        ("fine", "passed", "fail", 0),
        ("within_mostly", "passed", "drop", 1),
        ("tolerated", "passed", "warn", 1),
        ("plausible", "failed", "quarantine", 2),
        ("even", "failed", "warn", 1200),
        ("average", "failed", "warn", None),
        ("broken", "error", "warn", None),
    ]
    assert first["expectations"][3]["passed_records"] == 8
    assert (second["rows_dropped"], second["rows_quarantined"]) == (0, 0), "nothing came of what was refused"
    assert told[-1]["exit_code"] == 3


def table_of(text: str) -> list[list[str]]:
    lines = text.splitlines()
    start = next(
        number for number, line in enumerate(lines) if line.split()[:3] == ["dataset", "expectation", "action"]
    )
    found = []
    for line in lines[start + 1 :]:
        if line.startswith("bronze.orders "):
            found.append(line.split())
        elif not line.lstrip().startswith("─"):
            break
    return found


@pytest.mark.parametrize("view", [PlainRun, LiveRun])
def test_what_was_violated_is_a_table(view: Any, project: Path) -> None:
    text = shown(view, events(PLAN, run(sifted(), refreshed(SILVER, rows=2))), project)
    assert table_of(text) == [
        ["bronze.orders", "within_mostly", "dropped", "1", "10", "-"],
        ["bronze.orders", "plausible", "quarantined", "2", "10", "-"],
        ["bronze.orders", "even", "warned", "1,200", "5,000", "-"],
        ["bronze.orders", "average", "warned", "-", "-", "3.5"],
        ["bronze.orders", "broken", "not", "judged", "-", "-", "no", "such", "table"],
    ]
    assert "2 rows of bronze.orders" in text
    assert "'lakehouse quarantine show bronze.orders'" in text


def test_the_plain_line_of_a_refresh_has_what_was_kept_out(project: Path) -> None:
    lines = shown(PlainRun, events(PLAN, run(sifted())), project).splitlines()
    assert "bronze.orders: refreshed (append), 7 rows from 1 file, 1 dropped, 2 quarantined, version 0, 2.0 s" in lines


@pytest.mark.parametrize("view", [PlainRun, LiveRun])
def test_nothing_is_said_where_all_is_met(view: Any, project: Path) -> None:
    met = run(sifted(judgements=JUDGEMENTS[:1]))
    assert "expectation" not in shown(view, events(PLAN, met), project).replace("expectation declared", "")


def test_a_refused_run_reads_as_one(project: Path) -> None:
    lines = shown(PlainRun, events(PLAN, run(refused())), project).splitlines()
    assert "silver.orders refused after 2.0 s" in lines
    assert "   3 | AS SELECT CAST(id AS BIGINT) AS id, CAST(price AS DOUBLE) AS price" in [line[2:] for line in lines]
    assert lines[-1].startswith("Refused after 6.0 s: 1 failed.")
    both = run(refused(), failed(GOLD))
    assert both.exit_code == 1
    assert shown(PlainRun, events(PLAN, both), project).splitlines()[-1].startswith("Failed after ")


def test_rows_of_a_replay_that_admits_none_stay_in_quarantine() -> None:
    replay = step_outcome(ORDERS, StepStatus.UNCHANGED, mode=RefreshMode.REPLAY, rows_in=4, record=sifted().record)
    assert (replay.rows_dropped, replay.rows_quarantined) == (0, 4)
