"""The audit: every event durable when it is said to be, in one chain, whoever writes, and falsifications found."""

from __future__ import annotations

import json
import shutil
import threading
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable

from lakehouse.storage import audit_log
from lakehouse.storage.audit_log import (
    AuditEnd,
    AuditEvent,
    AuditLog,
    AuditUnwritable,
    read_audit,
    read_audit_end,
    row_hash,
    verify_chain,
    verify_end,
)

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone.utc)


def event(number: int) -> AuditEvent:
    params = {"commandText": f"SELECT {number} \ud800 'ü'"}
    return AuditEvent(event_time=NOW, action_name="query", user="ana", request_id=str(number), request_params=params)


def rows_of(warehouse: Path, count: int = 5) -> list[dict[str, Any]]:
    with AuditLog(str(warehouse)) as log:
        for number in range(count):
            log.record(event(number))
    return read_audit(str(warehouse))


def test_events_come_back_in_order_and_follow_from_each_other(tmp_path: Path) -> None:
    rows = rows_of(tmp_path)
    assert [row["request_id"] for row in rows] == ["0", "1", "2", "3", "4"]
    assert rows[0]["event_time"] == NOW
    assert rows[0]["event_date"] == "2026-01-02"
    assert json.loads(rows[0]["request_params"])["commandText"] == "SELECT 0 \ud800 'ü'"
    assert verify_chain(rows) is None
    assert verify_chain([]) is None
    assert read_audit(str(tmp_path / "elsewhere")) == []


@pytest.mark.parametrize("column", ["response", "user_identity", "event_time", "event_id", "sequence", "previous_hash"])
def test_a_changed_value_is_found(tmp_path: Path, column: str) -> None:
    rows = rows_of(tmp_path)
    changed = {"sequence": 9, "event_time": NOW.replace(microsecond=0)}.get(column, "x")
    rows[2] = {**rows[2], column: changed}
    assert verify_chain(rows) is rows[2]
    rows[2] = {**rows[2], "hash": row_hash(rows[2])}  # by who knows how hashes are made
    assert verify_chain(rows) in (rows[2], rows[3])


def test_rows_that_are_gone_exchanged_or_put_in_are_found(tmp_path: Path) -> None:
    rows = rows_of(tmp_path)
    assert verify_chain(rows[1:]) is rows[1]
    assert verify_chain([*rows[:2], *rows[3:]]) is rows[3]
    assert verify_chain([rows[0], rows[2], rows[1], *rows[3:]]) is rows[2]
    assert verify_chain([*rows[:2], rows[1], *rows[2:]]) is rows[1]


def test_an_end_that_is_cut_off_is_found(tmp_path: Path) -> None:
    rows = rows_of(tmp_path)
    end = read_audit_end(str(tmp_path))
    assert end == AuditEnd(5, rows[-1]["hash"])
    assert verify_end(rows, end)
    for left in range(5):
        assert verify_chain(rows[:left]) is None  # the chain alone does not tell
        assert not verify_end(rows[:left], end)
    assert not verify_end(rows, None)
    assert verify_end([], None)
    assert not verify_end([], AuditEnd(0, ""))
    assert not verify_end(rows, AuditEnd(5, rows[3]["hash"]))
    # Stopped between the rows and the note, the note is behind.
    assert verify_end(rows, AuditEnd(3, rows[2]["hash"]))


def test_an_older_copy_of_the_table_is_found(tmp_path: Path) -> None:
    rows_of(tmp_path, 2)
    shutil.copytree(tmp_path / "system" / "audit", tmp_path / "copy")
    with AuditLog(str(tmp_path)) as log:
        log.record(event(3))
    shutil.rmtree(tmp_path / "system" / "audit")
    shutil.move(tmp_path / "copy", tmp_path / "system" / "audit")
    rows = read_audit(str(tmp_path))
    assert (len(rows), verify_chain(rows)) == (2, None)
    assert not verify_end(rows, read_audit_end(str(tmp_path)))


def test_an_end_that_cannot_be_noted_fails_the_event(tmp_path: Path) -> None:
    rows_of(tmp_path, 1)
    (tmp_path / "system" / "audit_end.new").mkdir()
    with AuditLog(str(tmp_path)) as log, pytest.raises(AuditUnwritable):
        log.record(event(2))


def test_several_writers_make_one_chain(tmp_path: Path) -> None:
    with AuditLog(str(tmp_path)) as one, AuditLog(str(tmp_path)) as other:
        threads = [
            threading.Thread(target=lambda log=log, start=start: [log.record(event(start + n)) for n in range(10)])
            for start, log in ((0, one), (100, other), (200, one), (300, other))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    rows = read_audit(str(tmp_path))
    assert len({row["request_id"] for row in rows}) == len(rows) == 40
    assert verify_chain(rows) is None
    assert read_audit_end(str(tmp_path)) == AuditEnd(40, rows[-1]["hash"])


def test_events_of_the_same_moment_share_a_commit(tmp_path: Path) -> None:
    log = AuditLog(str(tmp_path))
    entries = [(event(number), audit_log.Future[None]()) for number in range(50)]
    log._write(entries)
    assert DeltaTable(log.location).version() == 0
    assert len(read_audit(str(tmp_path))) == 50
    assert all(future.done() for _, future in entries)


def test_the_chain_survives_compaction(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit_log, "_COMPACT_EVERY", 4)
    rows = rows_of(tmp_path, 12)
    assert verify_chain(rows) is None
    assert len(rows) == 12
    table = DeltaTable(str(tmp_path / "system" / "audit"))
    assert len(table.file_uris()) < 12
    assert table.metadata().configuration["delta.appendOnly"] == "true"


def test_an_event_that_cannot_be_written_is_said_to_be_lost(tmp_path: Path) -> None:
    (tmp_path / "system").mkdir()
    (tmp_path / "system" / "audit").write_text("a file where the table should be")
    with AuditLog(str(tmp_path)) as log:
        with pytest.raises(AuditUnwritable):
            log.record(event(1))
        (tmp_path / "system" / "audit").unlink()
        log.record(event(2))
    assert [row["request_id"] for row in read_audit(str(tmp_path))] == ["2"]
    with pytest.raises(AuditUnwritable):
        log.record(event(3))
