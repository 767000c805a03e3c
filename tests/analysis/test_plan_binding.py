"""Spark's operators over other rows."""

from __future__ import annotations

import pytest
from pyspark.sql import SparkSession

from lakehouse.analysis.plan_binding import select

pytestmark = pytest.mark.spark


def test_rows_without_columns_are_rows(project: SparkSession) -> None:
    found = select(project.range(3), [])
    assert (found.columns, found.count()) == ([], 3)
    assert select(project.range(3), ["id + 1 AS a", "id AS `b,c`"]).columns == ["a", "b,c"]
