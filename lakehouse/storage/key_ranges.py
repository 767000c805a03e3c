"""Which values a merge can touch, as a few literal ranges: by them both engines skip files that hold none.

Neither engine skips files by the rows of a merge's source; only conditions on the table alone with literals do it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

RangeValue = int | Decimal | date | str

_PREFIX = 8  # bytes of a text, after what all texts begin with, that tell how far two of them are apart


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnRanges:
    """Ranges (low, high), both included, ascending and disjoint, that cover all values of a column but NULL."""

    column: str
    has_null: bool
    ranges: tuple[tuple[RangeValue, RangeValue], ...]


def has_ranges(kind: pa.DataType) -> bool:
    """Whether values of this Arrow type can be bounded by literals.

    Whole numbers, decimals, dates and texts: not timestamps, whose statistics are cut to milliseconds, and not
    floating point numbers, among which NaN has no place.
    """
    tests = (pa.types.is_integer, pa.types.is_decimal, pa.types.is_date32, _is_text)
    return any(test(kind) for test in tests)


def column_ranges(column: str, values: pa.ChunkedArray, most: int) -> ColumnRanges:
    """At most `most` ranges over the values, cut where the largest gaps are. For types with `has_ranges`.

    >>> column_ranges("k", pa.chunked_array([[7, None, 1, 2, 9]]), 2).ranges
    ((1, 2), (7, 9))
    """
    kept = pc.unique(values.drop_null())
    ordered = kept.take(pc.sort_indices(kept))
    cuts = _cuts(ordered, most) if len(ordered) > 1 else []
    starts, ends = [0, *(cut + 1 for cut in cuts)], [*cuts, len(ordered) - 1]
    return ColumnRanges(
        column=column,
        has_null=values.null_count > 0,
        ranges=tuple((ordered[low].as_py(), ordered[high].as_py()) for low, high in zip(starts, ends, strict=True))
        if len(ordered)
        else (),
    )


def _cuts(ordered: pa.Array, most: int) -> list[int]:
    """Positions after which to cut, ascending."""
    gaps = np.diff(_places(ordered))
    adjoining = 1 if pa.types.is_integer(ordered.type) or pa.types.is_date(ordered.type) else 0
    widest = np.argsort(-gaps, kind="stable")[: most - 1]
    return sorted(int(cut) for cut in widest if gaps[cut] > adjoining)


def _places(ordered: pa.Array) -> np.ndarray:
    """The values as places on a line. Only distances count, so a rounded place is good enough."""
    if _is_text(ordered.type):
        return _text_places(pc.cast(ordered, pa.binary()))
    if pa.types.is_date(ordered.type):
        ordered = pc.cast(ordered, pa.int32())
    return np.asarray(pc.cast(ordered, pa.float64(), safe=False))


def _text_places(ordered: pa.Array) -> np.ndarray:
    first, last = ordered[0].as_py(), ordered[-1].as_py()
    shared = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    tails = pc.binary_slice(ordered, shared, shared + _PREFIX).to_numpy(zero_copy_only=False)
    return np.asarray(tails, dtype=f"S{_PREFIX}").view(">u8").astype(np.float64)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
