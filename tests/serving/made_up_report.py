"""A report about a shop that never was, with everything that a page can show; names and values may be hostile."""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone
from typing import Any

from lakehouse.definition.dataset import ExternalTable, MaterializedView, SqlQuery, TemporaryView
from lakehouse.errors import SourceLocation
from lakehouse.graph.dataflow import build_graph
from lakehouse.names import TableName
from lakehouse.quality.column_profile import ColumnProfile, TableProfile, compare
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
from lakehouse.serving.table_states import TableState
from lakehouse.storage.table_contents import TableContents

NOON = datetime(2026, 1, 5, 12, tzinfo=timezone.utc)
EDGES = {
    "raw.orders": [],
    "bronze.orders": ["raw.orders"],
    "bronze.customers": [],
    "silver.orders": ["bronze.orders"],
    "silver.customers": ["bronze.customers"],
    "priced": ["silver.orders"],
    "gold.revenue_by_customer_and_month_since_2019": ["priced", "silver.customers"],
    "gold.revenue": ["priced"],
}
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7*7 }}&amp;"


def name(text: str) -> TableName:
    """The name without any check of it."""
    schema, _, bare = text.rpartition(".")
    return TableName(schema, bare)


def made_up(mark: str = "") -> Report:
    """The report; `mark` stands in every text that comes from a user or from data."""
    names = {text: name(text + mark) for text in EDGES}
    graph = build_graph({names[text]: [names[read] for read in reads] for text, reads in EDGES.items()})
    profiles = [orders_profile(version, mark) for version in range(5)]
    return Report(
        project=f"shop{mark}",
        made_by="lakehouse 0.1.0",
        made_at=NOON,
        publication=5,
        published_at=NOON,
        tables=tuple(state(names[text], mark, failed=text == "gold.revenue") for text in EDGES),
        graph=graph,
        runs=tuple(run_line(number, mark) for number in range(6, 0, -1)),
        expectations=expectations(str(names["silver.orders"]), mark),
        profiles=(
            ProfileHistory(
                dataset=str(names["silver.orders"]),
                newest=VersionProfile(version=4, is_increment=False, profile=profiles[4]),
                comparisons=tuple(
                    Comparison(
                        baseline=number, current=number + 1, results=compare(profiles[number], profiles[number + 1])
                    )
                    for number in range(4)
                ),
            ),
            ProfileHistory(
                dataset=str(names["bronze.orders"]),
                newest=VersionProfile(version=1, is_increment=True, profile=profiles[0]),
            ),
        ),
    )


def state(dataset: TableName, mark: str, *, failed: bool) -> TableState:
    """A dataset as it is today."""
    where = SourceLocation("tables/all.yml", 1)
    if dataset.schema == "raw":
        return TableState(dataset=ExternalTable(name=dataset, path="/raw/orders", location=where), newest=3, version=3)
    query = SqlQuery(text="SELECT 1", location=where)
    if not dataset.schema:
        return TableState(dataset=TemporaryView(name=dataset, query=query, location=where))
    view = MaterializedView(name=dataset, query=query, location=where, comment=f"All of them.{mark}")
    contents = TableContents(
        version=4, rows=1_234_567, files=3, length=87_000_000, columns=(), properties={}, partition_by=(), comment=None
    )
    last = {
        "status": "failed" if failed else "refreshed",
        "mode": "aggregate",
        "ended_at": NOON,
        "seconds": 83.0,
        "error": f"tables/gold.sql:3: column 'prize' does not exist{mark}" if failed else None,
    }
    return TableState(dataset=view, version=4, newest=4, contents=contents, last=last)


def run_line(number: int, mark: str) -> RunLine:
    """A run that refreshed three tables; the last one failed at one of them."""
    failed = number == 6
    done = [
        RefreshLine(
            dataset=f"{dataset}{mark}",
            status="failed" if failed and dataset == "gold.revenue" else "refreshed",
            mode=mode,
            seconds=2.0 * number,
            rows_out=1000 * number,
            rows_dropped=0,
            rows_quarantined=7 if dataset == "silver.orders" else 0,
            why=f"bronze.orders changed{mark}",
        )
        for dataset, mode in (("bronze.orders", "append"), ("silver.orders", "keys"), ("gold.revenue", "aggregate"))
    ]
    return RunLine(
        run=f"r{number}{mark}",
        status="failed" if failed else "succeeded",
        started_at=NOON + timedelta(hours=number),
        seconds=7.5 * number,
        publication=None if failed else number,
        refreshes=tuple(done),
    )


