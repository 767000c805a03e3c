"""Listing, hashing and looking again, on a real disk and on another file system through pyarrow."""

from __future__ import annotations

import errno
import gzip
import hashlib
import os
import time
from pathlib import Path
from typing import Any

import pytest
from pyarrow import fs

from lakehouse.errors import SourceFileError
from lakehouse.storage import source_files
from lakehouse.storage.file_patterns import compile_pattern, expand_braces
from lakehouse.storage.source_files import (
    hash_changes,
    list_source_files,
    local_path,
    open_source_file,
    unchanged,
    with_hashes,
)


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    for name in (
        "a.csv",
        "b.csv",
        "b.json",
        "c1.csv",
        "c2.csv",
        "with space ü+%20.csv",
        "_hidden.csv",
        ".hidden.csv",
        "deep/d.csv",
        "deep/er/e.csv",
        "_deep/f.csv",
        "parts/year=2024/g.csv",
        "parts/year=2024/month=1/h.csv",
        "parts/_year=2025/i.csv",
        "parts/other/j.csv",
        "parts/_SUCCESS",
    ):
        file = tmp_path / "landing" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    return tmp_path


def names(root: Path, pattern: str) -> list[str]:
    return [file.path.removeprefix("landing/") for file in list_source_files("in", pattern, root)]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("landing/*.csv", ["a.csv", "b.csv", "c1.csv", "c2.csv", "with space ü+%20.csv"]),
        ("landing/?.csv", ["a.csv", "b.csv"]),
        ("landing/c[1-9].csv", ["c1.csv", "c2.csv"]),
        ("landing/c[^1].csv", ["c2.csv"]),
        ("landing/{a,b}.{csv,json}", ["a.csv", "b.csv", "b.json"]),
        ("landing/{a.csv,deep/er/*}", ["a.csv", "deep/er/e.csv"]),
        ("landing/**/e.csv", ["deep/er/e.csv"]),
        ("landing/deep/**", ["deep/d.csv", "deep/er/e.csv"]),
        ("landing/deep", ["deep/d.csv"]),
        ("landing/deep/", ["deep/d.csv"]),
        ("landing/d*", ["deep/d.csv"]),
        ("./landing/../landing/a.csv", ["a.csv"]),
        ("landing/with space ü+%20.csv", ["with space ü+%20.csv"]),
        ("landing/_hidden.csv", []),
        ("landing/none/*.csv", []),
        ("landing/a.csv/x", []),
        ("elsewhere", []),
        ("landing/parts", ["parts/_year=2025/i.csv", "parts/year=2024/g.csv", "parts/year=2024/month=1/h.csv"]),
    ],
)
def test_patterns(landing: Path, pattern: str, expected: list[str]) -> None:
    assert names(landing, pattern) == expected
    assert names(landing, f"file://{landing}/{pattern}") == expected
    remote = remote_names(landing, pattern.removeprefix("./").replace("landing/../", ""))
    assert remote == expected


def remote_names(root: Path, pattern: str) -> list[str]:
    """The same listing by the code for remote storage, over pyarrow's local file system."""
    found = set()
    for alternative in expand_braces(pattern):
        path = f"{root}/{alternative}".rstrip("/")
        segments = path.split("/")
        plain = next((at for at, one in enumerate(segments) if set("*?[") & set(one)), len(segments))
        listing = source_files._select("in", fs.LocalFileSystem(), "mem://host", path, base="/".join(segments[:plain]))
        for file in listing:
            assert file.uri.startswith("mem://host/")
            found.add(file.path.removeprefix(f"mem://host{root}/landing/"))
    return sorted(name for name in found if not os.path.basename(name).startswith(("_", ".")))


