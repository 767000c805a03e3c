"""A hash of everything that a policy says: equal for equal rules, in whatever order mappings and sets were made."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from lakehouse.catalog.policy import AccessPolicy


def policy_hash(policy: AccessPolicy) -> str:
    """64 hexadecimal digits (SHA-256), the same in every process; rules in another order are other rules here."""
    digest = hashlib.sha256()
    for piece in _pieces(policy):
        digest.update(piece.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _pieces(value: Any) -> Iterator[str]:
    """The value as texts that no other value gives: each with its length before it."""
    if isinstance(value, Enum):
        value = value.value
    if is_dataclass(value):
        yield f"<{type(value).__name__}"
        for each in fields(value):
            yield from _pieces(getattr(value, each.name))
        yield ">"
    elif isinstance(value, Mapping):
        yield "{"
        yield from sorted("".join((*_pieces(key), *_pieces(inner))) for key, inner in value.items())
        yield "}"
    elif isinstance(value, frozenset):
        yield "("
        yield from sorted("".join(_pieces(item)) for item in value)
        yield ")"
    elif isinstance(value, tuple):
        yield "["
        for item in value:
            yield from _pieces(item)
        yield "]"
    else:
        text = f"{type(value).__name__} {value}"
        yield f"{len(text)}:{text}"
