"""`lakehouse sql QUERY`: the rows of one query over one publication."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from lakehouse.cli.project_arguments import project_folder, variables
from lakehouse.cli.screen import Column, Screen
from lakehouse.serving.figures import counted


def execute(arguments: argparse.Namespace, screen: Screen) -> int:
    """Exit code 0. Raises UsageError where nothing is published yet or the statement is no query, QueryError."""
    folder, values = project_folder(arguments), variables(arguments.var)
    # Imports pyspark, and arguments that do not fit need not wait for it.
    from lakehouse.run.evaluation import failures_named
    from lakehouse.serving.connection import connect

    with connect(folder, target=arguments.target, variables=values, at=arguments.at) as connection:
        frame = connection.sql(arguments.query)
        with failures_named("the query", None, folder):
            rows = frame.limit(arguments.limit + 1).collect()
        names = unique_names(frame.columns)
        types = [field.dataType.simpleString() for field in frame.schema.fields]
    shown = [dict(zip(names, row, strict=True)) for row in rows[: arguments.limit]]
    screen.event("columns", columns=[{"name": name, "type": kind} for name, kind in zip(names, types, strict=True)])
    for row in shown:
        screen.event("row", values=row)
    more = len(rows) > arguments.limit
    screen.event("rows_ended", rows=len(shown), more=more)
    screen.table([_column(name, kind) for name, kind in zip(names, types, strict=True)], shown)
    found = counted(len(shown), "row")
    screen.say(f"{found}; there are more, --limit shows them." if more else f"{found}.", "dim")
    return 0


def unique_names(names: Sequence[str]) -> list[str]:
    """The names, those that were there before with a number.

    >>> unique_names(["a", "b", "a"])
    ['a', 'b', 'a_2']
    """
    unique: list[str] = []
    for name in names:
        candidate, number = name, 1
        while candidate in unique:
            number += 1
            candidate = f"{name}_{number}"
        unique.append(candidate)
    return unique


def _column(name: str, kind: str) -> Column:
    is_number = kind in ("tinyint", "smallint", "int", "bigint", "float", "double") or kind.startswith("decimal")
    return Column(key=name, title=name, write=_value, right=is_number, folds=True)


def _value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
