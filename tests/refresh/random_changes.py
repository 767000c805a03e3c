"""Random scripts of changes to source tables: commits as values, which say what they do and by which engine."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tests.refresh.random_expressions import predicate
from tests.refresh.random_tables import Column, Row, Source, literal, random_row, random_value

SPARK_SHARE = 0.12  # commits by Spark take seconds, by deltalake milliseconds
ADDED = Column("added", "int")


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One commit to a source table. What `action` needs is set: `rows` for insert and merge, `condition` for delete
    and update, `assignments` (column, SQL value) for update; overwrite and reinsert draw from `seed` and the rows
    that they find. `columns` are the table's when the commit is made."""

    table: str
    action: str
    columns: tuple[Column, ...]
    by_spark: bool
    rows: tuple[Row, ...] = ()
    condition: str = ""
    assignments: tuple[tuple[str, str], ...] = ()
    seed: int = 0

    @property
    def columns_after(self) -> tuple[Column, ...]:
        """The table's columns once the commit is made."""
        return (*self.columns, ADDED) if self.action == "add_column" else self.columns

    def __str__(self) -> str:
        engine = "spark" if self.by_spark else "deltalake"
        parts = [f"{self.action} {self.table} [{engine}]"]
        parts += [f"where {self.condition}"] if self.condition else []
        parts += (
            [f"set {', '.join(f'{name} = {value}' for name, value in self.assignments)}"] if self.assignments else []
        )
        parts += [f"seed {self.seed}"] if self.action in ("overwrite", "reinsert") else []
        parts += ["(" + ", ".join(literal(value) for value in row.values()) + ")" for row in self.rows]
        return " ".join(parts)


@dataclass(slots=True)
class _Writer:
    """What a script has to know of a table as it goes along."""

    source: Source
    columns: tuple[Column, ...]
    next_id: int
    marks: int = 0


class ChangeScript:
    """Draws commits for some tables; keeps `id` unique where the table promises it."""

    def __init__(self, rng: random.Random, sources: Sequence[Source]) -> None:
        self._rng = rng
        self._tables = [
            _Writer(source, source.columns, max((row["id"] for row in source.rows), default=0) + 1)
            for source in sources
        ]

    def round(self) -> tuple[Commit, ...]:
        """The commits between two runs: mostly one to four, sometimes none."""
        if self._rng.random() < 0.08:
            return ()
        commits: list[Commit] = []
        tables = self._rng.sample(self._tables, self._rng.randint(1, len(self._tables)))
        for _ in range(self._rng.choice((1, 1, 2, 2, 3, 4))):
            commits += self._change(self._rng.choice(tables))
        return tuple(commits)

    def _change(self, table: _Writer) -> Iterator[Commit]:
        actions = {
            "insert": 30, "update": 15, "delete": 12, "merge": 15, "overwrite": 5, "reinsert": 6,
            "insert_then_delete": 6, "optimize": 5, "add_column": 3, "change_key": 8, "touch": 4,
        }  # fmt: skip
        action = self._rng.choices(list(actions), list(actions.values()))[0]
        by_spark = self._rng.random() < SPARK_SHARE
        commit = Commit(
            table=table.source.name, action=action, columns=table.columns, by_spark=by_spark,
            seed=self._rng.randint(0, 9999),
        )  # fmt: skip
        match action:
            case "insert":
                yield replace(commit, rows=self._rows(table, self._rng.choice((1, 1, 2, 3, 6))))
            case "update":
                yield replace(commit, condition=self._condition(table), assignments=self._assignments(table))
            case "change_key":
                keys = [column for column in table.columns if column.domain]
                column = self._rng.choice(keys)
                value = literal(None if self._rng.random() < 0.2 else random_value(self._rng, column))
                assignments = ((column.name, value), *self._assignments(table))
                yield replace(commit, action="update", condition=self._condition(table), assignments=assignments)
            case "touch":  # writes every row again, and changes none
                yield replace(commit, action="update", condition="id >= 0", assignments=(("s", "s"),))
            case "delete":
                yield replace(commit, condition=self._condition(table))
            case "merge":
                yield replace(commit, rows=self._merge_rows(table))
            case "insert_then_delete":
                yield from self.nothing(table.source.name)
            case "optimize":
                # deltalake is not trusted to compact files that Spark has marked rows of as deleted.
                yield replace(commit, by_spark=by_spark or table.source.deletion_vectors)
            case "add_column":
                if ADDED in table.columns:
                    yield replace(commit, action="insert", rows=self._rows(table, 1))
                else:
                    added = replace(commit, by_spark=False)
                    table.columns = added.columns_after
                    yield added
            case _:
                yield commit

    def nothing(self, name: str) -> tuple[Commit, Commit]:
        """An insert, and the delete of just these rows."""
        [table] = [table for table in self._tables if table.source.name == name]
        table.marks += 1
        mark = f"mark-{table.marks}"
        rows = tuple({**row, "s": mark} for row in self._rows(table, self._rng.randint(1, 3)))
        first, second = (self._rng.random() < SPARK_SHARE for _ in "ab")
        inserted = Commit(table=name, action="insert", columns=table.columns, by_spark=first, rows=rows)
        return inserted, replace(inserted, action="delete", by_spark=second, rows=(), condition=f"s = '{mark}'")

    def _rows(self, table: _Writer, count: int) -> tuple[Row, ...]:
        rows = []
        for _ in range(count):
            keyed = table.source.keyed
            rows.append(random_row(self._rng, table.columns, table.next_id if keyed else self._rng.randint(1, 9)))
            table.next_id += 1
        if not table.source.keyed and self._rng.random() < 0.3:
            rows.append(dict(rows[0]))
        return tuple(rows)

    def _merge_rows(self, table: _Writer) -> tuple[Row, ...]:
        """Rows of distinct ids: some may be there, some are new; those whose `s` is NULL are to be deleted."""
        known = range(1, table.next_id if table.source.keyed else 10)
        identifiers = self._rng.sample(known, min(len(known), self._rng.randint(1, 5)))
        new = self._rows(table, self._rng.randint(1, 2)) if table.source.keyed else ()
        return (*(random_row(self._rng, table.columns, identifier) for identifier in identifiers), *new)

    def _condition(self, table: _Writer) -> str:
        if self._rng.random() < 0.4:
            start = self._rng.randint(1, max(table.next_id, 9))
            return f"id BETWEEN {start} AND {start + self._rng.randint(0, 4)}"
        simple = [column for column in table.columns if column.kind in ("int", "string", "boolean", "date")]
        while True:
            found = predicate(self._rng, simple)
            if "<=>" not in found and "pmod" not in found:  # DataFusion has neither
                return found

    def _assignments(self, table: _Writer) -> tuple[tuple[str, str], ...]:
        values = [column for column in table.columns if column.name != "id" and not column.domain]
        chosen = self._rng.sample(values, self._rng.randint(1, min(2, len(values))))
        return tuple((column.name, self._assigned(column)) for column in chosen)

    def _assigned(self, column: Column) -> str:
        if column.kind == "int" and self._rng.random() < 0.4:
            return f"{column.name} + 1"
        return literal(None if self._rng.random() < 0.2 else random_value(self._rng, column))
