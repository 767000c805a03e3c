"""The JDBC driver for Flight SQL: an ordinary Maven artifact, found or fetched as the product does it with Delta's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from lakehouse.storage.java import find_java

_GROUP, _NAME, _VERSION = "org.apache.arrow", "flight-sql-jdbc-driver", "18.3.0"
_REQUIRED = "LAKEHOUSE_TEST_JDBC"

# Starts a gateway, not a SparkContext: Spark's launcher resolves the packages, and says where their jars are.
_FETCH = """
import json, sys
from pyspark import SparkConf
from pyspark.java_gateway import launch_gateway
conf = SparkConf(loadDefaults=False)
for key, value in json.loads(sys.argv[1]).items():
    conf.set(key, value)
gateway = launch_gateway(conf)
print("jars", gateway.jvm.java.lang.System.getProperty("spark.jars"))
gateway.shutdown()
"""


def driver_jar() -> Path:
    """The driver's jar; where there is none, and none can be had, the test is skipped, or fails if LAKEHOUSE_TEST_JDBC
    is `required`. FLIGHT_SQL_JDBC_DRIVER may name one."""
    found, reason = _found()
    if found is not None:
        return found
    if os.environ.get(_REQUIRED) == "required":
        pytest.fail(f"no JDBC driver: {reason}")
    pytest.skip(f"no JDBC driver: {reason}")


@cache
def _found() -> tuple[Path | None, str]:
    if given := os.environ.get("FLIGHT_SQL_JDBC_DRIVER"):
        return Path(given), ""
    kept = sorted(Path.home().glob(f".ivy*/jars/{_GROUP}_{_NAME}-{_VERSION}.jar"))
    return (kept[-1], "") if kept else _fetched({})


def _fetched(settings: dict[str, str]) -> tuple[Path | None, str]:
    packages = {"spark.jars.packages": f"{_GROUP}:{_NAME}:{_VERSION}", **settings}
    done = subprocess.run(
        [sys.executable, "-c", _FETCH, json.dumps(packages)],
        env={**os.environ, "JAVA_HOME": str(find_java().home)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    for line in done.stdout.splitlines():
        if line.startswith("jars "):
            for jar in line.removeprefix("jars ").split(","):
                if _NAME in jar:
                    return Path(jar.removeprefix("file://").removeprefix("file:")), ""
    return None, next((line.strip() for line in done.stdout.splitlines() if "not found" in line), "it was not fetched")
