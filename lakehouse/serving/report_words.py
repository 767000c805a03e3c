"""How a report writes figures, moments and values. Pure."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

_LONGEST = 300  # characters of a cell
_TONES = {
    **dict.fromkeys(("passed", "succeeded", "published", "refreshed", "stable"), "good"),
    **dict.fromkeys(("failed", "error", "missing", "large", "died"), "bad"),
    **dict.fromkeys(("incomplete", "blocked", "cancelled", "moderate", "unpublished", "skipped"), "warn"),
}


def anchor(dataset: str) -> str:
    """Where the page tells of a dataset."""
    return f"table-{dataset}"


def tone_of(word: str) -> str:
    """good, bad, warn or empty, by a status in words."""
    return _TONES.get(word, "")


def percent(share: float) -> str:
    """A share as people read it; what is not 0 does not look like 0.

    >>> percent(0), percent(0.00004), percent(0.0312), percent(1)
    ('0 %', '<0.01 %', '3.12 %', '100 %')
    """
    if 0 < abs(share) < 0.0001:
        return "<0.01 %"
    return f"{share * 100:.2f}".rstrip("0").rstrip(".") + " %"


def number(value: float | None) -> str:
    """A measurement to four digits; a dash where there is none.

    >>> number(0.03124), number(1234567.0), number(0), number(None)
    ('0.03124', '1,234,567', '0', '-')
    """
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def moment(when: datetime | None) -> str:
    """An instant to the minute, in UTC."""
    return when.astimezone(timezone.utc).strftime("%Y-%m-%d %H:%M") if when else "-"


def cut(text: str) -> str:
    """A text that is not too long for a cell."""
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def plain(value: Any) -> str:
    """A value of a record; NULL says so."""
    if value is None:
        return "NULL"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
