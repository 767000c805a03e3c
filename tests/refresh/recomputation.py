"""The oracle of the refresh tests: every query computed again by plain Spark over the sources as they are now, and
the project's tables held against that, as bags of rows."""

from __future__ import annotations

import math
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, QueryBuilder
from pyspark.sql import DataFrame, SparkSession, Window
from pyspark.sql import functions as F

from lakehouse.run.outcome import RunOutcome
from lakehouse.run.pipeline import run_pipeline
from lakehouse.run.request import RunRequest
from lakehouse.run.workspace import Workspace
from tests.refresh.random_views import Case, View
from tests.refresh.source_commits import SourceCommits, create_source, read_source

TOLERANCE = 1e-9
SHOWN_ROWS = 8
# Small data: what compiles, adapts or parallelises costs more here than it gives.
SETTINGS = {
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}
# Queries that Spark 4.1 itself refuses to optimise: its check of RemoveRedundantAliases fails for UNION ALL of casts to
# the type that a column has. Without the check it computes them.
REFUSED_BY_SPARK = frozenset({209, 848, 959, 2086})
_UNCHECKED = {"spark.sql.lightweightPlanChangeValidation": "false"}
_PYTHON_HEAD = (
    "from lakehouse import pipelines as dp\nfrom pyspark.sql import Window\nfrom pyspark.sql import functions as F\n\n"
)
Rows = Counter[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Difference:
    """A view's table is not what its query gives."""

    case: Case
    rounds: int
    view: str
    mode: str
    text: str

    def __str__(self) -> str:
        command = f"python -m tests.refresh.random_views {self.case.label}"
        return (
            f"{self.view} differs from its query after run {self.rounds + 1} ({self.mode}).\n{self.text}\n"
            f"{self.case.describe(self.rounds)}\nreplay: {command}"
        )


def difference(actual: pa.Table, expected: pa.Table) -> str:
    """How two tables differ as bags of rows, in words; empty if they do not. NULL equals NULL, NaN equals NaN, and
    floating-point numbers may be apart by a billionth."""
    if actual.column_names != expected.column_names:
        return f"columns {actual.column_names}, expected {expected.column_names}"
    there, wanted = _bag(actual), _bag(expected)
    extra, missing = list((there - wanted).elements()), list((wanted - there).elements())
    for row in list(extra):
        near = next((other for other in missing if _close(row, other)), None)
        if near is not None:
            extra.remove(row)
            missing.remove(near)
    lines = [f"{len(extra)} rows too many, {len(missing)} missing; columns {', '.join(actual.column_names)}"]
    lines += [f"  too many {row}" for row in extra[:SHOWN_ROWS]]
    lines += [f"  missing  {row}" for row in missing[:SHOWN_ROWS]]
    return "\n".join(lines) if extra or missing else ""


def _bag(table: pa.Table) -> Rows:
    columns = [column.to_pylist() for column in table.columns]
    if not columns:
        return Counter({(): table.num_rows})
    return Counter(tuple(map(_plain, row)) for row in zip(*columns, strict=True))


def _plain(value: Any) -> Any:
    """The value such that equal ones are equal and have one hash: a NaN by name, lists as tuples."""
    if isinstance(value, list):
        return tuple(map(_plain, value))
    return "NaN" if isinstance(value, float) and math.isnan(value) else value


def _close(left: tuple[Any, ...], right: tuple[Any, ...]) -> bool:
    return all(
        a == b
        or (isinstance(a, float) and isinstance(b, float) and math.isclose(a, b, rel_tol=TOLERANCE, abs_tol=TOLERANCE))
        for a, b in zip(left, right, strict=True)
    )


def _settings(cases: Sequence[Case]) -> Mapping[str, str]:
    return SETTINGS | (_UNCHECKED if any(case.seed in REFUSED_BY_SPARK for case in cases) else {})


def _plain_session(spark: SparkSession, settings: Mapping[str, str]) -> SparkSession:
    session = spark.newSession()
    for name, value in {**settings, "spark.sql.session.timeZone": "UTC"}.items():
        session.conf.set(name, value)
    return session


class Recomputation:
    """Queries of a case over its source tables, by plain Spark: no code of the product computes here."""

    def __init__(self, spark: SparkSession, sources: Path, settings: Mapping[str, str] = SETTINGS) -> None:
        self._spark = _plain_session(spark, settings)
        self._sources = sources
        self._known: dict[str, tuple[dict[str, int], dict[str, pa.Table]]] = {}  # what was found, at which versions

    def tables(self, case: Case) -> dict[str, pa.Table]:
        """What every view of the case is now, temporary ones included."""
        versions = {source.name: DeltaTable(str(self._sources / source.name)).version() for source in case.sources}
        known, found = self._known.get(case.label, ({}, {}))
        if known == versions:
            return found
        for source in case.sources:
            if known.get(source.name) != versions[source.name]:
                self._register(source.name, read_source(self._spark, self._sources / source.name))
        found = {}
        for view in case.views:
            found[view.name] = self.frame(view).toArrow()
            self._register(view.name, found[view.name])
        self._known[case.label] = versions, found
        return found

    def frame(self, view: View) -> DataFrame:
        """The view's query over what is registered."""
        if view.language == "sql":
            return self._spark.sql(view.text)
        names: dict[str, Any] = {"spark": self._spark, "F": F, "Window": Window}
        exec(f"def query():\n{view.text}\n", names)
        frame = names["query"]()
        assert isinstance(frame, DataFrame)
        return frame

    def _register(self, name: str, table: pa.Table) -> None:
        if table.num_rows:  # PySpark leaves out what follows two chunks without rows
            table = pa.Table.from_batches([batch for batch in table.to_batches() if batch.num_rows])
        self._spark.createDataFrame(table).createOrReplaceTempView(name)


def _read(table: DeltaTable) -> pa.Table:
    if "deletionVectors" in (table.protocol().reader_features or ()):
        return pa.table(QueryBuilder().register("t", table).execute("SELECT * FROM t").read_all())
    return table.to_pyarrow_table()


class Laboratory:
    """Some cases in one project: its files, its sources, its runs with some `settings` more, and the comparison after
    every run."""

    def __init__(
        self, spark: SparkSession, root: Path, cases: Sequence[Case], settings: Mapping[str, str] | None = None
    ) -> None:
        self.modes: Counter[str] = Counter()
        self.seconds: dict[str, float] = defaultdict(float)
        self._root = root
        self._cases = cases
        self._sources = root / "outside"
        self._settings = {**_settings(cases), **(settings or {})}
        self._commits = SourceCommits(_plain_session(spark, self._settings), self._sources)
        self._oracle = Recomputation(spark, self._sources, self._settings)

    def live(self) -> list[Difference]:
        """Builds the project, runs it, and then changes and runs it for every round. What differs is not looked at
        again: one fault would be reported in every later round."""
        with self._timed("build"):
            self._write_project()
        found: list[Difference] = []
        for number in range(max(len(case.rounds) for case in self._cases) + 1):
            with self._timed("changes"):
                for case in self._cases:
                    for commit in case.rounds[number - 1] if 0 < number <= len(case.rounds) else ():
                        self._commits.apply(commit)
            with self._timed("run"):
                outcome = self._run()
            with self._timed("oracle"):
                for case in self._cases:
                    found += self._check(case, number, outcome)
            if found:
                break
        return found

    def contents(self, case: Case) -> Mapping[str, pa.Table]:
        """What readers see of the case's tables now, by the view's number in the case."""
        tables = self._published()
        return {str(position): tables[view.name] for position, view in enumerate(case.views) if not view.temporary}

    def _write_project(self) -> None:
        files = self._root / "tables"
        files.mkdir(parents=True)
        settings = "".join(f"  {name}: '{value}'\n" for name, value in self._settings.items())
        spec = f"name: random\ndatabase: lab\nlibraries: [{{glob: {{include: tables/**}}}}]\nconfiguration:\n{settings}"
        (self._root / "spark-pipeline.yml").write_text(spec, encoding="utf-8")
        for case in self._cases:
            label = case.label.replace(" ", "_")
            sql = [view.definition for view in case.views if view.language == "sql"]
            python = [view.definition for view in case.views if view.language == "python"]
            (files / f"case_{label}.sql").write_text("\n".join(sql), encoding="utf-8")
            (files / f"case_{label}.py").write_text(_PYTHON_HEAD + "\n\n".join(python), encoding="utf-8")
            external = [f"external_table: {source.name}\nlocation: outside/{source.name}\n" for source in case.sources]
            (files / f"case_{label}.yml").write_text("---\n".join(external), encoding="utf-8")
            for source in case.sources:
                create_source(source, self._sources / source.name)

    def _run(self) -> RunOutcome:
        # A workspace of its own every time, as every start of the command has.
        self._workspace = Workspace(self._root)
        outcome = run_pipeline(self._workspace, RunRequest(), lambda event: None)
        failed = [step for step in outcome.steps if step.error is not None]
        if failed:
            described = {view.name: case for case in self._cases for view in case.views}
            raise AssertionError(
                "\n".join(f"{step.step.dataset}: {step.error!r}" for step in failed)
                + f"\n{described[failed[0].step.dataset.name].describe()}"
            ) from failed[0].error
        self.modes.update(step.step.mode.value for step in outcome.steps)
        return outcome

    def _check(self, case: Case, number: int, outcome: RunOutcome) -> Iterator[Difference]:
        modes = {step.step.dataset.name: step.step.mode.value for step in outcome.steps}
        published = self._published()
        expected = self._oracle.tables(case)
        for view in case.views:
            if not view.temporary:
                text = difference(published[view.name], expected[view.name])
                if text:
                    yield Difference(case, number, view.name, modes[view.name], text)

    def _published(self) -> dict[str, pa.Table]:
        """What readers see: every table at its published version."""
        publication = self._workspace.warehouse.latest_publication()
        assert publication is not None
        return {
            name.name: _read(DeltaTable(self._workspace.warehouse.location(name), version=table.version))
            for name, table in publication.tables.items()
        }

    @contextmanager
    def _timed(self, what: str) -> Iterator[None]:
        start = time.monotonic()
        yield
        self.seconds[what] += time.monotonic() - start
