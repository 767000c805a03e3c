"""The 22 queries of TPC-H as one project, through rounds of changed sources: every view holds what plain Spark computes
from the sources as they are, and is refreshed in the mode that `tests/tpch/modes.json` freezes.

Modes that change on purpose are frozen anew with `python -m tests.tpch.rounds`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from lakehouse.run.outcome import RunStatus
from lakehouse.storage.session import isolated_session
from tests.tpch.comparison import difference
from tests.tpch.data import copy_tables, prepare_tables
from tests.tpch.projects import QUERIES, define_files, open_project, read_views
from tests.tpch.rounds import ROUNDS, SCALE, frozen_modes, play

pytestmark = pytest.mark.spark


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The eight tables as generated; not to be changed."""
    return prepare_tables(SCALE, tmp_path_factory.mktemp("tpch"))


def play_and_check(spark: SparkSession, generated: Path, folder: Path, count: int) -> None:
    sources = copy_tables(generated, folder / "sources")
    workspace = open_project(QUERIES, sources, folder / "tables", SCALE)
    views = read_views(QUERIES, SCALE)
    plain = isolated_session(spark, {"spark.sql.session.timeZone": "UTC"})
    expected_modes = frozen_modes()
    assert sorted(view.name for view in views) == [f"tpch.{query}" for query in sorted(expected_modes)]
    for played in play(workspace, sources, ROUNDS[:count]):
        assert played.outcome.status is RunStatus.SUCCEEDED
        wrong = []
        define_files(plain, sources)
        for view in views:
            recomputed = plain.sql(view.over_files)
            table = DeltaTable(str(folder / "tables" / view.name.replace(".", "/"))).to_pyarrow_table()
            assert table.column_names == recomputed.columns
            rows = recomputed.collect()
            stored = zip(*(column.to_pylist() for column in table.columns), strict=True)
            if found := difference(stored, rows):
                wrong.append(f"{view.name}, refreshed by {played.modes[view.name.removeprefix('tpch.')]}: {found}")
        assert not wrong, f"after round {played.number} ({played.what})\n" + "\n".join(wrong)
        if not played.number:
            continue
        frozen = {query: modes[played.number - 1] for query, modes in expected_modes.items()}
        assert played.modes == frozen, f"round {played.number}; meant? then: python -m tests.tpch.rounds"


def test_views_equal_recomputation_after_a_round(spark: SparkSession, generated: Path, tmp_path: Path) -> None:
    play_and_check(spark, generated, tmp_path, count=1)


@pytest.mark.long
def test_views_equal_recomputation_through_all_rounds(spark: SparkSession, generated: Path, tmp_path: Path) -> None:
    play_and_check(spark, generated, tmp_path, count=len(ROUNDS))
