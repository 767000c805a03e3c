"""What a graph of views is measured beside: a hand-written Spark pipeline, and Spark Declarative Pipelines."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from pyspark.sql import SparkSession

from tests.benchmarks.cold_run import PROFILE, run_sdp_project
from tests.tpch.data import TABLES
from tests.tpch.projects import View

Digest = tuple[int, int]

_SDP_SPEC = """\
name: medallion
storage: {storage}
configuration: {{spark.sql.shuffle.partitions: "{partitions}"}}
libraries: [{{glob: {{include: transformations/**}}}}]
"""
_SDP_SOURCES = """\
from pyspark import pipelines as dp
from pyspark.sql import DataFrame, SparkSession

for table in {tables!r}:

    @dp.temporary_view(name=f"raw_{{table}}")
    def source(table: str = table) -> DataFrame:
        return SparkSession.active().read.format("delta").load(f"{sources}/{{table}}")
"""


class OverwritePipeline:
    """The views as a script without a framework keeps them: each query's rows overwrite its Delta table."""

    def __init__(self, session: SparkSession, views: tuple[View, ...], folder: Path) -> None:
        """`session` must know the sources (`define_sources`); its catalog gets a view for every table."""
        self._session = session
        self._views = views
        self._folder = folder

    def run(self) -> float:
        """Overwrites every table, each after those it reads; wall seconds."""
        started = time.perf_counter()
        for view in self._views:
            path = self.table(view.name)
            frame = self._session.sql(view.sql)
            frame.write.format("delta").mode("overwrite").save(str(path))
            schema = view.name.partition(".")[0]
            self._session.sql(f"CREATE SCHEMA IF NOT EXISTS {schema}")
            self._session.sql(f"CREATE OR REPLACE VIEW {view.name} AS SELECT * FROM delta.`{path}`")
        return time.perf_counter() - started

    def table(self, name: str) -> Path:
        """Where a view's table lies."""
        return self._folder / name.replace(".", "/")


class SdpPipeline:
    """The views as a project of Spark Declarative Pipelines, run in a process and an empty warehouse of its own."""

    def __init__(self, python: Path, views: Iterable[View], sources: Path, settings: dict[str, str]) -> None:
        self._python = python.absolute()  # not resolved: the link is what makes it a virtual environment
        self._views = tuple(views)
        self._sources = sources
        self._settings = settings

    def run(self, folder: Path) -> float:
        """Wall seconds of one run, start of the process included; its tables are `table(folder, name)`."""
        (folder / "transformations").mkdir(parents=True)
        spec = _SDP_SPEC.format(
            storage=(folder / "storage").as_uri(), partitions=self._settings["spark.sql.shuffle.partitions"]
        )
        (folder / "spark-pipeline.yml").write_text(spec, encoding="utf-8")
        sources = _SDP_SOURCES.format(tables=TABLES, sources=self._sources)
        (folder / "transformations" / "sources.py").write_text(sources, encoding="utf-8")
        for view in self._views:
            text = f"CREATE MATERIALIZED VIEW {view.name} AS\n{view.sql};\n"
            # SDP makes no schemas: a table's schema becomes part of its name.
            for name in view.reads | {view.name}:
                text = text.replace(name, name.replace(".", "_"))
            (folder / "transformations" / f"{view.name}.sql").write_text(text, encoding="utf-8")
        settings = {**PROFILE, **self._settings}
        return run_sdp_project(folder, folder / "spark-warehouse", self._python, settings)

    @staticmethod
    def table(folder: Path, name: str) -> Path:
        """Where a view's table lies after `run(folder)`."""
        return folder / "spark-warehouse" / name.replace(".", "_")


def digest_table(session: SparkSession, table: Path) -> Digest:
    """Rows of a Delta table and the sum of their hashes: equal for equal bags of rows, at one pass over any size."""
    frame = session.read.format("delta").load(str(table))
    hashes = f"sum(CAST(xxhash64({', '.join(frame.columns)}) AS DECIMAL(38, 0)))"
    (found,) = frame.selectExpr("count(*) AS n", f"{hashes} AS h").collect()
    return int(found["n"]), int(found["h"] or 0)
