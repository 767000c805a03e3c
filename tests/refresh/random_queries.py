"""Random queries in SQL: projections, filters, joins, aggregates, set operations. Every query is deterministic."""

from __future__ import annotations

from collections.abc import Callable

from tests.refresh.random_expressions import COMMON_TYPES, Expression
from tests.refresh.random_relations import Draw, Relation, named
from tests.refresh.random_tables import Column

Operator = Callable[[Draw], Relation]


def project(draw: Draw) -> Relation:
    source = draw.input()
    if source.text.isidentifier() and draw.rng.random() < 0.15:
        draw.used["select_star"] += 1  # a column that is added to the table shows up here
        return Relation(f"SELECT * FROM {source.text}{draw.where(source.columns)}", source.columns, source.rows)
    items, columns = named(draw.outputs(source.of("a")))
    return Relation(f"SELECT {items} FROM {source.as_source('a')}", columns, source.rows)


def filter_rows(draw: Draw) -> Relation:
    source = draw.input()
    items, columns = named(draw.outputs(source.of("a")))
    text = f"SELECT {items} FROM {source.as_source('a')} WHERE {draw.predicate(source.of('a'))}"
    return Relation(text, columns, source.rows / 2)


def _joined(draw: Draw, kind: str, left: Relation, right: Relation) -> Relation:
    a, b = left.of("a"), right.of("b")
    first, second = draw.join_columns(a, b)
    condition = f"{first} {'<=>' if draw.rng.random() < 0.15 else '='} {second}"
    if draw.rng.random() < 0.25:
        draw.used["join_residual"] += 1
        condition += f" AND {draw.predicate([*a, *b])}"
    items, columns = named(draw.outputs([*a, *b]))
    where = draw.where([*a, *b], 0.2)
    text = f"SELECT {items} FROM {left.as_source('a')} {kind} {right.as_source('b')} ON {condition}{where}"
    return Relation(text, columns, max(left.rows * right.rows / 6, left.rows))


def join_inner(draw: Draw) -> Relation:
    return _joined(draw, "JOIN", draw.small_input(), draw.small_input())


def join_left(draw: Draw) -> Relation:
    return _joined(draw, "LEFT JOIN", draw.small_input(), draw.small_input())


def join_right(draw: Draw) -> Relation:
    return _joined(draw, "RIGHT JOIN", draw.small_input(), draw.small_input())


def join_full(draw: Draw) -> Relation:
    return _joined(draw, "FULL OUTER JOIN", draw.small_input(), draw.small_input())


def join_self(draw: Draw) -> Relation:
    source = draw.small_input()
    return _joined(draw, draw.rng.choice(("JOIN", "JOIN", "LEFT JOIN")), source, source)


def join_three(draw: Draw) -> Relation:
    sources = [draw.leaf() for _ in "abc"]
    if any(source.rows > 150 for source in sources):
        return join_inner(draw)
    a, b, c = (source.of(alias) for source, alias in zip(sources, "abc", strict=True))
    one, two = draw.join_columns(a, b), draw.join_columns(draw.rng.choice((a, b)), c)
    items, columns = named(draw.outputs([*a, *b, *c]))
    last = draw.rng.choice(("JOIN", "JOIN", "LEFT JOIN"))
    text = (
        f"SELECT {items} FROM {sources[0].as_source('a')} JOIN {sources[1].as_source('b')} ON {one[0]} = {one[1]} "
        f"{last} {sources[2].as_source('c')} ON {two[0]} = {two[1]}{draw.where([*a, *b, *c])}"
    )
    return Relation(text, columns, sources[0].rows * sources[1].rows * sources[2].rows / 36)


def join_using(draw: Draw) -> Relation:
    left, right = draw.small_input(), draw.small_input()
    shared = [column for column in left.deciding if column.name in {c.name for c in right.deciding if c == column}]
    shared = [column for column in shared if column.kind != "double"]
    if not shared:
        return join_full(draw)
    key = draw.rng.choice(shared)
    rest = [*left.of("a"), *right.of("b")]
    items, columns = named([(key.name, key), *draw.outputs(rest, 3)])
    kind = draw.rng.choice(("JOIN", "LEFT JOIN", "FULL OUTER JOIN", "FULL OUTER JOIN"))
    text = f"SELECT {items} FROM {left.as_source('a')} {kind} {right.as_source('b')} USING ({key.name})"
    return Relation(text, columns, left.rows * right.rows / 6)


