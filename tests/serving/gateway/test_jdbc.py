"""The JDBC driver for Flight SQL, unmodified, against the gateway. Needs its jar (`flight-sql-jdbc-driver`)."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.serving.gateway.conftest import Served
from tests.serving.gateway.in_memory import ANA

JAR = os.environ.get("FLIGHT_SQL_JDBC_DRIVER", "")
CLIENT = Path(__file__).with_name("JdbcClient.java")


@pytest.mark.long
@pytest.mark.skipif(not JAR, reason="FLIGHT_SQL_JDBC_DRIVER does not name the driver's jar")
@pytest.mark.parametrize("user", ["token", str(ANA)])
def test_jdbc(served: Served, user: str) -> None:
    port = served.address.rpartition(":")[2]
    opened = "--add-opens=java.base/java.nio=ALL-UNNAMED"  # Arrow's Java library needs it
    command = ["java", opened, "-cp", JAR, str(CLIENT), port, user, served.token(ANA)]
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
