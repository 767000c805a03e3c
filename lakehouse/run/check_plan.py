"""Which rules of a published version are still to be judged, and which verdicts on it are there already. Pure.

A verdict stands for a rule as long as nothing that it depends on has changed: the version, what the rule asks, the
table that a reference reads. Freshness depends on the clock, so no verdict on it stands.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from lakehouse.definition.dataset import MaterializedView, StoredDataset
from lakehouse.names import TableName
from lakehouse.plan.records import PublishedTable
from lakehouse.plan.sieve import DROPPED, QUARANTINED
from lakehouse.quality.rule import CompiledRules, EngineRule, RowRule, TableRule, TableRuleKind, compile_rules
from lakehouse.quality.verdict import Status

Rule = RowRule | TableRule | EngineRule
Row = Mapping[str, Any]

CHECK, REFRESH = "check", "refresh"
_HISTORY_TYPE = "expect_table_no_worse_than_last_version"
_JUDGED = frozenset({Status.PASSED.value, Status.FAILED.value})
# What had nothing to be judged by has still nothing: later versions do not get into the history of an earlier one.
_SETTLED = _JUDGED | {Status.SKIPPED.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePast:
    """What is known of a published table: its verdicts (rows of `system/expectations`), when its version was
    committed (None: the log does not say), and since when the tables that its rules read have been published as they
    are now; one that is missing there may have changed at any time."""

    rows: Sequence[Row] = ()
    committed_at: datetime | None = None
    read_since: Mapping[TableName, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableTask:
    """The rules of one published version in order of declaration; `known` maps the names of those that need no
    judging to the row of their verdict. `previous` is what was observed of the version before."""

    dataset: StoredDataset
    version: int
    rules: tuple[Rule, ...]
    known: Mapping[str, Row] = field(default_factory=dict)
    previous: Mapping[str, Any] | None = None

    @property
    def due(self) -> tuple[Rule, ...]:
        """The rules that are to be judged."""
        return tuple(rule for rule in self.rules if rule.name not in self.known)


def in_order(rules: CompiledRules) -> tuple[Rule, ...]:
    """The rules of all kinds; within a kind in the order of declaration."""
    return (*rules.rows, *rules.tables, *rules.engine)


def declared_rules(dataset: StoredDataset) -> tuple[Rule, ...]:
    """The rules of a dataset in the order of declaration, without a look at its columns. Raises what
    `compile_rules` raises."""
    found = {rule.name: rule for rule in in_order(compile_rules(dataset.expectations, None))}
    return tuple(found[expectation.name] for expectation in dataset.expectations)


def plan_table(dataset: StoredDataset, published: PublishedTable, past: TablePast, *, full: bool) -> TableTask:
    """What is to judge of one published table; with `full`, everything."""
    rules = declared_rules(dataset)
    known = {} if full else {rule.name: row for rule in rules if (row := _standing(rule, dataset, published, past))}
    return TableTask(
        dataset=dataset,
        version=published.version,
        rules=rules,
        known=known,
        previous=last_observed(past.rows, published.version),
    )


def last_observed(rows: Iterable[Row], version: int) -> dict[str, Any] | None:
    """What the newest version before `version` that was looked at was like: `row_count`, and by column `null_share`
    and `mean`. None if no earlier one was."""
    found = [
        row
        for row in rows
        if row["expectation"] == _HISTORY_TYPE
        and row["observed"] is not None
        and row["version"] is not None
        and row["version"] < version
    ]
    if not found:
        return None
    newest = max(row["version"] for row in found)
    merged: dict[str, Any] = {}
    for row in sorted(found, key=lambda each: each["judged_at"]):
        if row["version"] == newest:
            for key, value in json.loads(row["observed"]).items():
                merged[key] = {**merged.get(key, {}), **value} if isinstance(value, dict) else value
    return merged


def _standing(rule: Rule, dataset: StoredDataset, published: PublishedTable, past: TablePast) -> Row | None:
    """The newest row whose verdict is that of this rule on this version."""
    if isinstance(rule, TableRule) and rule.kind is TableRuleKind.FRESHNESS:
        return None
    rows = [
        row
        for row in past.rows
        if row["version"] == published.version
        and row["fingerprint"] == rule.fingerprint
        # A table made anew in the place of another counts its versions from 0 again.
        and (past.committed_at is None or row["judged_at"] >= past.committed_at)
        and _is_about_the_version(row, rule, dataset, published, past)
    ]
    return max(rows, key=lambda row: row["judged_at"], default=None)


def _is_about_the_version(
    row: Row, rule: Rule, dataset: StoredDataset, published: PublishedTable, past: TablePast
) -> bool:
    reads = rule.reads if isinstance(rule, TableRule) else None
    if row["origin"] == CHECK:
        if reads is not None:
            since = past.read_since.get(reads)
            return row["status"] in _JUDGED and since is not None and row["judged_at"] >= since
        return row["status"] in _SETTLED
    # A load is judged without the rows that were there; a refresh reads references at versions not yet published.
    if not isinstance(dataset, MaterializedView) or reads is not None or row["status"] not in _JUDGED:
        return False
    # A refresh counts what violates a rule; a check also looks for some of it to show.
    if row["failed_records"] and row["status"] == Status.FAILED.value:
        return False
    # Rows are judged before some of them are dropped or set aside.
    counts = published.record.counts
    return isinstance(rule, TableRule) or not (counts.get(DROPPED, 0) or counts.get(QUARANTINED, 0))
