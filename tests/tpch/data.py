"""The eight tables of TPC-H at a scale factor, as Delta tables that anyone might have written.

    python -m tests.tpch.data 1 /tmp/tpch

`lineitem` and `orders` are ordered by order key, as generated. The generator is the test extra's `tpchgen-cli`, whose
rows are those of the specification's dbgen.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import write_deltalake

TABLES = ("region", "nation", "supplier", "part", "partsupp", "customer", "orders", "lineitem")
_FILE_ROWS = 1_000_000  # at scale 1: two files of orders, six of lineitem, about 30 MB each


def prepare_tables(scale: float, cache: Path, *, change_feed: bool = True) -> Path:
    """The folder `cache/sf<scale>/delta` (or `delta_without_feed`) with the eight tables.

    Made at the first call for a scale factor, then reused; whoever wants to change them takes `copy_tables` first.
    Raises CalledProcessError if the generator fails.
    """
    folder = cache / f"sf{scale:g}"
    files = folder / "parquet"
    if not files.exists():
        _whole(files, lambda place: _generate(scale, place))
    tables = folder / ("delta" if change_feed else "delta_without_feed")
    if not tables.exists():
        _whole(tables, lambda place: _write_tables(files, place, change_feed))
    return tables


def copy_tables(tables: Path, target: Path) -> Path:
    """A copy of the tables to be changed, cheap at every scale: returns `target`.

    Data files, which no writer touches again, are linked where the file system can; logs are copied.
    """
    for path in sorted(tables.rglob("*")):
        copy = target / path.relative_to(tables)
        if path.is_dir():
            continue
        copy.parent.mkdir(parents=True, exist_ok=True)
        if "_delta_log" in path.parts:
            shutil.copy2(path, copy)
            continue
        try:
            os.link(path, copy)
        except OSError:  # another file system, or one without links
            shutil.copy2(path, copy)
    return target


def _whole(target: Path, make: Callable[[Path], None]) -> None:
    """Lets `make(folder)` fill a folder that appears as `target` when it is complete."""
    target.parent.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        make(place)
        place.rename(target)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise


def _generate(scale: float, folder: Path) -> None:
    program = Path(sys.executable).with_name("tpchgen-cli")
    command = [str(program) if program.exists() else "tpchgen-cli", "parquet", "-s", f"{scale:g}", "-o", str(folder)]
    subprocess.run([*command, "--quiet"], check=True)


def _write_tables(files: Path, folder: Path, change_feed: bool) -> None:
    properties = {"delta.enableChangeDataFeed": "true"} if change_feed else {}
    for table in TABLES:
        file = pq.ParquetFile(files / f"{table}.parquet")
        schema = pa.schema([pa.field(field.name, _plain(field.type)) for field in file.schema_arrow])
        # One commit a file: within one commit deltalake deals batches to its files in turn, and the order is lost.
        for batch in file.iter_batches(_FILE_ROWS):
            rows = pa.Table.from_batches([batch]).cast(schema)
            write_deltalake(str(folder / table), rows, mode="append", configuration=properties)


def _plain(kind: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_string_view(kind) else kind


if __name__ == "__main__":
    print(prepare_tables(float(sys.argv[1]), Path(sys.argv[2])))
