"""Random queries in Python: the body of a function that returns a DataFrame, and the columns it makes.

A frame is built step by step; every step renames its columns to c0, c1, …, so that the next one cannot mistake them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from tests.refresh.random_expressions import COMMON_TYPES, Expression
from tests.refresh.random_relations import Draw, Relation, named
from tests.refresh.random_tables import Column

UDF_SHARE = 0.08
_INDENT = "    "


def random_frame(draw: Draw) -> tuple[str, Relation]:
    """The body of a query function, and what it returns as a relation without text."""
    lines: list[str] = []
    left = _read(draw, "left", lines)
    for _ in range(draw.rng.randint(1, 2)):
        step = draw.rng.choice(STEPS)
        draw.used[f"frame_{step.__name__}"] += 1
        left = step(draw, left, lines)
    if draw.rng.random() < UDF_SHARE:
        left = _udf(draw, left, lines)
    return "\n".join(_INDENT + line for line in [*lines, "return left"]), replace(left, text="")


def _read(draw: Draw, variable: str, lines: list[str], least: int = 2) -> Relation:
    source = draw.leaf()
    chosen = draw.outputs(source.columns, 6)
    while len(chosen) < min(least, len(source.columns)):
        chosen.append((source.columns[0].name, source.columns[0]))
    items, columns = _items(chosen)
    condition = f".where({draw.predicate(source.columns)!r})" if draw.rng.random() < 0.3 else ""
    read = draw.rng.choice(("spark.read.table({0!r})", "spark.table({0!r})", "spark.sql('SELECT * FROM {0}')"))
    lines.append(f"{variable} = {read.format(source.text)}{condition}.selectExpr({items})")
    return replace(source, columns=columns)


def _items(expressions: Sequence[Expression]) -> tuple[str, tuple[Column, ...]]:
    """Arguments of selectExpr, and the columns they make."""
    _, columns = named(expressions)
    items = ", ".join(repr(f"{text} AS {column.name}") for (text, _), column in zip(expressions, columns, strict=True))
    return items, columns


def filter_where(draw: Draw, left: Relation, lines: list[str]) -> Relation:
    column = draw.rng.choice(left.deciding).name
    condition = f"F.col({column!r}).isNotNull() | F.expr({draw.predicate(left.columns)!r})"
    lines.append(f"left = left.filter({condition}).where({draw.predicate(left.columns)!r})")
    return left


def with_column(draw: Draw, left: Relation, lines: list[str]) -> Relation:
    column = draw.rng.choice(left.deciding).name
    text = f"F.when(F.expr({draw.predicate(left.columns)!r}), F.col({column!r})).otherwise(F.lit(None))"
    name = f"c{len(left.columns)}"
    lines.append(f"left = left.withColumn({name!r}, {text})")
    kind = next(found.kind for found in left.columns if found.name == column)
    return replace(left, columns=(*left.columns, Column(name, kind)))


def join_frames(draw: Draw, left: Relation, lines: list[str]) -> Relation:
    if left.rows > 600:
        return distinct_rows(draw, left, lines)
    right = _read(draw, "right", lines)
    first, second = draw.join_columns(left.columns, right.columns)
    kind = draw.rng.choice(("inner", "left", "right", "full", "left_semi", "left_anti"))
    draw.used[f"frame_join_{kind}"] += 1
    renamed = [replace(column, name=f"r_{column.name}") for column in right.columns]
    pairs = ", ".join(
        f"F.expr({column.name!r}).alias({new.name!r})" for column, new in zip(right.columns, renamed, strict=True)
    )
    key = f"F.expr({second!r}).alias('r_key')"
    lines.append(f"right = right.select({pairs}, {key})")
    lines.append(f"left = left.join(right, F.expr({first!r}) == F.col('r_key'), {kind!r})")
    both = list(left.columns) if kind.startswith("left_") else [*left.columns, *renamed]
    items, columns = _items(draw.outputs(both, 5))
    lines.append(f"left = left.selectExpr({items})")
    rows = left.rows / 2 if kind.startswith("left_") else max(left.rows * right.rows / 6, left.rows)
    return Relation("", columns, rows)


def group_frame(draw: Draw, left: Relation, lines: list[str]) -> Relation:
    keys = draw.keys(left.columns)
    made = draw.aggregates(left.columns)
    grouping = draw.rng.choice(("groupBy", "groupBy", "groupBy", "rollup", "cube"))
    draw.used[f"frame_{grouping}"] += 1
    if grouping != "groupBy":
        rest = [column for column in left.columns if column not in keys]
        made = draw.aggregates(rest) if any(column.decides for column in rest) else [("count(*)", Column("", "bigint"))]
        made = [*made, ("grouping_id()", Column("", "bigint"))]
    names = ", ".join(repr(key.name) for key in keys)
    columns = [Column(f"a{position}", column.kind, exact=column.exact) for position, (_, column) in enumerate(made)]
    aggregates = ", ".join(
        f"F.expr({text!r}).alias({column.name!r})" for (text, _), column in zip(made, columns, strict=True)
    )
    lines.append(f"left = left.{grouping}({names}).agg({aggregates})")
    return _renamed(Relation("", (*keys, *columns), min(left.rows, 7.0 ** len(keys) * 2)), lines)


def pivot_frame(draw: Draw, left: Relation, lines: list[str]) -> Relation:
    keys = draw.keys(left.columns, 1)
    others = [column for column in left.deciding if column.domain in ("k", "g") and column not in keys]
    if not others:
        return group_frame(draw, left, lines)
    other = draw.rng.choice(others)
    values = ["a", "b"] if other.kind == "string" else [1, 2]
    lines.append(f"left = left.groupBy({keys[0].name!r}).pivot({other.name!r}, {values}).agg(F.count(F.lit(1)))")
    made = [Column(str(value), "bigint") for value in values]
    return _renamed(Relation("", (*keys, *made), 7.0), lines)


def distinct_rows(draw: Draw, left: Relation, lines: list[str]) -> Relation:
    kept = draw.some(left.deciding, 3)
    items, columns = _items([(column.name, column) for column in kept])
    lines.append(f"left = left.selectExpr({items}).{draw.rng.choice(('distinct()', 'dropDuplicates()'))}")
    return Relation("", columns, min(left.rows, 7.0 ** len(kept)))


def set_operation(draw: Draw, left: Relation, lines: list[str]) -> Relation:
    kept = draw.keys(left.columns)
    right = _read(draw, "right", lines)
    first, columns = _items([(f"CAST({column.name} AS {COMMON_TYPES[column.kind]})", column) for column in kept])
    matching: list[Expression] = []
    for column in kept:
        same = [other for other in right.deciding if other.kind == column.kind]
        name = draw.rng.choice(same).name if same else "NULL"
        matching.append((f"CAST({name} AS {COMMON_TYPES[column.kind]})", column))
    second, _ = _items(matching)
    method = draw.rng.choice(("union", "unionByName", "intersect", "intersectAll", "subtract", "exceptAll"))
    draw.used[f"frame_{method}"] += 1
    lines.append(f"left = left.selectExpr({first}).{method}(right.selectExpr({second}))")
    return Relation("", columns, left.rows + right.rows)


def window_frame(draw: Draw, left: Relation, lines: list[str]) -> Relation:
    kept = draw.some(left.deciding, 5)
    items, columns = _items([(column.name, column) for column in kept])
    order = ", ".join(
        f"F.{draw.rng.choice(('asc', 'desc', 'asc_nulls_last'))}({column.name!r})"
        for column in draw.rng.sample(columns, len(columns))
    )
    by = draw.keys(columns, 1)[0]
    function = draw.rng.choice(("F.row_number()", f"F.lag({columns[0].name!r})", "F.count('*')"))
    kind = columns[0].kind if "lag" in function else "int" if "row" in function else "bigint"
    lines.append(f"window = Window.partitionBy({by.name!r}).orderBy({order})")
    lines.append(f"left = left.selectExpr({items}).withColumn('place', {function}.over(window))")
    if "row" in function and draw.rng.random() < 0.5:
        draw.used["frame_top_k"] += 1
        lines.append("left = left.where('place <= 2')")
    return _renamed(Relation("", (*columns, Column("place", kind)), left.rows), lines)


def explode_frame(draw: Draw, left: Relation, lines: list[str]) -> Relation:
    column = draw.rng.choice(left.deciding).name
    lines.append(f"left = left.withColumn('e', F.explode(F.array(F.expr('CAST({column} AS STRING)'), F.lit('z'))))")
    return _renamed(Relation("", (*left.columns, Column("e", "string")), left.rows * 2), lines)


def _udf(draw: Draw, left: Relation, lines: list[str]) -> Relation:
    texts = [column for column in left.deciding if column.kind != "double"]
    if not texts:
        return left
    draw.used["udf"] += 1
    lines.append("mark = F.udf(lambda value: None if value is None else value[::-1] + '!', 'string')")
    lines.append(f"left = left.withColumn('u', mark(F.expr('CAST({draw.rng.choice(texts).name} AS STRING)')))")
    return _renamed(Relation("", (*left.columns, Column("u", "string")), left.rows), lines)


def _renamed(left: Relation, lines: list[str]) -> Relation:
    columns = tuple(replace(column, name=f"c{position}") for position, column in enumerate(left.columns))
    lines.append(f"left = left.toDF({', '.join(repr(column.name) for column in columns)})")
    return replace(left, columns=columns)


STEPS: tuple[Callable[[Draw, Relation, list[str]], Relation], ...] = (
    filter_where,
    with_column,
    join_frames,
    join_frames,
    group_frame,
    group_frame,
    pivot_frame,
    distinct_rows,
    set_operation,
    window_frame,
    explode_frame,
)
