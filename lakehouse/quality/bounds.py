"""Whether an observed value lies within declared bounds, as Great Expectations decides it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

# Great Expectations takes a quantile that is this close to a bound for one within it (numpy's isclose).
_RELATIVE, _ABSOLUTE = 1e-4, 1e-8


def within_bounds(value: Any, arguments: Mapping[str, Any]) -> bool:
    """Whether a value is between `min_value` and `max_value`, or strictly so. NULL and NaN never are.

    Raises ValueError or TypeError for a bound that cannot be compared with the value.
    """
    if value is None or (isinstance(value, float | Decimal) and math.isnan(value)):
        return False
    low, high = (_like(value, arguments.get(key)) for key in ("min_value", "max_value"))
    above = low is None or (value > low if arguments.get("strict_min") else value >= low)
    below = high is None or (value < high if arguments.get("strict_max") else value <= high)
    return bool(above and below)


def quantile_within(value: float | None, bounds: tuple[Any, Any] | list[Any]) -> bool:
    """Whether a quantile is within its [lowest, highest], None being unbounded, or nearly at one of them."""
    if value is None or math.isnan(value):
        return False
    low = -math.inf if bounds[0] is None else float(bounds[0])
    high = math.inf if bounds[1] is None else float(bounds[1])
    return low <= value <= high or any(
        math.isfinite(bound) and abs(value - bound) <= _ABSOLUTE + _RELATIVE * abs(bound) for bound in (low, high)
    )


def json_value(value: Any) -> Any:
    """A value as JSON has it: dates and what is not finite as text, decimals as numbers."""
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes | bytearray):
        return bytes(value).hex()
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): json_value(item) for key, item in value.items()}
    return value if value is None or isinstance(value, str | int | float) else str(value)


def _like(value: Any, bound: Any) -> Any:
    """A bound as the observed value's own type: text becomes the date, timestamp or number that it means."""
    if isinstance(value, datetime):
        if isinstance(bound, str):
            bound = datetime.fromisoformat(bound.strip())
        elif isinstance(bound, date) and not isinstance(bound, datetime):
            bound = datetime(bound.year, bound.month, bound.day)
        if bound is not None and bound.tzinfo is not None and value.tzinfo is None:
            return bound.astimezone().replace(tzinfo=None)  # Spark's timestamps come in the driver's local time
        if bound is not None and bound.tzinfo is None and value.tzinfo is not None:
            return bound.replace(tzinfo=timezone.utc)
        return bound
    if isinstance(value, date) and isinstance(bound, str):
        return datetime.fromisoformat(bound.strip()).date()
    if isinstance(value, date) and isinstance(bound, datetime):
        return bound.date()
    if isinstance(value, int | float | Decimal) and isinstance(bound, str):
        return Decimal(bound)
    return bound
