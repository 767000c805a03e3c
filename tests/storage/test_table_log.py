"""A table's own log, read without Spark: our last commit, foreign changes, maintenance."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake

from lakehouse.plan.records import RefreshRecord, TableFacts
from lakehouse.storage.table_log import newest_version, read_table_facts


def record(epoch: int) -> RefreshRecord:
    return RefreshRecord(
        project="p",
        dataset="gold.g",
        run=f"r{epoch}",
        epoch=epoch,
        mode="full",
        fingerprint="q",
        layout="l",
        settings="s",
        reads={"silver.s": 3},
        views={"v": "x"},
        volatile=("current_date",),
        content="c",
    )


def write(folder: Path, metadata: str | None = None) -> None:
    properties = CommitProperties(custom_metadata={"userMetadata": metadata} if metadata else None)
    write_deltalake(str(folder), pa.table({"a": [1, 2]}), mode="append", commit_properties=properties)


def test_no_table_has_no_facts(tmp_path: Path) -> None:
    assert read_table_facts(str(tmp_path / "nothing")) == TableFacts()
    assert newest_version(str(tmp_path / "nothing")) == -1


def test_our_last_commit_is_found_with_everything_it_says(tmp_path: Path) -> None:
    for epoch in (1, 2):
        write(tmp_path, record(epoch).to_json())
    found = read_table_facts(str(tmp_path))
    assert found == TableFacts(version=1, record=record(2), record_version=1, foreign_change=False)
    assert newest_version(str(tmp_path)) == 1


def test_a_foreign_write_is_seen_and_maintenance_is_not_one(tmp_path: Path) -> None:
    write(tmp_path, record(1).to_json())
    write(tmp_path, record(2).to_json())
    DeltaTable(str(tmp_path)).optimize.compact()
    maintained = read_table_facts(str(tmp_path))
    assert (maintained.version, maintained.record_version, maintained.foreign_change) == (2, 1, False)
    write(tmp_path)
    foreign = read_table_facts(str(tmp_path))
    assert (foreign.version, foreign.record_version, foreign.foreign_change) == (3, 1, True)


def test_a_table_without_a_commit_of_ours(tmp_path: Path) -> None:
    write(tmp_path, '{"other": "metadata"}')
    assert read_table_facts(str(tmp_path)) == TableFacts(version=0, foreign_change=True)


@pytest.mark.parametrize("text", [None, "", "not json", "[]", '{"lakehouse": 1}', '{"lakehouse": {"run": "r"}}'])
def test_metadata_of_others_is_no_record(text: str | None) -> None:
    assert RefreshRecord.from_json(text) is None


def test_a_log_whose_old_commits_are_only_in_a_checkpoint(tmp_path: Path) -> None:
    write(tmp_path, record(1).to_json())
    for _ in range(3):
        write(tmp_path)
    DeltaTable(str(tmp_path)).create_checkpoint()
    (tmp_path / "_delta_log" / f"{0:020d}.json").unlink()
    found = read_table_facts(str(tmp_path))
    assert (found.version, found.record, found.foreign_change) == (3, None, True)