def join_theta(draw: Draw) -> Relation:
    left, right = draw.leaf(), draw.leaf()
    if left.rows * right.rows > 2000:
        return join_inner(draw)
    a, b = left.of("a"), right.of("b")
    pairs = [(one.name, two.name) for one in a for two in b if one.decides and two.decides and one.kind == two.kind]
    if not pairs:
        return join_inner(draw)
    one, two = draw.rng.choice(pairs)
    items, columns = named(draw.outputs([*a, *b]))
    condition = f"{one} {draw.rng.choice(('<', '>'))} {two} AND {draw.predicate(a)}"
    text = f"SELECT {items} FROM {left.as_source('a')} JOIN {right.as_source('b')} ON {condition}"
    return Relation(text, columns, left.rows * right.rows / 4)


def semi_join(draw: Draw) -> Relation:
    left, right = draw.input(), draw.input()
    first, second = draw.join_columns(left.of("a"), right.of("b"))
    items, columns = named(draw.outputs(left.of("a")))
    kind = draw.rng.choice(("SEMI", "ANTI"))
    draw.used["join_semi" if kind == "SEMI" else "join_anti"] += 1
    text = f"SELECT {items} FROM {left.as_source('a')} LEFT {kind} JOIN {right.as_source('b')} ON {first} = {second}"
    return Relation(text, columns, left.rows / 2)


def exists(draw: Draw) -> Relation:
    left, right = draw.input(), draw.input()
    a, b = left.of("a"), right.of("b")
    first, second = draw.join_columns(a, b)
    negated = draw.rng.random() < 0.5
    draw.used["not_exists" if negated else "exists"] += 1
    residual = f" AND {draw.predicate(b)}" if draw.rng.random() < 0.4 else ""
    items, columns = named(draw.outputs(a))
    text = (
        f"SELECT {items} FROM {left.as_source('a')} WHERE {'NOT ' if negated else ''}EXISTS "
        f"(SELECT 1 FROM {right.as_source('b')} WHERE {first} = {second}{residual})"
    )
    return Relation(text, columns, left.rows / 2)


def in_subquery(draw: Draw) -> Relation:
    left, right = draw.input(), draw.input()
    a, b = left.of("a"), right.of("b")
    first, second = draw.join_columns(a, b)
    negated = draw.rng.random() < 0.5
    draw.used["not_in" if negated else "in"] += 1
    condition = f"{first} {'NOT ' if negated else ''}IN (SELECT {second} FROM {right.as_source('b')}"
    # Without NULLs on the right NOT IN keeps rows; with them it keeps none.
    condition += f" WHERE {second} IS NOT NULL)" if negated and draw.rng.random() < 0.6 else f"{draw.where(b)})"
    if not negated and draw.rng.random() < 0.25:
        draw.used["in_under_or"] += 1
        condition = f"({draw.predicate(a)} OR {condition})"
    items, columns = named(draw.outputs(a))
    return Relation(f"SELECT {items} FROM {left.as_source('a')} WHERE {condition}", columns, left.rows / 2)


def group_by(draw: Draw) -> Relation:
    source = draw.input()
    return _grouped(draw, source, draw.keys(source.of("a")))


def _grouped(draw: Draw, source: Relation, keys: list[Column], having: bool = False) -> Relation:
    a = source.of("a")
    expressions: list[Expression] = [(key.name, key) for key in keys]
    integers = [column for column in a if column.kind in ("int", "bigint") and column.exact]
    if integers and draw.rng.random() < 0.2:
        column = draw.rng.choice(integers)
        draw.used["group_by_expression"] += 1
        expressions.append((f"pmod({column.name}, 2)", Column("", column.kind)))
    group = ", ".join(text for text, _ in expressions)
    made = draw.aggregates(a)
    items, columns = named([*expressions, *made])
    text = f"SELECT {items} FROM {source.as_source('a')}{draw.where(a)} GROUP BY {group}"
    if having:
        counts = ["count(*) > 1", "count(*) < 4", *(f"{text} IS NOT NULL" for text, column in made)]
        counts += [f"{text} > 3" for text, column in made if column.kind in ("bigint", "decimal") and column.exact]
        text += f" HAVING {draw.rng.choice(counts)}"
    return Relation(text, columns, min(source.rows, 7.0 ** len(keys)))


def having(draw: Draw) -> Relation:
    source = draw.input()
    return _grouped(draw, source, draw.keys(source.of("a")), having=True)


