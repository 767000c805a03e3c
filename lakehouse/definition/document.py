"""A declaration as a plain value that still knows where each of its parts was written.

A path is a tuple of keys and list positions, as in `("source", "options", "header")`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lakehouse.definition.dataset import Dataset
from lakehouse.errors import DefinitionError, SourceLocation

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One declaration: mappings, lists and scalars; `lines` says where each key or item stands, `text_lines` where
    the text under a key begins."""

    value: Any
    file: str
    line: int
    lines: Mapping[Path, int] = field(default_factory=dict)
    text_lines: Mapping[Path, int] = field(default_factory=dict)

    def where(self, *path: str | int) -> SourceLocation:
        """The place of the part at `path`, or of the nearest part around it."""
        for length in range(len(path), 0, -1):
            line = self.lines.get(path[:length])
            if line is not None:
                return SourceLocation(self.file, line)
        return SourceLocation(self.file, self.line)

    def text_where(self, *path: str | int) -> SourceLocation:
        """The place where the text at `path` begins."""
        line = self.text_lines.get(path)
        return self.where(*path) if line is None else SourceLocation(self.file, line)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declarations:
    """What files declare, the problems found in them, and sentences worth showing to the user."""

    datasets: tuple[Dataset, ...] = ()
    problems: tuple[DefinitionError, ...] = ()
    notices: tuple[str, ...] = ()
