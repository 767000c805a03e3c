"""A project whose views are judged, changed at random, and an oracle in plain Python that says what must come of it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession

from lakehouse.names import TableName, quarantine_name
from lakehouse.run.outcome import RunOutcome
from lakehouse.run.pipeline import run_pipeline
from lakehouse.run.request import RunRequest
from lakehouse.run.workspace import Workspace
from tests.run.random_rules import Row, judge, random_rules

SPEC = """\
name: judged
database: lab
libraries: [{glob: {include: tables/**}}]
configuration: {spark.sql.shuffle.partitions: '1', spark.sql.adaptive.enabled: 'false'}
"""
# Every way of being maintained, and one that has none; each returns k (BIGINT), n (BIGINT) and t (STRING).
QUERIES = {
    "rows": "SELECT k, n, t FROM raw.a WHERE k IS NOT NULL",
    "joined": "SELECT a.k, a.n + b.n AS n, b.t FROM raw.a AS a JOIN raw.b AS b ON a.k = b.k",
    "outer_joined": "SELECT a.k, b.n, a.t FROM raw.a AS a LEFT JOIN raw.b AS b ON a.k = b.k AND b.n > 2",
    "sums": "SELECT k, sum(n) AS n, max(t) AS t FROM raw.a GROUP BY k",
    "ranks": "SELECT k, n, t FROM "
    "(SELECT *, row_number() OVER (PARTITION BY k ORDER BY n, t) AS r FROM raw.a) WHERE r < 3",
    "differing": "SELECT DISTINCT k, n, t FROM raw.a",
    "first": "SELECT k, sum(n) AS n, min(t) AS t FROM raw.a GROUP BY k ORDER BY n DESC NULLS LAST, k LIMIT 3",
    "counted": "SELECT (SELECT count(*) FROM raw.b) AS k, n, t FROM raw.a",
}


class JudgedProject:
    """The project in a folder, with two sources that change."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root = root
        self._rng = random.Random(seed)
        (root / "tables").mkdir()
        (root / "spark-pipeline.yml").write_text(SPEC, encoding="utf-8")
        self.rules = {name: random_rules(self._rng) for name in QUERIES}
        self._declare()
        others = [f"external_table: raw.{name}\nlocation: outside/{name}\n" for name in "ab"]
        (root / "tables/raw.yml").write_text("---\n".join(others), encoding="utf-8")
        for name in "ab":
            self._insert(name, 30)

    def change(self) -> str:
        """Some rows of both sources inserted, updated and deleted, now and then other rules for a view; says what was
        done."""
        done = []
        if self._rng.random() < 0.5:
            name = self._rng.choice([*QUERIES])
            self.rules[name] = random_rules(self._rng)
            self._declare()
            done.append(f"rules of {name}")
        for name in "ab":
            if self._rng.random() < 0.75:
                kind = self._rng.choice(("insert", "delete", "update", "all"))
                if kind in ("delete", "all"):
                    self._table(name).delete(f"k = {self._rng.randrange(8)}")
                if kind in ("update", "all"):
                    value = self._rng.choice(("n + 7", "n - 9", "NULL"))
                    self._table(name).update(updates={"n": value}, predicate=f"k = {self._rng.randrange(8)}")
                if kind in ("insert", "all"):
                    self._insert(name, self._rng.randrange(1, 5))
                done.append(f"{kind} {name}")
        return ", ".join(done)

    def run(self, **request: Any) -> RunOutcome:
        """One run, as a start of the command."""
        outcome = self.attempt(**request)
        for step in outcome.steps:
            if step.error is not None:
                raise step.error
        return outcome

    def attempt(self, **request: Any) -> RunOutcome:
        """One run that may fail."""
        return run_pipeline(Workspace(self.root), RunRequest(**request), lambda event: None)

    def rows(self, name: str) -> Counter[Row]:
        """What readers see of a view."""
        table = self._published()[TableName("lab", name)]
        return Counter(_rows(DeltaTable(self._place("lab", name), version=table.version), ("k", "n", "t")))

    def aside(self, name: str) -> Counter[tuple[Row, tuple[str, ...]]]:
        """What readers see of the rows set aside."""
        record = self._published()[TableName("lab", name)].record
        if record.quarantine < 0:
            return Counter()
        place = quarantine_name(TableName("lab", name))
        table = DeltaTable(self._place(place.schema, place.name), version=record.quarantine)
        found = _rows(table, ("k", "n", "t", "_failed_expectations"))
        return Counter(((k, n, t), tuple(reasons)) for k, n, t, reasons in found)

    def failed(self, name: str) -> dict[str, tuple[int, int]]:
        """The last verdicts on today's rules: by rule, the records that failed, and all that were looked at."""
        rows = Workspace(self.root).warehouse.expectations.rows()
        mine = sorted((row for row in rows if row["dataset"] == f"lab.{name}"), key=lambda row: row["judged_at"])
        found = {row["name"]: (row["failed_records"], row["element_count"]) for row in mine}
        assert all(row["passed_records"] + row["failed_records"] == row["element_count"] for row in mine)
        return {rule.name: found[rule.name] for rule in self.rules[name]}

    def dropped(self, name: str) -> int:
        """How many rows were dropped."""
        return self._published()[TableName("lab", name)].record.counts["dropped"]

    def answers(self, spark: SparkSession) -> Callable[[str], list[Row]]:
        """What a query gives by plain Spark, in a session of its own, over the sources as they are when it is asked."""
        plain = spark.newSession()

        def query(text: str) -> list[Row]:
            for name in "ab":
                plain.createDataFrame(self._table(name).to_pyarrow_table()).createOrReplaceTempView(name)
            found = plain.sql(text.replace("raw.", "")).toArrow()
            return list(zip(*[found.column(name).to_pylist() for name in ("k", "n", "t")], strict=True))

        return query

    def differences(self, query: Callable[[str], list[Row]], unjudged: Collection[str] = ()) -> list[str]:
        """Where tables, quarantine or counts are not those of the queries' rows; `query` runs a SQL text. Of the views
        `unjudged` no verdict on the rows that they have now was kept."""
        found = []
        for name, text in QUERIES.items():
            wanted = judge(query(text), self.rules[name])
            pairs: list[tuple[str, Any, Any]] = [
                ("table", self.rows(name), wanted.kept),
                ("quarantine", self.aside(name), wanted.aside),
                ("dropped", self.dropped(name), wanted.dropped),
            ]
            if name not in unjudged:
                pairs.append(("failed, of", self.failed(name), wanted.failed))
            rules = "; ".join(rule.text.strip() for rule in self.rules[name])
            found += [
                f"{name}: {what} {one}, expected {other} by {rules}" for what, one, other in pairs if one != other
            ]
        return found

    def _declare(self) -> None:
        views = [
            f'materialized_view: lab.{name}\nrefresh_policy: incremental\nquery: "{query}"\nexpectations:\n'
            + "\n".join(rule.text for rule in self.rules[name])
            + "\n"
            for name, query in QUERIES.items()
        ]
        (self.root / "tables/views.yml").write_text("---\n".join(views), encoding="utf-8")

    def _published(self) -> Mapping[TableName, Any]:
        publication = Workspace(self.root).warehouse.latest_publication()
        assert publication is not None
        return publication.tables

    def _place(self, schema: str, name: str) -> str:
        return str(self.root / "warehouse" / schema / name)

    def _table(self, name: str) -> DeltaTable:
        return DeltaTable(str(self.root / "outside" / name))

    def _insert(self, name: str, count: int) -> None:
        rng = self._rng
        rows = {
            "k": pa.array([rng.choice((None, *range(8))) for _ in range(count)], pa.int64()),
            "n": pa.array([rng.choice((None, *range(15))) for _ in range(count)], pa.int64()),
            "t": pa.array([rng.choice((None, "x", "y", "z", "bad")) for _ in range(count)], pa.string()),
        }
        configuration = {"delta.enableChangeDataFeed": "true"}
        write_deltalake(str(self.root / "outside" / name), pa.table(rows), mode="append", configuration=configuration)


def _rows(table: DeltaTable, columns: tuple[str, ...]) -> list[tuple[Any, ...]]:
    found = table.to_pyarrow_table(columns=list(columns))
    return list(zip(*[found.column(name).to_pylist() for name in columns], strict=True))
