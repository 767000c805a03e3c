"""A hash of everything that a policy says: equal for equal rules, in whatever order mappings and sets were made."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import lru_cache
from typing import Any

from lakehouse.catalog.policy import AccessPolicy
from lakehouse.catalog.principal import Principal
from lakehouse.catalog.securable import Securable


def policy_hash(policy: AccessPolicy) -> str:
    """64 hexadecimal digits (SHA-256), the same in every process; rules in another order are other rules here."""
    return hashlib.sha256(_text(policy).encode("utf-8", "surrogatepass")).hexdigest()


def _text(value: Any) -> str:
    """The value as a text that no other value gives: each part with its length before it."""
    kind = type(value)
    if kind is str:
        return f"{len(value)}:{value}"
    if kind in _REPEATED:
        return _remembered(value)
    if isinstance(value, Enum):
        return _text(value.value)
    if is_dataclass(value):
        inner = [_text(getattr(value, name)) for name in _names(value)]
        return f"<{kind.__name__} {''.join(inner)}>"
    if isinstance(value, Mapping):
        return "{" + "".join(sorted(_text(key) + _text(inner) for key, inner in value.items())) + "}"
    if isinstance(value, frozenset):
        return "(" + "".join(sorted(map(_text, value))) + ")"
    if isinstance(value, tuple):
        return "[" + "".join(map(_text, value)) + "]"
    return f"{kind.__name__} {value};"  # a number, a truth value or None


@lru_cache(maxsize=100_000)
def _remembered(value: Principal | Securable) -> str:
    return f"<{_text(value.kind)}{_text(value.name if isinstance(value, Principal) else value.path)}>"


def _names(value: Any) -> tuple[str, ...]:
    kind = type(value)
    if kind not in _NAMES:
        _NAMES[kind] = tuple(each.name for each in fields(value))
    return _NAMES[kind]


_NAMES: dict[type, tuple[str, ...]] = {}
_REPEATED = frozenset({Principal, Securable})
