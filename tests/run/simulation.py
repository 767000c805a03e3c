"""A warehouse in memory, actors that take turns, and crashes: the run's core without Spark, files or clock.

Every effect of a run is a point where its actor may be killed and where another actor may go on. Who goes on and
who dies is drawn from a seed, so that a schedule that fails can be replayed.
"""

from __future__ import annotations

import contextlib
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone

from lakehouse.definition.dataset import (
    FileSource,
    Flow,
    MaterializedView,
    SqlQuery,
    StoredDataset,
    StreamingTable,
)
from lakehouse.errors import ExpectationFailed, RefreshError, RunInProgress, SourceLocation
from lakehouse.graph.dataflow import DataflowGraph, build_graph
from lakehouse.names import TableName
from lakehouse.plan.load_plan import FileStatus, LedgerEntry, SourceFile, plan_load
from lakehouse.plan.records import Publication, RefreshRecord, TableFacts
from lakehouse.plan.refresh_plan import Identity, PlanFacts, RefreshPlan, RefreshStep, plan_refresh
from lakehouse.quality.column_profile import TableProfile
from lakehouse.quality.judgement import Judgement
from lakehouse.run.outcome import BadFile, RowsChanged, RunOutcome, StepOutcome, Verification

HERE = SourceLocation("simulation.yml", 1)
Rows = tuple[tuple[str, int], ...]


class Killed(BaseException):
    """The process is gone: nothing of it runs any more, not even its `except` clauses."""


@dataclass(frozen=True)
class Version:
    rows: Rows
    record: RefreshRecord


@dataclass
class World:
    """Everything durable. Plain state; only actors change it, one at a time."""

    definitions: dict[TableName, str]
    reads: dict[TableName, tuple[TableName, ...]]
    tables: dict[TableName, list[Version]] = field(default_factory=dict)
    files: dict[TableName, dict[str, Rows]] = field(default_factory=dict)
    ledger: list[LedgerEntry] = field(default_factory=list)
    publications: list[Publication] = field(default_factory=list)
    failing: set[TableName] = field(default_factory=set)
    holder: str | None = None
    outcomes: list[RunOutcome] = field(default_factory=list)
    instant: datetime = datetime(2026, 1, 1, tzinfo=timezone.utc)

    def datasets(self) -> dict[TableName, StoredDataset]:
        """The declared datasets."""
        source = FileSource(files="*", format="csv", location=HERE)
        found: dict[TableName, StoredDataset] = {}
        for name in self.definitions:
            if name in self.files:
                found[name] = StreamingTable(
                    name=name, location=HERE, flows=(Flow(name=name.name, source=source, location=HERE),)
                )
            else:
                found[name] = MaterializedView(
                    name=name, location=HERE, query=SqlQuery(text=self.definitions[name], location=HERE)
                )
        return found

    def graph(self) -> DataflowGraph:
        """What reads what."""
        return build_graph({name: self.reads[name] for name in self.definitions})

    def query(self, name: TableName, definition: str, inputs: Mapping[TableName, Rows]) -> Rows:
        """A materialized view's rows: a deterministic function of its definition and its inputs' rows."""
        bag = Counter(row for rows in inputs.values() for row in rows)
        factor = len(definition)
        return tuple(sorted((key, value * factor + count) for (key, value), count in bag.items()))

    def rows_of(self, name: TableName, version: int) -> Rows:
        """A table's rows at a version."""
        return self.tables[name][version].rows


