"""Netting in Arrow: rows cancel only if no query can tell them apart."""

from __future__ import annotations

import struct
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import types as T

from lakehouse.errors import ChangeFeedError
from lakehouse.storage.feed_netting import WEIGHT, check_comparable, is_flat, net_arrow

OTHER_NAN = struct.unpack("<d", struct.pack("<Q", 0xFFF8000000000001))[0]
NAN = float("nan")


def net(kind: pa.DataType, *signed: tuple[Any, int]) -> list[tuple[str, int]]:
    rows = pa.table({"x": pa.array([v for v, _ in signed], kind), WEIGHT: pa.array([w for _, w in signed], pa.int32())})
    found = net_arrow(rows)
    assert found.schema == rows.schema
    return sorted((repr(row["x"]), row[WEIGHT]) for row in found.to_pylist())


@pytest.mark.parametrize(
    ("kind", "one", "other"),
    [
        (pa.int8(), -128, 127),
        (pa.int64(), -(2**63), 2**63 - 1),
        (pa.float32(), 0.0, -0.0),
        (pa.float64(), 0.0, -0.0),
        (pa.float64(), NAN, None),
        (pa.bool_(), False, None),
        (pa.string(), "", None),
        (pa.string(), "a", "A"),
        (pa.binary(), b"", b"\x00"),
        (pa.decimal128(38, 10), Decimal("0.0000000001"), Decimal("-0.0000000001")),
        (pa.date32(), date(1582, 10, 10), date(9999, 12, 31)),
        (pa.timestamp("us", "UTC"), datetime(1, 1, 1, tzinfo=timezone.utc), None),
        (pa.timestamp("us"), datetime(9999, 12, 31, 23, 59, 59, 999999), datetime(1, 1, 1)),
    ],
)
def test_values_are_told_apart(kind: pa.DataType, one: Any, other: Any) -> None:
    def shown(value: Any) -> str:
        return repr(pa.array([value], kind).to_pylist()[0])

    assert net(kind, (one, 1), (other, -1)) == sorted([(shown(one), 1), (shown(other), -1)])
    assert net(kind, (one, 1), (one, -1), (other, 1), (one, 1), (other, 1)) == sorted(
        [(shown(one), 1), (shown(other), 2)]
    )
    assert net(kind, (one, -1), (one, 1)) == []


def test_every_nan_is_the_same() -> None:
    assert net(pa.float64(), (NAN, 1), (OTHER_NAN, -1)) == []
    assert net(pa.float64(), (OTHER_NAN, 1), (NAN, 1)) == [("nan", 2)]


def test_rows_are_compared_in_all_columns_whatever_their_names() -> None:
    rows = pa.table({"1": ["a", "a", "b", None], WEIGHT: pa.array([1, 1, -1, 1], pa.int32()), "0": [None, None, 1, 1]})
    found = sorted(net_arrow(rows).to_pylist(), key=str)
    assert found == [
        {"1": "a", WEIGHT: 2, "0": None},
        {"1": "b", WEIGHT: -1, "0": 1},
        {"1": None, WEIGHT: 1, "0": 1},
    ]


def test_types_without_equality_are_refused() -> None:
    for kind in (T.VariantType(), T.ArrayType(T.VariantType()), T.NullType(), T.DayTimeIntervalType()):
        with pytest.raises(ChangeFeedError) as caught:
            check_comparable(T.StructType([T.StructField("c", T.MapType(T.StringType(), kind))]), "/place")
        assert caught.value.location == "/place"
    with pytest.raises(ChangeFeedError):
        check_comparable(T.StructType([T.StructField("__W", T.LongType())]), "/place")
    fine = T.StructType([T.StructField("m", T.MapType(T.StringType(), T.DoubleType()))])
    check_comparable(fine, "/place")
    assert not is_flat(fine)
    assert is_flat(T.StructType([T.StructField("d", T.DoubleType())]))
