"""The ledger's protocol: intent, outcome, what a load replaces, and what a crash leaves."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from lakehouse.names import TableName
from lakehouse.plan.load_plan import FileStatus, LedgerEntry
from lakehouse.storage.file_ledger import FileLedger

LOADED, PENDING, BAD = FileStatus.LOADED, FileStatus.PENDING, FileStatus.BAD


def entry(path: str, epoch: int = 1, status: FileStatus = PENDING, **more: Any) -> LedgerEntry:
    values: dict[str, Any] = {
        "dataset": "bronze.flights",
        "flow": "flights",
        "size": 10,
        "modified_at": 1_700_000_000_123_457,
        "content_hash": f"hash of {path}",
        "run": f"run {epoch}",
        "project": "demo",
    }
    return LedgerEntry(path=path, epoch=epoch, status=status, **{**values, **more})


@pytest.fixture
def ledger(tmp_path: Path) -> FileLedger:
    ticks = iter(range(10**6))
    start = datetime(2026, 1, 1, tzinfo=timezone.utc)
    return FileLedger(str(tmp_path / "system" / "files"), lambda: start + timedelta(seconds=next(ticks)))


def statuses(ledger: FileLedger) -> list[tuple[str, int, str]]:
    return sorted((e.path, e.epoch, e.status.value) for e in ledger.entries())


def rows(ledger: FileLedger) -> list[tuple[str, int, str]]:
    table = DeltaTable(ledger._location).to_pyarrow_table(columns=["path", "epoch", "status"])
    return sorted((row["path"], row["epoch"], row["status"]) for row in table.to_pylist())


def test_before_the_first_load(ledger: FileLedger) -> None:
    assert ledger.entries() == ()
    assert ledger.entries("bronze.flights") == ()
    assert ledger.pending("bronze.flights") is None
    assert dict(ledger.pending_epochs("demo")) == {}
    ledger.confirm("bronze.flights", 1)
    ledger.abandon("bronze.flights", 1)


def test_intent_then_outcome(ledger: FileLedger) -> None:
    given = [entry("it's a 'name' ü.csv"), entry("b.csv", status=BAD, reason="empty file: 0 bytes")]
    ledger.record_intent(given)
    assert ledger.pending("bronze.flights") == 1
    assert dict(ledger.pending_epochs("demo")) == {TableName("bronze", "flights"): 1}
    assert dict(ledger.pending_epochs("other")) == {}
    ledger.confirm("bronze.flights", 1)
    assert set(ledger.entries()) == {replace(given[0], status=LOADED), given[1]}
    assert ledger.pending("bronze.flights") is None
    version = DeltaTable(ledger._location).version()
    ledger.confirm("bronze.flights", 1)
    assert DeltaTable(ledger._location).version() == version


def test_an_abandoned_load_leaves_its_files_new(ledger: FileLedger) -> None:
    ledger.record_intent([entry("a"), entry("b", status=BAD)])
    ledger.abandon("bronze.flights", 1)
    assert statuses(ledger) == [("b", 1, "bad")]
    ledger.record_intent([entry("a", run="second")])
    ledger.confirm("bronze.flights", 1)
    assert rows(ledger) == [("a", 1, "abandoned"), ("a", 1, "loaded"), ("b", 1, "bad")]


def test_a_reload_supersedes_exactly_its_file(ledger: FileLedger) -> None:
    for epoch, path in ((1, "a"), (2, "b"), (3, "a")):
        ledger.record_intent([entry(path, epoch)])
        assert statuses(ledger)[0] == ("a", 1, "loaded" if epoch > 1 else "pending")
        ledger.confirm("bronze.flights", epoch)
    assert statuses(ledger) == [("a", 3, "loaded"), ("b", 2, "loaded")]
    assert rows(ledger) == [("a", 1, "superseded"), ("a", 3, "loaded"), ("b", 2, "loaded")]


def test_a_failed_reload_keeps_the_rows_it_could_not_replace(ledger: FileLedger) -> None:
    ledger.record_intent([entry("a")])
    ledger.confirm("bronze.flights", 1)
    ledger.record_intent([entry("a", 2, BAD), entry("c", 2)])
    ledger.confirm("bronze.flights", 2)
    assert statuses(ledger) == [("a", 1, "loaded"), ("a", 2, "bad"), ("c", 2, "loaded")]
    assert [e.status for e in ledger.entries() if e.path == "a"] == [LOADED, BAD]
    ledger.record_intent([entry("a", 3)])
    ledger.confirm("bronze.flights", 3)
    assert statuses(ledger) == [("a", 3, "loaded"), ("c", 2, "loaded")]


def test_a_full_load_supersedes_everything_once_it_is_confirmed(ledger: FileLedger) -> None:
    ledger.record_intent([entry("a"), entry("b"), entry("x", status=BAD)])
    ledger.record_intent([entry("a", dataset="bronze.other")])
    ledger.confirm("bronze.flights", 1)
    ledger.confirm("bronze.other", 1)
    ledger.record_intent([entry("a", 2, full=True), entry("y", 2, BAD, full=True)])
    assert ("b", 1, "loaded") in statuses(ledger)
    ledger.confirm("bronze.flights", 2)
    assert statuses(ledger) == [("a", 1, "loaded"), ("a", 2, "loaded"), ("y", 2, "bad")]
    assert [e.path for e in ledger.entries("bronze.flights") if e.status is LOADED] == ["a"]


def test_an_abandoned_full_load_supersedes_nothing(ledger: FileLedger) -> None:
    ledger.record_intent([entry("a")])
    ledger.confirm("bronze.flights", 1)
    ledger.record_intent([entry("b", 2, full=True)])
    ledger.abandon("bronze.flights", 2)
    assert statuses(ledger) == [("a", 1, "loaded")]


def test_a_file_is_bad_once_however_often_it_was(ledger: FileLedger) -> None:
    ledger.record_intent([entry("a", 1, BAD, run="one", reason="first")])
    ledger.record_intent([entry("a", 1, BAD, run="two", reason="second")])
    assert [(e.reason, e.run) for e in ledger.entries()] == [("second", "two")]
    ledger.record_intent([entry("a", 1, run="three")])
    ledger.confirm("bronze.flights", 1)
    assert statuses(ledger) == [("a", 1, "loaded")]


def test_touched_files_are_corrected_in_place(ledger: FileLedger) -> None:
    ledger.record_intent([entry("a"), entry("b")])
    ledger.confirm("bronze.flights", 1)
    moved = entry("a", status=LOADED, modified_at=1_800_000_000_000_001)
    ledger.record_intent([moved])
    assert set(ledger.entries()) == {moved, entry("b", status=LOADED)}


def test_ten_thousand_files_and_many_loads(ledger: FileLedger) -> None:
    paths = [f"landing/{number:05}.csv" for number in range(10_000)]
    started = time.perf_counter()
    ledger.record_intent([entry(path) for path in paths])
    ledger.confirm("bronze.flights", 1)
    for epoch in range(2, 30):
        ledger.record_intent([entry(f"{epoch}.csv", epoch)])
        ledger.confirm("bronze.flights", epoch)
    ledger.record_intent([entry(path, 30) for path in paths])
    ledger.confirm("bronze.flights", 30)
    assert len(ledger.entries()) == 10_028
    assert time.perf_counter() - started < 60  # about 5 s
    assert len(DeltaTable(ledger._location).file_uris()) < 30