def test_what_a_listing_says(landing: Path) -> None:
    os.utime(landing / "landing" / "a.csv", ns=(0, 1_234_567_891_234))
    (file,) = list_source_files("in", "landing/a.csv", landing)
    assert (file.flow, file.path, file.uri) == ("in", "landing/a.csv", f"file://{landing}/landing/a.csv")
    assert (file.size, file.modified_at, file.content_hash) == (5, 1_234_567_891, None)
    (outside,) = list_source_files("in", f"{landing}/landing/a.csv", landing / "landing" / "deep")
    assert outside.path == f"{landing}/landing/a.csv"


def test_partition_folders_become_columns(landing: Path) -> None:
    found = {file.path: file.partition for file in list_source_files("in", "landing/parts", landing)}
    assert found["landing/parts/year=2024/month=1/h.csv"] == (("year", "2024"), ("month", "1"))
    (file,) = list_source_files("in", "landing/parts/year=2024/*.csv", landing)
    assert file.partition == ()


def test_links_upward_end(landing: Path) -> None:
    (landing / "landing" / "deep" / "loop").symlink_to(landing / "landing")
    assert names(landing, "landing/deep/**/*.csv") == ["deep/d.csv", "deep/er/e.csv"]


def test_a_name_that_is_not_utf8(landing: Path) -> None:
    (landing / "landing" / "caf\udce9.csv").write_text("x")
    with pytest.raises(SourceFileError) as caught:
        list_source_files("in", "landing/*.csv", landing)
    assert "\\udce9" in caught.value.path


def test_hashes(landing: Path) -> None:
    files = list_source_files("in", "landing/*.csv", landing)
    expected = hashlib.blake2b(b"a.csv", digest_size=16).hexdigest()
    hashed = with_hashes(files)
    assert hashed[0].content_hash == expected
    assert len({file.content_hash for file in hashed}) == len(files)
    (landing / "landing" / "a.csv").unlink()
    assert with_hashes(files[:1]) == files[:1]


def test_nothing_is_read_where_nothing_changed(landing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = list_source_files("in", "landing/*.csv", landing)
    read: list[str] = []
    monkeypatch.setattr(source_files, "_with_hash", lambda file: read.append(file.path) or file)
    assert hash_changes(files, []) == files
    assert len(read) == len(files)


def test_a_file_that_moves_is_still_being_written(landing: Path) -> None:
    files = list_source_files("in", "landing/?.csv", landing)
    assert unchanged(files) == files
    with (landing / "landing" / "a.csv").open("a") as stream:
        stream.write("more")
    (landing / "landing" / "b.csv").unlink()
    assert unchanged(files) == ()


def test_open_decompresses(landing: Path) -> None:
    (landing / "landing" / "z.csv.gz").write_bytes(gzip.compress(b"a,b\n"))
    (file,) = list_source_files("in", "landing/z.csv.gz", landing)
    with open_source_file(file) as stream:
        assert stream.read() == b"a,b\n"
    assert local_path(file) == str(landing / "landing" / "z.csv.gz")


def test_braces() -> None:
    assert expand_braces("{a,{b,c}}/{d}") == ["a/d", "b/d", "c/d"]
    assert expand_braces("{a") == ["{a"]
    assert compile_pattern("a[").fullmatch("a[")


@pytest.mark.parametrize("pattern", ["landing/deep/*.csv", "landing/**/*.csv", "landing/deep"])
def test_a_folder_that_may_not_be_read(landing: Path, pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    closed = str(landing / "landing" / "deep")
    scandir = os.scandir

    def refusing(folder: str) -> Any:  # root may read whatever its mode says
        if str(folder) == closed:
            raise PermissionError(errno.EACCES, "Permission denied", folder)
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(SourceFileError) as caught:
        list_source_files("in", pattern, landing)
    assert caught.value.path == closed


def test_ten_thousand_files_are_listed_quickly(tmp_path: Path) -> None:
    for number in range(10_000):
        (tmp_path / f"{number}.csv").touch()
    started = time.perf_counter()
    assert len(list_source_files("in", "*.csv", tmp_path)) == 10_000
    assert time.perf_counter() - started < 5  # about 0.1 s; quadratic work takes minutes
