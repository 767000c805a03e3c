"""Whether two computations gave the same bag of rows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

Rows = Iterable[Sequence[Any]]
_TOLERANCE = 1e-9  # relative; sums of doubles depend on the order of their terms


def difference(actual: Rows, expected: Rows) -> str:
    """What distinguishes two bags of rows, or an empty text if nothing does.

    Duplicates count; NULL equals NULL and NaN equals NaN; doubles may differ by rounding, every other type must be
    equal, decimals in value.
    """
    left, right = Counter(map(_comparable, actual)), Counter(map(_comparable, expected))
    surplus, missing = _sorted(left - right), _sorted(right - left)
    if len(surplus) == len(missing) and all(map(_close, surplus, missing)):
        return ""
    shown = [f"{len(surplus)} rows too many, {len(missing)} missing"]
    shown += [f"  + {row}" for row in surplus[:5]] + [f"  - {row}" for row in missing[:5]]
    return "\n".join(shown)


def _comparable(row: Sequence[Any]) -> tuple[Any, ...]:
    return tuple("NaN" if isinstance(value, float) and math.isnan(value) else value for value in row)


def _sorted(rows: Counter[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Rows that are equal but for rounding must meet in one place: exact values decide first."""

    def order(row: tuple[Any, ...]) -> Any:
        exact = [(value is not None, str(value)) for value in row if not isinstance(value, float)]
        return exact, [value for value in row if isinstance(value, float)]

    return sorted(rows.elements(), key=order)


def _close(left: tuple[Any, ...], right: tuple[Any, ...]) -> bool:
    return len(left) == len(right) and all(map(_same, left, right))


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return math.isclose(left, right, rel_tol=_TOLERANCE, abs_tol=1e-12)
    if isinstance(left, Decimal) and isinstance(right, Decimal):
        return left == right
    return bool(left == right and type(left) is type(right))
