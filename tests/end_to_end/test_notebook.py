"""The notebook runs from top to bottom against published gold tables, draws its charts without network, and is stored
without outputs."""

from __future__ import annotations

from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakehouse.definition.spec_file import read_spec
from lakehouse.names import TableName
from lakehouse.plan.records import Publication, PublishedTable, RefreshRecord
from lakehouse.run.delta_warehouse import DeltaWarehouse

NOTEBOOK = Path(__file__).parent.parent.parent / "notebooks" / "flights.ipynb"
JANUARY, FEBRUARY = date(2013, 1, 1), date(2013, 2, 1)
GOLD = {
    "known_gaps": pa.table({"month": [FEBRUARY, JANUARY], "scheduled": [24951, 27004]}),
    "carrier_punctuality": pa.table(
        {
            "carrier": ["UA", "UA", "HA"],
            "carrier_name": ["United Air Lines Inc.", "United Air Lines Inc.", "Hawaiian Airlines Inc."],
            "month": [FEBRUARY, JANUARY, JANUARY],
            "scheduled": [6000, 5000, 30],
            "on_time_share": [0.8, 0.75, 0.9],
        }
    ),
    "weather_delay": pa.table(
        {
            "precipitation": ["none", "heavy", "unknown"],
            "visibility": ["clear", "low", "unknown"],
            "wind": ["calm", "strong", "calm"],
            "scheduled": [100, 10, 5],
            "cancelled": [0, 5, 0],
            "departure_delay_minutes": [500, 250, 0],
        }
    ),
}


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the demo's gold tables, a few rows each."""
    root = tmp_path_factory.mktemp("flights")
    (root / "spark-pipeline.yml").write_text(
        "name: flights\ndatabase: silver\nlibraries: [{glob: {include: gold/**}}]\n"
    )
    warehouse = DeltaWarehouse(read_spec(root, target=None, variables={}))
    tables = {}
    for text, rows in GOLD.items():
        name = TableName("gold", text)
        write_deltalake(warehouse.location(name), rows)
        record = RefreshRecord(
            project="flights", dataset=str(name), run="r", epoch=1, mode="full", fingerprint="", layout="", settings=""
        )
        tables[name] = PublishedTable(name=name, version=0, record=record)
    now = datetime(2026, 1, 1, tzinfo=timezone.utc)
    warehouse.publish(Publication(sequence=1, run="r", published_at=now, tables=tables))
    return root


@pytest.fixture(scope="module")
def executed(published: Path) -> Any:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("LAKEHOUSE_PROJECT", str(published))
        client = nbclient.NotebookClient(
            notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(NOTEBOOK.parent)}}
        )
        return client.execute()


def shown(notebook: Any, kind: str) -> list[Any]:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return [output["data"][key] for output in outputs for key in output.get("data", {}) if key.startswith(kind)]


@pytest.mark.spark
def test_the_notebook_draws_what_was_published(executed: Any) -> None:
    punctuality, weather = shown(executed, "application/vnd.vegalite")
    (carriers,) = punctuality["datasets"].values()
    assert [(row["carrier_name"], row["month"][:10], row["on_time_share"]) for row in carriers] == [
        ("United Air Lines Inc.", "2013-01-01", 0.75),
        ("United Air Lines Inc.", "2013-02-01", 0.8),
    ]
    (bands,) = weather["datasets"].values()
    assert {row["precipitation"]: row["mean_departure_delay"] for row in bands} == {"none": 5.0, "heavy": 50.0}
    assert any("gold.known_gaps" in html for html in shown(executed, "text/html"))


@pytest.mark.spark
def test_the_notebook_prints_nothing_else(executed: Any) -> None:
    printed = [output["text"] for cell in executed.cells for output in cell.get("outputs", []) if "text" in output]
    assert printed == []


def test_the_notebook_is_stored_without_outputs() -> None:
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
