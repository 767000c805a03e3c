"""Which versions of the tables kept beside a dataset's own belong to the rows that it has."""

from __future__ import annotations

from lakehouse.plan.records import RefreshRecord, TableFacts
from lakehouse.storage.table_log import read_table_facts


def state_version(location: str, before: RefreshRecord) -> int:
    """The version of the state table at `location` that belongs to the rows of `before`; -1 if there is none, or it
    is no longer the newest: sums can only be added to where they stand."""
    facts = read_table_facts(location)
    belongs = facts.record is not None and not facts.foreign_change and facts.record_version == before.state
    return facts.record_version if belongs else -1


def quarantine_version(facts: TableFacts, before: RefreshRecord | None) -> tuple[int, bool]:
    """The version of the quarantine table that belongs to the rows of `before` (-1: none), and whether it is the
    newest. A later commit of ours is what a run left that died before it wrote the rows: it says from which version it
    was made. One of somebody else, who mended or removed rows, counts."""
    recorded = before.quarantine if before is not None else -1
    if facts.record_version > recorded:
        assert facts.record is not None
        return facts.record.quarantine, False
    return facts.version, True
