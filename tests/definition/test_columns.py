from __future__ import annotations

import pytest

from lakehouse.definition.columns import parse_ddl
from lakehouse.definition.dataset import Column
from lakehouse.errors import DuplicateName, InvalidValue, SourceLocation

HERE = SourceLocation("f.py", 3)


def test_columns_of_ddl() -> None:
    ddl = "a INT, `b c`: DECIMAL(10, 2) NOT NULL COMMENT 'it''s', s STRUCT<x: INT COMMENT 'in', y: ARRAY<STRING>>, t"
    assert parse_ddl(ddl, HERE) == (
        Column(name="a", type="INT"),
        Column(name="b c", type="DECIMAL(10, 2)", comment="it's", nullable=False),
        Column(name="s", type="STRUCT<x: INT COMMENT 'in', y: ARRAY<STRING>>"),
        Column(name="t"),
    )


@pytest.mark.parametrize("ddl", ["a INT DEFAULT 3", "'a' INT", "a INT NOT NULL UNIQUE x NOT y"])
def test_what_is_no_column(ddl: str) -> None:
    with pytest.raises(InvalidValue):
        parse_ddl(ddl, HERE)


def test_a_column_twice() -> None:
    with pytest.raises(DuplicateName) as caught:
        parse_ddl("a INT, A STRING", HERE)
    assert caught.value.name == "A"
