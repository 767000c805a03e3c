"""Loads end to end on a real session: what lands, once, under which columns."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from pyspark.sql import SparkSession

from lakehouse.analysis.schema import OutputColumn
from lakehouse.definition.dataset import Column, Layout, OnChange, SchemaEvolution
from lakehouse.errors import InvalidValue, QueryError, SchemaError, SourceFileError
from lakehouse.refresh.load import source_columns
from tests.refresh.landing import NOW, Landing, loaded_paths, pending

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]

ADD, RESCUE, FAIL, IGNORE = (
    SchemaEvolution.ADD_COLUMNS,
    SchemaEvolution.RESCUE,
    SchemaEvolution.FAIL,
    SchemaEvolution.IGNORE,
)


@pytest.fixture
def make(spark: SparkSession, tmp_path: Path) -> Any:
    return lambda **source: Landing(spark, tmp_path, **source)


def test_rows_carry_file_time_and_epoch(make: Any) -> None:
    landing = make()
    names = ["plain.csv", "with space.csv", "ü+%20.csv", "[1]{x}*?.csv", "k=v.csv", "#1;'x'.csv"]
    for number, name in enumerate(names):
        landing.put(name, f"id,city\n{number},Köln\n")
    staged = landing.load()
    assert staged.rows == len(names)
    assert (staged.bad, staged.columns_added) == ((), ())
    assert landing.rows("id", "_source_file") == sorted((str(at), f"in/{name}") for at, name in enumerate(names))
    assert {entry.path for entry in landing.ledger.entries()} == {f"in/{name}" for name in names}
    assert landing.frame().columns == ["id", "city", "_source_file", "_ingested_at", "_epoch"]
    assert dict(landing.frame().dtypes)["_epoch"] == "bigint"
    micros = landing.frame().selectExpr("unix_micros(_ingested_at)", "_epoch").distinct().collect()
    assert [tuple(row) for row in micros] == [(int(NOW.timestamp()) * 1_000_000 + 123456, 1)]


def test_a_file_lands_once(make: Any) -> None:
    landing = make()
    landing.put("b.csv", "id\n1\n2\n")
    assert loaded_paths(landing.load()) == ["b.csv"]
    assert landing.plan().is_empty
    landing.put("a.csv", "id\n3\n", modified_at=1)
    landing.put("copy of b.csv", "id\n1\n2\n")
    assert loaded_paths(landing.load()) == ["a.csv", "copy of b.csv"]
    (landing.root / "in" / "b.csv").unlink()
    assert landing.plan().is_empty
    assert Counter(landing.rows("id")) == Counter({("1",): 2, ("2",): 2, ("3",): 1})
    assert landing.rows("id", "_epoch")[0] == ("1", 1)


def test_staged_rows_are_not_visible_and_a_crash_loses_nothing(make: Any) -> None:
    landing = make()
    landing.put("a.csv", "id\n1\n")
    landing.load()
    landing.put("b.csv", "id\n2\n")
    staged = landing.stage()
    landing.ledger.record_intent(staged.ledger)
    assert landing.rows("id") == [("1",)]
    landing.ledger.abandon("bronze.events", 2)
    assert pending(landing.load()) == ["in/b.csv"]
    assert landing.rows("id") == [("1",), ("2",)]


def test_headers_are_matched_by_name(make: Any) -> None:
    landing = make()
    landing.put("1.csv", "id,name,city\n1,ana,Rome\n")
    landing.put("2.csv", "city,id\nOslo,2\n")
    landing.put("3.csv", '"name","ID"\nbob,3\n')
    landing.put("4.csv", "id,name\n")
    landing.put("5.csv", "\ufeffid,name\n5,eve\n")
    landing.load()
    assert landing.rows("id", "name", "city") == [
        ("1", "ana", "Rome"),
        ("2", None, "Oslo"),
        ("3", "bob", None),
        ("5", "eve", None),
    ]
    assert set(landing.status().values()) == {"loaded"}


def test_csv_without_header_with_types_and_odd_dialects(make: Any) -> None:
    landing = make(options={"sep": ";"}, schema="id INT, amount DOUBLE, note STRING")
    landing.put("a.csv", '1;1.5;"a;b"\n2;;x\n')
    landing.load()
    assert landing.rows() == [(1, 1.5, "a;b"), (2, None, "x")]
    assert dict(landing.frame().dtypes)["id"] == "int"


def test_csv_types_are_inferred_only_on_request(make: Any) -> None:
    landing = make(options={"header": "true", "inferSchema": "true"})
    landing.put("a.csv", "id,price\n1,2.5\n")
    landing.put("b.csv", "price,id\n3,x\n")
    landing.load()
    assert dict(landing.frame().dtypes)["id"] == "string"
    assert landing.rows("id", "price") == [("1", 2.5), ("x", 3.0)]


def test_utf16(make: Any) -> None:
    landing = make(options={"header": "true", "encoding": "UTF-16"})
    landing.put("a.csv", "id,city\n1,Köln\n2,Łódź\n".encode("utf-16"))
    landing.load()
    assert landing.rows() == [("1", "Köln"), ("2", "Łódź")]


def test_a_changed_file_is_an_error_and_the_table_stays(make: Any) -> None:
    landing = make()
    landing.put("a.csv", "id\n1\n")
    landing.load()
    version = landing.version()
    landing.put("a.csv", "id\n1\n2\n")
    landing.put("b.csv", "id\n3\n")
    with pytest.raises(SourceFileError) as caught:
        landing.load()
    assert caught.value.path == "in/a.csv"
    assert (landing.version(), landing.rows()) == (version, [("1",)])


def test_reload_replaces_exactly_its_rows(make: Any) -> None:
    landing = make(on_change=OnChange.RELOAD)
    landing.put("it's a.csv", "id\n1\n2\n")
    landing.put("b.csv", "id\n1\n2\n")
    landing.load()
    version = landing.version()
    landing.put("it's a.csv", "id\n7\n8\n9\n")
    landing.put("c.csv", "id\n4\n")
    landing.load()
    assert landing.rows("id", "_source_file") == [
        ("1", "in/b.csv"),
        ("2", "in/b.csv"),
        ("4", "in/c.csv"),
        ("7", "in/it's a.csv"),
        ("8", "in/it's a.csv"),
        ("9", "in/it's a.csv"),
    ]
    assert landing.version() == version + 1
    assert landing.plan().is_empty


def test_same_content_is_loaded_once_where_asked(make: Any) -> None:
    landing = make(deduplicate_content=True)
    landing.put("a.csv", "id\n1\n")
    landing.put("b.csv", "id\n1\n")
    landing.load()
    landing.put("c.csv", "id\n1\n")
    staged = landing.load()
    assert (staged.write, len(staged.notices)) == (None, 1)
    assert landing.rows() == [("1",)]
    assert landing.status() == {"a.csv": "loaded", "b.csv": "duplicate", "c.csv": "duplicate"}
    assert landing.plan().is_empty


def test_full_load_starts_from_the_files_that_are_there(make: Any) -> None:
    landing = make()
    landing.put("a.csv", "id,old\n1,x\n")
    landing.put("b.csv", "id\n2\n")
    landing.load()
    (landing.root / "in" / "a.csv").unlink()
    landing.put("b.csv", "id\n3\n")
    staged = landing.load(full=True)
    assert landing.rows() == [("3",)]
    assert landing.frame().columns[0:2] == ["id", "_source_file"]
    assert len(staged.notices) == 1
    assert landing.plan().is_empty


def test_a_full_load_never_empties_a_table(make: Any) -> None:
    landing = make()
    path = landing.put("a.csv", "id\n1\n")
    landing.put("b.csv", "id\n2\n")
    landing.load()
    path.write_bytes(b"")
    with pytest.raises(SourceFileError) as caught:
        landing.load(full=True)
    assert caught.value.path == "in/a.csv"
    for file in (landing.root / "in").iterdir():
        file.unlink()
    with pytest.raises(SourceFileError):
        landing.load(full=True)
    assert landing.rows() == [("1",), ("2",)]


def test_no_file_yet(make: Any) -> None:
    landing = make()
    with pytest.raises(SourceFileError) as caught:
        landing.load()
    assert caught.value.path == "in/*"
    landing.declare(schema="id BIGINT, name STRING")
    landing.load()
    assert landing.rows() == []
    assert landing.frame().dtypes[:2] == [("id", "bigint"), ("name", "string")]


def test_new_columns_are_added_and_said(make: Any) -> None:
    landing = make(schema_evolution=ADD)
    landing.put("a.csv", "id\n1\n")
    landing.load()
    landing.put("b.csv", "id,city,zip\n2,Rome,00100\n")
    landing.put("c.csv", "zip,id\n11111,3\n")
    staged = landing.load()
    assert staged.columns_added == ("city", "zip")
    assert len(staged.notices) == 1
    assert landing.rows("id", "city", "zip") == [("1", None, None), ("2", "Rome", "00100"), ("3", None, "11111")]


def test_new_columns_are_refused(make: Any) -> None:
    landing = make(schema_evolution=FAIL)
    landing.put("a.csv", "id\n1\n")
    landing.load()
    landing.put("b.csv", "id,city\n2,Rome\n")
    with pytest.raises(SchemaError) as caught:
        landing.load()
    assert caught.value.columns == ("city",)
    assert "in/b.csv" in str(caught.value)
    assert landing.rows() == [("1",)]


def test_new_columns_are_ignored_and_said(make: Any) -> None:
    landing = make(schema_evolution=IGNORE)
    landing.put("a.csv", "id\n1\n")
    landing.load()
    landing.put("b.csv", "city,id\nRome,2\n")
    staged = landing.load()
    assert (staged.columns_added, len(staged.notices)) == ((), 1)
    assert landing.rows() == [("1",), ("2",)]


def test_new_columns_are_rescued(make: Any) -> None:
    landing = make(schema_evolution=RESCUE)
    landing.put("a.csv", "id\n1\n")
    landing.load()
    landing.put("b.csv", 'city,id,zip\n"Ro\\"me",2,\n')
    staged = landing.load()
    rescued = {row[0]: row[1] and json.loads(row[1]) for row in landing.rows("id", "_rescued")}
    assert rescued == {"1": None, "2": {"city": 'Ro"me'}}
    assert (staged.columns_added, len(staged.notices)) == ((), 1)


def test_csv_values_that_do_not_fit_are_rescued(make: Any) -> None:
    landing = make(schema_evolution=RESCUE, schema="id INT, price DOUBLE, name STRING")
    landing.put("a.csv", "id,price,name,extra\n1,2.5,ana,e\nx,cheap,bob,\n3,,eve,\n")
    staged = landing.load()
    assert staged.rows == 3
    rows = {
        row[2]: (*row[:2], row[3] and json.loads(row[3])) for row in landing.rows("id", "price", "name", "_rescued")
    }
    assert rows == {
        "ana": (1, 2.5, {"extra": "e"}),
        "bob": (None, None, {"id": "x", "price": "cheap"}),
        "eve": (3, None, None),
    }


def test_json(make: Any) -> None:
    landing = make(format="json", schema_evolution=ADD)
    landing.put("a.json", '{"id": 1, "at": {"city": "Rome"}, "tags": ["x"]}\n{"id": 2}\n')
    landing.load()
    assert dict(landing.frame().dtypes)["at"] == "struct<city:string>"
    landing.put("b.json", '{"id": 3, "at": {"city": "Oslo", "zip": 5}, "more": 1.5}\n')
    staged = landing.load()
    assert staged.columns_added == ("at.zip", "more")
    assert landing.rows("id", "at.zip", "more") == [(1, None, None), (2, None, None), (3, 5, 1.5)]


def test_json_rescue(make: Any) -> None:
    landing = make(format="json", schema_evolution=RESCUE)
    landing.put("a.json", '{"id": 1, "at": {"city": "Rome"}, "name": "ana"}\n')
    landing.load()
    lines = [
        {"id": 2, "at": {"city": "Oslo", "zip": 5}, "name": "bob"},
        {"id": "three", "name": "eve", "new": {"deep": [1, 2.50]}},
        {"id": 4.5, "at": "nowhere", "name": "kim"},
        {"id": None, "name": "lea"},
    ]
    landing.put("b.json", "".join(json.dumps(line) + "\n" for line in lines))
    staged = landing.load()
    assert (staged.bad, staged.rows) == ((), 4)
    rows = {r[0]: (r[1], r[2] and json.loads(r[2])) for r in landing.rows("name", "id", "_rescued")}
    assert rows == {
        "ana": (1, None),
        "bob": (2, {"at": {"city": "Oslo", "zip": 5}}),
        "eve": (None, {"id": "three", "new": {"deep": [1, 2.5]}}),
        "kim": (None, {"id": 4.5, "at": "nowhere"}),
        "lea": (None, None),
    }


def write_parquet(landing: Landing, to: str, **columns: Any) -> None:
    parquet.write_table(pa.table(columns), landing.put(to, b""))


def test_parquet(make: Any) -> None:
    landing = make(format="parquet")
    write_parquet(landing, "a.parquet", id=pa.array([1, 2], pa.int64()), name=["ana", "bob"])
    write_parquet(landing, "b.parquet", name=["eve"], size=pa.array([1.5]))
    landing.load()
    write_parquet(landing, "c.parquet", id=pa.array([5], pa.int32()), name=["kim"])
    write_parquet(landing, "d.parquet", id=pa.array([6.0]), name=["lea"])
    assert landing.load().bad == ()
    assert dict(landing.frame().dtypes)["id"] == "bigint"
    assert landing.rows("name", "id", "size") == [
        ("ana", 1, None),
        ("bob", 2, None),
        ("eve", None, 1.5),
        ("kim", 5, None),
        ("lea", 6, None),
    ]


def test_parquet_rescue(make: Any) -> None:
    landing = make(format="parquet", schema_evolution=RESCUE)
    write_parquet(landing, "a.parquet", id=pa.array([1], pa.int64()), name=["ana"])
    landing.load()
    write_parquet(landing, "b.parquet", id=pa.array([2.0, 2.5]), name=["bob", "eve"], new=["x", None])
    landing.load()
    rows = {r[0]: (r[1], r[2] and json.loads(r[2])) for r in landing.rows("name", "id", "_rescued")}
    assert rows["ana"] == (1, None)
    assert rows["bob"] == (2, {"new": "x"})
    assert rows["eve"][1] == {"id": 2.5}


def test_text_and_xml(make: Any) -> None:
    landing = make(format="text", files="in/*.txt")
    landing.put("a.txt", "one\ntwo\n")
    landing.load()
    assert landing.rows() == [("one",), ("two",)]
    landing = make(format="xml", files="in/*.xml", options={"rowTag": "row"})
    landing.location += "_xml"
    landing.ledger = type(landing.ledger)(str(landing.root / "xml_ledger"))
    landing.put("a.xml", "<rows><row><id>1</id><n>ana</n></row><row><id>2</id></row></rows>")
    landing.load()
    assert landing.rows("id", "n") == [(1, "ana"), (2, None)]


def test_partition_folders(make: Any) -> None:
    landing = make(files="in")
    landing.put("year=2024/month=01/a.csv", "id\n1\n")
    landing.put("year=2025/month=a%20b/b.csv", "id\n2\n")
    landing.put("year=__HIVE_DEFAULT_PARTITION__/c.csv", "id\n3\n")
    landing.load()
    assert landing.rows("id", "year", "month") == [("1", "2024", "01"), ("2", "2025", "a b"), ("3", None, None)]


def test_select_keeps_where_rows_come_from(make: Any) -> None:
    landing = make(
        select="SELECT CAST(id AS INT) AS id, upper(name) AS name -- FROM nowhere\nFROM {source} WHERE id <> '2'"
    )
    landing.put("a.csv", "id,name,unused\n1,ana,x\n2,bob,y\n")
    landing.load()
    assert landing.frame().columns == ["id", "name", "_source_file", "_ingested_at", "_epoch"]
    assert landing.rows("id", "name", "_source_file", "_epoch") == [(1, "ANA", "in/a.csv", 1)]
    landing.put("b.csv", "name,id,Full Name\neve,3,e\n")
    assert landing.load().columns_added == ()
    assert landing.rows("id", "name") == [(1, "ANA"), (3, "EVE")]


def test_select_that_groups_is_refused(make: Any) -> None:
    landing = make(select="SELECT id, count(*) AS n FROM {source} GROUP BY id")
    landing.put("a.csv", "id\n1\n")
    with pytest.raises(QueryError) as caught:
        landing.load()
    assert caught.value.condition == "MISSING_AGGREGATION"
    assert "_source_file" in (caught.value.hint or "")
    landing.declare(select="SELECT nope FROM {source}")
    with pytest.raises(QueryError) as caught:
        landing.load()
    assert caught.value.condition == "UNRESOLVED_COLUMN.WITH_SUGGESTION"


def test_names_a_table_cannot_have(make: Any) -> None:
    landing = make()
    landing.put("a.csv", "id,Unit Price\n1,2\n")
    with pytest.raises(SchemaError) as caught:
        landing.load()
    assert caught.value.columns == ("Unit Price",)
    landing.declare(select="SELECT id, `Unit Price` AS price FROM {source}")
    landing.load()
    assert landing.rows() == [("1", "2")]
    landing.put("b.csv", "id,_epoch\n1,2\n")
    with pytest.raises(SchemaError) as caught:
        landing.load()
    assert caught.value.columns == ("_epoch",)


def test_declared_columns_have_their_types_and_comments(make: Any) -> None:
    landing = make()
    landing.layout = Layout(columns=(Column(name="id", type="BIGINT", comment="the key"),))
    landing.put("a.csv", "name,id\nana,1\n")
    landing.load()
    assert landing.rows("id", "name") == [(1, "ana")]
    assert landing.frame().schema["id"].metadata["comment"] == "the key"


@pytest.mark.parametrize(
    "option", ["mode=dropMalformed", "ignoreCorruptFiles=true", "pathGlobFilter=*.csv", "samplingRatio=0.1"]
)
def test_options_that_lose_rows_are_refused(make: Any, option: str) -> None:
    key, _, value = option.partition("=")
    landing = make(options={"header": "true", key: value})
    landing.put("a.csv", "id\n1\n")
    with pytest.raises(InvalidValue):
        landing.load()


def test_columns_before_the_load(make: Any) -> None:
    landing = make()
    landing.put("a.csv", "id,name\n1,ana\n")
    columns = source_columns(landing.spark, landing.table, landing.plan(), landing.location)
    assert columns[:2] == (OutputColumn(name="id", type="STRING"), OutputColumn(name="name", type="STRING"))
    assert [column.name for column in columns[2:]] == ["_source_file", "_ingested_at", "_epoch"]
    landing.load()
    landing.put("b.csv", "id,city\n1,Rome\n")
    columns = source_columns(landing.spark, landing.table, landing.plan(), landing.location)
    assert [column.name for column in columns] == ["id", "name", "_source_file", "_ingested_at", "_epoch", "city"]


def test_two_flows_into_one_table(make: Any) -> None:
    landing = make(files="in/*.csv")
    (csv,) = landing.sources
    landing.declare(files="in/*.json", format="json", schema="id STRING, extra STRING")
    (json_flow,) = landing.sources
    object.__setattr__(json_flow, "name", "other")
    landing.sources = [csv, json_flow]
    landing.put("a.csv", "id,name\n1,ana\n")
    landing.put("b.json", '{"id": "2", "extra": "x"}\n')
    landing.load()
    assert landing.rows("id", "name", "extra") == [("1", "ana", None), ("2", None, "x")]


def test_ten_thousand_small_files(make: Any) -> None:
    landing = make()
    for number in range(10_000):
        landing.put(f"{number:05}.csv", f"id,name\n{number},n\n")
    staged = landing.load()
    assert staged.rows == 10_000
    assert landing.frame().selectExpr("sum(id)", "count(distinct _source_file)").first() == (49_995_000, 10_000)
    assert landing.plan().is_empty
