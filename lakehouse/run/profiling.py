"""Profiles of versions: those that are stored, those taken now, and how a version drifted from another."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from pyspark.sql import DataFrame, SparkSession

from lakehouse.names import TableName
from lakehouse.quality.column_profile import TableProfile, compare_columns, profile_rows, stored_profile
from lakehouse.quality.profile import ProfileWatch, merge_profiles, profile_of
from lakehouse.quality.rule import TableRule
from lakehouse.storage.change_commit import StagedChange
from lakehouse.storage.commit_log import CommitLog
from lakehouse.storage.staged_write import StagedWrite, WriteMode
from lakehouse.storage.system_tables import SystemTable
from lakehouse.storage.table_log import newest_version

_PREVIOUS, _MEASURE = "previous", "population_stability_index"


class VersionProfiles:
    """The stored profiles of one table of a project, which lies at `location`. `frame` gives the table's rows at a
    version; `moment`, a run's or check's name and an instant, is said of what is taken now."""

    def __init__(
        self,
        stored: SystemTable,
        owner: tuple[str, TableName],
        location: str,
        frame: Callable[[int], DataFrame],
        moment: tuple[str, datetime],
    ) -> None:
        self._table, self._location, self._frame = stored, location, frame
        self._project, self._dataset = owner[0], str(owner[1])
        self._run, self._at = moment
        self._stored: dict[int, TableProfile] | None = None

    def of(self, version: int) -> TableProfile:
        """The profile of a version, taken and stored if there is none. Taking it reads the table once."""
        known = self.known()
        if version not in known:
            known[version] = profile = profile_of(self._frame(version))
            facts = {
                "project": self._project,
                "dataset": self._dataset,
                "version": version,
                "epoch": None,
                "run": self._run,
                "is_increment": False,
                "recorded_at": self._at,
            }
            self._table.append(profile_rows(profile, facts))
        return known[version]

    def drift(self, rule: TableRule, version: int) -> float | None:
        """By how much the rule's column at `version` drifted from its baseline, by the rule's measure; None if there
        is no baseline, or the measure does not apply to the column."""
        before = self._baseline(rule, version)
        return None if before < 0 else _drift(rule, self.of(before), self.of(version))

    def drift_of(self, rule: TableRule, profile: TableProfile, last: int) -> float | None:
        """`drift` of rows that will be the version after `last`."""
        before = self._baseline(rule, last + 1)
        return None if not 0 <= before <= last else _drift(rule, self.of(before), profile)

    def known(self) -> dict[int, TableProfile]:
        """The profiles that are there, by version."""
        if self._stored is None:
            rows = self._table.rows(
                filters=[("project", "=", self._project), ("dataset", "=", self._dataset), ("is_increment", "=", False)]
            )
            log = CommitLog(self._location)
            committed = {version: log.committed_at(version) for version in {row["version"] for row in rows}}
            taken = {
                row["version"]: (row["run"], row["recorded_at"])
                for row in sorted(rows, key=lambda row: row["recorded_at"])
                # A table made anew in the place of another counts its versions from 0 again.
                if (since := committed[row["version"]]) is None or row["recorded_at"] >= since
            }
            self._stored = {
                version: stored_profile(
                    row for row in rows if (row["version"], row["run"], row["recorded_at"]) == (version, *of)
                )
                for version, of in taken.items()
            }
        return self._stored

    def newest(self) -> int:
        """The table's newest version, -1 if there is no table."""
        return newest_version(self._location)

    def _baseline(self, rule: TableRule, version: int) -> int:
        """The version that the rule compares `version` with; -1 if there is none."""
        wanted = rule.expectation.arguments.get("baseline") or _PREVIOUS
        if isinstance(wanted, int) and not isinstance(wanted, bool):
            return wanted
        return max((known for known in self.known() if known < version), default=-1)


class RefreshProfile:
    """The profile of the rows that a table will have after one refresh. Where the refresh writes all of them, or adds
    to a version whose profile is known, it is taken from what it writes, on the way; else a pass reads them, if there
    is a rule that needs it (`is_needed`) or the refresh wrote only additions."""

    def __init__(self, profiles: VersionProfiles, session: SparkSession, *, is_needed: bool) -> None:
        self._profiles, self._session, self._is_needed = profiles, session, is_needed
        self._watch = ProfileWatch()
        self._last = -1
        self.found: TableProfile | None = None

    def watched(self, rows: DataFrame) -> DataFrame:
        """The rows that are written, to be profiled while they are."""
        return self._watch.watched(rows)

    def take(self, rows: DataFrame, staged: StagedWrite | StagedChange) -> None:
        """Finds the profile; `rows` are those that the table will have."""
        if not isinstance(staged, StagedWrite):
            self._last = self._profiles.newest()
            self.found = profile_of(rows) if self._is_needed else None
            return
        self._last = staged.read_version
        written = self._watch.profile(staged.rows)
        if written is None or staged.write.mode is WriteMode.REPLACE:
            self.found = profile_of(rows)
        elif staged.read_version < 0 or staged.write.mode is WriteMode.OVERWRITE:
            self.found = written
        else:
            before = self._profiles.known().get(staged.read_version)
            parts = None if before is None else [before, written]
            self.found = profile_of(rows) if parts is None else merge_profiles(self._session, parts)

    def drift(self, rule: TableRule) -> float | None:
        """How much the rule's column drifts by the refresh; None without a baseline."""
        return None if self.found is None else self._profiles.drift_of(rule, self.found, self._last)


def _drift(rule: TableRule, before: TableProfile, now: TableProfile) -> float | None:
    name = str(rule.expectation.arguments["column"]).lower()
    sides = [
        next((column for column in profile.columns if column.name.lower() == name), None) for profile in (before, now)
    ]
    if sides[0] is None or sides[1] is None:
        return None
    measure = rule.expectation.arguments.get("measure") or _MEASURE
    found: float | None = getattr(compare_columns(sides[0], sides[1]), measure)
    return found
