"""What random queries are built from: relations with typed columns, and the draws that combine them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from tests.refresh.random_expressions import AGGREGATES, Expression, aggregate, case, predicate, scalar
from tests.refresh.random_tables import Column

TOO_MANY_ROWS = 600.0  # an estimate above which a relation is grouped before it is joined


@dataclass(frozen=True, slots=True)
class Relation:
    """A table, or a SELECT that stands for one; `rows` is a rough guess of its size."""

    text: str
    columns: tuple[Column, ...]
    rows: float = 25.0

    def as_source(self, alias: str) -> str:
        """How a FROM clause names it."""
        return f"{self.text} {alias}" if self.text.isidentifier() else f"({self.text}) {alias}"

    def of(self, alias: str) -> list[Column]:
        """Its columns as seen through an alias."""
        return [column.of(alias) for column in self.columns]

    @property
    def deciding(self) -> list[Column]:
        """The columns by which rows may be compared."""
        return [column for column in self.columns if column.decides]


@dataclass(slots=True)
class Draw:
    """One query being drawn: its random numbers, the tables it may read, and the operators used so far."""

    rng: random.Random
    tables: Sequence[Relation]
    used: Counter[str] = field(default_factory=Counter)
    inner: Callable[[Draw], Relation] | None = None  # draws an operator that may stand below another

    def leaf(self) -> Relation:
        """A table; the later it was defined, the likelier."""
        weights = [1 + position for position in range(len(self.tables))]
        return self.rng.choices(self.tables, weights)[0]

    def input(self, *, leaf_share: float = 0.6) -> Relation:
        """A table, or another operator over one."""
        if self.inner is None or self.rng.random() < leaf_share:
            return self.leaf()
        inner, self.inner = self.inner, None  # one level deep: layers come from views over views
        try:
            return inner(self)
        finally:
            self.inner = inner

    def small_input(self) -> Relation:
        """An input that may be joined: a large one is made distinct by two of its columns first."""
        found = self.input()
        if found.rows <= TOO_MANY_ROWS:
            return found
        kept = self.some(found.deciding, 2)
        names = ", ".join(column.name for column in kept)
        return Relation(f"SELECT DISTINCT {names} FROM {found.as_source('z')}", tuple(kept), 40.0)

    def some(self, columns: Sequence[Column], most: int, *, least: int = 1) -> list[Column]:
        """Between `least` and `most` of the columns (all, if there are fewer), in their order."""
        count = self.rng.randint(min(least, len(columns)), min(most, len(columns)))
        kept = set(self.rng.sample(range(len(columns)), count))
        return [column for position, column in enumerate(columns) if position in kept]

    def keys(self, columns: Sequence[Column], most: int = 2) -> list[Column]:
        """Columns to group or partition by: those with a small domain first."""
        domain = [column for column in columns if column.decides and column.domain]
        rest = [column for column in columns if column.decides and not column.domain and column.kind != "double"]
        chosen = domain if domain and self.rng.random() < 0.8 else [*domain, *rest]
        return self.some(chosen or [column for column in columns if column.decides], most)

    def outputs(self, columns: Sequence[Column], most: int = 5) -> list[Expression]:
        """A SELECT list: some columns, at least one of which decides, a key if there is one, now and then computed
        ones."""
        decides = [column for column in columns if column.decides]
        domain = [column for column in decides if column.domain]
        first = self.rng.choice(domain or decides)
        rest = self.some([column for column in columns if column is not first], most - 1, least=0)
        chosen: list[Expression] = [(column.name, column) for column in (first, *rest)]
        if self.rng.random() < 0.3:
            chosen.append(scalar(self.rng, columns))
        if self.rng.random() < 0.15:
            self.used["case"] += 1
            chosen.append(case(self.rng, columns))
        return chosen

    def aggregates(self, columns: Sequence[Column], most: int = 3) -> list[Expression]:
        """One to `most` aggregates over these columns."""
        found: list[Expression] = []
        while not found:
            for name in self.rng.sample(AGGREGATES, self.rng.randint(1, most)):
                made = aggregate(self.rng, columns, name)
                if made is not None:
                    self.used[name] += 1
                    found.append(made)
        return found

    def join_columns(self, left: Sequence[Column], right: Sequence[Column]) -> tuple[str, str]:
        """A pair of expressions to join by: of one domain where possible, else of one type, else as text."""
        usable_left = [column for column in left if column.decides and column.kind != "double"]
        usable_right = [column for column in right if column.decides and column.kind != "double"]
        pairs = [(a, b) for a in usable_left for b in usable_right]
        for fits in (
            [pair for pair in pairs if pair[0].domain and pair[0].domain == pair[1].domain],
            [pair for pair in pairs if pair[0].kind == pair[1].kind],
        ):
            if fits:
                a, b = self.rng.choice(fits)
                return a.name, b.name
        return tuple(f"CAST({self.rng.choice(side).name} AS STRING)" for side in (left, right))  # type: ignore[return-value]

    def predicate(self, columns: Sequence[Column]) -> str:
        """A random condition."""
        return predicate(self.rng, columns)

    def where(self, columns: Sequence[Column], share: float = 0.3) -> str:
        """` WHERE …`, or nothing."""
        return f" WHERE {self.predicate(columns)}" if self.rng.random() < share else ""


def named(expressions: Sequence[Expression], start: int = 0) -> tuple[str, tuple[Column, ...]]:
    """A SELECT list with fresh names c0, c1, …, and the columns it makes."""
    items, columns = [], []
    for position, (text, column) in enumerate(expressions, start):
        items.append(f"{text} AS c{position}")
        columns.append(replace(column, name=f"c{position}"))
    return ", ".join(items), tuple(columns)
