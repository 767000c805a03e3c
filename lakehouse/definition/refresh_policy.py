"""The words of a refresh policy, the same in every front end."""

from __future__ import annotations

from typing import Any

from lakehouse.definition.dataset import RefreshPolicy
from lakehouse.errors import InvalidValue, SourceLocation, nearest

POLICIES = tuple(policy.value for policy in RefreshPolicy)


def read_refresh_policy(value: Any, *, of: str, where: SourceLocation) -> RefreshPolicy:
    """The policy that a word names; `of` names the dataset in messages. Raises InvalidValue with the nearest word.

    >>> read_refresh_policy("incremental_strict", of="'gold.a'", where=SourceLocation("a.py", 1)).name
    'INCREMENTAL_STRICT'
    """
    if isinstance(value, str) and value in POLICIES:
        return RefreshPolicy(value)
    near = nearest(value, POLICIES) if isinstance(value, str) else None
    raise InvalidValue(
        f"'refresh_policy' of {of} is {value!r}; expected one of {', '.join(POLICIES)}.",
        where=where,
        hint=f"Did you mean '{near}'?" if near else None,
    )
