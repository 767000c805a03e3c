"""A landing folder, a table fed from it, and its ledger: loads as a run makes them, without the run."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from deltalake import DeltaTable
from pyspark.sql import DataFrame, SparkSession

from lakehouse.definition.dataset import FileSource, Flow, Layout, StreamingTable
from lakehouse.errors import SourceLocation
from lakehouse.names import TableName
from lakehouse.plan.load_plan import FileStatus, LoadPlan, plan_load
from lakehouse.plan.refresh_plan import Reason, ReasonCode, RefreshMode, RefreshStep
from lakehouse.refresh.load import RunMoment, StagedLoad, stage_load
from lakehouse.storage.file_ledger import FileLedger
from lakehouse.storage.source_files import hash_changes, list_source_files
from lakehouse.storage.staged_write import TableWrite, WriteMode

HERE = SourceLocation("bronze/events.yml", 4)
NAME = TableName("bronze", "events")
NOW = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=timezone.utc)
OWN = ("_source_file", "_ingested_at", "_epoch", "_rescued")


class Landing:
    """`root` is the project's folder; files land below `root/in`."""

    def __init__(self, spark: SparkSession, root: Path, **source: Any) -> None:
        self.spark = spark
        self.root = root
        self.location = str(root / "warehouse" / "bronze" / "events")
        self.ledger = FileLedger(str(root / "warehouse" / "system" / "files"))
        self.epoch = 0
        self.layout = Layout()
        self.declare(**source)

    def declare(self, **source: Any) -> None:
        """The table's source from now on."""
        options = source.pop("options", {"header": "true"} if source.get("format", "csv") == "csv" else {})
        values: dict[str, Any] = {"files": "in/*", "format": "csv", **source}
        self.sources = [
            Flow(
                name="events",
                source=FileSource(**values, options=tuple(options.items()), location=HERE),
                location=HERE,
            )
        ]

    @property
    def table(self) -> StreamingTable:
        """The table as declared."""
        return StreamingTable(name=NAME, flows=tuple(self.sources), layout=self.layout, location=HERE)

    def put(self, name: str, content: str | bytes, modified_at: int | None = None) -> Path:
        """A file lands."""
        path = self.root / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        if modified_at is not None:
            os.utime(path, (modified_at, modified_at))
        return path

    def plan(self, *, full: bool = False) -> LoadPlan:
        """What is due now."""
        listed = [file for flow in self.sources for file in list_source_files(flow.name, flow.source.files, self.root)]
        entries = self.ledger.entries(str(NAME))
        return plan_load(self.table, hash_changes(listed, entries), entries, full=full)

    def stage(self, *, full: bool = False) -> StagedLoad:
        """The next load, staged only."""
        step = RefreshStep(
            dataset=NAME,
            mode=RefreshMode.FULL if full else RefreshMode.APPEND,
            reason=Reason(ReasonCode.NEW_FILES, "test"),
            epoch=self.epoch + 1,
            load=self.plan(full=full),
        )
        write = TableWrite(
            path=self.location,
            application=f"lakehouse/demo/{NAME}",
            mode=WriteMode.OVERWRITE if full else WriteMode.APPEND,
            evolve=True,
        )
        return stage_load(self.spark, self.table, step, write, RunMoment(f"run {self.epoch + 1}", NOW))

    def load(self, *, full: bool = False) -> StagedLoad:
        """The next load, committed and confirmed."""
        staged = self.stage(full=full)
        if staged.ledger:
            self.ledger.record_intent(staged.ledger)
        if staged.write is not None:
            self.epoch += 1
            staged.write.commit(self.epoch, "{}")
            self.ledger.confirm(str(NAME), self.epoch)
        return staged

    def frame(self) -> DataFrame:
        """The table as Spark reads it."""
        return self.spark.read.format("delta").load(self.location)

    def rows(self, *columns: str) -> list[tuple[Any, ...]]:
        """The table's rows, sorted; all columns but the load's own, or those named."""
        frame = self.frame()
        names = columns or tuple(name for name in frame.columns if name not in OWN)
        return sorted((tuple(row) for row in frame.select(*names).collect()), key=repr)

    def status(self) -> dict[str, str]:
        """Path below `in` to what the ledger says of it last."""
        return {e.path.removeprefix("in/"): e.status.value for e in self.ledger.entries()}

    def version(self) -> int:
        """The table's version; -1 if there is none."""
        return DeltaTable(self.location).version() if DeltaTable.is_deltatable(self.location) else -1


def bad_kinds(staged: StagedLoad) -> dict[str, str]:
    """Path below `in` to the kind of each bad file."""
    return {path.removeprefix("in/"): reason.split(":")[0] for path, reason in staged.bad}


def loaded_paths(staged: StagedLoad) -> list[str]:
    """Paths below `in`."""
    return sorted(file.path.removeprefix("in/") for file in staged.loaded)


def pending(staged: StagedLoad) -> Iterable[str]:
    """Paths of the ledger entries that the commit will confirm."""
    return [entry.path for entry in staged.ledger if entry.status is FileStatus.PENDING]
