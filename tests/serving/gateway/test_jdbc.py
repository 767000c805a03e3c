"""The JDBC driver for Flight SQL, unmodified, against the gateway."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from lakehouse.storage.audit_log import read_audit
from tests.serving.gateway.conftest import Served
from tests.serving.gateway.hr_site import hr_site
from tests.serving.gateway.in_memory import ANA
from tests.serving.gateway.jdbc_driver import driver_jar

CLIENT, TYPES = (Path(__file__).with_name(f"{name}.java") for name in ("JdbcClient", "JdbcTypes"))
OPENED = "--add-opens=java.base/java.nio=ALL-UNNAMED"  # Arrow's Java library needs it


@pytest.mark.parametrize("user", ["token", str(ANA)])
def test_jdbc(served: Served, user: str) -> None:
    port = served.address.rpartition(":")[2]
    command = ["java", OPENED, "-cp", str(driver_jar()), str(CLIENT), port, user, served.token(ANA)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == [
        "row 0 ana@corp",
        "row 1 ana@corp",
        "prepared true",
        "product lakehouse true",
        "schema gold",
        "schema silver",
        "table gold.orders",
        "table silver.raw_orders",
        "column id BIGINT",
        "column owner VARCHAR",
        "refused true",
    ]
    assert served.service.texts[1] == "SELECT * FROM orders WHERE id = 'it\\'s'"


@pytest.mark.spark
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
def test_jdbc_binds_values_of_every_kind(spark: SparkSession, tmp_path: Path) -> None:
    with hr_site(tmp_path) as site:
        port = site.gateway.address.rpartition(":")[2]
        command = ["java", OPENED, "-cp", str(driver_jar()), str(TYPES), port, site.token()]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        asked = [json.loads(row["request_params"]).get("commandText") for row in read_audit(site.warehouse)]
    lines = done.stdout.splitlines()
    assert [line for line in lines if not line.endswith(" bob")] == []
    assert len(lines) == 14
    # What ran were literals of the values' own types.
    bound = "\n".join(text for text in asked if text)
    for text in (
        "id = 2",
        "= 20000000000L",
        "/ 4 = 0.5D",
        "(id = 2) = true",
        "= 2.00BD",
        "= 'bob'",
        "= 'bob\\''",
        "= X'626f62'",
        "= DATE'2026-01-03'",
        "= TIMESTAMP'2026-01-03 00:00:00 UTC'",
        "(id = NULL)",
        "BETWEEN 2 AND 3 AND name LIKE 'b%'",
    ):
        assert text in bound, text
