"""Literal ranges: they cover every value, are disjoint and ascending, and are cut where the gaps are."""

from __future__ import annotations

import random
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest

from lakehouse.storage.key_ranges import column_ranges, has_ranges


def ranges(values: list[Any], kind: pa.DataType, most: int) -> tuple[Any, ...]:
    return column_ranges("k", pa.chunked_array([pa.array(values, kind)]), most).ranges


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([5, 1, 2, 900, 5, 901], pa.int64(), ((1, 5), (900, 901))),
        ([-(2**63), 2**63 - 1, 0], pa.int64(), ((-(2**63), -(2**63)), (0, 2**63 - 1))),
        ([1, 2, 3], pa.int32(), ((1, 3),)),
        ([Decimal("1.5"), Decimal("-3.2"), Decimal("1.6")], pa.decimal128(38, 10),
         ((Decimal("-3.2"), Decimal("-3.2")), (Decimal("1.5"), Decimal("1.6")))),
        ([date(2026, 1, 5), date(1582, 10, 4), date(2026, 1, 6)], pa.date32(),
         ((date(1582, 10, 4), date(1582, 10, 4)), (date(2026, 1, 5), date(2026, 1, 6)))),
        (["order-17", "order-1", "order-9999", "order-18"], pa.string(),
         (("order-1", "order-18"), ("order-9999", "order-9999"))),
        (["", "é", "z"], pa.string(), (("", ""), ("z", "é"))),
    ],
)  # fmt: skip
def test_cut_at_the_widest_gaps(values: list[Any], kind: pa.DataType, expected: Any) -> None:
    assert has_ranges(kind)
    assert ranges(values, kind, 2) == expected


def test_nulls_are_told_apart() -> None:
    some = column_ranges("k", pa.chunked_array([[None, 3], [None]], pa.int64()), 4)
    assert (some.has_null, some.ranges) == (True, ((3, 3),))
    none = column_ranges("k", pa.chunked_array([[None]], pa.int64()), 4)
    assert (none.has_null, none.ranges) == (True, ())
    assert not column_ranges("k", pa.chunked_array([[1]]), 4).has_null


@pytest.mark.parametrize("kind", [pa.float64(), pa.timestamp("us", "UTC"), pa.bool_(), pa.list_(pa.int64())])
def test_types_without_ranges(kind: pa.DataType) -> None:
    assert not has_ranges(kind)


@pytest.mark.parametrize("kind", ["int", "text"])
def test_random_values_are_covered_by_few_disjoint_ranges(kind: str) -> None:
    seed = 20260105
    print(f"seed {seed}")
    source = random.Random(seed)
    for _ in range(200):
        numbers = [
            source.choice((source.randrange(50), source.randrange(10**9))) for _ in range(source.randrange(1, 60))
        ]
        values: list[Any] = numbers if kind == "int" else ["é" * (n % 3) + str(n) for n in numbers]
        most = source.randrange(1, 12)
        found = ranges(values, pa.int64() if kind == "int" else pa.string(), most)
        assert 1 <= len(found) <= most
        assert all(any(low <= value <= high for low, high in found) for value in values)
        assert all(low in values and high in values and low <= high for low, high in found)
        assert all(one[1] < two[0] for one, two in pairwise(found))