def expectations(dataset: str, mark: str) -> tuple[ExpectationHistory, ...]:
    """One that holds, one that quarantines, one on the whole table, one that could not be judged."""
    choose = random.Random(1)
    kept = [(choose.randint(0, 40), 10_000) for _ in range(12)]
    samples = ({"order_id": 17, "customer": f"Ada{mark}"}, {"order_id": 18, "customer": None})
    shared: dict[str, Any] = {"dataset": dataset, "severity": "critical"}
    return (
        ExpectationHistory(
            name=f"has_id{mark}",
            expectation=f"id IS NOT NULL{mark}",
            on_violation="fail",
            judgements=tuple(judgement(version, "passed", 0, 10_000) for version in range(12)),
            **shared,
        ),
        ExpectationHistory(
            name="known_customer",
            expectation="customer IN (SELECT …)",
            on_violation="quarantine",
            judgements=tuple(
                judgement(version, "failed" if bad > 30 or version == 11 else "passed", bad + 1, size, samples)
                for version, (bad, size) in enumerate(kept)
            ),
            **shared,
        ),
        ExpectationHistory(
            name="enough_rows",
            expectation='expect_table_row_count_to_be_between {"min_value": 1000}',
            on_violation="warn",
            judgements=tuple(
                judgement(version, "failed" if version == 3 else "passed", None, None, observed=f"900{mark}")
                for version in range(6)
            ),
            **shared,
        ),
        ExpectationHistory(
            name="fresh",
            expectation="expect_table_freshness",
            on_violation="warn",
            judgements=(
                judgement(3, "skipped", None, None),
                judgement(4, "error", None, None, note=f"the column is gone{mark}"),
            ),
            **shared,
        ),
    )


def judgement(
    version: int,
    status: str,
    failed: int | None,
    considered: int | None,
    samples: tuple[dict[str, Any], ...] = (),
    **texts: str,
) -> Judgement:
    """A verdict of a refresh."""
    return Judgement(
        run=f"r{version}",
        version=version,
        origin="refresh",
        status=status,
        failed=failed,
        considered=considered,
        judged_at=NOON + timedelta(hours=version),
        samples=samples,
        observed=texts.get("observed"),
        note=texts.get("note"),
    )


def orders_profile(version: int, mark: str) -> TableProfile:
    """Prices that rise a little each version and jump at the last, a category that appears, times, and a list."""
    shift = version * 0.3 + (6 if version == 4 else 0)
    choose = random.Random(version)
    prices = sorted(choose.gauss(20 + shift, 5) for _ in range(101))
    days = [1.7e9 + 86400 * step / 2 for step in range(101)]
    rows = 10_000
    kinds = {f"web{mark}": 6000, "shop": 4000 - 100 * version} | ({f"phone{mark}": 100 * version} if version else {})
    price = ColumnProfile(
        name=f"price{mark}",
        type="decimal(10,2)",
        rows=rows,
        nulls=100 * version,
        measured=rows - 100 * version,
        low=str(round(prices[0], 2)),
        high=str(round(prices[-1], 2)),
        mean=20 + shift,
        deviation=5.0,
        distinct=3100,
        quantiles=tuple(prices),
    )
    channel = ColumnProfile(
        name="channel",
        type="string",
        rows=rows,
        nulls=0,
        measured=rows,
        low=f"phone{mark}",
        high=f"web{mark}",
        distinct=3,
        top=tuple(kinds.items()),
    )
    at = ColumnProfile(
        name="ordered_at",
        type="timestamp",
        rows=rows,
        nulls=0,
        measured=rows,
        low="2023-11-14 22:13:20",
        high="2024-01-03 22:13:20",
        mean=days[50],
        deviation=1.2e6,
        distinct=rows,
        quantiles=tuple(days),
    )
    items = ColumnProfile(name="items", type="array<struct<sku:string,quantity:int>>", rows=rows, nulls=0)
    return TableProfile(rows=rows, columns=(price, channel, at, items))
