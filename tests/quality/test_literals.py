from __future__ import annotations

import datetime as dt
import math
import random
from decimal import Decimal
from typing import Any

import pytest
from pyspark.sql import SparkSession

from lakehouse.quality.literals import identifier, literal, literals

VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2**31 - 1, -(2**31), 2**31, 2**63 - 1, -(2**63), 2**63, -(2**63) - 1, 10**38 - 1,
    0.0, -0.0, 0.1, 1e308, 5e-324, -1e-300, 1e22, 123456789.123, math.inf, -math.inf, math.nan,
    Decimal("0.10"), Decimal("-12345678901234567890.1234567890"), Decimal("1E+5"), Decimal("1E-30"), Decimal(0),
    "", "a", "it's", '"', "\\", "\\n", "a\\'b", "line\nbreak\r\n", "\t\0\x1a", "é日本😀", "%_\\%", "${spark.app.name}",
    "$x {y}", "\u2028\x7f\x01", "--x", "/* */", "`", "' OR 1=1 --", "\\u0041", "\\",
    dt.date(1, 1, 1), dt.date(9999, 12, 31), dt.date(2024, 2, 29),
    dt.datetime(2024, 2, 29, 23, 59, 59, 999999), dt.datetime(1970, 1, 1),
]  # fmt: skip


def test_a_digit_after_a_nul_is_a_digit() -> None:
    assert literal("\0" + "14") == r"'\u000014'"  # '\014' would be one character


def test_text_of_literals() -> None:
    assert literals([1, 2**31, None, "a'b", 0.5]) == "1, 2147483648L, NULL, 'a\\'b', 0.5D"
    assert literal(dt.datetime(2024, 1, 1, 2, tzinfo=dt.timezone(dt.timedelta(hours=2)))).endswith(" UTC'")
    assert identifier("a `b`.c") == "`a ``b``.c`"


@pytest.mark.parametrize("value", [object(), [1], b"x", {"a": 1}])
def test_what_has_no_literal(value: object) -> None:
    with pytest.raises(TypeError):
        literal(value)


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), 10**38, Decimal("1E+40")])
def test_numbers_that_spark_cannot_hold(value: Any) -> None:
    with pytest.raises(ValueError, match=r"decimal|digits"):
        literal(value)


@pytest.mark.spark
@pytest.mark.parametrize("seed", [1, 33, 34])  # the last two put digits behind a NUL
def test_spark_reads_every_literal_as_the_value(spark: SparkSession, seed: int) -> None:
    print(f"seed {seed}")
    chance = random.Random(seed)
    alphabet = "ab'\"\\\n\r\t\0$%_{}`-/*#;:é日😀u00411\x1a "
    texts = ["".join(chance.choice(alphabet) for _ in range(chance.randrange(12))) for _ in range(150)]
    floats = [chance.uniform(-1, 1) * 10 ** chance.randrange(-300, 300) for _ in range(50)]
    values = [*VALUES, *texts, *floats]
    row = spark.range(1).selectExpr(*(f"{literal(value)} AS c{at}" for at, value in enumerate(values))).first()
    assert row is not None
    for value, found in zip(values, row, strict=True):
        if isinstance(value, float) and math.isnan(value):
            assert math.isnan(found)
        else:
            assert found == value, (value, found)
            assert isinstance(
                found, Decimal if isinstance(value, int) and not -(2**63) <= value < 2**63 else type(value)
            )
        if value == 0 and isinstance(value, float):
            assert math.copysign(1, found) == math.copysign(1, value)


@pytest.mark.spark
def test_the_types_are_those_of_pyspark(spark: SparkSession) -> None:
    from pyspark.sql import functions as F

    values = [1, -(2**31), 2**31, -(2**63), 0.5, True, "a", Decimal("1.50"), dt.date(2024, 1, 1)]
    ours = spark.range(1).selectExpr(*(literal(value) for value in values)).schema
    theirs = spark.range(1).select(*(F.lit(value) for value in values)).schema
    # PySpark gives a Decimal 38 digits; a literal has as many as are written.
    decimal = next(at for at, value in enumerate(values) if isinstance(value, Decimal))
    assert [f.dataType for at, f in enumerate(ours) if at != decimal] == [
        f.dataType for at, f in enumerate(theirs) if at != decimal
    ]


@pytest.mark.spark
def test_identifiers(spark: SparkSession) -> None:
    names = ["a b", "a.b", "a`b", "``", "select", "é", "1x", "$a"]
    frame = spark.range(1).selectExpr(*(f"{at} AS {identifier(name)}" for at, name in enumerate(names)))
    row = frame.selectExpr(*map(identifier, names)).first()
    assert row is not None
    assert list(row) == list(range(len(names)))
