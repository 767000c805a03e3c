"""Random queries over tables of whole numbers and words: joins, subqueries, windows, set operations, grouping.

Every query gives one bag of rows whatever order they come in: no LIMIT without a full order, no window function that
depends on the order of ties, nothing that fails on a value.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Column(NamedTuple):
    name: str
    is_number: bool


Tables = Mapping[str, Sequence[Column]]


class QueryMaker:
    def __init__(self, seed: int, tables: Tables, words: Sequence[str]) -> None:
        self._random = random.Random(seed)
        self._tables, self._words = tables, words
        self._count = 0

    def query(self) -> str:
        """One query."""
        kind = self._random.choice(
            [
                self._select,
                self._select,
                self._joined,
                self._grouped,
                self._windowed,
                self._set,
                self._nested,
                self._top,
            ]
        )
        return kind()

    def _source(self) -> tuple[str, str, list[Column]]:
        table = self._random.choice(sorted(self._tables))
        alias = self._alias()
        columns = [Column(f"{alias}.{column.name}", column.is_number) for column in self._tables[table]]
        return f"{table} {alias}", alias, columns

    def _alias(self) -> str:
        self._count += 1
        return f"q{self._count}"

    def _select(self) -> str:
        source, _, columns = self._source()
        shown = self._random.sample(columns, k=self._random.randint(1, len(columns)))
        items = ", ".join(f"{self._value(column, columns)} AS c{i}" for i, column in enumerate(shown))
        distinct = "DISTINCT " if self._random.random() < 0.2 else ""
        return f"SELECT {distinct}{items} FROM {source} WHERE {self._condition(columns)}"

    def _joined(self) -> str:
        left, _, mine = self._source()
        right, _, others = self._source()
        kind = self._random.choice(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "LEFT SEMI JOIN", "LEFT ANTI JOIN"])
        is_number = self._random.random() < 0.6
        on = f"{self._pick(mine, is_number).name} = {self._pick(others, is_number).name}"
        shown = mine if "SEMI" in kind or "ANTI" in kind else [*mine, *others]
        items = ", ".join(f"{column.name} AS c{i}" for i, column in enumerate(self._random.sample(shown, k=2)))
        return f"SELECT {items} FROM {left} {kind} {right} ON {on} WHERE {self._condition(shown)}"

    def _grouped(self) -> str:
        source, _, columns = self._source()
        key, value = self._random.choice(columns), self._pick(columns, True)
        grouping = self._random.choice(
            [key.name, key.name, f"ROLLUP({key.name})", f"upper(cast({key.name} AS string))"]
        )
        having = self._random.choice(["", " HAVING count(*) > 1", f" HAVING sum({value.name}) > {self._number()}"])
        figures = f"count(*) AS n, sum({value.name}) AS s, max({key.name}) AS m, count(DISTINCT {value.name}) AS d"
        return f"SELECT {figures} FROM {source} WHERE {self._condition(columns)} GROUP BY {grouping}{having}"

    def _windowed(self) -> str:
        source, _, columns = self._source()
        part, value, order = self._random.choice(columns), self._pick(columns, True), self._random.choice(columns)
        function = self._random.choice(
            [
                f"sum({value.name}) OVER (PARTITION BY {part.name})",
                f"rank() OVER (PARTITION BY {part.name} ORDER BY {order.name})",
                f"max({value.name}) OVER (ORDER BY {order.name} RANGE UNBOUNDED PRECEDING)",
                "count(*) OVER ()",
            ]
        )
        return f"SELECT {value.name} AS v, {function} AS w FROM {source} WHERE {self._condition(columns)}"

    def _set(self) -> str:
        is_number = self._random.random() < 0.5
        sides = []
        for _ in range(2):
            source, _, columns = self._source()
            sides.append(
                f"SELECT {self._pick(columns, is_number).name} AS c FROM {source} WHERE {self._condition(columns)}"
            )
        kind = self._random.choice(["UNION", "UNION ALL", "INTERSECT", "EXCEPT", "EXCEPT ALL", "INTERSECT ALL"])
        return f"({sides[0]}) {kind} ({sides[1]})"

    def _nested(self) -> str:
        source, _, columns = self._source()
        inner, _, others = self._source()
        is_number = self._random.random() < 0.6
        mine, other = self._pick(columns, is_number), self._pick(others, is_number)
        number, theirs = self._pick(columns, True), self._pick(others, True)
        condition = self._random.choice(
            [
                f"{mine.name} IN (SELECT {other.name} FROM {inner} WHERE {self._condition(others)})",
                f"{mine.name} NOT IN (SELECT {other.name} FROM {inner} WHERE {other.name} IS NOT NULL)",
                f"EXISTS (SELECT 1 FROM {inner} WHERE {other.name} = {mine.name})",
                f"NOT EXISTS (SELECT 1 FROM {inner} WHERE {other.name} = {mine.name})",
                f"{number.name} > (SELECT avg({theirs.name}) FROM {inner})",
                f"{number.name} >= (SELECT max({theirs.name}) FROM {inner} WHERE {other.name} = {mine.name})",
            ]
        )
        return f"SELECT {', '.join(column.name for column in columns)} FROM {source} WHERE {condition}"

    def _top(self) -> str:
        source, _, columns = self._source()
        shown = ", ".join(column.name for column in columns)
        order = ", ".join(f"{column.name} {self._random.choice(['ASC', 'DESC'])}" for column in columns)
        name = self._alias()
        inner = f"SELECT {shown} FROM {source} WHERE {self._condition(columns)} ORDER BY {order} LIMIT 4"
        return f"WITH {name} AS ({inner}) SELECT * FROM {name}"

    def _pick(self, columns: Sequence[Column], is_number: bool) -> Column:
        return self._random.choice([column for column in columns if column.is_number == is_number])

    def _value(self, column: Column, columns: Sequence[Column]) -> str:
        if column.is_number:
            other = self._pick(columns, True)
            return self._random.choice(
                [column.name, f"{column.name} + {other.name}", f"try_divide({column.name}, {other.name})"]
            )
        return self._random.choice([column.name, f"upper({column.name})", f"coalesce({column.name}, 'none')"])

    def _condition(self, columns: Sequence[Column], depth: int = 0) -> str:
        if depth < 2 and self._random.random() < 0.4:
            parts = [self._condition(columns, depth + 1) for _ in range(2)]
            return f"({parts[0]} {self._random.choice(['AND', 'OR'])} {parts[1]})"
        column = self._random.choice(columns)
        if self._random.random() < 0.2:
            return f"{column.name} IS {self._random.choice(['', 'NOT '])}NULL"
        if column.is_number:
            return f"{column.name} {self._random.choice(['<', '>', '=', '<>', '>='])} {self._number()}"
        word = self._random.choice(list(self._words))
        return self._random.choice(
            [f"{column.name} = '{word}'", f"NOT ({column.name} = '{word}')", f"{column.name} LIKE '%{word[:1]}%'"]
        )

    def _number(self) -> int:
        return self._random.randint(0, 12)
