"""`lakehouse sql QUERY`: the rows of one query over one publication, or a statement about access."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from lakehouse.cli.project_arguments import project_folder, variables
from lakehouse.cli.screen import Column, Screen
from lakehouse.definition.spec_file import read_spec
from lakehouse.errors import UsageError
from lakehouse.serving.figures import counted


def execute(arguments: argparse.Namespace, screen: Screen) -> int:
    """Exit code 0. Raises UsageError where nothing is published yet or the statement is no query, QueryError,
    AccessRefused."""
    from lakehouse.catalog.statement_parser import parse_statement

    folder, values = project_folder(arguments), variables(arguments.var)
    statement = parse_statement(arguments.query)
    if statement is not None:
        return _answer(statement, folder, values, arguments, screen)
    # Imports pyspark, and arguments that do not fit need not wait for it.
    from lakehouse.run.evaluation import failures_named
    from lakehouse.serving.connection import Connection, connect
    from lakehouse.serving.guarded import NOTICE, GuardedConnection

    with ExitStack() as opened:
        connection: Connection | GuardedConnection
        if arguments.principal is None:
            connection = connect(folder, target=arguments.target, variables=values, at=arguments.at)
        else:
            with warnings.catch_warnings():  # said on this screen, once
                warnings.simplefilter("ignore")
                connection = connect(
                    folder, principal=arguments.principal, target=arguments.target, variables=values, at=arguments.at
                )
            screen.note(NOTICE.format(principal=arguments.principal))
        opened.enter_context(connection)
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


def _answer(statement: Any, folder: Path, values: dict[str, str], arguments: argparse.Namespace, screen: Screen) -> int:
    from lakehouse.cli.access_text import GRANTS, show_explanation
    from lakehouse.serving.access_statements import answer_statement

    if arguments.at:
        raise UsageError("--at is for queries; rules of access are as they are now.")
    spec = read_spec(folder, target=arguments.target, variables=values)
    found = answer_statement(spec, arguments.query, statement, arguments.principal, datetime.now(timezone.utc))
    if found.grants is not None:
        for row in found.grants:
            screen.event("grant", **row)
        screen.table(GRANTS, found.grants)
        screen.say(f"{counted(len(found.grants), 'rule')}.", "dim")
    elif found.explanation is not None:
        show_explanation(found.explanation, screen)
    else:
        for notice in found.notices:
            screen.event("notice", text=notice, about="")
            screen.say(f"note: {notice}")
        screen.event("access_changed", sequence=found.sequence)
        screen.say(f"done; recorded as statement {found.sequence} of system.access.")
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
