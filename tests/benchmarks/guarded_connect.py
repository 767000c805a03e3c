"""How long it takes to begin reading as a principal: `PYTHONPATH=. python tests/benchmarks/guarded_connect.py`.

A project of 200 published tables (written without Spark), each with a row filter and a mask. Spark is started and has
read a Delta table before, so that what is measured comes beside the session's own start: connecting, and then the rows
of the first table. Prints medians of five; asserts nothing.
"""

from __future__ import annotations

import statistics
import tempfile
import time
import warnings
from pathlib import Path

import pyarrow as pa
from machine import describe_machine

import lakehouse
from lakehouse.names import TableName
from lakehouse.serving.guarded import GuardedModeWarning
from lakehouse.storage.session import open_session, stop_session
from tests.serving.shop import SPEC, Shop

TABLES = 200
RULES = """\
principals: {users: {ana@corp: {}}}
securables:
  main: {grants: {ana@corp: [USE CATALOG, USE SCHEMA, SELECT]}}
"""


def make(folder: Path) -> Shop:
    """The project and its one publication."""
    shop = Shop(folder)
    names = [TableName("gold", f"t{number}") for number in range(TABLES)]
    views = "".join(f"CREATE MATERIALIZED VIEW {name} AS SELECT 1 AS id;\n" for name in names)
    (folder / "tables" / "many.sql").write_text(views)
    rules = "".join(
        f"  main.{name}: {{row_filter: {{using: 'id > 1'}}, columns: {{s: {{mask: {{using: 'left(val, 1)'}}}}}}}}\n"
        for name in names
    )
    (folder / "spark-pipeline.yml").write_text(f"{SPEC}access: access.yml\n")
    (folder / "access.yml").write_text(f"{RULES}{rules}...\n")
    for name in names:
        shop.write(name, pa.table({"id": [1, 2, 3], "s": ["ab", "cd", "ef"]}))
    shop.publish(dict.fromkeys(names, 0), {})
    return shop


def main() -> None:
    """Measures and prints."""
    warnings.simplefilter("ignore", GuardedModeWarning)
    with tempfile.TemporaryDirectory() as place:
        shop = make(Path(place) / "shop")
        session = open_session({}, app_name="benchmark")
        session.read.format("delta").load(shop.warehouse.location(TableName("gold", "t0"))).collect()
        connecting, reading = [], []
        for number in range(5):
            start = time.perf_counter()
            connection = lakehouse.connect(shop.root, principal="ana@corp")
            found = len(connection.tables())
            connecting.append(time.perf_counter() - start)
            start = time.perf_counter()
            rows = connection.table(f"gold.t{number}").collect()
            reading.append(time.perf_counter() - start)
            connection.close()
        print(describe_machine())
        print(f"connect and list {found} tables: {statistics.median(connecting):.2f} s   target: at most 1 s")
        print(f"the {len(rows)} rows of the first table: {statistics.median(reading):.2f} s")
    stop_session()


if __name__ == "__main__":
    main()
