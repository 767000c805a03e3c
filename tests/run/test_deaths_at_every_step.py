"""A process that dies before or after any of its effects, with real tables: readers see what they saw, or all of the
run; and the next run gives the same rows as if nothing had happened.

Effects are the commits of a view's state, of its rows set aside and of its rows, the publication and the records. Once
dead, a process does nothing more: what another thread of it was about to commit does not happen either.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from lakehouse.run.delta_warehouse import DeltaWarehouse
from lakehouse.storage.change_commit import StagedChange
from lakehouse.storage.staged_write import StagedWrite
from tests.run.judged_project import QUERIES, JudgedProject

pytestmark = pytest.mark.spark

EFFECTS: tuple[tuple[type[Any], str], ...] = (
    (StagedChange, "commit"),
    (StagedWrite, "commit"),
    (DeltaWarehouse, "publish"),
    (DeltaWarehouse, "record_run_started"),
    (DeltaWarehouse, "record_run_ended"),
)
NAMES = sorted(f"{side} {kind.__name__}.{name}" for side in ("before", "after") for kind, name in EFFECTS)
_COMMITTED = {f"after {kind.__name__}.commit" for kind in (StagedChange, StagedWrite)}
_RECORDED = "after DeltaWarehouse.record_run_ended"


class Died(Exception):
    """The process ended here."""


class Mortal:
    """Counts effects and ends the process at the one chosen: before it (an even number) or after it (an odd one), or
    the first time it comes to a place of that name."""

    def __init__(self, at: int | str | None) -> None:
        self.at = at
        self.places: list[str] = []
        self.is_dead = False
        self._lock = threading.RLock()

    def effect(self, whole: Callable[..., Any]) -> Callable[..., Any]:
        def around(*given: Any, **named: Any) -> Any:
            with self._lock:
                self._come(f"before {whole.__qualname__}")
                found = whole(*given, **named)
                self._come(f"after {whole.__qualname__}")
                return found

        return around

    def _come(self, place: str) -> None:
        if not self.is_dead:
            self.places.append(place)
            self.is_dead = self.at in (len(self.places) - 1, place)
        if self.is_dead:
            raise Died


def attempt(project: JudgedProject, monkeypatch: pytest.MonkeyPatch, at: int | str | None) -> Mortal:
    """One run that dies at a place, or counts the places."""
    mortal = Mortal(at)
    with monkeypatch.context() as patched:
        for kind, name in EFFECTS:
            patched.setattr(kind, name, mortal.effect(getattr(kind, name)))
        try:
            project.attempt()
        except Died:
            assert mortal.is_dead
    return mortal


@pytest.mark.parametrize(
    "places",
    [
        pytest.param((4, 11, 18), id="some"),
        pytest.param(tuple(NAMES), id="of every name", marks=pytest.mark.long),
        pytest.param(tuple(range(34)), id="all", marks=pytest.mark.long),
    ],
)
def test_the_next_run_gives_the_same_wherever_the_last_one_died(
    spark: SparkSession, tmp_path: Path, places: tuple[int | str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = 17
    print(f"seed {seed}")
    project = JudgedProject(tmp_path, seed)
    query = project.answers(spark)

    def readers_see() -> dict[str, Any]:
        return {name: (project.rows(name), project.aside(name)) for name in QUERIES}

    project.run()
    died: set[str] = set()
    modes: set[str] = set()
    lost: set[str] = set()
    waiting = list(places)
    for at in waiting:
        done = project.change() or project.change()
        before = readers_see()
        mortal = attempt(project, monkeypatch, at)
        if mortal.is_dead:
            died.add(mortal.places[-1])
        elif isinstance(at, str) and len(waiting) < 3 * len(places):
            waiting.append(at)  # what changed reached no reader, and nothing was published
        if "after DeltaWarehouse.publish" not in mortal.places:
            assert readers_see() == before, f"{done}; died {mortal.places[-1]}"
        outcome = project.run()
        modes.update(step.step.mode.value for step in outcome.steps)
        # Verdicts on rows that only the dead run saw died with it; the view's next refresh, or a check, judges them.
        if _RECORDED not in mortal.places and not _COMMITTED.isdisjoint(mortal.places):
            lost.update(QUERIES)
        lost -= {step.step.dataset.name for step in outcome.steps if step.judgements}
        differing = project.differences(query, unjudged=lost)
        assert not differing, "\n".join([done, f"died {mortal.places[-1]}", *differing])
    assert died
    assert modes >= {"aggregate", "keys"}
    if NAMES[0] in places:
        assert died == set(NAMES)
