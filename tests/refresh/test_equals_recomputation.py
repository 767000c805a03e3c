"""Whatever is refreshed however: after every run each view's table is what its query gives, as a bag of rows.

Projects, queries and changes are random (`random_views`), the oracle is plain Spark over the sources. A failure shows
the seed, the whole case up to the run that went wrong, the rows that differ, and the command that replays it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from lakehouse.analysis import local_rows
from lakehouse.refresh import incremental
from lakehouse.storage import keyed_rows
from lakehouse.storage.change_engine import CommitNote, RowCounts
from lakehouse.storage.vector_merge import VectorMerge
from tests.refresh.random_frames import STEPS
from tests.refresh.random_views import VARIANTS, Case, generate_case
from tests.refresh.random_windows import OPERATORS
from tests.refresh.recomputation import Laboratory, difference

BATCH = 8  # cases that share one project: its refreshes run beside each other
SHORT, LONG = 40, 1000
Live = Callable[..., Laboratory]
VECTORS = {"spark.databricks.delta.properties.defaults.enableDeletionVectors": "true"}


@pytest.fixture(scope="module")
def statistics(request: pytest.FixtureRequest) -> Iterator[Counter[str]]:
    """How often every operator, kind of change and refresh mode occurred; printed when the module is done."""
    counted: Counter[str] = Counter()
    yield counted
    plugins = request.config.pluginmanager
    reporter, capture = plugins.get_plugin("terminalreporter"), plugins.get_plugin("capturemanager")
    assert reporter is not None
    assert capture is not None
    with capture.global_and_fixture_disabled():
        reporter.write_line("")
        for group in ("modes", "seconds", "operators"):
            found = {name.partition(" ")[2]: count for name, count in counted.items() if name.startswith(f"{group} ")}
            listed = ", ".join(f"{name} {found[name]}" for name in sorted(found, key=lambda name: -found[name]))
            reporter.write_line(f"{group}: {listed}")


@pytest.fixture
def live(spark: SparkSession, tmp_path: Path, statistics: Counter[str]) -> Live:
    """Runs cases through all their rounds; fails with every view that differs from recomputation."""

    def run(cases: Sequence[Case], settings: Mapping[str, str] | None = None) -> Laboratory:
        laboratory = Laboratory(spark, tmp_path, cases, settings)
        found = laboratory.live()
        for case in cases:
            statistics.update({f"operators {name}": count for name, count in case.operators.items()})
        statistics.update({f"modes {mode}": count for mode, count in laboratory.modes.items()})
        for phase, seconds in laboratory.seconds.items():
            statistics[f"seconds {phase}"] += round(seconds)
        assert not found, "\n\n".join(map(str, found))
        return laboratory

    return run


@pytest.mark.spark
@pytest.mark.parametrize("first", range(0, SHORT, BATCH))
def test_every_table_equals_recomputation_after_every_run(live: Live, first: int) -> None:
    live([generate_case(seed) for seed in range(first, first + BATCH)])


@pytest.mark.spark
def test_it_is_the_same_where_no_rows_are_worked_on_in_the_driver(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_rows, "MOST_ROWS", 0)
    live([generate_case(seed) for seed in range(SHORT, SHORT + BATCH)])


@pytest.mark.spark
def test_it_is_the_same_where_all_tables_are_large(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incremental, "_FEW_ROWS", 0)
    monkeypatch.setattr(keyed_rows, "_LARGEST_READ", 0)
    live([generate_case(seed) for seed in range(SHORT + BATCH, SHORT + 2 * BATCH)])


@pytest.mark.spark
def test_it_is_the_same_where_neither_tables_nor_changes_are_small(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incremental, "_FEW_ROWS", 0)
    monkeypatch.setattr(keyed_rows, "_LARGEST_READ", 0)
    monkeypatch.setattr(local_rows, "MOST_ROWS", 0)
    live([generate_case(seed) for seed in range(SHORT + 2 * BATCH, SHORT + 3 * BATCH)])


@pytest.mark.spark
@pytest.mark.parametrize(
    "first",
    [
        SHORT + 3 * BATCH,
        *(pytest.param(seed, marks=pytest.mark.long) for seed in range(SHORT + 4 * BATCH, SHORT + 20 * BATCH, BATCH)),
    ],
)
def test_it_is_the_same_where_tables_have_deletion_vectors(
    live: Live, monkeypatch: pytest.MonkeyPatch, first: int
) -> None:
    monkeypatch.setattr(incremental, "_FEW_ROWS", 0)
    monkeypatch.setattr(keyed_rows, "_LARGEST_READ", 0)
    applied, apply = Counter[str](), VectorMerge.apply

    def counted(self: VectorMerge, note: CommitNote) -> RowCounts:
        applied[note.application] += 1
        return apply(self, note)

    monkeypatch.setattr(VectorMerge, "apply", counted)
    live([generate_case(seed) for seed in range(first, first + BATCH)], VECTORS)
    assert applied


@pytest.mark.spark
@pytest.mark.long
@pytest.mark.parametrize("first", range(SHORT, LONG, BATCH))
def test_every_table_equals_recomputation_over_many_seeds(live: Live, first: int) -> None:
    live([generate_case(seed) for seed in range(first, first + BATCH)])


@pytest.mark.spark
@pytest.mark.long
@pytest.mark.parametrize(
    "first", [2000, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(2004, 2100, len(VARIANTS)))]
)
def test_the_same_changes_made_in_another_way_lead_to_the_same_tables(live: Live, first: int) -> None:
    pairs = [
        (generate_case(seed), generate_case(seed, variant))
        for seed, variant in zip(range(first, first + len(VARIANTS)), VARIANTS, strict=True)
    ]
    laboratory = live([case for pair in pairs for case in pair])
    for plain, varied in pairs:
        one, other = laboratory.contents(plain), laboratory.contents(varied)
        for view, table in one.items():
            assert not difference(other[view], table), f"view {view} of {varied.describe()}"


def test_every_operator_and_change_occurs_often() -> None:
    used: Counter[str] = Counter()
    for seed in range(LONG):
        used.update(generate_case(seed).operators)
    wanted = {name for name in OPERATORS if name not in ("in_subquery", "semi_join", "grouping")}
    wanted |= {"in", "not_in", "in_under_or", "exists", "not_exists", "join_semi", "join_anti", "rollup", "cube", "udf"}
    wanted |= {"grouping_sets", "correlated_scalar_subquery", "frame_top_k", "select_star", "temporary_view"}
    wanted |= {f"frame_{step.__name__}" for step in STEPS}
    changes = ("insert", "update", "delete", "merge", "overwrite", "reinsert", "optimize", "add_column")
    wanted |= {f"change_{name}" for name in (*changes, "by_spark", "none")}
    assert {name: used[name] for name in wanted if used[name] < 5} == {}


def test_a_seed_always_means_the_same_case() -> None:
    assert generate_case(17).describe() == generate_case(17).describe()
    assert generate_case(17) != generate_case(18)


@pytest.mark.parametrize("variant", ["split", "joined", "reordered"])
def test_variants_make_the_same_commits_of_every_table_in_the_same_order(variant: str) -> None:
    for seed in range(50):
        made = [
            [str(commit).replace(f"t{seed}{variant[0]}_", f"t{seed}_") for changes in case.rounds for commit in changes]
            for case in (generate_case(seed), generate_case(seed, variant))
        ]
        for table in (f"t{seed}_{number}" for number in (1, 2, 3)):
            one, other = ([text for text in texts if f" {table} " in text] for texts in made)
            assert one == other


@pytest.mark.parametrize(
    ("actual", "expected", "equal"),
    [
        ([1, None, 1], [1, 1, None], True),
        ([1, 1, 2], [1, 2, 2], False),
        ([1], [1, 1], False),
        ([0], [None], False),
        ([], [None], False),
        ([0.1 + 0.2, math.nan, -0.0], [math.nan, 0.0, 0.3], True),
        ([1.0], [1.00001], False),
        ([math.nan], [None], False),
        ([math.inf], [-math.inf], False),
        ([["a", None]], [["a", None]], True),
        ([["a", "b"]], [["b", "a"]], False),
        ([1.0 + 1e-12, 1.0], [1.0, 1.0, 1.0], False),
    ],
)
def test_bags_are_compared_with_their_duplicates(actual: list[object], expected: list[object], equal: bool) -> None:
    kind = next((pa.array([value]).type for value in [*actual, *expected] if value is not None), pa.int64())
    one, other = (pa.table({"c": pa.array(values, kind)}) for values in (actual, expected))
    assert (difference(one, other) == "") is equal
    assert (difference(other, one) == "") is equal


def test_columns_are_compared_by_name_and_order() -> None:
    table = pa.table({"a": [1], "b": [2]})
    assert difference(table.select(["b", "a"]), table)
    assert difference(table.rename_columns(["a", "c"]), table)
    assert not difference(table, table)
