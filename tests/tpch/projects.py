"""The three TPC-H projects of this folder: opened for the product, and read as plain SQL for everything that is
compared with it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deltalake import DeltaTable
from pyspark.sql import SparkSession

from lakehouse.run.workspace import Workspace
from tests.tpch.data import TABLES

HERE = Path(__file__).parent
QUERIES, KINDS, MEDALLION = HERE / "queries", HERE / "kinds", HERE / "medallion"

_SPEC = """\
name: {name}
database: {name}
warehouse: ${{tables}}
configuration: {{sources: sources, tables: warehouse}}
libraries: [{{glob: {{include: sources.yml}}}}, {{glob: {{include: views.sql}}}}]
"""
_VIEW = re.compile(
    r"CREATE MATERIALIZED VIEW (\S+) COMMENT '[^']*'"
    r"(?: REFRESH POLICY INCREMENTAL)?( TBLPROPERTIES \([^)]*\))? AS\n(.*);\n",
    re.DOTALL,
)
_READ = re.compile(r"\b(?:raw|silver|gold)\.\w+")


@dataclass(frozen=True, slots=True)
class View:
    """A materialized view: its qualified name, its query and its clause of table properties."""

    name: str
    sql: str
    properties: str = ""

    @property
    def reads(self) -> frozenset[str]:
        """The qualified names of the tables it reads."""
        return frozenset(_READ.findall(self.sql))

    @property
    def over_files(self) -> str:
        """The query over the names that `define_files` gives the sources."""
        return re.sub(r"\braw\.", "raw_", self.sql)


def variables(sources: Path, tables: Path, scale: float) -> Mapping[str, str]:
    """What the projects' `${…}` stand for: the folder of the eight tables, the warehouse, query 11's fraction."""
    fraction = f"{0.0001 / scale:.10f}".rstrip("0")
    return {"sources": str(sources), "tables": str(tables), "fraction": fraction}


def write_project(folder: Path, name: str, views: Iterable[View]) -> Path:
    """A project of just these views over the eight tables, to be opened by `open_project`; returns `folder`."""
    folder.mkdir(parents=True)
    (folder / "spark-pipeline.yml").write_text(_SPEC.format(name=name), encoding="utf-8")
    shutil.copy2(HERE / "sources.yml", folder)
    statements = (f"CREATE MATERIALIZED VIEW {view.name}{view.properties} AS\n{view.sql};\n" for view in views)
    (folder / "views.sql").write_text("\n".join(statements), encoding="utf-8")
    return folder


def open_project(project: Path, sources: Path, tables: Path, scale: float) -> Workspace:
    """A project of this folder or of `write_project`, with its warehouse in `tables`."""
    return Workspace(project, variables=variables(sources, tables, scale))


def read_views(project: Path, scale: float) -> tuple[View, ...]:
    """The views of a project, each after the views that it reads."""
    fraction = variables(Path(), Path(), scale)["fraction"]
    texts = [path.read_text(encoding="utf-8") for path in sorted(project.rglob("*.sql"))]
    matches = [_VIEW.fullmatch(text) for text in texts]
    assert all(matches), f"a file of {project} is not one plain CREATE MATERIALIZED VIEW"
    waiting = [
        View(name=found[1], properties=found[2] or "", sql=found[3].replace("${fraction}", fraction))
        for found in matches
        if found
    ]
    ordered: list[View] = []
    while waiting:
        unbuilt = {view.name for view in waiting}
        ready = [view for view in waiting if not view.reads & unbuilt]
        assert ready, f"the views of {project} read each other in a circle"
        ordered += ready
        waiting = [view for view in waiting if view not in ready]
    return tuple(ordered)


def define_sources(session: SparkSession, sources: Path) -> None:
    """Makes the eight tables known to a session of plain Spark as `raw.<table>`, always at their newest version."""
    session.sql("CREATE SCHEMA IF NOT EXISTS raw")
    for table in TABLES:
        session.sql(f"CREATE OR REPLACE VIEW raw.{table} AS SELECT * FROM delta.`{sources / table}`")


def define_files(session: SparkSession, sources: Path) -> None:
    """Makes the Parquet files of the eight tables' newest versions known to a session as `raw_<table>`.

    Cheaper than reading the tables as Delta, and another way: for tables without deletion vectors and partitions.
    """
    for table in TABLES:
        files = DeltaTable(str(sources / table)).file_uris()
        schema = session.read.parquet(files[0]).schema
        session.read.schema(schema).parquet(*files).createOrReplaceTempView(f"raw_{table}")
