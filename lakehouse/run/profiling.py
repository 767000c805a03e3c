"""Profiles of published versions: those that are stored, those taken now, and how a version drifted from another."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from pyspark.sql import DataFrame

from lakehouse.names import TableName
from lakehouse.quality.column_profile import TableProfile, compare_columns, profile_rows, stored_profile
from lakehouse.quality.profile import profile_columns, read_profile
from lakehouse.quality.rule import TableRule
from lakehouse.run.delta_warehouse import DeltaWarehouse

_PREVIOUS, _MEASURE = "previous", "population_stability_index"


class VersionProfiles:
    """The profiles of one table. `frame` gives the table's rows at a version; `check` and `at` are said of what is
    taken now."""

    def __init__(
        self,
        warehouse: DeltaWarehouse,
        project: str,
        table: TableName,
        frame: Callable[[int], DataFrame],
        moment: tuple[str, datetime],
    ) -> None:
        self._warehouse, self._project, self._table, self._frame = warehouse, project, str(table), frame
        self._check, self._at = moment
        self._stored: dict[int, TableProfile] | None = None

    def of(self, version: int) -> TableProfile:
        """The profile of a version, taken and stored if there is none. Taking it reads the table once."""
        known = self._known()
        if version not in known:
            frame = self._frame(version)
            row = frame.agg(*profile_columns(frame.schema)).first()
            assert row is not None
            known[version] = profile = read_profile(row)
            facts = {
                "project": self._project,
                "dataset": self._table,
                "version": version,
                "epoch": None,
                "run": self._check,
                "is_increment": False,
                "recorded_at": self._at,
            }
            self._warehouse.profiles.append(profile_rows(profile, facts))
        return known[version]

    def drift(self, rule: TableRule, version: int) -> float | None:
        """By how much the rule's column at `version` drifted from its baseline, by the rule's measure; None if there
        is no baseline, or the measure does not apply to the column."""
        arguments = rule.expectation.arguments
        wanted = arguments.get("baseline") or _PREVIOUS
        if isinstance(wanted, int) and not isinstance(wanted, bool):
            before = wanted
        else:
            before = max((known for known in self._known() if known < version), default=-1)
        if before < 0:
            return None
        name = str(arguments["column"]).lower()
        sides = [
            next((column for column in self.of(each).columns if column.name.lower() == name), None)
            for each in (before, version)
        ]
        if sides[0] is None or sides[1] is None:
            return None
        found: float | None = getattr(compare_columns(sides[0], sides[1]), arguments.get("measure") or _MEASURE)
        return found

    def _known(self) -> dict[int, TableProfile]:
        if self._stored is None:
            rows = self._warehouse.profiles.rows(
                filters=[("project", "=", self._project), ("dataset", "=", self._table), ("is_increment", "=", False)]
            )
            versions = {row["version"]: row["run"] for row in sorted(rows, key=lambda row: row["recorded_at"])}
            self._stored = {
                version: stored_profile(row for row in rows if (row["version"], row["run"]) == (version, run))
                for version, run in versions.items()
            }
        return self._stored
