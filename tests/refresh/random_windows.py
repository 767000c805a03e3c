"""Random queries in SQL, continued: windows, top-k, limits, scalar subqueries, explode, common table expressions."""

from __future__ import annotations

from tests.refresh.random_expressions import Expression, total_order
from tests.refresh.random_queries import (
    SET_OPERATIONS,
    Operator,
    distinct,
    exists,
    filter_rows,
    global_aggregate,
    group_by,
    grouping_sets,
    having,
    in_subquery,
    join_above_aggregate,
    join_full,
    join_inner,
    join_left,
    join_right,
    join_self,
    join_theta,
    join_three,
    join_using,
    nested_aggregate,
    project,
    semi_join,
)
from tests.refresh.random_relations import Draw, Relation, named
from tests.refresh.random_tables import Column


def _window(draw: Draw, source: Relation, *, partitioned: bool = True) -> Relation:
    """One or two window functions over the comparable columns of a relation. Rows that tie in the total order are
    equal in every column that is returned."""
    kept = draw.some([column.of("a") for column in source.deciding], 5, least=2)
    order = total_order(draw.rng, kept)
    by = draw.keys(kept, 1)[0]
    partition = f"PARTITION BY {by.name} " if partitioned else ""
    numbers = [column for column in kept if column.kind in ("int", "bigint", "decimal")]
    number = draw.rng.choice(numbers or [Column("1", "int")])
    summed = "bigint" if number.kind == "int" else number.kind
    some = draw.rng.choice(kept)
    running = "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW"
    choices: dict[str, Expression] = {
        "row_number": (f"row_number() OVER ({partition}ORDER BY {order})", Column("", "int")),
        "rank": (f"rank() OVER ({partition}ORDER BY {some.name})", Column("", "int")),
        "dense_rank": (f"dense_rank() OVER ({partition}ORDER BY {some.name} DESC)", Column("", "int")),
        "window_sum": (f"sum({number.name}) OVER ({partition.strip()})", Column("", summed)),
        "window_count": (f"count(*) OVER ({partition}ORDER BY {some.name})", Column("", "bigint")),
        "window_max": (f"max({some.name}) OVER ({partition.strip()})", Column("", some.kind)),
        "running_sum": (f"sum({number.name}) OVER ({partition}ORDER BY {order} {running})", Column("", summed)),
        "lag": (f"lag({some.name}) OVER ({partition}ORDER BY {order})", Column("", some.kind)),
        "lead": (f"lead({some.name}, 2) OVER ({partition}ORDER BY {order})", Column("", some.kind)),
        "first_value": (f"first_value({some.name}) OVER ({partition}ORDER BY {order})", Column("", some.kind)),
        "ntile": (f"ntile(3) OVER ({partition}ORDER BY {order})", Column("", "int")),
    }
    names = draw.rng.sample(sorted(choices), draw.rng.randint(1, 2))
    draw.used.update(names)
    items, columns = named([*((column.name, column) for column in kept), *(choices[name] for name in names)])
    return Relation(f"SELECT {items} FROM {source.as_source('a')}{draw.where(kept, 0.2)}", columns, source.rows)


def window(draw: Draw) -> Relation:
    return _window(draw, draw.input())


def window_global(draw: Draw) -> Relation:
    return _window(draw, draw.input(), partitioned=False)


def window_over_join(draw: Draw) -> Relation:
    return _window(draw, join_inner(draw))


def window_above_aggregate(draw: Draw) -> Relation:
    return _window(draw, group_by(draw))


def top_k(draw: Draw) -> Relation:
    source = draw.input()
    kept = draw.some([column.of("a") for column in source.deciding], 5, least=2)
    items, columns = named([(column.name, column) for column in kept])
    by = draw.keys(kept, 1)[0].name
    function = draw.rng.choice(("row_number", "row_number", "rank"))
    order = total_order(draw.rng, kept)
    inner = f"SELECT {items}, {function}() OVER (PARTITION BY {by} ORDER BY {order}) AS place FROM "
    names = ", ".join(column.name for column in columns)
    text = f"SELECT {names} FROM ({inner}{source.as_source('a')}) WHERE place <= {draw.rng.randint(1, 2)}"
    return Relation(text, columns, 10.0)


def global_limit(draw: Draw) -> Relation:
    source = draw.input()
    kept = draw.some([column.of("a") for column in source.deciding], 4)
    items, columns = named([(column.name, column) for column in kept])
    order = total_order(draw.rng, columns)
    limit = draw.rng.choice((f"LIMIT {draw.rng.randint(1, 8)}", "LIMIT 5 OFFSET 2"))
    text = f"SELECT {items} FROM {source.as_source('a')}{draw.where(kept)} ORDER BY {order} {limit}"
    return Relation(text, columns, 5.0)


