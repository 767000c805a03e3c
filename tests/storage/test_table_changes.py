"""What a range of commits did, read from the log alone: by value, on tables that deltalake wrote."""

from __future__ import annotations

import json
import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, Field, write_deltalake
from deltalake.schema import PrimitiveType

from lakehouse.plan.table_change import FeedObstacle, FeedReader, TableChange
from lakehouse.storage.changed_files import first_missing
from lakehouse.storage.table_changes import commit_identity, data_version, read_table_change

FEED = {"delta.enableChangeDataFeed": "true"}


class Table:
    """A table in a folder; every method makes one commit and gives its version."""

    def __init__(self, folder: Path, properties: dict[str, str] | None = None, **options: Any) -> None:
        self.path = str(folder)
        self.properties = FEED if properties is None else properties
        self.options = options
        self.append(1, 2, 3)

    def append(self, *keys: int, **options: Any) -> int:
        rows = pa.table({"k": pa.array(keys, pa.int64()), "v": pa.array([f"v{key}" for key in keys], pa.string())})
        create = {} if os.path.exists(self.path) else {"configuration": self.properties, **self.options}
        write_deltalake(self.path, rows, **{"mode": "append", **create, **options})
        return self.version

    def merge(self, *keys: int) -> int:
        rows = pa.table({"k": pa.array(keys, pa.int64()), "v": pa.array(["m"] * len(keys), pa.string())})
        merge = DeltaTable(self.path).merge(rows, '(t."k" IS NOT DISTINCT FROM s."k")', "s", "t")
        merge.when_matched_update_all().when_not_matched_insert_all().execute()
        return self.version

    def delete(self, predicate: str) -> int:
        DeltaTable(self.path).delete(predicate)
        return self.version

    def update(self, predicate: str) -> int:
        DeltaTable(self.path).update(predicate=predicate, updates={"v": "'u'"})
        return self.version

    def optimize(self) -> int:
        DeltaTable(self.path).optimize.compact()
        return self.version

    def add_column(self, name: str = "w") -> int:
        DeltaTable(self.path).alter.add_columns([Field(name, PrimitiveType("double"))])
        return self.version

    def restore(self, version: int) -> int:
        DeltaTable(self.path).restore(version)
        return self.version

    def marker(self) -> int:
        table = DeltaTable(self.path)
        properties = CommitProperties(custom_metadata={"userMetadata": "marker"})
        table.create_write_transaction([], "append", table.schema(), commit_properties=properties)
        return self.version

    def set_property(self, name: str, value: str) -> int:
        DeltaTable(self.path).alter.set_table_properties({name: value}, raise_if_not_exists=False)
        return self.version

    def set_retention(self) -> int:
        return self.set_property("delta.logRetentionDuration", "interval 9 days")

    def log_file(self, version: int) -> Path:
        return Path(self.path) / "_delta_log" / f"{version:020d}.json"

    def actions(self, version: int) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log_file(version).read_text().splitlines()]

    def commit(self, *actions: dict[str, Any]) -> int:
        """A commit of these very actions, as another writer may make it."""
        version = self.version + 1
        note = {"commitInfo": {"timestamp": 1_700_000_000_000 + version, "operation": "OTHER"}}
        self.log_file(version).write_text("\n".join(json.dumps(action) for action in (note, *actions)))
        return version

    def metadata(self, **changes: Any) -> dict[str, Any]:
        """The newest metaData action, changed; `fields` are those of the schema."""
        versions = range(self.version, -1, -1)
        found = next(a["metaData"] for v in versions for a in self.actions(v) if "metaData" in a)
        if "fields" in changes:
            changes["schemaString"] = json.dumps({"type": "struct", "fields": changes.pop("fields")})
        return {"metaData": {**found, **changes}}

    def fields(self) -> list[dict[str, Any]]:
        return list(json.loads(self.metadata()["metaData"]["schemaString"])["fields"])

    def remove_file(self, path: str) -> None:
        (Path(self.path) / unquote(path)).unlink()

    def change(self, since: int, **options: Any) -> TableChange:
        return read_table_change(self.path, since, self.version, **options)

    @property
    def version(self) -> int:
        return max(int(name[:20]) for name in os.listdir(f"{self.path}/_delta_log") if name.endswith(".json"))


