"""Every way in which a file can be bad: it is set aside with its reason, the others' rows are all there."""

from __future__ import annotations

import bz2
import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from pyspark.sql import SparkSession

from lakehouse.definition.dataset import OnChange, SchemaEvolution
from lakehouse.refresh import load_frame
from tests.refresh.landing import Landing, bad_kinds, loaded_paths

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]

LONG = "".join(f"{number},{number * 7919 % 100_003}\n" for number in range(100_000))


@pytest.fixture
def make(spark: SparkSession, tmp_path: Path) -> Any:
    return lambda **source: Landing(spark, tmp_path, **source)


def counted(landing: Landing, good: list[str]) -> int:
    """Records in the good CSV files, counted by Python alone."""
    total = 0
    for name in good:
        raw = (landing.root / "in" / name).read_bytes()
        unpacked = (
            gzip.decompress(raw) if name.endswith(".gz") else bz2.decompress(raw) if name.endswith(".bz2") else raw
        )
        total += len([line for line in unpacked.splitlines() if line.strip()]) - 1
    return total


def test_csv(make: Any) -> None:
    landing = make()
    whole = gzip.compress(("id,n\n" + LONG).encode())
    good = ["good.csv", "good.csv.gz", "good.csv.bz2", "header only.csv", "real replacement.csv", "blank lines.csv"]
    landing.put("good.csv", "id,n\n" + LONG)
    landing.put("good.csv.gz", whole)
    landing.put("good.csv.bz2", bz2.compress(("id,n\n" + LONG).encode()))
    landing.put("header only.csv", "id,n\n")
    landing.put("real replacement.csv", "id,n\n1,what \ufffd is\n")
    landing.put("blank lines.csv", "\n\nid,n\n\n1,2\n\n")
    expected = {
        "empty.csv": "empty file",
        "blank.csv": "empty file",
        "truncated 1.csv.gz": "unreadable",
        "truncated 2.csv.gz": "unreadable",
        "checksum.csv.gz": "unreadable",
        "no gzip.csv.gz": "unreadable",
        "latin header.csv": "wrong encoding",
        "latin.csv": "wrong encoding",
        "utf-16.csv": "wrong encoding",
        "too many.csv": "malformed records",
        "too few.csv": "malformed records",
        "open quote.csv": "malformed records",
    }
    landing.put("empty.csv", "")
    landing.put("blank.csv", "\n  \n")
    landing.put("truncated 1.csv.gz", whole[:-2000])
    landing.put("truncated 2.csv.gz", whole[: len(whole) // 2])
    landing.put("checksum.csv.gz", whole[:-8] + b"\0\0\0\0" + whole[-4:])
    landing.put("no gzip.csv.gz", "id,n\n1,2\n")
    landing.put("latin header.csv", "id,größe\n1,2\n".encode("latin-1"))
    landing.put("latin.csv", ("id,n\n" + LONG + "1,Müller\n").encode("latin-1"))
    landing.put("utf-16.csv", "id,n\n1,ü\n".encode("utf-16"))
    landing.put("too many.csv", "id,n\n1,2\n3,4,5\n")
    landing.put("too few.csv", "id,n\n1,2\n3\n")
    landing.put("open quote.csv", 'id,n\n1,2\n3,"4\n5"\n')
    staged = landing.load()
    assert bad_kinds(staged) == expected
    assert loaded_paths(staged) == sorted(good)
    assert staged.rows == counted(landing, good) == landing.frame().count()
    assert landing.status() == dict.fromkeys(good, "loaded") | dict.fromkeys(expected, "bad")
    assert landing.rows("n", "_source_file")[-1] == ("what \ufffd is", "in/real replacement.csv")
    known = landing.plan()
    assert (known.is_empty, len(known.known_bad)) == (True, len(expected))

    landing.put("too few.csv", "id,n\n1,2\n3,4\n")
    landing.put("empty.csv", "id,n\n9,9\n")
    staged = landing.load()
    assert loaded_paths(staged) == ["empty.csv", "too few.csv"]
    assert len(staged.bad) == len(expected) - 2
    assert landing.frame().count() == counted(landing, [*good, "too few.csv", "empty.csv"])


def test_a_value_that_does_not_fit_sets_its_file_aside(make: Any) -> None:
    landing = make(schema="id INT, on DATE")
    landing.put("good.csv", "id,on\n1,2024-01-31\n,\n")
    landing.put("number.csv", "id,on\n1,2024-01-31\nx,2024-01-31\n")
    landing.put("date.csv", "id,on\n1,31.1.2024\n")
    staged = landing.load()
    assert bad_kinds(staged) == {"number.csv": "values that do not fit", "date.csv": "values that do not fit"}
    assert len(landing.rows()) == 2


def test_a_select_does_not_hide_ragged_records(make: Any) -> None:
    landing = make(select="SELECT id FROM {source} WHERE id = '1'")
    landing.put("good.csv", "id,a,b\n1,2,3\n")
    landing.put("ragged.csv", "id,a,b\n1,2,3\n2,2\n")
    assert bad_kinds(landing.load()) == {"ragged.csv": "malformed records"}
    assert landing.rows() == [("1",)]


JSON_BAD = {
    "empty.json": (b"", "empty file"),
    "cut.json": (b'{"id": 1, "n": "a"}\n{"id": 2, "n"', "malformed records"),
    "no json.json": (b"hello\n", "malformed records"),
    "number.json": (b"17\n", "malformed records"),
    "two on a line.json": (b'{"id": 1, "n": "a"}{"id": 2, "n": "b"}\n', "malformed records"),
    "comma.json": (b'{"id": 1, "n": "a"}, {"id": 2, "n": "b"}\n', "malformed records"),
    "text after.json": (b'{"id": 1, "n": "a"} and so on\n', "malformed records"),
    "latin.json": ('{"id": 1, "n": "Müller"}\n'.encode("latin-1"), "wrong encoding"),
}


def test_json(make: Any) -> None:
    landing = make(format="json")
    landing.put("good.json", '{"id": 1, "n": "}{"}\n\n{"id": 2, "n": "\ufffd"}\n[{"id": 3}, {"id": 4}]\n')
    landing.put("single quotes.json", "{'id': 5, 'n': 'x'}\n")
    for name, (content, _) in JSON_BAD.items():
        landing.put(name, content)
    packed = gzip.compress(b"".join(b'{"id": %d, "n": "%d"}\n' % (at, at * 7919) for at in range(20_000)))
    landing.put("truncated.json.gz", packed[:-500])
    staged = landing.load()
    assert bad_kinds(staged) == {name: kind for name, (_, kind) in JSON_BAD.items()} | {
        "truncated.json.gz": "unreadable"
    }
    assert landing.rows("id") == [(1,), (2,), (3,), (4,), (5,)]
    landing.put("misfit.json", '{"id": "six", "n": "x"}\n')
    landing.put("more.json", '{"id": 6, "n": 7}\n')
    staged = landing.load()
    assert bad_kinds(staged)["misfit.json"] == "values that do not fit"
    assert landing.rows("id", "n")[-1] == (6, "7")


def test_json_documents(make: Any) -> None:
    landing = make(format="json", options={"multiLine": "true"})
    landing.put("good.json", json.dumps([{"id": 1}, {"id": 2}], indent=2))
    landing.put("several.json", '{"id": 3}\n{"id": 4}\n')
    assert bad_kinds(landing.load()) == {"several.json": "malformed records"}
    assert landing.rows() == [(1,), (2,)]


def test_broken_records_are_not_rescued(make: Any) -> None:
    landing = make(format="json", schema_evolution=SchemaEvolution.RESCUE, schema="id INT")
    landing.put("good.json", '{"id": "one"}\n')
    landing.put("bad.json", '{"id": \n')
    assert bad_kinds(landing.load()) == {"bad.json": "malformed records"}
    assert landing.rows("id", "_rescued") == [(None, '{"id":"one"}')]


def test_parquet(make: Any) -> None:
    landing = make(format="parquet")
    path = landing.put("good.parquet", b"")
    parquet.write_table(pa.table({"id": pa.array(range(1000), pa.int64()), "n": ["x"] * 1000}), path)
    whole = path.read_bytes()
    landing.put("truncated.parquet", whole[:-100])
    landing.put("empty.parquet", b"")
    landing.put("no parquet.parquet", b"id,n\n1,2\n")
    broken = bytearray(whole)
    broken[10:60] = b"\xff" * 50
    landing.put("broken page.parquet", bytes(broken))
    staged = landing.load()
    assert bad_kinds(staged) == {
        "truncated.parquet": "unreadable",
        "empty.parquet": "empty file",
        "no parquet.parquet": "unreadable",
        "broken page.parquet": "unreadable",
    }
    assert landing.frame().selectExpr("count(*)", "sum(id)").first() == (1000, 499_500)
    columns = {"fraction": pa.array([1.5]), "text": ["seven"], "list": pa.array([[1]])}
    for name, values in columns.items():
        parquet.write_table(pa.table({"id": values}), landing.put(f"{name}.parquet", b""))
    kinds = bad_kinds(landing.load())
    assert (kinds["fraction.parquet"], kinds["text.parquet"]) == ("values that do not fit",) * 2
    assert kinds["list.parquet"] == "columns that do not fit"


def test_text_and_xml(make: Any) -> None:
    landing = make(format="text", files="in/*.txt")
    landing.put("good.txt", "Müller\n")
    landing.put("latin.txt", "Müller\n".encode("latin-1"))
    assert bad_kinds(landing.load()) == {"latin.txt": "wrong encoding"}
    landing = make(format="xml", files="in/*.xml", options={"rowTag": "row"})
    landing.location += "_xml"
    landing.ledger = type(landing.ledger)(str(landing.root / "xml_ledger"))
    landing.put("good.xml", "<rows><row><id>1</id></row><row><id>2</id></row></rows>")
    landing.put("cut.xml", "<rows><row><id>1</id></row><row><id>2")
    landing.put("crossed.xml", "<rows><row><id>1</id></row><row><id>2</x></row></rows>")
    landing.put("latin.xml", "<rows><row><id>ü</id></row></rows>".encode("latin-1"))
    kinds = bad_kinds(landing.load())
    assert set(kinds) == {"cut.xml", "crossed.xml", "latin.xml"}
    assert (kinds["crossed.xml"], kinds["latin.xml"]) == ("malformed records", "wrong encoding")
    assert landing.rows("id") in ([(1,), (2,)], [("1",), ("2",)])


def test_all_files_bad(make: Any) -> None:
    landing = make()
    landing.put("a.csv", "")
    staged = landing.load()
    assert (staged.write, bad_kinds(staged), landing.version()) == (None, {"a.csv": "empty file"}, -1)
    landing.put("b.csv", "id\n1\n")
    landing.load()
    landing.put("c.csv", "id\n1,2\n")
    version = landing.version()
    staged = landing.load()
    assert (staged.write, staged.rows, landing.version()) == (None, 0, version)
    assert landing.status() == {"a.csv": "bad", "b.csv": "loaded", "c.csv": "bad"}


def test_a_reload_that_fails_keeps_the_old_rows(make: Any) -> None:
    landing = make(on_change=OnChange.RELOAD)
    landing.put("a.csv", "id\n1\n")
    landing.load()
    landing.put("a.csv", "id\n1,2\n")
    assert bad_kinds(landing.load()) == {"a.csv": "malformed records"}
    assert landing.rows() == [("1",)]
    landing.put("a.csv", "id\n5\n")
    landing.load()
    assert landing.rows() == [("5",)]
    assert landing.status() == {"a.csv": "loaded"}


def test_a_duplicate_of_a_bad_file_is_bad(make: Any) -> None:
    landing = make(deduplicate_content=True)
    landing.put("a.csv", "id\n1,2\n")
    landing.put("b.csv", "id\n1,2\n")
    landing.put("c.csv", "id\n1\n")
    landing.load()
    assert landing.status() == {"a.csv": "bad", "b.csv": "bad", "c.csv": "loaded"}
    assert landing.plan().is_empty


def test_a_file_that_grows_while_it_is_loaded_is_left(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    landing = make()
    landing.put("a.csv", "id\n1\n")
    growing = landing.put("b.csv", "id\n2\n")
    read = load_frame.read_files

    def read_and_grow(*arguments: Any, **more: Any) -> Any:
        found = read(*arguments, **more)
        if growing.stat().st_size == 5:
            growing.write_text("id\n2\n3\n")
        return found

    monkeypatch.setattr(load_frame, "read_files", read_and_grow)
    staged = landing.load()
    assert (loaded_paths(staged), len(staged.notices)) == (["a.csv"], 1)
    assert landing.rows() == [("1",)]
    landing.load()
    assert landing.rows() == [("1",), ("2",), ("3",)]


def test_a_file_that_goes_away_is_left(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    landing = make()
    landing.put("a.csv", "id\n1\n")
    going = landing.put("b.csv", "id\n2\n")
    read = load_frame.read_files

    def read_and_delete(*arguments: Any, **more: Any) -> Any:
        found = read(*arguments, **more)
        going.unlink(missing_ok=True)
        return found

    monkeypatch.setattr(load_frame, "read_files", read_and_delete)
    assert loaded_paths(landing.load()) == ["a.csv"]
    assert (landing.rows(), landing.status()) == ([("1",)], {"a.csv": "loaded"})
