"""Text that a notebook shows as it is meant to be read."""

from __future__ import annotations


class Text(str):
    """A string whose `repr` is itself, so that it needs no `print`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)
