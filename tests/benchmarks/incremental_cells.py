"""The measurements of `incremental.py`: what is timed, in which order, and that all sides hold the same rows."""

from __future__ import annotations

import shutil
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from deltalake import DeltaTable
from pyspark.sql import SparkSession

from lakehouse.run.outcome import RunOutcome, StepOutcome
from lakehouse.run.pipeline import run_pipeline
from lakehouse.run.request import RunRequest
from lakehouse.run.workspace import Workspace
from tests.benchmarks.incremental_peers import OverwritePipeline, SdpPipeline, digest_table
from tests.benchmarks.machine import bytes_read
from tests.tpch.changes import Round, RowCounts, apply_round
from tests.tpch.data import TABLES
from tests.tpch.projects import View, open_project, write_project

WARM_UP = 0.001  # the fraction of an uncounted round before the first
WRONG = 1.2  # a choice is wrong if the other way would have been faster by more than this factor


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a benchmark works. `session` is plain Spark that knows the sources as `raw.<table>`."""

    session: SparkSession
    sources: Path
    folder: Path
    scale: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One view after one change: a refresh as the product chooses it, beside a full one of the same rows.

    `changed` are the source rows that changed in the tables that the view reads; `auto_figures` and `full_figures`
    everything that the two outcomes count; `auto_bytes` and `full_bytes` what was read (`machine.bytes_read`).
    """

    view: str
    fraction: float
    mode: str
    status: str
    changed: int
    auto_seconds: float
    full_seconds: float
    auto_figures: Mapping[str, float]
    full_figures: Mapping[str, float]
    auto_bytes: int
    full_bytes: int

    @property
    def ratio(self) -> float | None:
        """How many times as fast as a full refresh; None for a skipped step, which takes no time."""
        return self.full_seconds / self.auto_seconds if self.auto_seconds else None

    @property
    def is_wrong(self) -> bool:
        """Whether another mode than `full` was chosen, and a full refresh is clearly faster."""
        return self.mode not in ("full", "skip") and self.auto_seconds > WRONG * self.full_seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphCell:
    """A whole graph after one change; `sdp_seconds` includes the start of its process. None where no peer ran."""

    fraction: float
    changed: int
    modes: Mapping[str, int]
    auto_seconds: float
    full_seconds: float
    overwrite_seconds: float | None
    sdp_seconds: float | None
    rows_written: int
    auto_bytes: int
    full_bytes: int
    steps: Mapping[str, Mapping[str, float | str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Leg:
    """One run, and the bytes that it read."""

    outcome: RunOutcome
    bytes_read: int


def refresh(workspace: Workspace, request: RunRequest) -> RunOutcome:
    """A run that must succeed: raises what a refresh failed with."""
    outcome = run_pipeline(workspace, request, lambda event: None)
    for step in outcome.steps:
        if step.error is not None:
            raise step.error
    return outcome


def figures(step: StepOutcome) -> dict[str, float]:
    """Everything that an outcome counts, under its own names; what is counted in groups as `group.name`."""
    found: dict[str, float] = {}
    for name, value in _fields(step).items():
        if _is_number(value):
            found[name] = value
        elif is_dataclass(value) and all(_is_number(part) for part in _fields(value).values()):
            found |= {f"{name}.{part}": number for part, number in _fields(value).items()}
    return found


def _fields(value: Any) -> dict[str, Any]:
    return {found.name: getattr(value, found.name) for found in fields(value)}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class Twins:
    """A project over one set of sources in two warehouses: one refreshed as the product chooses, the other in full.

    Both are the product's own `run` in the same Spark; a full refresh of the same warehouse would find the rows
    there already and commit nothing. Where both do the same, they must take about the same time: if `full` beside
    `full` is far from 1, the measurement is wrong.
    """

    def __init__(self, project: Path, place: Place, name: str) -> None:
        self._place = place
        self._folder = place.folder / name
        self.auto = open_project(project, place.sources, self._folder / "auto", place.scale)
        self.full = open_project(project, place.sources, self._folder / "full", place.scale)
        for _ in range(2):  # a second time: what the first refreshes took says little of a warm session
            refresh(self.auto, RunRequest(full_refresh_all=True))
        refresh(self.full, RunRequest(full_refresh_all=True))

    def time(self, auto: RunRequest, full: RunRequest, *, turn: int) -> tuple[Leg, Leg]:
        """One run each; the full one goes first if `turn` is odd."""
        legs = [(self.auto, auto), (self.full, full)]
        done: dict[int, Leg] = {}
        for index in (1, 0) if turn % 2 else (0, 1):
            collect_garbage(self._place.session)
            before = bytes_read(self._place.session)
            outcome = refresh(*legs[index])
            done[index] = Leg(outcome, bytes_read(self._place.session) - before)
        return done[0], done[1]

    def table(self, side: str, name: str) -> Path:
        """Where a view's table lies; `side` is `auto` or `full`."""
        return self._folder / side / name.replace(".", "/")

    def check(self, names: Iterable[str]) -> None:
        """Exits unless both sides hold the same rows."""
        for name in names:
            require_equal(self._place.session, name, self.table("auto", name), self.table("full", name))

    def drop_old_files(self, names: Iterable[str]) -> None:
        """Frees what the full side no longer needs: every refresh leaves a copy of each table behind."""
        for name in names:
            drop_old_files(self.table("full", name))


def measure_views(place: Place, views: tuple[View, ...], rounds: tuple[Round, ...]) -> list[Cell]:
    """Every view after every round; a round of its own goes before, uncounted."""
    project = write_project(place.folder / "views_project", "views", views)
    twins = Twins(project, place, "views")
    names = [view.name for view in views]
    cells: list[Cell] = []
    for number, what in enumerate((Round(seed=0, fraction=WARM_UP), *rounds)):
        counts = _change(place, what)
        for position, view in enumerate(views):
            requests = RunRequest(refresh=(view.name,)), RunRequest(full_refresh=(view.name,))
            auto, full = twins.time(*requests, turn=number + position)
            cell = _cell(view, what.fraction, counts, auto, full)
            report_progress(
                f"{what.fraction:<7g} {view.name}: {cell.mode} {cell.auto_seconds:.2f} s, "
                f"full {cell.full_seconds:.2f} s"
            )
            if number:
                cells.append(cell)
        twins.check(names)
        twins.drop_old_files(names)
    return cells


def measure_graph(
    place: Place,
    views: tuple[View, ...],
    project: Path,
    rounds: tuple[Round, ...],
    by_hand: OverwritePipeline | None,
    sdp: SdpPipeline | None,
) -> list[GraphCell]:
    """The whole graph after every round, beside its peers; a round of its own goes before, uncounted."""
    twins = Twins(project, place, "graph")
    names = [view.name for view in views]
    cells: list[GraphCell] = []
    for number, what in enumerate((Round(seed=0, fraction=WARM_UP), *rounds)):
        counts = _change(place, what)
        auto, full = twins.time(RunRequest(), RunRequest(full_refresh_all=True), turn=number)
        collect_garbage(place.session)
        overwrite_seconds = by_hand.run() if by_hand is not None else None
        twins.check(names)
        for name in names if by_hand is not None else ():
            require_equal(place.session, name, twins.table("full", name), by_hand.table(name))
            drop_old_files(by_hand.table(name))
        twins.drop_old_files(names)
        sdp_seconds = None
        if number and sdp is not None:
            folder = place.folder / "sdp"
            sdp_seconds = sdp.run(folder)
            for name in names:
                require_equal(place.session, name, twins.table("full", name), sdp.table(folder, name))
            shutil.rmtree(folder)
        steps = auto.outcome.steps
        cell = GraphCell(
            fraction=what.fraction,
            changed=sum(count.total for count in counts.values()),
            modes=dict(Counter(step.step.mode.value for step in steps)),  # asdict counts a Counter's items
            auto_seconds=_wall(auto.outcome),
            full_seconds=_wall(full.outcome),
            overwrite_seconds=overwrite_seconds,
            sdp_seconds=sdp_seconds,
            rows_written=sum(step.rows_out for step in steps),
            auto_bytes=auto.bytes_read,
            full_bytes=full.bytes_read,
            steps={
                str(step.step.dataset): {"mode": step.step.mode.value, "seconds": step.seconds, **figures(step)}
                for step in steps
            },
        )
        report_progress(f"{what.fraction:<7g} graph: {cell.auto_seconds:.2f} s, full {cell.full_seconds:.2f} s")
        if number:
            cells.append(cell)
    return cells


def measure_unchanged(place: Place, views: tuple[View, ...], name: str) -> float:
    """The median seconds of a whole run with nothing to do, over a project of these views."""
    project = write_project(place.folder / f"{name}_project", name, views)
    workspace = open_project(project, place.sources, place.folder / name, place.scale)
    refresh(workspace, RunRequest())

    def run() -> None:
        outcome = refresh(workspace, RunRequest())
        assert {step.step.mode.value for step in outcome.steps} == {"skip"}

    return median_seconds(run)


def chained_views(count: int) -> tuple[View, ...]:
    """Small views in layers of ten: the first over the sources, the others each over one of the layer before."""
    views = []
    for index in range(count):
        if index < 10:
            table, key = ("customer", "c_nationkey") if index % 2 else ("supplier", "s_nationkey")
            sql = f"SELECT {key} AS k, count(*) + {index} AS n FROM raw.{table} GROUP BY {key}"
        else:
            sql = f"SELECT k AS k, sum(n) AS n FROM unchanged.v{index - 10} GROUP BY k"
        views.append(View(f"unchanged.v{index}", sql))
    return tuple(views)


def median_seconds(work: Callable[[], None], rounds: int = 5) -> float:
    """The median wall time of a call, after one that is not counted."""
    work()
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def require_equal(session: SparkSession, name: str, left: Path, right: Path) -> None:
    """Exits unless two Delta tables hold the same rows: a side that computes something else is no peer."""
    ours, theirs = digest_table(session, left), digest_table(session, right)
    if ours != theirs:
        sys.exit(f"{name}: {left} has {ours[0]} rows, {right} {theirs[0]}, and they are not the same")


def drop_old_files(table: Path) -> None:
    """Deletes the data files that no current row is in.

    Not by VACUUM, which commits: the side that is cleaned up must not differ from the other by commits of ours.
    """
    current = {Path(unquote(urlparse(uri).path)).name for uri in DeltaTable(str(table)).file_uris()}
    for path in table.rglob("*.parquet"):
        if "_delta_log" not in path.parts and path.name not in current:
            path.unlink()
            path.with_name(f".{path.name}.crc").unlink(missing_ok=True)


def collect_garbage(session: SparkSession) -> None:
    """So that no leg pays for the one before."""
    assert session._jvm is not None
    session._jvm.System.gc()


def report_progress(text: str) -> None:
    """A line on standard error; standard output is for the tables."""
    print(text, file=sys.stderr, flush=True)


def _change(place: Place, what: Round) -> Mapping[str, RowCounts]:
    started = time.perf_counter()
    counts = apply_round(place.sources, what)
    for table in TABLES:  # Delta reads new commits once a JVM: neither side is to pay for both
        place.session.table(f"raw.{table}").count()
    total = sum(count.total for count in counts.values())
    report_progress(f"{what.fraction:<7g} changed {total:,} rows in {time.perf_counter() - started:.1f} s")
    return counts


def _cell(view: View, fraction: float, counts: Mapping[str, RowCounts], auto: Leg, full: Leg) -> Cell:
    (chosen,), (whole,) = auto.outcome.steps, full.outcome.steps
    return Cell(
        view=view.name,
        fraction=fraction,
        mode=chosen.step.mode.value,
        status=chosen.status.value,
        changed=sum(counts[table].total for table in counts if f"raw.{table}" in view.reads),
        auto_seconds=chosen.seconds,
        full_seconds=whole.seconds,
        auto_figures=figures(chosen),
        full_figures=figures(whole),
        auto_bytes=auto.bytes_read,
        full_bytes=full.bytes_read,
    )


def _wall(outcome: RunOutcome) -> float:
    return (outcome.ended_at - outcome.started_at).total_seconds()
