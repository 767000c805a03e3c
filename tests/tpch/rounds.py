"""Five rounds of changes over the 22 queries, and the refresh mode that each query took in each of them.

    python -m tests.tpch.rounds          # plays them and writes modes.json anew

`modes.json` freezes the modes, so that no query falls back to a dearer one unnoticed.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lakehouse.run.outcome import RunOutcome
from lakehouse.run.pipeline import run_pipeline
from lakehouse.run.request import RunRequest
from lakehouse.run.workspace import Workspace
from lakehouse.storage.session import open_session, stop_session
from tests.tpch.changes import Commits, Round, apply_round
from tests.tpch.data import copy_tables, prepare_tables
from tests.tpch.projects import HERE, QUERIES, open_project

SCALE = 0.01  # below, the generator gives a part the same supplier twice
MODES = HERE / "modes.json"

# Seeds and shares are chosen so that every query but 17, which selects nothing at this scale, gives other rows at least
# once; with small shares the queries that pick a handful of parts never would.
ROUNDS = (
    Round(seed=131, fraction=0.2, dimensions=0.2, commits=Commits.THREE),
    Round(seed=132, fraction=0.1, deletes=0, updates=0),
    Round(seed=133, fraction=0.2, inserts=0, deletes=0),
    Round(seed=134, fraction=0.1, inserts=0, updates=0),
    Round(seed=135, fraction=0.4, dimensions=0.4, commits=Commits.ONE),
)


@dataclass(frozen=True, slots=True)
class Played:
    """A round and the run that followed it; number 0 is the first run, before any change."""

    number: int
    what: Round | None
    outcome: RunOutcome

    @property
    def modes(self) -> Mapping[str, str]:
        """The refresh mode of every query."""
        return {step.step.dataset.name: step.step.mode.value for step in self.outcome.steps}


def play(workspace: Workspace, sources: Path, rounds: tuple[Round, ...] = ROUNDS) -> Iterator[Played]:
    """Builds every view, then changes the sources and runs, round by round (from 1)."""
    yield Played(0, None, _run(workspace))
    for number, what in enumerate(rounds, start=1):
        apply_round(sources, what)
        yield Played(number, what, _run(workspace))


def _run(workspace: Workspace) -> RunOutcome:
    outcome = run_pipeline(workspace, RunRequest(), lambda event: None)
    for step in outcome.steps:
        if step.error is not None:
            raise step.error
    return outcome


def frozen_modes() -> Mapping[str, tuple[str, ...]]:
    """By query, the mode of each round."""
    return {query: tuple(modes) for query, modes in json.loads(MODES.read_text(encoding="utf-8")).items()}


def freeze_modes(played: list[Played]) -> None:
    """Writes the modes of these rounds, one line a query."""
    lines = [
        f'  "{query}": {json.dumps([found.modes[query] for found in played])}' for query in sorted(played[0].modes)
    ]
    MODES.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def main() -> None:
    """Plays all rounds in a temporary folder and freezes what was seen."""
    with tempfile.TemporaryDirectory(prefix="tpch-rounds-") as folder:
        place = Path(folder)
        sources = copy_tables(prepare_tables(SCALE, place / "cache"), place / "sources")
        open_session({}, app_name="tpch-rounds", master="local[2]")
        try:
            freeze_modes(
                [
                    found
                    for found in play(open_project(QUERIES, sources, place / "tables", SCALE), sources)
                    if found.number
                ]
            )
        finally:
            stop_session()
    print(MODES.read_text(encoding="utf-8"), end="")


if __name__ == "__main__":
    main()
