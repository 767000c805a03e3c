"""A row filter of literals, barriers included, reads no more files and bytes than the same condition in a query."""

from __future__ import annotations

from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession

from tests.serving.secured_tables import Warehouse, policy

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]

REGIONS = ("AF", "AS", "EU", "US")
CONDITION = "region = 'EU' AND day >= 5"


@pytest.fixture(scope="module")
def warehouse(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    made = Warehouse(tmp_path_factory.mktemp("skipping") / "project", spark)
    rows = [(number, REGIONS[number % 4], number // 40 % 10, f"name {number}") for number in range(4000)]
    frame = spark.createDataFrame(rows, "id int, region string, day int, name string")
    made.write("silver.plain", frame.repartitionByRange(16, "region", "day").sortWithinPartitions("day"))
    made.write("silver.parted", frame.repartition(2), partition_by=("region", "day"))
    return made


def read_by(frame: DataFrame) -> tuple[int, int, int]:
    """Rows that a query gives, and the files and bytes that its scans read."""
    plan: Any = frame._jdf.queryExecution().executedPlan()
    count = len(frame.collect())
    if str(plan.getClass().getSimpleName()) == "AdaptiveSparkPlanExec":
        plan = plan.executedPlan()
    found, todo = [0, 0], [plan]
    while todo:
        node = todo.pop()
        if str(node.getClass().getSimpleName()) == "FileSourceScanExec":
            for place, name in enumerate(("numFiles", "filesSize")):
                found[place] += int(node.metrics().apply(name).value())
        todo += [node.children().apply(number) for number in range(node.children().size())]
    return count, found[0], found[1]


@pytest.mark.parametrize("table", ["plain", "parted"])
def test_a_filter_skips_the_files_that_its_condition_skips(
    warehouse: Warehouse, spark: SparkSession, table: str
) -> None:
    name = f"silver.{table}"
    rules = policy(filters={name: CONDITION}, masks={(name, "name"): "upper(val)"})
    secured = read_by(warehouse.reader(rules, warehouse.tables(name), "ana@corp").sql(f"SELECT * FROM {name}"))
    plain = spark.read.format("delta").load(warehouse.location(name))
    assert secured == read_by(plain.where(CONDITION))
    whole = read_by(plain)
    assert secured[0] * 4 < whole[0]
    assert secured[1] * 3 < whole[1]
    assert secured[2] * 3 < whole[2]