@pytest.fixture
def table(tmp_path: Path) -> Table:
    return Table(tmp_path / "t")


def facts(change: TableChange) -> tuple[bool, bool, int | None]:
    assert change.obstacle is None, change.obstacle_text
    return change.changes_rows, change.append_only, change.rows


def test_nothing_between_a_version_and_itself(table: Table) -> None:
    change = table.change(0)
    assert facts(change) == (False, False, None)
    assert (change.from_version, change.to_version, change.table_rows) == (0, 0, 3)
    assert change.table_bytes == sum(a["add"]["size"] for a in table.actions(0) if "add" in a)


def test_appended_rows_are_counted(table: Table) -> None:
    table.append(4, 5)
    table.append(6)
    change = table.change(0)
    assert facts(change) == (True, True, 3)
    assert change.reader is FeedReader.ANY
    assert change.bytes == sum(a["add"]["size"] for v in (1, 2) for a in table.actions(v) if "add" in a)
    assert change.table_rows == 6
    assert facts(read_table_change(table.path, 1, 2)) == (True, True, 1)


def test_an_append_of_no_rows_changes_none(table: Table) -> None:
    file = next(a["add"] for a in table.actions(0) if "add" in a)
    table.commit({"add": {**file, "path": "empty.parquet", "stats": '{"numRecords":0}'}})
    assert facts(table.change(0)) == (False, False, 0)


@pytest.mark.parametrize(
    ("act", "rows"),
    [
        (lambda table: table.merge(1, 9), 3),  # one before, one after, one new
        (lambda table: table.update("k >= 2"), 6),  # whole files: its feed is not believed
        (lambda table: table.delete("k = 1"), 1),
        (lambda table: table.append(7, mode="overwrite"), 4),
        (lambda table: table.append(2, mode="overwrite", predicate="k = 2"), None),
        (lambda table: (table.append(4), table.restore(0)), 2),
    ],
)
def test_rows_that_go_are_not_append_only(table: Table, act: Any, rows: int | None) -> None:
    act(table)
    changes, append_only, bound = facts(table.change(0))
    assert (changes, append_only) == (True, False)
    if rows is not None:
        assert bound == rows
    else:
        assert bound is None or bound >= 2


def test_bytes_are_those_of_the_feed_not_of_the_rewritten_files(table: Table) -> None:
    version = table.merge(1)
    recorded = [a["cdc"]["size"] for a in table.actions(version) if "cdc" in a]
    assert recorded
    assert table.change(0).bytes == sum(recorded)


def test_only_inserting_by_merge_is_append_only(table: Table) -> None:
    table.merge(8, 9)
    assert facts(table.change(0)) == (True, True, 2)


@pytest.mark.parametrize(
    "act",
    [
        lambda table: (table.append(4), table.append(5), table.optimize()),
        lambda table: (table.append(4), table.append(5), table.set_retention()),
        lambda table: (table.append(4), table.append(5), table.add_column()),
        lambda table: (table.append(4), table.append(5), table.marker()),
        lambda table: (table.append(4), table.append(5), table.optimize(), table.marker(), table.add_column()),
    ],
)  # fmt: skip
def test_maintenance_changes_no_rows(table: Table, act: Any) -> None:
    act(table)
    assert table.version > 2
    assert facts(table.change(2)) == (False, False, 0)
    assert facts(table.change(0)) == (True, True, 2)


def test_vacuum_and_checkpoint_change_no_rows(table: Table) -> None:
    DeltaTable(table.path).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    DeltaTable(table.path).create_checkpoint()
    table.marker()
    assert facts(table.change(0)) == (False, False, 0)


