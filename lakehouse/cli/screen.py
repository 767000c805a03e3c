"""Where a command's output goes: a terminal, plain text, or one JSON event a line. Commands never print elsewhere.

`say` and `table` are for people, `event` is for programs; a screen shows one kind and ignores the other, so that a
command says what it has to say once in each form and asks no further.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import IO, Any

from lakehouse.errors import DefinitionErrors, LakehouseError

# Narrower terminals do without the columns that are nice to have.
_WIDE = 100
_STYLES = {
    "failed": "red",
    "skipped": "yellow",
    "blocked": "red",
    "died": "red",
    "missing": "red",
    "cancelled": "yellow",
    "incomplete": "yellow",
    "unpublished": "yellow",
    "refused": "red",
    "quarantined": "yellow",
    "warned": "yellow",
    "dropped": "yellow",
    "not judged": "yellow",
    "error": "red",
    "passed": "green",
    "refreshed": "green",
    "succeeded": "green",
    "full": "cyan",
    "incremental": "cyan",
    "append": "cyan",
    "aggregate": "cyan",
    "keys": "cyan",
    "difference": "cyan",
}
_ANSI = {"red": "31", "yellow": "33", "green": "32", "cyan": "36", "bold": "1", "dim": "2"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table for people: the row's key, the title, how a value is written; `wide` ones may be left out
    on a narrow terminal, `folds` ones give way to the others."""

    key: str
    title: str
    write: Callable[[Any], str] = str
    right: bool = False
    wide: bool = False
    folds: bool = False


class Screen:
    """The output of one command."""

    def __init__(self, *, as_json: bool, out: IO[str] | None = None, err: IO[str] | None = None) -> None:
        self.as_json = as_json
        self.out = out or sys.stdout
        self.err = err or sys.stderr
        self.is_terminal = not as_json and self.out.isatty() and os.environ.get("TERM") != "dumb"

    @property
    def width(self) -> int:
        """Columns of the terminal."""
        return shutil.get_terminal_size().columns

    def say(self, text: str = "", style: str | None = None) -> None:
        """A line for people; `style` is a colour, bold or dim, and shows on a terminal only."""
        if not self.as_json:
            print(self._styled(text, style), file=self.out, flush=True)

    def event(self, name: str, /, **fields: Any) -> None:
        """A line for programs."""
        if self.as_json:
            print(json.dumps({"event": name, **fields}, default=as_json_value), file=self.out, flush=True)

    def table(self, columns: Sequence[Column], rows: Iterable[Mapping[str, Any]]) -> None:
        """Aligned columns for people; nothing where there is no row."""
        found = list(rows)
        if self.as_json or not found:
            return
        if self.is_terminal:
            self._terminal_table([column for column in columns if not column.wide or self.width >= _WIDE], found)
        else:
            for line in plain_table(columns, found):
                self.say(line)

    def note(self, text: str) -> None:
        """A line beside the output (standard error), for people."""
        if not self.as_json:
            print(text, file=self.err, flush=True)

    def fail(self, error: LakehouseError) -> None:
        """An error: where, what, and what to do; several are shown one by one."""
        problems = error.problems if isinstance(error, DefinitionErrors) else (error,)
        for problem in problems:
            self.event("error", **error_fields(problem))
            self.note(f"{self._styled('error:', 'red', on=self.err)} {problem}")
        if len(problems) > 1:
            self.note(f"{len(problems)} problems.")

    def _styled(self, text: str, style: str | None, on: IO[str] | None = None) -> str:
        shown = self.is_terminal if on is None else on.isatty()
        if style is None or not shown or "NO_COLOR" in os.environ or not text:
            return text
        return f"\x1b[{_ANSI[style]}m{text}\x1b[0m"

    def _terminal_table(self, columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> None:
        # A tenth of a second to import, and only terminals need it.
        from rich.box import SIMPLE_HEAD
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(
                column.title,
                justify="right" if column.right else "left",
                no_wrap=not column.folds,
                overflow="fold" if column.folds else "ellipsis",
            )
        for row in rows:
            cells = [written(column, row) for column in columns]
            table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in cells))
        Console(file=self.out, width=self.width, highlight=False).print(table)


def written(column: Column, row: Mapping[str, Any]) -> str:
    """A cell; a dash where there is no value."""
    value = row.get(column.key)
    return "-" if value is None else column.write(value)


def plain_table(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The table as lines without colour, as wide as it needs to be."""
    cells = [[column.title for column in columns], *([written(column, row) for column in columns] for row in rows)]
    widths = [max(len(line[index]) for line in cells) for index in range(len(columns))]
    lines = []
    for line in cells:
        padded = [
            cell.rjust(width) if column.right else cell.ljust(width)
            for column, cell, width in zip(columns, line, widths, strict=True)
        ]
        lines.append("  ".join(padded).rstrip())
    return lines


def error_fields(error: LakehouseError) -> dict[str, Any]:
    """An error as plain fields: its class, message, place, hint, exit code, and what its class carries beside."""
    own = {key: value for key, value in vars(error).items() if key not in {"message", "where", "hint"}}
    return {
        **own,
        "class": type(error).__name__,
        "message": error.message,
        "file": error.where.file if error.where else None,
        "line": error.where.line if error.where else None,
        "hint": error.hint,
        "exit_code": error.exit_code,
    }


def as_json_value(value: Any) -> Any:
    """What JSON has no form for: instants in ISO form, enumerations by value, names and paths as text."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, frozenset):
        return sorted(map(str, value))
    if isinstance(value, Mapping):
        return {str(key): item for key, item in value.items()}
    if isinstance(value, Path):
        return value.as_posix()
    return str(value)