def scalar_subquery(draw: Draw) -> Relation:
    left, right = draw.input(), draw.input()
    a, b = left.of("a"), right.of("b")
    fits = [
        (one, two)
        for one in a
        for two in b
        if one.decides and two.decides and one.kind == two.kind and one.kind not in ("boolean", "double")
    ]
    if not fits:
        return project(draw)
    one, two = draw.rng.choice(fits)
    function = draw.rng.choice(("max", "min", "avg") if one.kind in ("int", "bigint") else ("max", "min"))
    correlated = draw.rng.random() < 0.4
    draw.used["correlated_scalar_subquery"] += correlated
    where = " WHERE {} = {}".format(*draw.join_columns(b, a)) if correlated else draw.where(b)
    subquery = f"(SELECT {function}({two.name}) FROM {right.as_source('b')}{where})"
    if draw.rng.random() < 0.5:
        items, columns = named(draw.outputs(a))
        text = (
            f"SELECT {items} FROM {left.as_source('a')} WHERE {one.name} {draw.rng.choice(('=', '<', '>='))} {subquery}"
        )
    else:
        kind, exact = ("double", False) if function == "avg" else (two.kind, True)
        items, columns = named([*draw.outputs(a, 3), (subquery, Column("", kind, exact=exact))])
        text = f"SELECT {items} FROM {left.as_source('a')}"
    return Relation(text, columns, left.rows)


def explode(draw: Draw) -> Relation:
    source = draw.input()
    a = source.of("a")
    arrays = [column.name for column in a if column.kind == "array"]
    texts = [column.name for column in a if column.kind == "string"]
    numbers = [column.name for column in a if column.kind in ("int", "bigint") and column.exact]
    choices = []
    if texts:
        choices.append((f"split({draw.rng.choice(texts)}, '')", "string"))
    if numbers:
        choices.append((f"sequence(0, CAST(pmod({draw.rng.choice(numbers)}, 3) AS INT))", "int"))
        choices.append((f"array({draw.rng.choice(numbers)}, {draw.rng.choice(numbers)})", "bigint"))
    if arrays:
        choices.append((f"transform({draw.rng.choice(arrays)}, e -> CAST(e AS STRING))", "string"))
    if not choices:
        return filter_rows(draw)
    text, kind = draw.rng.choice(choices)
    element = f"CAST(e.v AS {kind.upper()})"
    items, columns = named([*draw.outputs(a, 3), (element, Column("", kind))])
    outer = draw.rng.choice(("", " OUTER"))
    text = f"SELECT {items} FROM {source.as_source('a')} LATERAL VIEW{outer} explode({text}) e AS v"
    return Relation(text, columns, source.rows * 2)


def lateral(draw: Draw) -> Relation:
    left, right = draw.leaf(), draw.leaf()
    a, b = left.of("a"), right.of("b")
    first, second = draw.join_columns(b, a)
    made, columns = named(draw.aggregates(b, 2))
    items, outputs = named([*draw.outputs(a, 3), *((f"l.{column.name}", column) for column in columns)])
    inner = f"SELECT {made} FROM {right.as_source('b')} WHERE {first} = {second}"
    return Relation(f"SELECT {items} FROM {left.as_source('a')}, LATERAL ({inner}) l", outputs, left.rows)


def common_table_expression(draw: Draw) -> Relation:
    """A subquery that is read twice."""
    shared = group_by(draw)
    a, b = shared.of("a"), shared.of("b")
    first, second = draw.join_columns(a, b)
    items, columns = named(draw.outputs([*a, *b]))
    kind = draw.rng.choice(("JOIN", "LEFT JOIN", "FULL OUTER JOIN"))
    text = f"WITH w AS ({shared.text}) SELECT {items} FROM w a {kind} w b ON {first} = {second}"
    return Relation(text, columns, shared.rows * 2)


INNER: dict[str, Operator] = {
    "project": project,
    "filter": filter_rows,
    "join_inner": join_inner,
    "join_left": join_left,
    "group_by": group_by,
    "distinct": distinct,
    "union_all": SET_OPERATIONS["union_all"],
    "semi_join": semi_join,
    "window": window,
}
OPERATORS: dict[str, Operator] = {
    **INNER,
    **SET_OPERATIONS,
    "join_right": join_right,
    "join_full": join_full,
    "join_self": join_self,
    "join_three": join_three,
    "join_using": join_using,
    "join_theta": join_theta,
    "exists": exists,
    "in_subquery": in_subquery,
    "having": having,
    "global_aggregate": global_aggregate,
    "grouping": grouping_sets,
    "nested_aggregate": nested_aggregate,
    "join_above_aggregate": join_above_aggregate,
    "window_global": window_global,
    "window_over_join": window_over_join,
    "window_above_aggregate": window_above_aggregate,
    "top_k": top_k,
    "global_limit": global_limit,
    "scalar_subquery": scalar_subquery,
    "explode": explode,
    "lateral": lateral,
    "common_table_expression": common_table_expression,
}


def random_query(draw: Draw) -> Relation:
    """A query whose topmost operator is any, over tables or over a simpler operator."""

    def inner(below: Draw) -> Relation:
        name = below.rng.choice(sorted(INNER))
        below.used[name] += 1
        return INNER[name](below)

    draw.inner = inner
    name = draw.rng.choice(sorted(OPERATORS))
    draw.used[name] += 1
    return OPERATORS[name](draw)
