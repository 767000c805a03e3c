"""How long the commands take that must not start Spark: `python tests/benchmarks/quick_commands.py [--tables 200]`.

Makes a project of many tables, builds it once (that part is slow), then times whole processes: a run with nothing to
do, `ls`, `validate`; and in this process, planning a graph of 1,000 datasets. Prints a table; asserts nothing.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from machine import describe_machine

from lakehouse.definition.dataset import MaterializedView, SqlQuery, StoredDataset
from lakehouse.errors import SourceLocation
from lakehouse.graph.dataflow import build_graph
from lakehouse.names import TableName
from lakehouse.plan.records import RefreshRecord, TableFacts
from lakehouse.plan.refresh_plan import Identity, PlanFacts, plan_refresh

LAKEHOUSE = [sys.executable, "-m", "lakehouse"]


def make_project(folder: Path, tables: int) -> None:
    """A project of `tables` materialized views in three layers over one CSV file, half in SQL and half in YAML."""
    (folder / "landing").mkdir()
    (folder / "landing" / "numbers.csv").write_text("n\n" + "\n".join(map(str, range(100))))
    libraries = "libraries:\n  - glob: {include: sql/**}\n  - glob: {include: yml/**}\n"
    (folder / "spark-pipeline.yml").write_text(
        f"name: many\ndatabase: silver\n{libraries}max_concurrent_refreshes: 4\n"
    )
    (folder / "sql").mkdir()
    (folder / "yml").mkdir()
    source = "streaming_table: bronze.numbers\nsource: {files: landing/*.csv, format: csv, options: {header: true}}\n"
    (folder / "yml" / "bronze.yml").write_text(source)
    for index in range(tables - 1):
        read = "bronze.numbers" if index < 20 else f"silver.t{index - 20}"
        query = f"SELECT n, count(*) AS c{index} FROM {read} GROUP BY n"
        if index % 2:
            (folder / "sql" / f"t{index}.sql").write_text(f"CREATE MATERIALIZED VIEW silver.t{index} AS {query};\n")
        else:
            (folder / "yml" / f"t{index}.yml").write_text(f"materialized_view: silver.t{index}\nquery: {query}\n")


def seconds(command: Callable[[], object], rounds: int = 5) -> float:
    """The median wall time of a call, after one that is not counted."""
    command()
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        command()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def process(*arguments: str, project: Path) -> Callable[[], object]:
    """A call of the command line as a process of its own."""
    return lambda: subprocess.run([*LAKEHOUSE, *arguments, "--project", str(project)], check=True, capture_output=True)


def plan_thousand() -> None:
    """Plans a graph of 1,000 datasets in ten layers, all unchanged."""
    here = SourceLocation("x.yml", 1)
    names = [TableName("s", f"t{index}") for index in range(1000)]
    reads = {name: tuple(names[max(0, index - 105) : max(0, index - 100)]) for index, name in enumerate(names)}
    datasets: dict[TableName, StoredDataset] = {
        name: MaterializedView(name=name, location=here, query=SqlQuery(text="SELECT 1", location=here))
        for name in names
    }
    record = RefreshRecord(
        project="p", dataset="", run="r", epoch=1, mode="full", fingerprint="q", layout="l", settings="s"
    )
    facts = PlanFacts(
        tables={
            name: TableFacts(
                version=1,
                record=replace(record, dataset=str(name), reads={str(read): 1 for read in reads[name]}),
                record_version=1,
            )
            for name in names
        },
        identities=dict.fromkeys(names, Identity(query="q", layout="l", settings="s")),
    )
    assert plan_refresh(datasets, build_graph(reads), frozenset(names), facts).does_nothing


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=200, help="size of the project (default 200)")
    parser.add_argument("--demo", type=Path, help="a project that is built already, timed as well")
    arguments = parser.parse_args()
    print(describe_machine())
    rows: list[tuple[str, float, float | None]] = [("plan 1,000 datasets, in process", seconds(plan_thousand), 2.0)]
    with tempfile.TemporaryDirectory() as scratch:
        project = Path(scratch)
        make_project(project, arguments.tables)
        rows.append((f"validate, {arguments.tables} datasets", seconds(process("validate", project=project)), 1.0))
        start = time.perf_counter()
        process("run", project=project)()
        rows.append((f"first run, {arguments.tables} tables", time.perf_counter() - start, None))
        rows.append((f"run, nothing to do, {arguments.tables} tables", seconds(process("run", project=project)), 2.0))
        rows.append((f"ls, {arguments.tables} tables", seconds(process("ls", project=project)), None))
    if arguments.demo:
        rows.append(
            (f"run, nothing to do, {arguments.demo.name}", seconds(process("run", project=arguments.demo)), 1.0)
        )
        rows.append((f"ls, {arguments.demo.name}", seconds(process("ls", project=arguments.demo)), None))
    for name, taken, target in rows:
        print(f"{name:45} {taken:8.3f} s" + (f"   target {target} s" if target else ""))


if __name__ == "__main__":
    main()