def global_aggregate(draw: Draw) -> Relation:
    source = draw.input()
    items, columns = named([("count(*)", Column("", "bigint")), *draw.aggregates(source.of("a"))])
    return Relation(f"SELECT {items} FROM {source.as_source('a')}{draw.where(source.of('a'))}", columns, 1.0)


def grouping_sets(draw: Draw) -> Relation:
    source = draw.input()
    a = source.of("a")
    keys = draw.keys(a, 3)
    if len(keys) < 2:
        keys = draw.some([column for column in a if column.decides], 2, least=2)
    names = [key.name for key in keys]
    kind = draw.rng.choice(("rollup", "cube", "grouping_sets"))
    draw.used[kind] += 1
    sets = ", ".join(f"({name})" for name in names) + f", ({', '.join(names)})"
    group = {
        "rollup": f"ROLLUP ({', '.join(names)})",
        "cube": f"CUBE ({', '.join(names)})",
        "grouping_sets": f"GROUPING SETS ({sets})",
    }[kind]
    # The aggregates never read the keys: what they would see of a rolled-up key is not obvious to a reader.
    rest = [column for column in a if column.name not in names] or a
    made = draw.aggregates(rest, 2) if any(column.decides for column in rest) else [("count(*)", Column("", "bigint"))]
    made = [*made, ("grouping_id()", Column("", "bigint"))]
    items, columns = named([*((key.name, key) for key in keys), *made])
    return Relation(f"SELECT {items} FROM {source.as_source('a')} GROUP BY {group}", columns, source.rows * 1.5)


def nested_aggregate(draw: Draw) -> Relation:
    source = draw.input()
    inner = _grouped(draw, source, draw.keys(source.of("a"), 2))
    keys = [column for column in inner.deciding if column.domain]
    if draw.rng.random() < 0.5 or not keys:
        # By what an aggregate below returned: the group of a row is not known from the row alone.
        keys = [column for column in inner.deciding if not column.domain and column.kind != "double"] or inner.deciding
    key = draw.rng.choice(keys).of("a")
    return _grouped(draw, inner, [key])


def join_above_aggregate(draw: Draw) -> Relation:
    source = draw.input(leaf_share=1.0)
    below = _grouped(draw, source, draw.keys(source.of("a"), 1))
    kind = draw.rng.choice(("JOIN", "LEFT JOIN", "RIGHT JOIN"))
    other = source if draw.rng.random() < 0.4 else draw.small_input()
    return _joined(draw, kind, other, below)


def distinct(draw: Draw) -> Relation:
    source = draw.input()
    kept = draw.some([column.of("a") for column in source.deciding], 3)
    items, columns = named([(column.name, column) for column in kept])
    text = f"SELECT DISTINCT {items} FROM {source.as_source('a')}{draw.where(source.of('a'))}"
    return Relation(text, columns, min(source.rows, 7.0 ** len(kept)))


def _branches(draw: Draw) -> tuple[str, str, tuple[Column, ...], float]:
    """Two SELECTs whose columns have the same types."""
    left, right = draw.input(), draw.input()
    kept = draw.keys(left.of("a"), 2) if draw.rng.random() < 0.7 else draw.some(left.deciding, 3)
    kept = kept if kept[0].name.startswith("a.") else [column.of("a") for column in kept]
    first, columns = named([(f"CAST({column.name} AS {COMMON_TYPES[column.kind]})", column) for column in kept])
    matching: list[Expression] = []
    for column in kept:
        same = [other for other in right.of("b") if other.decides and other.kind == column.kind]
        same = [other for other in same if other.domain == column.domain] or same
        chosen = draw.rng.choice(same).name if same else "NULL"
        matching.append((f"CAST({chosen} AS {COMMON_TYPES[column.kind]})", column))
    second, _ = named(matching)
    a, b = left.of("a"), right.of("b")
    return (
        f"SELECT {first} FROM {left.as_source('a')}{draw.where(a)}",
        f"SELECT {second} FROM {right.as_source('b')}{draw.where(b)}",
        columns,
        left.rows + right.rows,
    )


def _set_operation(word: str) -> Operator:
    def operator(draw: Draw) -> Relation:
        first, second, columns, rows = _branches(draw)
        return Relation(f"{first} {word} {second}", columns, rows)

    return operator


SET_OPERATIONS: dict[str, Operator] = {
    word.lower().replace(" ", "_"): _set_operation(word)
    for word in ("UNION", "UNION ALL", "INTERSECT", "INTERSECT ALL", "EXCEPT", "EXCEPT ALL")
}
