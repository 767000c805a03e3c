"""A project whose warehouse is filled without Spark, and the command line as a function."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import CommitProperties, write_deltalake

from lakehouse.cli.main import main
from lakehouse.definition.fingerprint import query_fingerprint
from lakehouse.errors import QueryError, SourceLocation
from lakehouse.names import TableName
from lakehouse.plan.load_plan import FileStatus, LedgerEntry
from lakehouse.plan.records import Publication, PublishedTable, RefreshRecord
from lakehouse.plan.refresh_plan import Reason, ReasonCode, RefreshMode, RefreshStep
from lakehouse.run.outcome import BadFile, RunOutcome, RunStatus, StepOutcome, StepStatus
from lakehouse.run.workspace import Workspace

NOON = datetime(2026, 1, 5, 12, tzinfo=timezone.utc)
ORDERS, SILVER, GOLD = (TableName(*name.split(".")) for name in ("bronze.orders", "silver.orders", "gold.revenue"))
BAD_FILE = BadFile(path="in/bad.csv", reason="it is empty")

FILES = {
    "spark-pipeline.yml": "name: shop\ndatabase: silver\nlibraries:\n  - glob: {include: tables/**}\n",
    "tables/bronze.yml": (
        "streaming_table: bronze.orders\ncomment: As delivered.\ntags: [daily]\n"
        "source: {files: 'in/*.csv', format: csv, options: {header: true}}\n"
    ),
    "tables/silver.sql": (
        "CREATE MATERIALIZED VIEW silver.orders (id COMMENT 'The key',\n"
        "  CONSTRAINT has_id EXPECT (id IS NOT NULL) ON VIOLATION FAIL UPDATE)\n"
        "AS SELECT CAST(id AS BIGINT) AS id, CAST(price AS DOUBLE) AS price\n"
        "FROM bronze.orders;\n"
    ),
    "tables/gold.sql": (
        "CREATE TEMPORARY VIEW priced AS SELECT * FROM silver.orders WHERE price > 0;\n"
        "CREATE MATERIALIZED VIEW gold.revenue AS SELECT sum(price) AS revenue FROM priced;\n"
    ),
    "in/bad.csv": "",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command line did."""

    code: int
    out: str
    err: str

    @property
    def events(self) -> list[dict[str, Any]]:
        """The JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    def named(self, name: str) -> list[dict[str, Any]]:
        """The events of one name."""
        return [event for event in self.events if event["event"] == name]


@pytest.fixture
def lakehouse(capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """Runs a command line in this process."""

    def call(*argv: object) -> Answer:
        code = main([str(argument) for argument in argv])
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    return call


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project of four datasets in which nothing was run."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def built(project: Path) -> Path:
    """The project after two runs: the first published everything, in the second silver failed and gold was blocked."""
    workspace = Workspace(project)
    fingerprints = {dataset.name: query_fingerprint(dataset) for dataset in workspace.project.datasets}
    records = {
        ORDERS: record(ORDERS, fingerprints[ORDERS], mode="append"),
        SILVER: record(SILVER, fingerprints[SILVER], reads={"bronze.orders": 0}),
        GOLD: record(GOLD, fingerprints[GOLD], reads={"silver.orders": 0}, views={"priced": "f"}),
    }
    comment = {"comment": "The key"}
    contents = {
        ORDERS: pa.table({"id": ["1", "2", "x"], "price": ["1.5", "2", "3"]}),
        SILVER: pa.table(
            {"id": [1, 2], "price": [1.5, 2.0]},
            schema=pa.schema([pa.field("id", pa.int64(), metadata=comment), pa.field("price", pa.float64())]),
        ),
        GOLD: pa.table({"revenue": [3.5]}),
    }
    for name, rows in contents.items():
        commit = CommitProperties(custom_metadata={"userMetadata": records[name].to_json()})
        write_deltalake(workspace.locate(name), rows, commit_properties=commit)
    publication = Publication(
        sequence=1,
        run="r1",
        published_at=NOON,
        tables={name: PublishedTable(name=name, version=0, record=found) for name, found in records.items()},
    )
    write_history(workspace, publication)
    write_lineage(workspace, fingerprints)
    return project


def write_history(workspace: Workspace, publication: Publication) -> None:
    """Two runs, the second failed; one file is set aside."""
    warehouse = workspace.warehouse
    warehouse.record_run_started("r1", NOON)
    warehouse.publish(publication)
    first = (
        refreshed(ORDERS, mode=RefreshMode.APPEND, rows=3, files=1, bad=(BAD_FILE,)),
        refreshed(SILVER, rows=2),
        refreshed(GOLD, rows=1),
    )
    warehouse.record_run_ended(run_outcome("r1", NOON, first, RunStatus.SUCCEEDED, publication))
    later = NOON + timedelta(hours=1)
    second = (
        step_outcome(ORDERS, StepStatus.SKIPPED, mode=RefreshMode.SKIP, at=later),
        failed(SILVER, at=later),
        step_outcome(GOLD, StepStatus.BLOCKED, mode=RefreshMode.SKIP, at=later),
    )
    warehouse.record_run_started("r2", later)
    warehouse.record_run_ended(run_outcome("r2", later, second, RunStatus.FAILED))
    warehouse.record_run_started("r3", later + timedelta(hours=1))
    entry = LedgerEntry(
        project="shop",
        dataset="bronze.orders",
        flow="bronze.orders",
        path="in/bad.csv",
        size=0,
        modified_at=0,
        content_hash=None,
        epoch=1,
        run="r1",
        status=FileStatus.BAD,
        reason="it is empty",
    )
    warehouse.write_ledger((entry,))


def write_lineage(workspace: Workspace, fingerprints: dict[TableName, str]) -> None:
    """What the analysis of the queries records."""
    edges = [
        (SILVER, "id", ORDERS, "id", "value"),
        (SILVER, "price", ORDERS, "price", "value"),
        (GOLD, "revenue", SILVER, "price", "value"),
        (GOLD, "*", SILVER, "price", "condition"),
    ]
    workspace.warehouse.record_lineage(
        [
            {
                "dataset": str(target),
                "fingerprint": fingerprints[target],
                "column_name": column,
                "source_dataset": str(source),
                "source_column": source_column,
                "kind": kind,
                "recorded_at": NOON,
            }
            for target, column, source, source_column, kind in edges
        ]
    )


def record(
    name: TableName,
    fingerprint: str,
    *,
    mode: str = "full",
    reads: dict[str, int] | None = None,
    views: dict[str, str] | None = None,
) -> RefreshRecord:
    """What a commit of run r1 says of itself."""
    return RefreshRecord(
        project="shop",
        dataset=str(name),
        run="r1",
        epoch=1,
        mode=mode,
        fingerprint=fingerprint,
        layout="l",
        settings="s",
        reads=reads or {},
        views=views or {},
    )


def step(name: TableName, mode: RefreshMode = RefreshMode.FULL, **fields: Any) -> RefreshStep:
    """A step of a plan."""
    reason = Reason(ReasonCode.FIRST_REFRESH, "there is no table yet")
    return RefreshStep(**{"dataset": name, "mode": mode, "reason": reason, "epoch": 1, **fields})


def step_outcome(
    name: TableName,
    status: StepStatus,
    *,
    mode: RefreshMode = RefreshMode.FULL,
    at: datetime = NOON,
    **fields: Any,
) -> StepOutcome:
    """What became of a step, in two seconds."""
    return StepOutcome(
        **{
            "step": step(name, mode),
            "status": status,
            "version": 0,
            "started_at": at,
            "ended_at": at + timedelta(seconds=2),
            **fields,
        }
    )


def refreshed(
    name: TableName, *, mode: RefreshMode = RefreshMode.FULL, rows: int, files: int = 0, bad: tuple[BadFile, ...] = ()
) -> StepOutcome:
    """A refresh that made a version."""
    counts = {"rows_in": rows, "rows_out": rows, "files": files}
    return step_outcome(name, StepStatus.REFRESHED, mode=mode, bad_files=bad, **counts)


def failed(name: TableName, at: datetime = NOON) -> StepOutcome:
    """A refresh whose query Spark refused."""
    error = QueryError(
        f"{name} cannot be computed: column 'prize' does not exist.",
        condition="UNRESOLVED_COLUMN.WITH_SUGGESTION",
        query="SELECT prize",
        where=SourceLocation("tables/silver.sql", 3),
    )
    return step_outcome(name, StepStatus.FAILED, at=at, error=error)


def run_outcome(
    run: str,
    at: datetime,
    steps: tuple[StepOutcome, ...],
    status: RunStatus,
    publication: Publication | None = None,
    signal_number: int | None = None,
) -> RunOutcome:
    """What came of a run, in six seconds."""
    return RunOutcome(
        run=run,
        status=status,
        steps=steps,
        publication=publication,
        started_at=at,
        ended_at=at + timedelta(seconds=6),
        signal_number=signal_number,
    )
