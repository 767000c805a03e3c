"""Random projects: source tables, views over them in up to three layers, and changes between runs, all from one seed.

python -m tests.refresh.random_views SEED [VARIANT]    replays one seed, showing all of it
python -m tests.refresh.random_views --show SEED       shows it without running it
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.refresh.random_changes import ChangeScript, Commit
from tests.refresh.random_frames import random_frame
from tests.refresh.random_relations import Draw, Relation
from tests.refresh.random_tables import Source, random_source
from tests.refresh.random_windows import random_query

# Other ways to make the same changes: they must lead to the same tables.
VARIANTS = ("split", "joined", "reordered", "nothing_added")
Round = tuple[Commit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A view: SQL text, or the body of a Python function. A temporary one has no table."""

    name: str
    text: str
    language: str
    temporary: bool
    columns: tuple[str, ...]

    @property
    def definition(self) -> str:
        """What stands in the project's file."""
        if self.language == "python":
            kind = "temporary_view" if self.temporary else "materialized_view"
            policy = "" if self.temporary else ", refresh_policy='incremental'"
            return f"@dp.{kind}(name={self.name!r}{policy})\ndef {self.name}():\n{self.text}\n"
        kind = "TEMPORARY VIEW" if self.temporary else "MATERIALIZED VIEW"
        # On tables as small as these a full refresh would often be the cheaper one.
        policy = "" if self.temporary else " REFRESH POLICY INCREMENTAL"
        return f"CREATE {kind} {self.name}{policy} AS\n  {self.text};\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Everything a seed stands for. `rounds` are the changes before each run but the first."""

    seed: int
    variant: str
    sources: tuple[Source, ...]
    views: tuple[View, ...]
    rounds: tuple[Round, ...]
    operators: Mapping[str, int]

    @property
    def label(self) -> str:
        """The seed, and the variant if it is one."""
        return f"{self.seed} {self.variant}".strip()

    def describe(self, rounds: int | None = None) -> str:
        """The case as text: tables, views and the first `rounds` of the changes."""
        lines = [f"seed {self.label}"]
        for source in self.sources:
            columns = ", ".join(f"{column.name} {column.kind}" for column in source.columns)
            lines.append(f"{source.name} ({columns}): {source.features()}")
        lines += [view.definition.rstrip() for view in self.views]
        for number, changes in enumerate(self.rounds[:rounds], 1):
            lines.append(f"round {number}:")
            lines += [f"  {commit}" for commit in changes] or ["  nothing"]
        return "\n".join(lines)


def generate_case(seed: int, variant: str = "") -> Case:
    """The case of a seed; a variant makes the same changes in another way, over tables of other names."""
    suffix = f"{seed}{variant[:1]}"
    rng = random.Random(f"tables/{seed}")
    sources = tuple(random_source(rng, f"t{suffix}_{number}") for number in range(1, rng.choice((2, 2, 3)) + 1))
    used: Counter[str] = Counter()
    views = tuple(_views(random.Random(f"views/{seed}"), sources, suffix, used))
    changes = random.Random(f"changes/{seed}")
    script = ChangeScript(changes, sources)
    rounds = tuple(script.round() for _ in range(changes.choice((2, 2, 3))))
    used.update(f"change_{commit.action}" for commits in rounds for commit in commits)
    used.update("change_by_spark" for commits in rounds for commit in commits if commit.by_spark)
    used.update("change_none" for commits in rounds if not commits)
    case = Case(seed=seed, variant=variant, sources=sources, views=views, rounds=rounds, operators=used)
    return _varied(case, random.Random(f"variant/{seed}"))


def _views(rng: random.Random, sources: Sequence[Source], suffix: str, used: Counter[str]) -> Iterator[View]:
    tables = [Relation(source.name, source.columns, len(source.rows)) for source in sources]
    first = list(tables)
    count = rng.choice((3, 4, 4))
    for number in range(1, count + 1):
        name = f"v{suffix}_{number}"
        # The first view of a layer reads sources; later ones read anything, so that chains and diamonds come about.
        draw = Draw(rng, first if number == 1 else tables, used)
        python = rng.random() < 0.25
        if python:
            text, relation = random_frame(draw)
        else:
            relation = random_query(draw)
            text = relation.text
        temporary = number < count and rng.random() < 0.08
        used["temporary_view" if temporary else "python_view" if python else "sql_view"] += 1
        yield View(
            name=name,
            text=text,
            language="python" if python else "sql",
            temporary=temporary,
            columns=tuple(column.name for column in relation.columns),
        )
        if any(column.decides for column in relation.columns):
            tables.append(replace(relation, text=name))


def _varied(case: Case, rng: random.Random) -> Case:
    match case.variant:
        case "":
            rounds = case.rounds
        case "split":
            rounds = tuple(
                part for commits in case.rounds for part in (commits[: len(commits) // 2], commits[len(commits) // 2 :])
            )
        case "joined":
            rounds = (tuple(commit for commits in case.rounds for commit in commits),)
        case "reordered":
            rounds = tuple(tuple(_reordered(commits, rng)) for commits in case.rounds)
        case "nothing_added":
            rounds = tuple(tuple(_with_nothing(case, number, rng)) for number in range(len(case.rounds)))
        case _:
            raise ValueError(f"no variant '{case.variant}': {', '.join(VARIANTS)}")
    return replace(case, rounds=rounds)


def _reordered(commits: Round, rng: random.Random) -> Iterator[Commit]:
    """The commits, those of one table in their order."""
    queues = {table: [commit for commit in commits if commit.table == table] for table in {c.table for c in commits}}
    order = [commit.table for commit in commits]
    rng.shuffle(order)
    for table in order:
        yield queues[table].pop(0)


def _with_nothing(case: Case, number: int, rng: random.Random) -> Iterator[Commit]:
    """The round's commits, and an insert and its delete at the end."""
    yield from case.rounds[number]
    table = rng.choice(case.sources)
    before = [commit for commits in case.rounds[: number + 1] for commit in commits if commit.table == table.name]
    columns = [column for commit in before for column in commit.columns_after]
    known = tuple(dict.fromkeys([*table.columns, *columns]))
    for commit in ChangeScript(rng, case.sources).nothing(table.name):
        yield replace(commit, columns=known)


def main(arguments: Sequence[str]) -> int:
    """Replays or shows a seed; the exit code is 1 if its tables are not what recomputation gives."""
    parser = argparse.ArgumentParser(prog="python -m tests.refresh.random_views", description=__doc__.splitlines()[0])
    parser.add_argument("seed", type=int)
    parser.add_argument("variant", nargs="?", default="", choices=("", *VARIANTS))
    parser.add_argument("--show", action="store_true", help="show the case without running it")
    options = parser.parse_args(arguments)
    case = generate_case(options.seed, options.variant)
    print(case.describe())
    if options.show:
        return 0
    from lakehouse.storage.session import open_session, stop_session
    from tests.refresh.recomputation import Laboratory

    spark = open_session({}, app_name=f"seed {case.label}", master="local[2]")
    try:
        with tempfile.TemporaryDirectory() as folder:
            laboratory = Laboratory(spark, Path(folder), [case])
            found = laboratory.live()
            print("\n\n".join(map(str, found)) or "equal to recomputation after every run")
            print("modes:", dict(laboratory.modes))
            return 1 if found else 0
    finally:
        stop_session()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
