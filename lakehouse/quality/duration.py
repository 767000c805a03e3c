"""Durations as users write them."""

from __future__ import annotations

import re
from datetime import timedelta

_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86400, "week": 604800}
_PART = re.compile(r"(\d+(?:\.\d+)?)\s*(second|minute|hour|day|week)s?(?:\s*,?\s+|$)", re.IGNORECASE)


def duration(text: str) -> timedelta:
    """The length of time that a text like `1 day 2 hours` means. Raises ValueError for any other text.

    >>> duration("1 day 2 hours")
    datetime.timedelta(days=1, seconds=7200)
    """
    stripped, position, seconds = text.strip(), 0, 0.0
    while position < len(stripped):
        match = _PART.match(stripped, position)
        if match is None:
            raise ValueError(f"'{text}' is no duration")
        seconds += float(match[1]) * _SECONDS[match[2].lower()]
        position = match.end()
    if not stripped:
        raise ValueError("an empty text is no duration")
    return timedelta(seconds=seconds)
