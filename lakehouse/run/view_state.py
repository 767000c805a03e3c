"""Which version of the sums and counts kept beside a view belongs to the rows that the view's table has."""

from __future__ import annotations

from lakehouse.plan.records import RefreshRecord
from lakehouse.storage.table_log import read_table_facts


def state_version(location: str, before: RefreshRecord) -> int:
    """The version of the state table at `location` that was computed from the same as the rows of `before`; -1 if
    there is none, or something else wrote to it."""
    facts = read_table_facts(location)
    belongs = (
        facts.record is not None
        and not facts.foreign_change
        and dict(facts.record.reads) == dict(before.reads)
        and facts.record.fingerprint == before.fingerprint
        and dict(facts.record.views) == dict(before.views)
    )
    return facts.record_version if belongs else -1
