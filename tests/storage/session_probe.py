"""A program for the tests of sessions: opens one as told, writes a Delta table, and prints what it found as JSON.

python session_probe.py FOLDER [--master URL] [--existing] [--setting KEY=VALUE] [--leave-running]
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from pyspark import SparkContext
from pyspark.errors import AnalysisException
from pyspark.sql import SparkSession

from lakehouse.errors import InstallationError
from lakehouse.storage.session import isolated_session, open_session, stop_session


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--master")
    parser.add_argument("--existing", action="store_true")
    parser.add_argument("--leave-running", action="store_true")
    parser.add_argument("--setting", action="append", default=[])
    return parser.parse_args()


def observe(session: SparkSession, folder: Path) -> dict[str, Any]:
    """Delta through SQL, through its Java classes and in an isolated session; tasks run on every worker."""
    table = str(folder / "table")
    session.range(0, 1000, 1, 4).selectExpr("id", "id % 7 AS g").write.format("delta").save(table)
    jvm: Any = session._jvm
    version = jvm.org.apache.spark.sql.delta.DeltaLog.forTable(session._jsparkSession, table).update(
        False, jvm.scala.Option.empty(), jvm.scala.Option.empty()
    )
    isolated = isolated_session(session, {"spark.sql.runSQLOnFiles": "false"})
    isolated.sql("CREATE DATABASE silver")
    isolated.sql(f"CREATE TABLE silver.t USING delta LOCATION '{table}'")
    count, total = isolated.sql("SELECT count(*), sum(g) FROM silver.t VERSION AS OF 0").head() or (None, None)
    try:
        session.sql("SELECT nowhere").collect()
    except AnalysisException as error:
        refused = error.getCondition()
    settings = ("spark.sql.session.timeZone", "spark.sql.shuffle.partitions", "spark.sql.extensions")
    executors = session.sparkContext._jsc.sc().statusTracker().getExecutorInfos()
    return {
        "version": version.version(),
        "rows": [count, total],
        "refused": refused,
        "master": session.sparkContext.master,
        "executors": max(1, len(executors) - 1),
        "schemas": [schema.name for schema in session.catalog.listDatabases()],
        **{name: session.conf.get(name, None) for name in settings},
    }


def main() -> None:
    asked = arguments()
    seen: dict[str, Any] = {}
    before = SparkSession.builder.getOrCreate() if asked.existing else None
    settings = dict(pair.split("=", 1) for pair in asked.setting)
    try:
        session = open_session(settings, app_name="probe", master=asked.master)
    except InstallationError as error:
        print(json.dumps({"error": str(error)}))
        sys.exit(error.exit_code)
    seen.update(observe(session, asked.folder))
    process = getattr(SparkContext._gateway, "proc", None)
    if not asked.leave_running:
        stop_session()
    if before is not None:  # still the caller's, as it was
        seen["before"] = [before.range(3).count(), before.conf.get("spark.sql.session.timeZone")]
    elif process is not None:
        seen["process"], seen["gone"] = process.pid, not os.path.exists(f"/proc/{process.pid}")
    seen["left"] = sorted(os.listdir())
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
