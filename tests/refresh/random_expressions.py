"""Random typed expressions of Spark SQL over given columns: predicates, scalars, aggregates."""

from __future__ import annotations

import random
from collections.abc import Sequence

from tests.refresh.random_tables import Column, literal, random_value

# What branches of a set operation and the two sides of CASE are cast to, so that their types meet.
COMMON_TYPES = {
    "int": "INT",
    "bigint": "BIGINT",
    "decimal": "DECIMAL(30,4)",
    "double": "DOUBLE",
    "string": "STRING",
    "date": "DATE",
    "boolean": "BOOLEAN",
}
Expression = tuple[str, Column]  # the text, and the column it makes (its name is not decided yet)


def predicate(rng: random.Random, columns: Sequence[Column]) -> str:
    """A condition that some rows meet, some do not, and for some is NULL."""
    first = _condition(rng, columns)
    match rng.random():
        case chance if chance < 0.15:
            return f"({first} AND {_condition(rng, columns)})"
        case chance if chance < 0.35:
            return f"({first} OR {_condition(rng, columns)})"
        case chance if chance < 0.45:
            return f"NOT ({first})"
    return first


def _condition(rng: random.Random, columns: Sequence[Column]) -> str:
    usable = [column for column in columns if column.decides]
    column = rng.choice(usable)
    name, value = column.name, literal(random_value(rng, column))
    if column.kind == "boolean":
        return rng.choice((name, f"NOT {name}", f"{name} IS NULL", f"{name} <=> TRUE"))
    same = [other.name for other in usable if other.kind == column.kind and other.name != name]
    choices = [
        f"{name} {rng.choice(('=', '<>', '<', '<=', '>', '>='))} {value}",
        f"{name} {rng.choice(('<', '>='))} {value}",
        f"{name} IS {rng.choice(('', 'NOT '))}NULL",
        f"{name} IN ({value}, {literal(random_value(rng, column))})",
        f"{name} NOT IN ({value}, {literal(random_value(rng, column))})",
        f"{name} <=> {value}",
        f"coalesce({name}, {value}) = {value}",
    ]
    if same:
        choices.append(f"{name} {rng.choice(('=', '<', '>=', '<=>'))} {rng.choice(same)}")
    if column.kind == "string":
        choices.append(f"{name} LIKE '%{rng.choice('abz')}%'")
    if column.kind in ("int", "bigint"):
        choices.append(f"pmod({name}, 3) = {rng.randint(0, 2)}")
        choices.append(f"{name} BETWEEN 1 AND {rng.randint(1, 6)}")
    return rng.choice(choices)


def scalar(rng: random.Random, columns: Sequence[Column]) -> Expression:
    """A computed column."""
    column = rng.choice([column for column in columns if column.kind != "array"])
    name, kind = column.name, column.kind
    texts: list[tuple[str, str]] = [(f"coalesce({name}, {literal(random_value(rng, Column('', kind)))})", kind)]
    match kind:
        case "int" | "bigint":
            texts += [(f"{name} + 1", kind), (f"pmod({name}, 3)", kind), (f"CAST({name} AS STRING)", "string")]
            texts += [(f"CAST({name} AS DECIMAL(20,2))", "decimal"), (f"{name} / 4.0D", "double")]
        case "decimal":
            texts += [(f"{name} + 1.25", kind), (f"round({name}, 1)", kind), (f"CAST({name} AS DOUBLE)", "double")]
        case "double":
            texts += [(f"{name} * 2", kind), (f"{name} IS NULL", "boolean")]
        case "string":
            texts += [(f"concat({name}, '-')", kind), (f"upper({name})", kind), (f"length({name})", "int")]
            texts += [(f"substring({name}, 1, 1)", kind), (f"nullif({name}, 'a')", kind)]
        case "date":
            texts += [(f"date_add({name}, 1)", kind), (f"year({name})", "int"), (f"dayofweek({name})", "int")]
        case "boolean":
            texts += [(f"NOT {name}", kind), (f"CAST({name} AS INT)", "int")]
    text, result = rng.choice(texts)
    return text, Column("", result, exact=column.exact)