def test_an_older_version_than_before_is_another_table(table: Table) -> None:
    change = read_table_change(table.path, 5, table.version)
    assert change.obstacle is FeedObstacle.REPLACED
    assert change.changes_rows


def test_no_table_is_an_obstacle(tmp_path: Path) -> None:
    assert read_table_change(str(tmp_path / "none"), 0, 0).obstacle is FeedObstacle.MISSING_COMMITS
    assert read_table_change(str(tmp_path / "none"), 3, -1).obstacle is FeedObstacle.REPLACED
    assert data_version(str(tmp_path / "none")) == -1
    assert commit_identity(str(tmp_path / "none"), 0) is None


def test_a_table_made_again_is_told_by_its_identity(tmp_path: Path) -> None:
    first = Table(tmp_path / "a")
    first.append(4)
    identity = commit_identity(first.path, 1)
    assert identity is not None
    first.append(5)
    assert facts(first.change(1, identity=identity)) == (True, True, 1)
    second = Table(tmp_path / "b")
    second.append(4)
    second.append(5)
    assert second.change(1, identity=identity).obstacle is FeedObstacle.REPLACED
    assert read_table_change(second.path, 1, 1, identity=identity).obstacle is FeedObstacle.REPLACED
    assert second.change(1).obstacle is None  # nothing but the identity tells


def test_a_commit_made_again_is_told_by_its_time(table: Table) -> None:
    table.append(4)
    identity = commit_identity(table.path, 1)
    table.log_file(1).unlink()
    table.commit({"add": next(a["add"] for a in table.actions(0) if "add" in a) | {"path": "other.parquet"}})
    assert table.change(1, identity=identity).obstacle is FeedObstacle.REPLACED


def test_identity_outlives_the_commit(table: Table) -> None:
    for key in range(4, 8):
        table.append(key)
    identity = commit_identity(table.path, 2)
    DeltaTable(table.path).create_checkpoint()
    for version in range(3):
        table.log_file(version).unlink()
    assert facts(table.change(2, identity=identity)) == (True, True, 2)


def test_commits_cut_off_the_log_are_an_obstacle(table: Table) -> None:
    for key in range(4, 8):
        table.append(key)
    DeltaTable(table.path).create_checkpoint()
    for version in range(3):
        table.log_file(version).unlink()
    lost = table.change(1)
    assert (lost.obstacle, lost.table_rows) == (FeedObstacle.MISSING_COMMITS, 7)
    assert facts(table.change(2)) == (True, True, 2)


def test_a_column_more_is_no_obstacle(table: Table) -> None:
    table.add_column()
    write_deltalake(table.path, pa.table({"k": [9], "v": ["v9"], "w": [0.5]}), mode="append")
    change = table.change(0)
    assert facts(change) == (True, True, 1)
    assert change.reader is FeedReader.ANY


def field(name: str, kind: Any, **metadata: Any) -> dict[str, Any]:
    return {"name": name, "type": kind, "nullable": True, "metadata": metadata}


STRUCT = {"type": "struct", "fields": [field("x", "integer")]}
WIDER = {"type": "struct", "fields": [field("x", "integer"), field("y", "string")]}
OTHER = {"type": "struct", "fields": [field("x", "long")]}


def array(element: Any) -> dict[str, Any]:
    return {"type": "array", "elementType": element, "containsNull": True}


