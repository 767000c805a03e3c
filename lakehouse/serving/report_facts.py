"""What a report tells, as values: the state of a project and its history, from the system tables alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lakehouse.graph.dataflow import DataflowGraph
from lakehouse.quality.column_profile import TableProfile
from lakehouse.quality.drift import DriftResult
from lakehouse.serving.table_states import TableState


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One verdict on one expectation. `failed` of the `considered` records violated it; both are None where it is not
    about single records. `samples` are violating records, as far as they were kept, `note` is the error or other
    remark, `observed` what was measured."""

    run: str
    version: int | None
    origin: str
    status: str
    failed: int | None
    considered: int | None
    judged_at: datetime
    observed: str | None = None
    note: str | None = None
    samples: tuple[Mapping[str, Any], ...] = ()

    @property
    def failed_share(self) -> float | None:
        """0 to 1; None where no records were counted."""
        if self.failed is None or self.considered is None:
            return None
        return self.failed / self.considered if self.considered else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectationHistory:
    """An expectation and its verdicts, oldest first, at least one."""

    dataset: str
    name: str
    expectation: str
    on_violation: str
    severity: str
    judgements: tuple[Judgement, ...]

    @property
    def last(self) -> Judgement:
        """The newest verdict."""
        return self.judgements[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshLine:
    """What a run did to one dataset."""

    dataset: str
    status: str
    mode: str
    seconds: float
    rows_out: int
    rows_dropped: int
    rows_quarantined: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLine:
    """One run; `seconds` is None where it has not ended. Datasets that had nothing to do are not among `refreshes`."""

    run: str
    status: str
    started_at: datetime
    seconds: float | None
    publication: int | None
    refreshes: tuple[RefreshLine, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionProfile:
    """The profile that a commit recorded: of the whole version, or only of the rows that it added."""

    version: int
    is_increment: bool
    profile: TableProfile


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The drift between the profiles of two versions."""

    baseline: int
    current: int
    results: tuple[DriftResult, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileHistory:
    """What is known of a table's rows: its newest profile, and how consecutive profiles differ, oldest first."""

    dataset: str
    newest: VersionProfile
    comparisons: tuple[Comparison, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything that the page shows. `runs` are newest first; the others are in the order of the datasets."""

    project: str
    made_by: str
    made_at: datetime
    publication: int | None
    published_at: datetime | None
    tables: tuple[TableState, ...]
    graph: DataflowGraph
    runs: tuple[RunLine, ...] = ()
    expectations: tuple[ExpectationHistory, ...] = ()
    profiles: tuple[ProfileHistory, ...] = ()
