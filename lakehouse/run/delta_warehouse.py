"""The warehouse of a project on a filesystem: tables' logs, system tables, file ledger and lock, behind one port."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from lakehouse import __version__
from lakehouse.definition.project import ProjectSpec
from lakehouse.errors import UsageError
from lakehouse.names import TableName
from lakehouse.plan.load_plan import LedgerEntry
from lakehouse.plan.records import Publication, TableFacts, publication_json, published_tables
from lakehouse.quality.column_profile import profile_rows
from lakehouse.run.judgement_rows import judgement_row
from lakehouse.run.outcome import RunOutcome, RunStatus, StepOutcome, StepStatus
from lakehouse.storage.file_ledger import FileLedger
from lakehouse.storage.project_lock import hold_project
from lakehouse.storage.system_tables import SystemTable
from lakehouse.storage.table_log import newest_version, read_table_facts


class DeltaWarehouse:
    """Implements `run.ports.Warehouse`; also answers what `ls`, `history` and `connect` ask."""

    def __init__(self, spec: ProjectSpec) -> None:
        self._spec = spec
        system = f"{spec.warehouse}/system"
        self.runs = SystemTable(system, "runs")
        self.refreshes = SystemTable(system, "refreshes")
        self.publications = SystemTable(system, "publications")
        self.lineage = SystemTable(system, "lineage")
        self.expectations = SystemTable(system, "expectations")
        self.profiles = SystemTable(system, "profiles")
        self.ledger = FileLedger(f"{system}/files")
        self._application = f"lakehouse/{spec.name}/publications"

    def location(self, name: TableName) -> str:
        """Where the table lies."""
        return f"{self._spec.warehouse}/{name.schema}/{name.name}"

    def hold(self, run: str) -> AbstractContextManager[None]:
        """See `run.ports.Warehouse`."""
        remote = "://" in self._spec.warehouse
        folder = self._spec.root / ".lakehouse" if remote else Path(self._spec.warehouse) / "system" / "locks"
        return hold_project(folder, self._spec.name, run)

    def table_facts(self, name: TableName) -> TableFacts:
        """See `run.ports.Warehouse`."""
        return read_table_facts(self.location(name))

    def external_version(self, path: str) -> int:
        """The newest version of a Delta table that others write; -1 if there is none."""
        return newest_version(path)

    def latest_publication(self) -> Publication | None:
        """See `run.ports.Warehouse`."""
        sequence = self.publications.sequence(self._application)
        return self._publication([("sequence", "=", sequence)]) if sequence else None

    def publication_at(self, moment: str) -> Publication:
        """The publication of the run `moment`, or the last one at the instant `moment` (ISO text, UTC if it names no
        zone). Raises UsageError if there is none."""
        found = self._publication([("run", "=", moment)])
        if found is None:
            found = self._last_before(moment)
        return found

    def published_at(self, run: str) -> datetime | None:
        """When a run published; None if it did not."""
        found = self._publication([("run", "=", run)])
        return found.published_at if found else None

    def publish(self, publication: Publication) -> None:
        """See `run.ports.Warehouse`."""
        row = {
            "project": self._spec.name,
            "sequence": publication.sequence,
            "run": publication.run,
            "published_at": publication.published_at,
            "tables": publication_json(publication),
        }
        self.publications.append([row], application=self._application, sequence=publication.sequence)

    def pending_epochs(self) -> Mapping[TableName, int]:
        """See `run.ports.Warehouse`."""
        return self.ledger.pending_epochs(self._spec.name)

    def write_ledger(self, entries: tuple[LedgerEntry, ...]) -> None:
        """See `run.ports.Warehouse`."""
        self.ledger.record_intent(entries)

    def confirm_files(self, dataset: TableName, epoch: int) -> None:
        """See `run.ports.Warehouse`."""
        self.ledger.confirm(str(dataset), epoch)

    def abandon_files(self, dataset: TableName, epoch: int) -> None:
        """See `run.ports.Warehouse`."""
        self.ledger.abandon(str(dataset), epoch)

    def record_run_started(self, run: str, started_at: datetime) -> None:
        """See `run.ports.Warehouse`."""
        self.runs.append([{**self._run_row(run, RunStatus.RUNNING, started_at)}])

    def record_run_ended(self, outcome: RunOutcome) -> None:
        """See `run.ports.Warehouse`."""
        if outcome.steps:
            self.refreshes.append([self._refresh_row(outcome.run, step) for step in outcome.steps])
        self.record_judgements(
            judgement_row(outcome.run, step, judgement) for step in outcome.steps for judgement in step.judgements
        )
        for step in outcome.steps:
            self._record_profile(outcome.run, step)
        row = self._run_row(outcome.run, outcome.status, outcome.started_at)
        row["ended_at"] = outcome.ended_at
        row["seconds"] = (outcome.ended_at - outcome.started_at).total_seconds()
        row["publication"] = outcome.publication.sequence if outcome.publication else None
        self.runs.append([row])

    def record_judgements(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Adds rows of `system/expectations` (its columns but `project`)."""
        found = [{**row, "project": self._spec.name} for row in rows]
        if found:
            self.expectations.append(found)

    def _record_profile(self, run: str, step: StepOutcome) -> None:
        if step.profile is None or step.record is None:
            return
        facts = {
            "project": self._spec.name,
            "dataset": str(step.step.dataset),
            "version": step.version,
            "epoch": step.record.epoch,
            "run": run,
            "is_increment": False,
            "recorded_at": step.ended_at,
        }
        self.profiles.append(profile_rows(step.profile, facts))

    def last_seconds(self) -> float | None:
        """How long the last run that published something took, in seconds; None if there was none."""
        rows = self.runs.rows(columns=["project", "started_at", "seconds", "publication"])
        built = [row for row in rows if row["project"] == self._spec.name and row["publication"] is not None]
        return float(max(built, key=lambda row: row["started_at"])["seconds"]) if built else None

    def record_lineage(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Adds column lineage rows (columns of `system/lineage` but `project`)."""
        if rows:
            self.lineage.append([{**row, "project": self._spec.name} for row in rows])

    def _run_row(self, run: str, status: RunStatus, started_at: datetime) -> dict[str, Any]:
        return {
            "run": run,
            "project": self._spec.name,
            "status": status.value,
            "started_at": started_at,
            "process": os.getpid(),
            "host": socket.gethostname(),
            "version": __version__,
        }

    def _refresh_row(self, run: str, outcome: StepOutcome) -> dict[str, Any]:
        step, record, error = outcome.step, outcome.record, outcome.error
        return {
            "run": run,
            "project": self._spec.name,
            "dataset": str(step.dataset),
            "status": outcome.status.value,
            "mode": step.mode.value,
            "reason_code": step.reason.code.value,
            "reason": step.reason.text,
            "epoch": record.epoch if record else None,
            "version": outcome.version if outcome.version >= 0 else None,
            "versions_read": _json(record.reads) if record else None,
            "rows_in": outcome.rows_in,
            "rows_out": outcome.rows_out,
            "rows_inserted": outcome.rows_changed.inserted,
            "rows_updated": outcome.rows_changed.updated,
            "rows_deleted": outcome.rows_changed.deleted,
            "lacking": json.dumps(list(outcome.lacking)) if outcome.lacking else None,
            "expected": _expected(outcome),
            "rows_dropped": outcome.rows_dropped,
            "rows_quarantined": outcome.rows_quarantined,
            "files": outcome.files,
            "bad_files": len(outcome.bad_files),
            "fingerprint": record.fingerprint if record else None,
            "error_class": type(error).__name__ if error else None,
            "error": str(error) if error else None,
            "started_at": outcome.started_at,
            "ended_at": outcome.ended_at,
            "seconds": outcome.seconds,
        }

    def _publication(self, filters: list[tuple[str, str, Any]]) -> Publication | None:
        rows = self.publications.rows(filters=[("project", "=", self._spec.name), *filters])
        if not rows:
            return None
        row = max(rows, key=lambda candidate: int(candidate["sequence"]))
        return Publication(
            sequence=row["sequence"],
            run=row["run"],
            published_at=row["published_at"],
            tables=published_tables(row["tables"]),
        )

    def _last_before(self, moment: str) -> Publication:
        try:
            instant = datetime.fromisoformat(moment)
        except ValueError:
            raise UsageError(
                f"'{moment}' is neither a run that published nor a timestamp.",
                hint="See 'lakehouse history' for runs; timestamps look like 2026-01-31T12:00:00.",
            ) from None
        instant = instant if instant.tzinfo else instant.replace(tzinfo=timezone.utc)
        found = self._publication([("published_at", "<=", instant)])
        if found is None:
            raise UsageError(f"nothing was published yet at {moment}.")
        return found


def _expected(outcome: StepOutcome) -> str | None:
    """The seconds expected of the modes that were weighed, as JSON; of refreshes that were carried out."""
    done = outcome.status in (StepStatus.REFRESHED, StepStatus.UNCHANGED)
    found = outcome.record.expected if done and outcome.record is not None else None
    return json.dumps(dict(sorted(found.items()))) if found else None


def _json(reads: Mapping[str, int]) -> str:
    return json.dumps(dict(sorted(reads.items())))
