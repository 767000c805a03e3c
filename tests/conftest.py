"""What tests share: one Spark a worker, opened the way the product opens it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pyspark.sql import SparkSession

from lakehouse.storage.session import open_session, stop_session


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """A local session with Delta; its own tables, if a test makes any, are in a temporary folder."""
    warehouse = tmp_path_factory.mktemp("spark-warehouse")
    settings = {
        "spark.sql.warehouse.dir": str(warehouse),
        "spark.driver.memory": "4g",  # several workers, and the processes that tests start, share a machine
    }
    yield open_session(settings, app_name="tests", master="local[2]")
    stop_session()