def mapping(key: Any, value: Any) -> dict[str, Any]:
    return {"type": "map", "keyType": key, "valueType": value, "valueContainsNull": True}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([field("a", "long")], [field("b", "long")]),
        ([field("a", "long")], []),
        ([field("a", "integer")], [field("a", "long")]),
        ([field("a", "decimal(9,2)")], [field("a", "decimal(10,2)")]),
        ([field("a", "string")], [field("A", "string")]),
        ([field("a", STRUCT)], [field("a", OTHER)]),
        ([field("a", array(STRUCT))], [field("a", array(OTHER))]),
        ([field("a", mapping("string", STRUCT))], [field("a", mapping("string", OTHER))]),
        ([field("a", mapping(STRUCT, "string"))], [field("a", mapping(OTHER, "string"))]),
        ([field("a", STRUCT)], [field("a", "string")]),
        ([field("a", WIDER)], [field("a", STRUCT)]),
        ([field("a", "string")], [field("a", "string", __COLLATIONS={"a": "ICU.de"})]),
        ([field("a", "string")], [field("a", "string", **{"delta.columnMapping.physicalName": "col-7"})]),
    ],
)
def test_columns_that_changed_are_an_obstacle(table: Table, before: Any, after: Any) -> None:
    kept = table.fields()
    start = table.commit(table.metadata(fields=[*kept, *before]))
    table.commit(table.metadata(fields=[*kept, *after]))
    assert table.change(start).obstacle is FeedObstacle.SCHEMA_CHANGED


def test_a_column_dropped_and_added_again_is_an_obstacle(table: Table) -> None:
    kept = table.fields()
    start = table.commit(table.metadata(fields=[*kept, field("a", "long")]))
    table.commit(table.metadata(fields=kept))
    table.commit(table.metadata(fields=[*kept, field("a", "long")]))
    assert table.change(start).obstacle is FeedObstacle.SCHEMA_CHANGED


def test_other_partitions_are_an_obstacle(table: Table) -> None:
    table.commit(table.metadata(partitionColumns=["v"]))
    assert table.change(0).obstacle is FeedObstacle.SCHEMA_CHANGED


@pytest.mark.parametrize(
    ("after", "reader"),
    [
        (field("a", WIDER), FeedReader.SPARK),
        (field("a", STRUCT, comment="new"), FeedReader.ANY),
        ({**field("a", STRUCT), "nullable": False}, FeedReader.ANY),
    ],
)
def test_columns_that_grew_are_no_obstacle(table: Table, after: dict[str, Any], reader: FeedReader) -> None:
    kept = table.fields()
    start = table.commit(table.metadata(fields=[*kept, field("a", STRUCT)]))
    table.commit(table.metadata(fields=[after, *kept]))
    change = table.change(start)
    assert facts(change) == (False, False, 0)
    assert change.reader is reader


def test_without_a_feed_whole_files_are_compared(tmp_path: Path) -> None:
    table = Table(tmp_path / "t", {})
    version = table.merge(1, 9)
    change = table.change(0)
    assert change.reader is FeedReader.FILES
    assert facts(change) == (True, False, 3 + 4)
    sizes = [a[kind]["size"] for a in table.actions(version) for kind in ("add", "remove") if kind in a]
    assert change.bytes == sum(sizes)


def test_a_file_that_came_and_went_is_not_read(tmp_path: Path) -> None:
    table = Table(tmp_path / "t", {})
    table.append(4, 5)
    table.restore(0)
    change = table.change(0)
    assert (change.rows, change.bytes, change.obstacle) == (0, 0, None)


def test_a_feed_switched_on_or_off_within_the_range_is_not_read(tmp_path: Path) -> None:
    table = Table(tmp_path / "t", {})
    on = table.set_property("delta.enableChangeDataFeed", "true")
    table.merge(1)
    assert table.change(0).reader is FeedReader.FILES
    assert table.change(on).reader is FeedReader.ANY
    off = table.set_property("delta.enableChangeDataFeed", "false")
    table.merge(2)
    assert table.change(on).reader is FeedReader.FILES
    assert table.change(off).reader is FeedReader.FILES


def test_a_vacuumed_feed_is_made_up_from_files_and_then_is_an_obstacle(table: Table) -> None:
    version = table.merge(1, 9)
    actions = table.actions(version)
    for action in actions:
        if "cdc" in action:
            table.remove_file(action["cdc"]["path"])
    change = table.change(0)
    assert (change.reader, change.rows) == (FeedReader.FILES, 7)
    table.remove_file(next(a["remove"]["path"] for a in actions if "remove" in a))
    assert table.change(0).obstacle is FeedObstacle.MISSING_COMMITS
    assert table.change(version).obstacle is None


