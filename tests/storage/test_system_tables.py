"""System tables: rows come back, sequences grow, many small commits stay readable."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from lakehouse.storage.system_tables import SCHEMAS, SystemTable

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)


def row(sequence: int) -> dict[str, object]:
    return {"project": "p", "sequence": sequence, "run": f"r{sequence}", "published_at": NOW, "tables": "{}"}


def test_an_unwritten_table_is_empty(tmp_path: Path) -> None:
    table = SystemTable(str(tmp_path), "runs")
    assert table.rows() == []
    assert table.sequence("anyone") == 0


def test_rows_and_sequence_come_back(tmp_path: Path) -> None:
    table = SystemTable(str(tmp_path), "publications")
    for sequence in (1, 2):
        table.append([row(sequence)], application="p", sequence=sequence)
    assert table.rows(filters=[("sequence", "=", 2)]) == [row(2)]
    both = table.rows(columns=["run"], filters=[("published_at", "<=", NOW)])
    assert sorted(row["run"] for row in both) == ["r1", "r2"]
    assert table.sequence("p") == 2
    assert table.sequence("q") == 0


def test_small_commits_are_compacted(tmp_path: Path) -> None:
    table = SystemTable(str(tmp_path), "publications")
    for sequence in range(1, 61):
        table.append([row(sequence)], application="p", sequence=sequence)
    assert len(table.rows()) == 60
    assert table.sequence("p") == 60
    assert len(DeltaTable(str(tmp_path / "publications")).file_uris()) < 15


def test_missing_keys_are_null(tmp_path: Path) -> None:
    table = SystemTable(str(tmp_path), "runs")
    table.append([{"run": "r"}])
    assert table.rows() == [{name: "r" if name == "run" else None for name in list(SCHEMAS["runs"])}]


def test_a_table_of_an_earlier_version_gets_its_new_columns(tmp_path: Path) -> None:
    place = str(tmp_path / "runs")
    write_deltalake(place, pa.table({"run": ["old"], "project": ["p"]}))
    table = SystemTable(str(tmp_path), "runs")
    assert table.rows(columns=["run", "status"]) == [{"run": "old", "status": None}]
    table.append([{"run": "new", "project": "p", "status": "succeeded"}])
    found = {found["run"]: found["status"] for found in table.rows(filters=[("project", "=", "p")])}
    assert found == {"old": None, "new": "succeeded"}