class Schedule:
    """Lets one actor run at a time; at every effect the seed decides who goes on and whether the actor is killed."""

    def __init__(self, seed: int, *, kill_rate: float) -> None:
        self.random = random.Random(seed)
        self._kill_rate = kill_rate
        self._turn = threading.Condition()
        self._current: int | None = None
        self._alive: list[int] = []

    def effect(self, actor: int, *, may_die: bool = True) -> None:
        """A point between two effects of `actor`."""
        if may_die and self.random.random() < self._kill_rate:
            raise Killed
        with self._turn:
            self._pass_turn()
            self._turn.wait_for(lambda: self._current == actor)

    def play(self, bodies: list[Callable[[int], None]]) -> None:
        """Runs every body as an actor, to the end of all of them. Re-raises what an actor raised, except Killed."""
        failures: list[BaseException] = []
        self._alive = list(range(len(bodies)))

        def act(actor: int, body: Callable[[int], None]) -> None:
            with self._turn:
                self._turn.wait_for(lambda: self._current == actor)
            try:
                with contextlib.suppress(Killed):
                    body(actor)
            except BaseException as error:
                failures.append(error)
            with self._turn:
                self._alive.remove(actor)
                self._pass_turn()

        threads = [threading.Thread(target=act, args=(actor, body)) for actor, body in enumerate(bodies)]
        for thread in threads:
            thread.start()
        with self._turn:
            self._pass_turn()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]

    def _pass_turn(self) -> None:
        self._current = self.random.choice(self._alive) if self._alive else None
        self._turn.notify_all()


@dataclass
class SimulatedStaged:
    """Computed rows of one dataset that no one sees yet."""

    warehouse: SimulatedWarehouse
    step: RefreshStep
    record: RefreshRecord
    rows: Rows
    ledger: tuple[LedgerEntry, ...] = ()
    bad_files: tuple[BadFile, ...] = ()
    notices: tuple[str, ...] = ()
    is_unchanged: bool = False
    lacking: tuple[str, ...] = ()
    judgements: tuple[Judgement, ...] = ()
    refusal: ExpectationFailed | None = None
    profile: TableProfile | None = None
    rows_changed: RowsChanged = field(default_factory=RowsChanged)

    @property
    def rows_in(self) -> int:
        return len(self.rows)

    @property
    def rows_out(self) -> int:
        return len(self.rows)

    def commit(self) -> int:
        assert self.refusal is None, "what was refused is committed"
        self.warehouse.point()
        world = self.warehouse.world
        history = world.tables.setdefault(self.step.dataset, [])
        assert not history or history[-1].record.epoch < self.record.epoch, "an epoch was committed twice"
        history.append(Version(self.rows, self.record))
        self.warehouse.point()
        return len(history) - 1

    def discard(self) -> None:
        self.warehouse.point()

    def confirm_unchanged(self) -> None:
        self.warehouse.point()


