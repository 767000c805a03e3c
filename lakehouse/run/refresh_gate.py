"""What one refresh has to pass: its dataset's expectations, compiled for the columns it has, and what came of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pyspark.sql import DataFrame

from lakehouse.definition.dataset import MaterializedView, StreamingTable
from lakehouse.errors import ExpectationFailed
from lakehouse.names import TableName
from lakehouse.plan.records import RefreshRecord, application_id
from lakehouse.plan.sieve import Sieve
from lakehouse.quality.column_profile import TableProfile
from lakehouse.quality.fitting import fitting_rules
from lakehouse.quality.gate import judge_rows, make_sieve, refusal
from lakehouse.quality.judgement import Judgement, with_samples
from lakehouse.quality.judging import JudgingContext, judge_frame
from lakehouse.quality.rule import CompiledRules, RowRule, TableRule
from lakehouse.quality.samples import violating_rows, violating_tables
from lakehouse.quality.table_rules import TableRuleKind
from lakehouse.quality.verdict import Samples
from lakehouse.refresh.quarantine import Quarantine, Stamp
from lakehouse.run.profiling import RefreshProfile, VersionProfiles
from lakehouse.run.view_state import quarantine_version
from lakehouse.storage.change_commit import StagedChange
from lakehouse.storage.staged_write import StagedWrite, TableWrite, WriteMode
from lakehouse.storage.system_tables import SystemTable
from lakehouse.storage.table_log import read_table_facts


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What a refresh may ask about earlier versions: what a rule saw of the last one that stands, and profiles."""

    observed: Callable[[TableRule], Mapping[str, Any] | None]
    profiles: Callable[[], VersionProfiles]


class RefreshGate:
    """The expectations of one dataset at one refresh, for rows with the columns of a frame. `judge` is shown the rows
    that the table will have, and what is staged; None where no rule is about the table as a whole, and no profile of
    it is kept. `watch` has to be shown the rows that are written. `past` tells of earlier versions."""

    def __init__(
        self,
        dataset: MaterializedView | StreamingTable,
        frame: DataFrame,
        table: Callable[[TableName], DataFrame],
        past: Past,
        now: datetime,
    ) -> None:
        self._dataset = dataset
        self.rules = fitting_rules(dataset.expectations, frame)
        self.sieve: Sieve = make_sieve(self.rules)
        compared = [rule for rule in self.rules.tables if rule.kind is TableRuleKind.HISTORY]
        before = merged_metrics(found for rule in compared if (found := past.observed(rule)) is not None)
        is_needed = any(rule.kind is TableRuleKind.DRIFT for rule in self.rules.tables)
        self._profile: RefreshProfile | None = None
        if is_needed or dataset.layout.is_profiled:
            self._profile = RefreshProfile(past.profiles(), frame.sparkSession, is_needed=is_needed)
        drift = None if self._profile is None else self._profile.drift
        self._context = JudgingContext(now=now, table=table, previous=before, drift=drift)
        self._of_table: tuple[Judgement, ...] = ()
        self._after: DataFrame | None = None
        self.judge = self._judge_table if self.rules.tables or self._profile is not None else None

    @property
    def profile(self) -> TableProfile | None:
        """That of the rows that the table will have; None if it was not asked for, or not taken."""
        return None if self._profile is None else self._profile.found

    def watch(self, rows: DataFrame) -> DataFrame:
        """The rows that stay in the table, with what is to be observed while they are written."""
        return rows if self._profile is None else self._profile.watched(rows)

    def conclude(
        self, counts: Mapping[str, int], rows: DataFrame | None
    ) -> tuple[tuple[Judgement, ...], ExpectationFailed | None]:
        """All judgements, and the error if one of them refuses the refresh; `rows` are where examples are found."""
        of_rows = judge_rows(self.rules, counts) if self.rules.rows and counts else ()
        found = self._with_samples((*of_rows, *self._of_table), rows)
        return found, refusal(self._dataset.name, found)

    def _with_samples(self, found: tuple[Judgement, ...], rows: DataFrame | None) -> tuple[Judgement, ...]:
        """What refuses the refresh, with some of what violates it. The others cost no further pass: a check looks."""
        refusing = [judgement for judgement in found if judgement.refuses and judgement.verdict.failed_records]
        of_rows = [judgement.rule for judgement in refusing if isinstance(judgement.rule, RowRule)]
        of_keys = [judgement.rule for judgement in refusing if isinstance(judgement.rule, TableRule)]
        counts = {judgement.rule.name: judgement.verdict.failed_records for judgement in refusing}
        samples: dict[str, Samples] = {}
        if rows is not None:
            samples |= violating_rows(rows, of_rows, self._dataset.layout.primary_key, counts)
        if self._after is not None:
            samples |= violating_tables(self._after, of_keys, self._context)
        return with_samples(found, samples)

    def _judge_table(self, rows: DataFrame, staged: StagedWrite | StagedChange) -> None:
        self._after = rows
        if self._profile is not None:
            self._profile.take(rows, staged)
        verdicts = judge_frame(rows, CompiledRules(tables=self.rules.tables), self._context)
        self._of_table = tuple(
            Judgement(rule, verdict) for rule, verdict in zip(self.rules.tables, verdicts, strict=True)
        )


def merged_metrics(observed: Iterable[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """What several rules saw of one version, together: `row_count`, and by column `null_share` and `mean`."""
    found: dict[str, Any] = {}
    for metrics in observed:
        for name, value in metrics.items():
            found[name] = {**found.get(name, {}), **value} if isinstance(value, Mapping) else value
    return found or None


def last_observed(expectations: SystemTable, project: str, dataset: TableName, rule: TableRule) -> Any:
    """What the last judgement of a rule inside a refresh that stands saw, as JSON; None if there was none."""
    rows = expectations.rows(
        columns=["version", "observed", "judged_at"],
        filters=[
            ("project", "=", project),
            ("dataset", "=", str(dataset)),
            ("fingerprint", "=", rule.fingerprint),
            ("origin", "=", "refresh"),
        ],
    )
    standing = [row for row in rows if row["version"] is not None and row["observed"] is not None]
    return json.loads(max(standing, key=lambda row: row["judged_at"])["observed"]) if standing else None


def open_quarantine(
    location: str, project: str, name: TableName, sieve: Sieve, before: RefreshRecord | None, stamp: Stamp
) -> tuple[Quarantine, int]:
    """The quarantine of a dataset whose rows are those of `before`, and the epoch of its next commit."""
    facts = read_table_facts(location)
    version, is_newest = quarantine_version(facts, before)
    write = TableWrite(
        path=location,
        application=f"{application_id(project, name)}/quarantine",
        mode=WriteMode.APPEND,
        comment=f"Rows that the expectations of {name} set aside.",
        evolve=True,
    )
    found = Quarantine(
        sieve=sieve,
        write=write,
        version=version,
        is_newest=is_newest,
        counts=dict(before.counts) if before is not None else {},
        stamp=stamp,
    )
    return found, (facts.record.epoch if facts.record is not None else 0) + 1


def stamp_of(record: RefreshRecord, now: datetime) -> Stamp:
    """What is said of the rows that the refresh of this record sets aside."""
    return Stamp(
        run=record.run, epoch=record.epoch, at=now, versions_read=json.dumps(dict(sorted(record.reads.items())))
    )
