"""The command line as its users meet it: processes, exit codes, signals, spark-submit."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake

from lakehouse.storage.jars import spark_home

pytestmark = pytest.mark.spark

REVENUE = [
    {"order_date": "2026-01-05", "orders": 3, "revenue": "132.75"},
    {"order_date": "2026-01-06", "orders": 2, "revenue": "20.50"},
]


def lakehouse(*argv: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A command line as a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "lakehouse", *map(str, argv)], cwd=cwd, capture_output=True, text=True, timeout=600
    )


def events(done: subprocess.CompletedProcess[str], name: str) -> list[dict[str, Any]]:
    """The JSON events of one name; everything on standard output must be one."""
    told = [json.loads(line) for line in done.stdout.splitlines()]
    return [event for event in told if event["event"] == name]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `init` makes, brought up to date once."""
    folder = tmp_path_factory.mktemp("shops") / "shop"
    assert lakehouse("init", "shop", "--folder", folder).returncode == 0
    done = lakehouse("run", "--json", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert events(done, "run_ended")[0]["datasets"] == {"refreshed": 3}
    return folder


def test_the_new_project_has_its_figures(shop: Path) -> None:
    done = lakehouse("sql", "SELECT * FROM gold.revenue_by_day ORDER BY order_date", "--json", cwd=shop)
    assert done.returncode == 0, done.stderr
    assert [event["values"] for event in events(done, "row")] == REVENUE
    limited = lakehouse("sql", "SELECT * FROM revenue_by_day", "--project", shop, "--limit", 1)
    assert limited.returncode == 2, "the unqualified name is one of the schema silver"
    assert len(limited.stderr.splitlines()) == 1
    assert "Traceback" not in limited.stderr


def test_its_own_test_passes(shop: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=shop, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_run_with_nothing_to_do_is_one_line(shop: Path) -> None:
    done = lakehouse("run", cwd=shop)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1


def test_dry_run_prints_the_plan_that_run_executes(shop: Path) -> None:
    file = shop / "silver" / "orders.sql"
    before = file.read_text()
    file.write_text(before.replace("Pieces", "Pieces ordered"))
    try:
        (plan,) = events(lakehouse("dry-run", "--json", "--project", shop), "plan")
        run = lakehouse("run", "--json", "--project", shop)
        (started,) = events(run, "run_started")
        assert started["steps"] == plan["steps"]
        assert {step["dataset"]: step["reason_code"] for step in plan["steps"]} == {
            "bronze.orders": "unchanged",
            "silver.orders": "layout_changed",
            "gold.revenue_by_day": "inputs_may_change",
        }
    finally:
        file.write_text(before)
        assert lakehouse("run", "--project", shop).returncode == 0


def test_reset_rebuilds_at_the_next_run_only(shop: Path) -> None:
    assert lakehouse("reset", "bronze.orders", "--yes", "--project", shop).returncode == 0
    (first,) = events(lakehouse("run", "--json", "--project", shop), "run_started")
    assert {step["dataset"]: step["mode"] for step in first["steps"]}["bronze.orders"] == "full"
    (second,) = events(lakehouse("run", "--json", "--project", shop), "run_started")
    assert second["does_nothing"] is True


def test_a_failing_query_shows_file_line_and_class(shop: Path) -> None:
    file = shop / "gold" / "wrong.sql"
    file.write_text("CREATE MATERIALIZED VIEW gold.wrong AS\nSELECT 1 / 0 AS x\nFROM silver.orders;\n")
    try:
        done = lakehouse("run", "--project", shop)
        assert done.returncode == 1
        assert "DIVIDE_BY_ZERO" in done.stdout
        assert "gold/wrong.sql:2:" in done.stdout
        assert "   2 | SELECT 1 / 0 AS x" in done.stdout
        assert "Traceback" not in done.stdout + done.stderr
    finally:
        file.unlink()
    assert lakehouse("run", "--project", shop).returncode == 0


def test_a_second_run_is_told_who_holds_the_project(shop: Path) -> None:
    from lakehouse.run.workspace import Workspace

    with Workspace(shop).warehouse.hold("mine"):
        done = lakehouse("run", "--project", shop, "--full-refresh-all", "--json")
    (error,) = events(done, "error")
    assert (done.returncode, error["class"]) == (4, "RunInProgress")
    assert f"process {os.getpid()}" in error["holder"]


@pytest.mark.parametrize(
    ("number", "code", "seconds"), [(signal.SIGTERM, 143, 3.0), (signal.SIGINT, 130, 3.0), (signal.SIGTERM, 143, 0.0)]
)
def test_a_signal_stops_the_run_and_frees_the_project(
    shop: Path, number: signal.Signals, code: int, seconds: float
) -> None:
    """While Spark computes, and before its first job has begun."""
    slow = shop / "gold" / "slow.sql"
    slow.write_text(
        "CREATE MATERIALIZED VIEW gold.slow AS\n"
        "SELECT sum(pow(a.id, 0.5) * b.id) AS x FROM range(10000000) a CROSS JOIN range(10000000) b;\n"
    )
    command = [sys.executable, "-m", "lakehouse", "run", "--json", "--project", str(shop)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if json.loads(line) == {"event": "refresh_started", "dataset": "gold.slow"}:
                    break
            time.sleep(seconds)
            process.send_signal(number)
            rest, err = process.communicate(timeout=60)
        finally:
            process.kill()
            slow.unlink()
    assert process.returncode == code, rest + err
    ended = [json.loads(line) for line in rest.splitlines()][-1]
    assert (ended["event"], ended["status"], ended["publication"]) == ("run_ended", "cancelled", None)
    assert not list((shop / "warehouse" / "gold" / "slow").rglob("*.json")), "nothing was committed"
    assert not list((shop / "warehouse" / "gold" / "slow").rglob("*.parquet")), "and no file was left"
    again = lakehouse("run", "--project", shop)
    assert again.returncode == 0, again.stdout + again.stderr


def test_spark_submit_runs_the_same_command(shop: Path, tmp_path: Path) -> None:
    entry = lakehouse("--entry-point").stdout.strip()
    folder = tmp_path / "submitted"
    assert lakehouse("init", "submitted", "--folder", folder).returncode == 0
    submit = [
        str(spark_home() / "bin" / "spark-submit"),
        "--master",
        "local[2]",
        entry,
        "run",
        "--project",
        str(folder),
    ]
    environment = {**os.environ, "PYSPARK_PYTHON": sys.executable}
    done = subprocess.run(submit, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    for table in ("bronze/orders", "silver/orders", "gold/revenue_by_day"):
        tables = [DeltaTable(str(root / "warehouse" / table)).to_pyarrow_table() for root in (shop, folder)]
        assert len({table.num_rows for table in tables}) == 1
    again = subprocess.run([*submit, "--full-refresh", "nothing.here"], capture_output=True, text=True, env=environment)
    assert again.returncode == 2, "spark-submit passes the exit code on"


def test_a_terminal_shows_a_table_that_lives(shop: Path) -> None:
    """Through a pseudo-terminal: what is printed at the end stays, what lives is taken away."""
    file = shop / "incoming" / "orders" / "2026-01-07.csv"
    file.write_text("order_id,order_date,customer,quantity,price\n7,2026-01-07,Ada,1,1.00\n")
    reading, writing = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "lakehouse", "run", "--project", str(shop)],
        stdout=writing,
        stderr=writing,
        stdin=writing,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "30"},
    )
    os.close(writing)
    told = b""
    while True:
        try:
            chunk = os.read(reading, 4096)
        except OSError:  # Linux: the other end is closed
            break
        if not chunk:
            break
        told += chunk
    os.close(reading)
    assert process.wait() == 0, told
    text = re.sub(rb"\x1b\[[0-9;?]*[A-Za-z]", b"", told).decode()
    assert "refreshing" in text
    assert re.search(r"bronze\.orders +refreshed +append +1 +", text)
    assert told.rfind(b"\x1b[?25h") > told.rfind(b"\x1b[?25l"), "the cursor is shown again"
    assert "Done in" in text.splitlines()[-1]


def test_a_change_is_planned_explained_made_verified_and_remembered(tmp_path: Path) -> None:
    """One late row, from the plan to the history; then a table that something of ours got wrong."""
    folder = tmp_path / "shop"
    assert lakehouse("init", "shop", "--folder", folder).returncode == 0
    assert lakehouse("run", "--project", folder).returncode == 0
    late = folder / "incoming" / "orders" / "2026-01-07.csv"
    late.write_text("order_id,order_date,customer,quantity,price\n7,2026-01-06,Ada,1,8.00\n")

    dry = lakehouse("dry-run", "--json", "--project", folder)
    (plan,) = events(dry, "plan")
    explained = {event["dataset"]: event for event in events(dry, "explanation")}
    gold = explained["gold.revenue_by_day"]
    assert explained["silver.orders"]["ways"] == ["append", "keys"]
    assert (gold["ways"], gold["policy"], gold["refusal"]) == (["aggregate"], "incremental", None)
    assert gold["key"] == [{"column": "order_date", "sources": ["silver.orders.order_date"]}]
    assert [refusal["code"] for refusal in gold["lacking"]] == ["not_monotone"]
    (source,) = explained["silver.orders"]["sources"]
    assert (source["dataset"], source["to_version"], source["files"]) == ("bronze.orders", None, 1)

    assert lakehouse("run", "--refresh", "bronze.orders", "--project", folder).returncode == 0
    (told,) = events(lakehouse("explain", "silver.orders", "--json", "--project", folder), "explanation")
    (source,) = told["sources"]
    assert (source["from_version"], source["to_version"], source["rows"]) == (0, 1, 1)
    assert (source["append_only"], source["obstacle"]) == (True, None)

    (plan,) = events(lakehouse("dry-run", "--json", "--project", folder), "plan")
    run = lakehouse("run", "--verify", "all", "--json", "--project", folder)
    assert run.returncode == 0, run.stdout + run.stderr
    (started,) = events(run, "run_started")
    assert started["steps"] == plan["steps"]
    ended = {event["dataset"]: event for event in events(run, "refresh_ended")}
    counts = {name: (e["mode"], e["rows_inserted"], e["rows_updated"], e["rows_deleted"]) for name, e in ended.items()}
    assert counts["silver.orders"] == ("append", 1, 0, 0)
    assert counts["gold.revenue_by_day"] == ("aggregate", 0, 1, 0)
    verified = events(run, "refresh_verified")
    assert {event["dataset"]: (event["holds"], event["compared"]) for event in verified} == {
        "silver.orders": (True, 6),
        "gold.revenue_by_day": (True, 2),
    }
    newest = events(lakehouse("history", "gold.revenue_by_day", "--json", "--project", folder), "refresh")[0]
    assert (newest["mode"], newest["changed"], newest["status"]) == ("aggregate", "+0 ~1 -0", "refreshed")


def test_a_table_that_is_wrong_is_found_and_left_alone(tmp_path: Path) -> None:
    """Its sums and counts are falsified, as a fault of ours would leave them: the next refresh builds on them."""
    folder = tmp_path / "shop"
    assert lakehouse("init", "shop", "--folder", folder).returncode == 0
    assert lakehouse("run", "--project", folder).returncode == 0
    falsify(folder)
    late = folder / "incoming" / "orders" / "2026-01-07.csv"
    late.write_text("order_id,order_date,customer,quantity,price\n7,2026-01-06,Ada,1,8.00\n")
    run = lakehouse("run", "--verify", "--json", "--project", folder)
    assert run.returncode == 1
    verified = {event["dataset"]: event for event in events(run, "refresh_verified")}
    assert verified["silver.orders"]["holds"] is True
    gold = verified["gold.revenue_by_day"]
    assert (gold["holds"], gold["missing"], gold["surplus"]) == (False, 1, 1)
    (ended,) = events(run, "run_ended")
    assert (ended["status"], ended["exit_code"], ended["publication"]) == ("succeeded", 1, 2)
    table = DeltaTable(str(folder / "warehouse" / "gold" / "revenue_by_day"))
    assert table.version() == gold["version"], "nothing was changed"
    mended = lakehouse("run", "--full-refresh", "gold.revenue_by_day", "--verify", "--project", folder)
    assert mended.returncode == 0, mended.stdout


def falsify(folder: Path) -> None:
    """Doubles the counts that are kept of every day, in a first commit that says it is ours."""
    place = str(folder / "warehouse" / "system" / "state" / "gold" / "revenue_by_day")
    table = DeltaTable(place)
    record = table.history(1)[0]["userMetadata"]
    rows = table.to_pyarrow_table()
    columns = [pc.add(column, column) if pa.types.is_integer(column.type) else column for column in rows.itercolumns()]
    ours = CommitProperties(custom_metadata={"userMetadata": record})
    shutil.rmtree(place)
    write_deltalake(place, pa.table(columns, schema=rows.schema), commit_properties=ours)