def case(rng: random.Random, columns: Sequence[Column]) -> Expression:
    """A CASE over two columns of a kind, or over a column and a literal, sometimes without ELSE."""
    column = rng.choice([column for column in columns if column.kind != "array"])
    others = [other for other in columns if other.kind == column.kind]
    other = rng.choice(others)
    kind = COMMON_TYPES[column.kind]
    last = rng.choice(("", f" ELSE CAST({other.name} AS {kind})", " ELSE NULL"))
    text = f"CASE WHEN {predicate(rng, columns)} THEN CAST({column.name} AS {kind}){last} END"
    return text, Column("", column.kind, exact=column.exact and other.exact)


def orderable(columns: Sequence[Column]) -> list[Column]:
    """The columns that windows and limits may order and partition by."""
    return [column for column in columns if column.decides]


def total_order(rng: random.Random, columns: Sequence[Column]) -> str:
    """An order by all of these columns: rows that tie are equal, so that it does not matter which comes first."""
    shuffled = rng.sample(list(columns), len(columns))
    return ", ".join(
        f"{column.name}{rng.choice(('', ' DESC', ' NULLS LAST', ' DESC NULLS FIRST'))}" for column in shuffled
    )


AGGREGATES = (
    "count_rows", "sum", "count", "avg", "min_max", "count_distinct", "stddev", "percentile", "collect", "bool_agg",
    "filter_aggregate", "sum_distinct",
)  # fmt: skip


def aggregate(rng: random.Random, columns: Sequence[Column], name: str) -> Expression | None:
    """The named aggregate over a column it fits, or None if there is no such column."""
    numbers = [column for column in columns if column.kind in ("int", "bigint", "decimal", "double")]
    deciding = orderable(columns)
    integers = [column for column in deciding if column.kind in ("int", "bigint")]
    fitting = {
        "sum": numbers,
        "avg": numbers,
        "stddev": [column for column in numbers if column.exact],  # of nearly equal values it is mere rounding
        "filter_aggregate": numbers,
        "sum_distinct": integers,
        "percentile": [column for column in numbers if column.kind != "double"],
        "collect": [column for column in deciding if column.kind not in ("double", "boolean")],
        "bool_agg": [column for column in deciding if column.kind == "boolean"],
        "count": [column for column in columns if column.kind != "array"],
        "min_max": [column for column in columns if column.kind != "array"],
    }.get(name, deciding)
    if not fitting:
        return None
    column = rng.choice(fitting)
    text, kind, exact = column.name, column.kind, column.exact and column.kind != "double"
    summed = "bigint" if kind == "int" else kind
    match name:
        case "count_rows":
            return "count(*)", Column("", "bigint")
        case "sum":
            return f"sum({text})", Column("", summed, exact=exact)
        case "sum_distinct":
            return f"sum(DISTINCT {text})", Column("", "bigint")
        case "filter_aggregate":
            return f"sum({text}) FILTER (WHERE {predicate(rng, columns)})", Column("", summed, exact=exact)
        case "count":
            return f"count({text})", Column("", "bigint")
        case "avg":
            return f"avg({text})", Column("", kind if kind == "decimal" else "double", exact=kind == "decimal")
        case "min_max":
            return f"{rng.choice(('min', 'max'))}({text})", Column("", kind, exact=column.exact)
        case "count_distinct":
            both = f"{text}, {rng.choice(deciding).name}" if rng.random() < 0.3 else text
            return f"count(DISTINCT {both})", Column("", "bigint")
        case "stddev":
            return f"{rng.choice(('stddev', 'var_pop'))}({text})", Column("", "double", exact=False)
        case "percentile":
            return f"{rng.choice(('median(%s)', 'percentile(%s, 0.25)')) % text}", Column("", "double", exact=False)
        case "collect":
            collect = rng.choice(("collect_list", "collect_set"))
            return f"sort_array({collect}({text}))", Column("", "array")
        case "bool_agg":
            return f"{rng.choice(('bool_and', 'bool_or'))}({text})", Column("", "boolean")
    raise AssertionError(name)