def test_vacuum_of_files_the_feed_does_not_need_is_no_obstacle(table: Table) -> None:
    version = table.merge(1, 9)
    table.remove_file(next(a["remove"]["path"] for a in table.actions(version) if "remove" in a))
    assert table.change(0).reader is FeedReader.ANY


def test_a_removal_without_its_partition_cannot_be_read(tmp_path: Path) -> None:
    table = Table(tmp_path / "t", {}, partition_by=["v"])
    removed = next(a["add"] for a in table.actions(0) if "add" in a)
    table.commit({"remove": {"path": removed["path"], "deletionTimestamp": 1, "dataChange": True}})
    assert table.change(0).obstacle is FeedObstacle.MISSING_COMMITS


@pytest.mark.parametrize(("value", "reader"), [("a-b_1.c", "any"), ("b/ c=%", "spark"), ("é", "spark"), ("", "any")])
def test_partition_values_that_paths_escape_are_for_spark(tmp_path: Path, value: str, reader: str) -> None:
    table = Table(tmp_path / "t", partition_by=["v"])
    write_deltalake(table.path, pa.table({"k": [7], "v": [value]}), mode="append")
    assert table.change(0).reader is FeedReader(reader)


def vector(text: str = "gzsE5ezA*bJ&lu/rw+nV", kind: str = "u", deleted: int = 1) -> dict[str, Any]:
    return {"storageType": kind, "pathOrInlineDv": text, "offset": 1, "sizeInBytes": 34, "cardinality": deleted}


def test_deletion_vectors_are_for_spark_and_count(table: Table) -> None:
    added = next(a["add"] for a in table.actions(0) if "add" in a)
    removed = {key: added[key] for key in ("path", "partitionValues", "size", "stats")} | {"dataChange": True}
    inline = vector("wi5b=000010000siXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L", "i")
    table.commit({"remove": removed}, {"add": {**added, "deletionVector": inline}})
    change = table.change(0)
    assert (change.reader, change.append_only, change.rows) == (FeedReader.SPARK, False, 3 + 2)


def test_a_deletion_vector_that_is_gone_is_missing(table: Table) -> None:
    # The file of this vector, by Delta's own naming: "deletion_vector_<uuid>.bin", the UUID being the text's Z85.
    added = next(a["add"] for a in table.actions(0) if "add" in a)
    file = {**added, "deletionVector": vector("ab^-aqEH.-t@S}K{vb[*k^")}
    missing = first_missing(table.path, [file])
    assert missing == "ab/deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin"
    (Path(table.path) / "ab").mkdir()
    (Path(table.path) / missing).touch()
    assert first_missing(table.path, [file]) is None


def test_data_version_goes_back_over_maintenance(table: Table) -> None:
    assert data_version(table.path) == 0
    for key in (4, 5):
        table.append(key)
    for act in (
        table.optimize,
        table.marker,
        table.set_retention,
    ):
        act()
        assert data_version(table.path) == 2
    added = table.add_column()
    assert table.optimize() >= added
    assert data_version(table.path) == added  # a reader of all columns sees it
    assert data_version(table.path) < table.delete("k = 4") == data_version(table.path)


def test_data_version_stops_where_the_log_does(table: Table) -> None:
    for _ in range(4):
        table.marker()
    DeltaTable(table.path).create_checkpoint()
    assert data_version(table.path) == 0
    for version in range(3):
        table.log_file(version).unlink()
    assert data_version(table.path) == 2


