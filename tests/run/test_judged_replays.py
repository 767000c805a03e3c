"""Random loads, rules that change, and replays, some of which die: every row is in the table once, set aside with
today's reasons, or dropped, and what reads the table follows."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from lakehouse.names import TableName
from lakehouse.run.outcome import RunOutcome, StepOutcome
from lakehouse.run.pipeline import run_pipeline
from lakehouse.run.request import RunRequest
from lakehouse.run.workspace import Workspace
from tests.run.random_rules import TEXTS, RandomRule, Row, judge, random_rules
from tests.run.test_judged_refreshes import die_between_gate_and_commit

pytestmark = pytest.mark.spark

SPEC = "name: shop\ndatabase: lab\nlibraries: [{glob: {include: tables/**}}]\n"
TABLE = """\
streaming_table: lab.rows
source: {files: landing/*.csv, format: csv, options: {header: true}, schema: "k BIGINT, n BIGINT, t STRING"}
expectations:
"""
VIEW = """\
---
materialized_view: lab.sums
refresh_policy: incremental_strict
query: SELECT k, sum(n) AS n, count(*) AS rows FROM lab.rows GROUP BY k
"""


class Loads:
    """A table fed by files, its quarantine and a view of it; and what they must hold."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root, self._rng = root, random.Random(seed)
        (root / "tables").mkdir()
        (root / "landing").mkdir()
        (root / "spark-pipeline.yml").write_text(SPEC)
        self.rules: tuple[RandomRule, ...] = ()
        self.table: Counter[Row] = Counter()
        self.aside: Counter[tuple[Row, tuple[str, ...]]] = Counter()
        self.declare()

    def declare(self) -> None:
        """Other rules."""
        self.rules = random_rules(self._rng)
        text = TABLE + "".join(rule.text + "\n" for rule in self.rules) + VIEW
        (self.root / "tables/lab.yml").write_text(text)

    def deliver(self, name: str) -> None:
        """Some rows, judged when they are loaded."""
        rng = self._rng
        rows: list[Row] = [
            (rng.choice((None, *range(8))), rng.choice((None, *range(15))), rng.choice((None, *TEXTS)))
            for _ in range(rng.randrange(1, 25))
        ]
        lines = [",".join("" if value is None else str(value) for value in row) for row in rows]
        (self.root / "landing" / f"{name}.csv").write_text("\n".join(["k,n,t", *lines]) + "\n")
        self._expect(rows, self.aside)

    def judge_anew(self) -> None:
        """What a replay must do."""
        waiting, self.aside = self.aside, Counter()
        self._expect([row for row, _ in waiting.elements()], self.aside)

    def run(self, **request: Any) -> RunOutcome:
        return run_pipeline(Workspace(self.root), RunRequest(**request), lambda event: None)

    def check(self) -> None:
        """That readers see what must be."""
        publication = Workspace(self.root).warehouse.latest_publication()
        assert publication is not None
        published = publication.tables
        rows = published[TableName("lab", "rows")]
        assert Counter(self._read("lab/rows", rows.version, "k", "n", "t")) == self.table
        if rows.record.quarantine >= 0:
            found = self._read("quarantine/lab_rows", rows.record.quarantine, "k", "n", "t", "_failed_expectations")
            assert Counter(((k, n, t), tuple(reasons)) for k, n, t, reasons in found) == self.aside
        else:
            assert not self.aside
        sums: dict[int | None, tuple[int | None, int]] = {}
        for (k, n, _), times in self.table.items():
            total, count = sums.get(k, (None, 0))
            sums[k] = (total if n is None else (total or 0) + n * times, count + times)
        view = published[TableName("lab", "sums")]
        assert {k: (n, rows) for k, n, rows in self._read("lab/sums", view.version, "k", "n", "rows")} == sums

    def _expect(self, rows: list[Row], aside: Counter[tuple[Row, tuple[str, ...]]]) -> None:
        judged = judge(rows, self.rules)
        self.table += judged.kept
        aside += judged.aside

    def _read(self, place: str, version: int, *columns: str) -> list[tuple[Any, ...]]:
        table = DeltaTable(str(self.root / "warehouse" / place), version=version)
        found = table.to_pyarrow_table(columns=list(columns))
        return list(zip(*[found.column(name).to_pylist() for name in columns], strict=True))


def step(outcome: RunOutcome, name: str) -> StepOutcome:
    [found] = [found for found in outcome.steps if str(found.step.dataset) == name]
    if found.error is not None:
        raise found.error
    return found


# Seeds by which there is something to admit: under the rules of 1 and 5 no row that was set aside ever passes.
@pytest.mark.parametrize("seed", [2, *(pytest.param(seed, marks=pytest.mark.long) for seed in (3, 4, 6, 7))])
def test_each_row_is_admitted_once(
    spark: SparkSession, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    print(f"seed {seed}")
    loads = Loads(tmp_path, seed)
    replayed = 0
    for number in range(3):
        loads.deliver(f"f{number}")
        step(loads.run(), "lab.rows")
        loads.check()
        loads.declare()
        with monkeypatch.context() as patched:
            die_between_gate_and_commit(patched, after_quarantine=number % 2 == 0)
            loads.run(replay=("lab.rows",))
        loads.check()  # as before
        loads.judge_anew()
        again = step(loads.run(replay=("lab.rows",)), "lab.rows")
        loads.check()
        replayed += again.rows_out
        second = step(loads.run(replay=("lab.rows",)), "lab.rows")
        assert second.rows_out == 0
        loads.check()
    assert replayed > 0