@dataclass
class SimulatedWarehouse:
    """Implements the ports of a run for one actor of the schedule."""

    world: World
    schedule: Schedule
    actor: int

    def point(self) -> None:
        self.schedule.effect(self.actor)

    def now(self) -> datetime:
        self.world.instant += timedelta(seconds=1)
        return self.world.instant

    @contextlib.contextmanager
    def hold(self, run: str) -> Iterator[None]:
        self.point()
        if self.world.holder is not None:
            raise RunInProgress("held", holder=self.world.holder)
        self.world.holder = run
        try:
            self.point()
            yield
        finally:
            self.world.holder = None  # a dead process drops its lock, too

    def table_facts(self, name: TableName) -> TableFacts:
        self.point()
        history = self.world.tables.get(name, [])
        if not history:
            return TableFacts()
        return TableFacts(version=len(history) - 1, record=history[-1].record, record_version=len(history) - 1)

    def latest_publication(self) -> Publication | None:
        self.point()
        return self.world.publications[-1] if self.world.publications else None

    def publish(self, publication: Publication) -> None:
        self.point()
        assert publication.sequence == len(self.world.publications) + 1
        self.world.publications.append(publication)
        self.point()

    def pending_epochs(self) -> Mapping[TableName, int]:
        self.point()
        pending = {entry.dataset: entry.epoch for entry in self.world.ledger if entry.status is FileStatus.PENDING}
        return {TableName(*key.split(".")): epoch for key, epoch in pending.items()}

    def write_ledger(self, entries: tuple[LedgerEntry, ...]) -> None:
        self.point()
        self.world.ledger.extend(entries)
        self.point()

    def confirm_files(self, dataset: TableName, epoch: int) -> None:
        self._settle(dataset, epoch, FileStatus.LOADED)

    def abandon_files(self, dataset: TableName, epoch: int) -> None:
        self._settle(dataset, epoch, FileStatus.ABANDONED)

    def record_run_started(self, run: str, started_at: datetime) -> None:
        self.point()

    def record_run_ended(self, outcome: RunOutcome) -> None:
        self.point()
        self.world.outcomes.append(outcome)
        self.point()

    def stage(self, step: RefreshStep, reads: Mapping[TableName, int], run: str) -> SimulatedStaged:
        self.point()
        world, name = self.world, step.dataset
        refusal = None
        if name in world.failing:
            if self.schedule.random.random() < 0.5:
                raise RefreshError(f"{name} is broken")
            refusal = ExpectationFailed(f"{name} does not meet 'it'", expectations=("it",))
        definition = world.definitions[name]
        record = RefreshRecord(
            project="simulated",
            dataset=str(name),
            run=run,
            epoch=step.epoch,
            mode=step.mode.value,
            fingerprint=definition,
            layout="",
            settings="",
            reads={str(read): version for read, version in reads.items()},
        )
        if step.load is not None:
            return replace(self._stage_load(step, record, run), refusal=refusal)
        rows = world.query(name, definition, {read: world.rows_of(read, version) for read, version in reads.items()})
        before = world.tables.get(name)
        unchanged = before is not None and before[-1].rows == rows
        return SimulatedStaged(self, step, record, rows, is_unchanged=unchanged, refusal=refusal)

    def verify(self, outcome: StepOutcome, at_most: int | None, run: str) -> Verification:
        self.point()
        world, name, record = self.world, outcome.step.dataset, outcome.record
        assert record is not None
        reads = {TableName(*read.split(".")): version for read, version in record.reads.items()}
        expected = Counter(
            world.query(name, record.fingerprint, {read: world.rows_of(read, at) for read, at in reads.items()})
        )
        found = Counter(world.rows_of(name, outcome.version))
        return Verification(
            dataset=name,
            version=outcome.version,
            rows=found.total(),
            compared=found.total(),
            missing=(expected - found).total(),
            surplus=(found - expected).total(),
        )

    def cancel(self) -> None:
        """Nothing runs in the background here."""

    def _stage_load(self, step: RefreshStep, record: RefreshRecord, run: str) -> SimulatedStaged:
        assert step.load is not None
        world, name = self.world, step.dataset
        before = world.tables[name][-1].rows if name in world.tables and not step.load.full else ()
        new = [row for file in step.load.load for row in world.files[name][file.path]]
        entries = tuple(
            LedgerEntry(
                dataset=str(name),
                flow=file.flow,
                path=file.path,
                size=file.size,
                modified_at=file.modified_at,
                content_hash=None,
                epoch=step.epoch,
                run=run,
                status=FileStatus.PENDING,
            )
            for file in step.load.load
        )
        return SimulatedStaged(self, step, record, tuple(sorted([*before, *new])), ledger=entries)

    def _settle(self, dataset: TableName, epoch: int, status: FileStatus) -> None:
        self.point()
        self.world.ledger = [
            replace(entry, status=status)
            if (entry.dataset, entry.epoch, entry.status) == (str(dataset), epoch, FileStatus.PENDING)
            else entry
            for entry in self.world.ledger
        ]
        self.point()

    def survey(self) -> RefreshPlan:
        """The plan from what is there now."""
        world = self.world
        datasets, graph = world.datasets(), world.graph()
        loads = {}
        for name, files in world.files.items():
            listed = [
                SourceFile(flow=name.name, path=path, uri=path, size=len(rows), modified_at=1)
                for path, rows in sorted(files.items())
            ]
            entries = [entry for entry in world.ledger if entry.dataset == str(name)]
            table = datasets[name]
            assert isinstance(table, StreamingTable)
            loads[name] = plan_load(table, listed, entries, full=False)
        publication = self.latest_publication()
        facts = PlanFacts(
            tables={name: self.table_facts(name) for name in datasets},
            identities={name: Identity(query=world.definitions[name], layout="", settings="") for name in datasets},
            published=publication.tables if publication else {},
            loads=loads,
        )
        return plan_refresh(datasets, graph, frozenset(datasets), facts)