def test_a_uri_is_read_as_a_path_is(table: Table) -> None:
    table.merge(1, 9)
    table.add_column()
    place = f"file://{table.path}"
    assert read_table_change(place, 0, 2) == read_table_change(table.path, 0, 2)
    assert data_version(place) == 2
    assert commit_identity(place, 1) == commit_identity(table.path, 1)
    assert read_table_change(place, 0, 9).obstacle is FeedObstacle.MISSING_COMMITS


def test_a_table_that_only_spark_opens_is_read_from_its_commits(table: Table) -> None:
    features = {"readerFeatures": ["ours"], "writerFeatures": ["ours"]}
    table.commit({"protocol": {"minReaderVersion": 3, "minWriterVersion": 7, **features}})
    added = next(a["add"] for a in table.actions(0) if "add" in a)
    table.commit({"add": added | {"path": added["path"] + "2"}})
    Path(table.path, added["path"] + "2").touch()
    change = table.change(0)
    assert (facts(change), change.reader, change.table_rows) == ((True, True, 3), FeedReader.SPARK, None)


def test_absolute_paths_are_for_spark(table: Table) -> None:
    added = next(a["add"] for a in table.actions(0) if "add" in a)
    table.commit({"add": added | {"path": f"file://{table.path}/{added['path']}"}})
    assert table.change(0).reader is FeedReader.SPARK
    gone = table.commit({"add": added | {"path": "file:/nowhere/x.parquet"}})
    assert table.change(gone - 1).obstacle is FeedObstacle.MISSING_COMMITS


def instants(*years: int | None) -> pa.Table:
    values = [None if year is None else datetime(year, 6, 1, tzinfo=timezone.utc) for year in years]
    return pa.table({"k": pa.array(range(len(years))), "t": pa.array(values, pa.timestamp("us", "UTC"))})


@pytest.mark.parametrize(
    ("before", "after", "reader"),
    [
        ((2026, None), (1990,), "any"),
        ((2026, None), (1582,), "spark"),
        ((1582,), (2026,), "spark"),  # its rows may leave
        ((2026,), (9999, None), "spark"),
        ((None, None), (None,), "any"),
    ],
)
def test_instants_out_of_the_reach_of_deltalake_are_for_spark(
    tmp_path: Path, before: Any, after: Any, reader: str
) -> None:
    place = str(tmp_path / "t")
    write_deltalake(place, instants(*before), configuration=FEED)
    write_deltalake(place, instants(*after), mode="append")
    assert read_table_change(place, 0, 1).reader is FeedReader(reader)
    DeltaTable(place).delete("k = 0")
    assert read_table_change(place, 1, 2).reader is FeedReader(reader)


def test_instants_without_statistics_are_for_spark(tmp_path: Path) -> None:
    for name, options in (("none", {"delta.dataSkippingNumIndexedCols": "0"}), ("nested", {})):
        place = str(tmp_path / name)
        rows = instants(2026)
        if name == "nested":
            rows = pa.table({"l": pa.array([[rows["t"][0].as_py()]], pa.list_(pa.timestamp("us", "UTC")))})
        write_deltalake(place, rows, configuration={**FEED, **options})
        write_deltalake(place, rows, mode="append")
        assert read_table_change(place, 0, 1).reader is FeedReader.SPARK


def test_the_feed_of_an_update_of_deltalake_is_not_believed(table: Table) -> None:
    """What delta-rs records of an UPDATE is a difference of sets: a row made equal to one that stays is missing."""
    updated = DeltaTable(table.path).update(predicate="k = 1", updates={"k": "2", "v": "'v2'"})
    assert updated["num_updated_rows"] == 1
    feed = pa.table(DeltaTable(table.path).load_cdf(starting_version=1).read_all())
    assert feed["_change_type"].to_pylist() == ["update_preimage"], "delta-rs mended it: since which version?"
    change = table.change(0)
    assert (change.reader, change.rows) == (FeedReader.FILES, 3 + 3)
    table.merge(2)
    assert table.change(0).reader is FeedReader.FILES
    assert table.change(1).reader is FeedReader.ANY
