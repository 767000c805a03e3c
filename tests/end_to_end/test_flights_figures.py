"""The demo on real data: eleven months, then December, each time checked against the raw files."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import deltalake
import flights_oracle
import flights_violations
import nbformat
import pyarrow as pa
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[2]
PIPELINE = ROOT / "pipelines" / "flights"
NOTEBOOK = ROOT / "notebooks" / "flights.ipynb"
LAKEHOUSE = Path(sys.executable).with_name("lakehouse")

pytestmark = pytest.mark.spark


class Demo:
    """A copy of the demo's folder with its own landing folder and warehouse."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.landing = root / "landing"

    def land(self, months: str) -> None:
        """Lets the supplier deliver."""
        script = self.root / "land.py"
        subprocess.run([sys.executable, str(script), "--months", months], check=True, capture_output=True, timeout=120)

    def run(self) -> subprocess.CompletedProcess[str]:
        """`lakehouse run` on the copy; its outcome."""
        command = [str(LAKEHOUSE), "run", "--project", str(self.root)]
        return subprocess.run(command, capture_output=True, text=True, timeout=900)

    def call(self, command: str, *argv: str) -> subprocess.CompletedProcess[str]:
        """Another command on the copy."""
        line = [str(LAKEHOUSE), command, *argv, "--project", str(self.root)]
        return subprocess.run(line, capture_output=True, text=True, timeout=300)

    def rows(self, query: str, *argv: str) -> list[dict[str, object]]:
        """What a query gives, read as the options say."""
        found = self.call("sql", query, "--json", *argv)
        assert found.returncode == 0, found.stderr
        events = [json.loads(line) for line in found.stdout.splitlines()]
        return [event["values"] for event in events if event["event"] == "row"]

    def read_table(self, name: str) -> pa.Table:
        """A table's current rows, read without Spark."""
        return deltalake.DeltaTable(str(self.root / "warehouse" / name.replace(".", "/"))).to_pyarrow_table()

    def versions(self) -> dict[str, int]:
        """The current version of each table that gold and silver figures come from."""
        folders = [path.parent for path in (self.root / "warehouse").glob("*/*/_delta_log")]
        users = [path for path in folders if path.parent.name in {"bronze", "silver", "gold"}]
        return {f"{path.parent.name}.{path.name}": deltalake.DeltaTable(str(path)).version() for path in users}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo, nothing landed yet."""
    root = tmp_path_factory.mktemp("demo") / "flights"
    shutil.copytree(PIPELINE, root, ignore=shutil.ignore_patterns("landing", "warehouse", "__pycache__", ".lakehouse"))
    yield Demo(root)
    shutil.rmtree(root)


def test_eleven_months_then_december_then_nothing(demo: Demo) -> None:
    demo.land("1-11")
    first = demo.run()
    assert first.returncode == 0, first.stderr
    flights_oracle.check_gold(demo.read_table, demo.landing)
    flights_oracle.check_silver(demo.read_table, demo.landing)
    flights_violations.check_violations(demo.read_table, demo.landing)
    before = demo.versions()
    assert len(before) == 17

    demo.land("12")
    second = demo.run()
    assert second.returncode == 0, second.stderr
    flights_oracle.check_gold(demo.read_table, demo.landing)
    flights_oracle.check_silver(demo.read_table, demo.landing)
    flights_oracle.check_year(demo.read_table)
    violations = flights_violations.check_violations(demo.read_table, demo.landing)
    assert {key: violations[key] for key in flights_violations.BITING} == flights_violations.BITING
    assert sum(count > 0 for count in violations.values()) >= 20
    [blown_away] = demo.read_table("quarantine.silver_weather").to_pylist()
    assert (blown_away["origin"], round(blown_away["wind_mph"])) == ("EWR", 1048)
    december = demo.versions()
    unmoved = {
        "bronze.planes",
        "bronze.airports",
        "bronze.airlines",
        "silver.planes",
        "silver.airports",
        "silver.airlines",
    }
    assert {name for name in before if december[name] == before[name]} == unmoved

    third = demo.run()
    assert third.returncode == 0, third.stderr
    assert demo.versions() == december


def test_the_roles_of_the_demo_see_what_their_tests_say(demo: Demo) -> None:
    demo.land("1")
    assert demo.run().returncode == 0
    tests = demo.call("access", "test", "--json")
    results = [json.loads(line) for line in tests.stdout.splitlines()]
    assert tests.returncode == 0, tests.stdout
    assert len([row for row in results if row["event"] == "access_test" and row["result"] == "passed"]) == 14
    # The partner's figures are those of its own carrier, as the owner sees them.
    query = "SELECT sum(scheduled) AS scheduled FROM gold.carrier_punctuality"
    own = demo.rows(query, "--as", "uma@united")
    assert own == demo.rows(f"{query} WHERE carrier = 'UA'")
    assert own != demo.rows(query)
    refused = demo.call("sql", "SELECT * FROM silver.flights", "--as", "eve@agency", "--json")
    assert (refused.returncode, "does not exist" in refused.stdout) == (2, True)


def test_the_notebook_runs_on_the_demo(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    demo.land("1-12")
    assert demo.run().returncode == 0
    monkeypatch.setenv("LAKEHOUSE_PROJECT", str(demo.root))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(NOTEBOOK.parent)}}).execute()
    shown = [output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("application/vnd.vegalite.v5+json" in data for data in shown) == 2
    assert any("without_plane" in data.get("text/html", "") for data in shown)
