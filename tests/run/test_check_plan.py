"""Which verdicts stand for a published version, and which rules are due. Pure."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from lakehouse.definition.dataset import MaterializedView, SqlQuery, StoredDataset, StreamingTable
from lakehouse.definition.expectation import Expectation
from lakehouse.errors import SourceLocation
from lakehouse.names import TableName
from lakehouse.plan.records import PublishedTable, RefreshRecord
from lakehouse.quality.rule import rule_fingerprint
from lakehouse.run.check_plan import TablePast, last_observed, plan_table

HERE = SourceLocation("a.yml", 1)
NOON = datetime(2026, 1, 5, 12, tzinfo=timezone.utc)
NAME, OTHER = TableName("silver", "orders"), TableName("raw", "countries")
ROW = Expectation(name="row", condition="id > 0", location=HERE)
TABLE = Expectation(
    name="table", type="expect_column_max_to_be_between", arguments={"column": "id", "max_value": 9}, location=HERE
)
FRESH = Expectation(
    name="fresh", type="expect_table_freshness", arguments={"column": "at", "max_age": "1 day"}, location=HERE
)
REFERENCE = Expectation(
    name="reference",
    type="expect_column_values_to_be_in_table_column",
    arguments={"column": "country", "references": "raw.countries.code"},
    location=HERE,
)
ENGINE = Expectation(
    name="engine",
    type="unexpected_rows_expectation",
    arguments={"unexpected_rows_query": "SELECT * FROM {batch}"},
    location=HERE,
)
HISTORY = Expectation(
    name="history", type="expect_table_no_worse_than_last_version", arguments={"row_count": 0.1}, location=HERE
)
ALL = (ENGINE, ROW, TABLE, FRESH, REFERENCE, HISTORY)


def view(*expectations: Expectation) -> MaterializedView:
    return MaterializedView(
        name=NAME, location=HERE, query=SqlQuery(text="SELECT 1", location=HERE), expectations=expectations or ALL
    )


def streaming(*expectations: Expectation) -> StreamingTable:
    return StreamingTable(name=NAME, location=HERE, flows=(), expectations=expectations or ALL)


def published(version: int = 3, **counts: int) -> PublishedTable:
    record = RefreshRecord(
        project="shop",
        dataset=str(NAME),
        run="r",
        epoch=1,
        mode="full",
        fingerprint="f",
        layout="l",
        settings="s",
        counts=counts,
    )
    return PublishedTable(name=NAME, version=version, record=record)


def row(expectation: Expectation, **fields: Any) -> dict[str, Any]:
    return {
        "name": expectation.name,
        "fingerprint": rule_fingerprint(expectation),
        "expectation": expectation.condition or expectation.type,
        "version": 3,
        "origin": "check",
        "status": "passed",
        "observed": None,
        "failed_records": None,
        "judged_at": NOON,
        **fields,
    }


def due(dataset: StoredDataset, *rows: dict[str, Any], table: PublishedTable | None = None, **past: Any) -> list[str]:
    task = plan_table(dataset, table or published(), TablePast(rows=rows, **past), full=False)
    return [rule.name for rule in task.due]


def test_without_a_past_all_is_due_in_the_order_of_declaration() -> None:
    assert due(view()) == ["engine", "row", "table", "fresh", "reference", "history"]


@pytest.mark.parametrize("dataset", [view(), streaming()], ids=["view", "streaming"])
def test_a_check_settles_all_but_freshness_and_what_reads_others(dataset: StoredDataset) -> None:
    rows = [row(each) for each in ALL]
    assert due(dataset, *rows) == ["fresh", "reference"]
    assert due(dataset, *rows, read_since={OTHER: NOON - timedelta(hours=1)}) == ["fresh"]
    assert due(dataset, *rows, read_since={OTHER: NOON + timedelta(hours=1)}) == ["fresh", "reference"]
    task = plan_table(dataset, published(), TablePast(rows=rows), full=True)
    assert len(task.due) == len(ALL)


@pytest.mark.parametrize(
    "fields",
    [
        {"version": 2},
        {"version": None},
        {"fingerprint": "0"},
        {"status": "error"},
        {"judged_at": NOON - timedelta(days=1)},  # before the version was committed: of another table in its place
    ],
)
def test_a_verdict_on_something_else_does_not_stand(fields: dict[str, Any]) -> None:
    committed = NOON - timedelta(hours=1)
    assert due(view(ROW), row(ROW, **fields), committed_at=committed) == ["row"]
    assert due(view(ROW), row(ROW), committed_at=committed) == []


@pytest.mark.parametrize(("status", "left"), [("failed", []), ("skipped", [])])
def test_what_a_check_could_say_is_said(status: str, left: list[str]) -> None:
    assert due(view(HISTORY), row(HISTORY, status=status)) == left


def test_what_a_refresh_says_stands_for_views_whose_rows_all_stayed() -> None:
    rows = [row(each, origin="refresh") for each in (ROW, TABLE, REFERENCE)]
    some = (ROW, TABLE, REFERENCE)
    long_ago = {OTHER: NOON - timedelta(days=9)}
    assert due(view(*some), *rows, table=published(rows=4), read_since=long_ago) == ["reference"]
    assert due(view(*some), *rows, table=published(dropped=1), read_since=long_ago) == ["row", "reference"]
    assert due(view(*some), *rows, table=published(quarantined=1), read_since=long_ago) == ["row", "reference"]
    assert due(streaming(*some), *rows, table=published(rows=4)) == ["row", "table", "reference"]
    assert due(view(HISTORY), row(HISTORY, origin="refresh", status="skipped")) == ["history"]


def test_the_newest_verdict_is_the_one_that_stands() -> None:
    older, newer = row(ROW, status="failed"), row(ROW, judged_at=NOON + timedelta(hours=1))
    task = plan_table(view(ROW), published(), TablePast(rows=(newer, older)), full=False)
    assert task.known == {"row": newer}


def test_one_verdict_serves_rules_that_ask_the_same() -> None:
    twin = Expectation(name="twin", condition="id  >  0 -- again", location=HERE)
    assert due(view(ROW, twin), row(ROW)) == []


def test_the_last_version_that_was_looked_at_is_what_history_compares_with() -> None:
    def seen(version: int | None, minute: int, **observed: Any) -> dict[str, Any]:
        at = NOON + timedelta(minutes=minute)
        return row(HISTORY, version=version, judged_at=at, observed=json.dumps(observed))

    rows = [
        seen(1, 5, row_count=1),
        seen(2, 1, row_count=7, null_share={"a": 0.5}),
        seen(2, 2, row_count=8, null_share={"b": 0.25}),
        seen(3, 3, row_count=9),
        seen(None, 4, row_count=99),
        row(TABLE, version=2, observed="5"),
    ]
    assert last_observed(rows, 3) == {"row_count": 8, "null_share": {"a": 0.5, "b": 0.25}}
    assert last_observed(rows, 1) is None


def test_a_check_looks_at_the_rows_that_a_refresh_only_counted() -> None:
    found = row(ROW, origin="refresh", status="failed", failed_records=2)
    assert due(view(ROW), found) == ["row"]
    assert due(view(ROW), {**found, "status": "passed"}) == []  # within its `mostly`
    assert due(view(ROW), {**found, "origin": "check"}) == []
    assert due(view(TABLE), row(TABLE, origin="refresh", status="failed")) == []  # no row violates a maximum
