"""Thousands of seeded schedules: crashes at every effect, runs that meet, readers, failing datasets, new files."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from lakehouse.errors import ExpectationFailed, RunInProgress
from lakehouse.names import TableName
from lakehouse.plan.refresh_plan import RefreshMode
from lakehouse.run.execution import run_cycle
from lakehouse.run.outcome import RunOutcome, RunStatus
from lakehouse.run.ports import Ports
from tests.run.simulation import Killed, Rows, Schedule, SimulatedWarehouse, World

SEEDS = range(2000)


def make_world(seed: int) -> World:
    chance = random.Random(seed)
    bronze = [TableName("bronze", f"b{index}") for index in range(chance.randint(1, 2))]
    views = [TableName("gold", f"g{index}") for index in range(chance.randint(1, 4))]
    reads: dict[TableName, tuple[TableName, ...]] = dict.fromkeys(bronze, ())
    for view in views:
        reads[view] = tuple(chance.sample(list(reads), chance.randint(1, min(2, len(reads)))))
    files: dict[TableName, dict[str, Rows]] = {name: {} for name in bronze}
    world = World(definitions={name: f"query of {name}" for name in reads}, reads=reads, files=files)
    for name in bronze:
        deliver(world, name, chance)
    return world


def deliver(world: World, name: TableName, chance: random.Random) -> None:
    path = f"file-{len(world.files[name])}"
    world.files[name][path] = tuple((chance.choice("abc"), chance.randint(0, 3)) for _ in range(chance.randint(0, 3)))


def run_once(world: World, schedule: Schedule, actor: int) -> RunOutcome:
    warehouse = SimulatedWarehouse(world, schedule, actor)
    ports = Ports(
        clock=warehouse,
        compute=warehouse,
        warehouse=warehouse,
        emit=lambda event: None,
        stopped=lambda: None,
        inline=True,
    )
    run = f"run-{schedule.random.randint(0, 10**9)}"
    return run_cycle(warehouse.survey, frozenset(world.definitions), run, ports)


def check_publications(world: World) -> None:
    """Every publication is whole: each view equals its query over the versions that the same publication names."""
    for publication in world.publications:
        for name, table in publication.tables.items():
            if name in world.files:
                continue
            inputs = {read: publication.tables[read].version for read in world.reads[name]}
            assert {str(read): version for read, version in inputs.items()} == dict(table.record.reads)
            recomputed = world.query(
                name, table.record.fingerprint, {read: world.rows_of(read, inputs[read]) for read in inputs}
            )
            assert world.rows_of(name, table.version) == recomputed


def check_final(world: World) -> None:
    """After an undisturbed run: every file exactly once, every view equal to recomputation, and nothing left to do."""
    calm = Schedule(0, kill_rate=0.0)
    world.failing.clear()
    last: list[RunOutcome] = []
    for _ in range(2):
        calm.play([lambda actor: last.append(run_once(world, calm, actor))])
    assert [outcome.status for outcome in last] == [RunStatus.SUCCEEDED] * 2
    assert all(step.step.mode is RefreshMode.SKIP for step in last[1].steps)
    published = world.publications[-1].tables
    for name, files in world.files.items():
        delivered = Counter(row for rows in files.values() for row in rows)
        assert Counter(world.rows_of(name, published[name].version)) == delivered
    check_publications(world)
    for name in world.definitions:
        if name not in world.files:
            assert published[name].record.fingerprint == world.definitions[name]


def play(seed: int) -> World:
    """One schedule: two schedulers that start runs, a supplier, a reader."""
    world = make_world(seed)
    interrupted: list[BaseException] = []
    schedule = Schedule(seed, kill_rate=0.03)

    def runner(actor: int) -> None:
        for _ in range(4):
            try:
                run_once(world, schedule, actor)
            except (RunInProgress, Killed) as end:
                interrupted.append(end)  # its scheduler starts it again
            schedule.effect(actor, may_die=False)

    def supplier(actor: int) -> None:
        for _ in range(4):
            for _ in range(schedule.random.randint(0, 15)):
                schedule.effect(actor, may_die=False)
            name = schedule.random.choice(list(world.definitions))
            match schedule.random.randint(0, 3):
                case 0 if name not in world.files:
                    world.definitions[name] += "!"
                case 1:
                    world.failing = {name}
                case 2:
                    world.failing = set()
                case _:
                    deliver(world, schedule.random.choice(list(world.files)), schedule.random)

    def reader(actor: int) -> None:
        for _ in range(3):
            schedule.effect(actor, may_die=False)
            if not world.publications:
                continue
            seen = world.publications[-1]
            first = {name: world.rows_of(name, table.version) for name, table in seen.tables.items()}
            for _ in range(10):
                schedule.effect(actor, may_die=False)
            assert first == {name: world.rows_of(name, table.version) for name, table in seen.tables.items()}

    schedule.play([runner, runner, supplier, reader])
    assert all(end.holder.startswith("run-") for end in interrupted if isinstance(end, RunInProgress))
    return world


@pytest.mark.parametrize("block", range(20))
def test_every_schedule_converges(block: int) -> None:
    for seed in SEEDS[block * 100 : block * 100 + 100]:
        print(f"seed {seed}")  # shown by pytest when the schedule fails
        world = play(seed)
        check_publications(world)
        check_final(world)


def test_schedules_exercise_what_they_claim() -> None:
    worlds = [play(seed) for seed in range(60)]
    statuses = Counter(outcome.status for world in worlds for outcome in world.outcomes)
    assert statuses[RunStatus.SUCCEEDED] > 20
    assert statuses[RunStatus.FAILED] > 5
    assert any(entry.status.value == "abandoned" for world in worlds for entry in world.ledger)
    errors = [step.error for world in worlds for outcome in world.outcomes for step in outcome.steps]
    assert sum(isinstance(error, ExpectationFailed) for error in errors) > 5
