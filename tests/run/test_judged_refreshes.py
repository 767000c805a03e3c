"""Expectations at write time: in every way a view is refreshed, its table, the rows set aside and the counts are those
of a recomputation."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from lakehouse.run.spark_staged import SparkStaged
from tests.run.judged_project import QUERIES, JudgedProject

pytestmark = pytest.mark.spark


class Died(Exception):
    """The process ended here."""


def die_between_gate_and_commit(patched: pytest.MonkeyPatch, *, after_quarantine: bool) -> None:
    """Ends every commit before or after what is kept beside the table."""
    whole = SparkStaged._commit_beside

    def commit_beside(staged: SparkStaged) -> None:
        if after_quarantine:
            whole(staged)
        raise Died

    patched.setattr(SparkStaged, "_commit_beside", commit_beside)


@pytest.mark.parametrize("seed", [1, 2, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(3, 11))])
def test_tables_quarantines_and_counts_equal_recomputation(
    spark: SparkSession, tmp_path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    print(f"seed {seed}")
    project = JudgedProject(tmp_path, seed)
    query = project.answers(spark)

    modes = set()
    done = []
    for number in range(3):
        if number:
            readers_see = {name: (project.rows(name), project.aside(name)) for name in QUERIES}
            with monkeypatch.context() as patched:
                die_between_gate_and_commit(patched, after_quarantine=seed % 2 == number % 2)
                project.attempt()
            assert {name: (project.rows(name), project.aside(name)) for name in QUERIES} == readers_see
        outcome = project.run()
        modes.update(step.step.mode.value for step in outcome.steps)
        differing = project.differences(query)
        assert not differing, "\n".join([*done, *differing])
        done.append(project.change())
    assert modes >= {"full", "aggregate", "keys"}
