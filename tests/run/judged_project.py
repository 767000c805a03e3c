"""A project whose views are judged, changed at random, and an oracle in plain Python that says what must come of it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from lakehouse.names import TableName, quarantine_name
from lakehouse.run.outcome import RunOutcome
from lakehouse.run.pipeline import run_pipeline
from lakehouse.run.request import RunRequest
from lakehouse.run.workspace import Workspace

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
RULES = """\
expectations:
  - {name: even, expect: n % 2 = 0}
  - {name: known, expect_column_values_to_not_be_null: {column: k, mostly: 0.5}}
  - {name: named, expect: "t <> 'x'", on_violation: ACTION}
  - {name: small, expect_column_values_to_be_between: {column: n, max_value: 12}, on_violation: quarantine}
  - {name: listed, expect_column_values_to_be_in_set: {column: t, value_set: [x, y, z]}, on_violation: quarantine}
"""
Row = tuple[int | None, int | None, str | None]


@dataclass(frozen=True, slots=True)
class Judged:
    """What must be: rows of the table, rows set aside with their reasons, violations by rule, rows dropped."""

    kept: Counter[Row]
    aside: Counter[tuple[Row, tuple[str, ...]]]
    failed: Mapping[str, int]
    dropped: int


def judge(rows: list[Row], action: str) -> Judged:
    """The rules of `RULES` in plain Python."""
    kept: Counter[Row] = Counter()
    aside: Counter[tuple[Row, tuple[str, ...]]] = Counter()
    failed: Counter[str] = Counter()
    dropped = 0
    for row in rows:
        k, n, t = row
        violated = {
            "even": n is None or n % 2 != 0,
            "known": k is None,
            "named": t is None or t == "x",
            "small": n is not None and n > 12,
            "listed": t is not None and t not in ("x", "y", "z"),
        }
        failed.update({name: 1 for name, bad in violated.items() if bad})
        quarantining = ("named", "small", "listed") if action == "quarantine" else ("small", "listed")
        reasons = tuple(name for name in quarantining if violated[name])
        if reasons:
            aside[(row, reasons)] += 1
        elif action == "drop" and violated["named"]:
            dropped += 1
        else:
            kept[row] += 1
    return Judged(kept, aside, failed, dropped)


class JudgedProject:
    """The project in a folder, with two sources that change."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root = root
        self._rng = random.Random(seed)
        (root / "tables").mkdir()
        (root / "spark-pipeline.yml").write_text(SPEC, encoding="utf-8")
        views = [
            f'materialized_view: lab.{name}_{action}\nrefresh_policy: incremental\nquery: "{query}"\n'
            + RULES.replace("ACTION", action)
            for name, query in QUERIES.items()
            for action in self.actions
        ]
        (root / "tables/views.yml").write_text("---\n".join(views), encoding="utf-8")
        others = [f"external_table: raw.{name}\nlocation: outside/{name}\n" for name in "ab"]
        (root / "tables/raw.yml").write_text("---\n".join(others), encoding="utf-8")
        for name in "ab":
            self._insert(name, 30)

    actions = ("drop", "quarantine")

    def change(self) -> str:
        """Some rows of both sources inserted, updated and deleted; says what was done."""
        done = []
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
        outcome = run_pipeline(Workspace(self.root), RunRequest(**request), lambda event: None)
        for step in outcome.steps:
            if step.error is not None:
                raise step.error
        return outcome

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
        """The last verdicts: by rule, the records that failed and those that passed."""
        rows = Workspace(self.root).warehouse.expectations.rows()
        mine = sorted((row for row in rows if row["dataset"] == f"lab.{name}"), key=lambda row: row["judged_at"])
        return {row["name"]: (row["failed_records"], row["passed_records"]) for row in mine}

    def dropped(self, name: str) -> int:
        """How many rows were dropped."""
        return self._published()[TableName("lab", name)].record.counts["dropped"]

    def differences(self, query: Callable[[str], list[Row]]) -> list[str]:
        """Where tables, quarantine or counts are not those of the queries' rows; `query` runs a SQL text."""
        found = []
        for name, text in QUERIES.items():
            rows = query(text)
            for action in self.actions:
                view, wanted = f"{name}_{action}", judge(rows, action)
                failed = self.failed(view)
                actual = {rule: failed[rule][0] for rule in failed}
                expected = {rule: wanted.failed.get(rule, 0) for rule in failed}
                pairs = [
                    ("table", self.rows(view), wanted.kept),
                    ("quarantine", self.aside(view), wanted.aside),
                    ("failed", actual, expected),
                    ("dropped", self.dropped(view), wanted.dropped),
                    ("judged", {sum(counts) for counts in failed.values()}, {len(rows)}),
                ]
                found += [f"{view}: {what} {one}, expected {other}" for what, one, other in pairs if one != other]
        return found

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
