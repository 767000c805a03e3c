"""The rules of published tables judged with Spark: one bundled pass a table, further ones only for what needs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame

from lakehouse.analysis.failure import describe_failure
from lakehouse.definition.dataset import ExternalTable
from lakehouse.definition.expectation_types import own_expectation_types
from lakehouse.definition.project import Project
from lakehouse.errors import DefinitionError, RefreshError
from lakehouse.names import TableName
from lakehouse.quality.judgement import Judgement, with_samples
from lakehouse.quality.judging import JudgingContext, judge_frame
from lakehouse.quality.rule import CompiledRules, EngineRule, RowRule, TableRule, compile_rules
from lakehouse.quality.samples import violating_rows, violating_tables
from lakehouse.quality.verdict import Samples, Status, Verdict, without_judgement
from lakehouse.run.check_plan import Rule, TableTask, in_order
from lakehouse.run.delta_warehouse import DeltaWarehouse
from lakehouse.run.location import locate
from lakehouse.run.profiling import VersionProfiles
from lakehouse.storage.session_catalog import SessionCatalog
from lakehouse.storage.table_log import newest_version


class SparkChecking:
    """Judges tables of one project at the given versions; `moment` is the check's name and the instant it began."""

    def __init__(
        self,
        project: Project,
        catalog: SessionCatalog,
        versions: Mapping[TableName, int],
        warehouse: DeltaWarehouse,
        moment: tuple[str, datetime],
    ) -> None:
        self._project = project
        self._catalog = catalog
        self._versions = versions
        self._warehouse = warehouse
        self._moment = moment
        self._profiles: dict[TableName, VersionProfiles] = {}

    def profile(self, task: TableTask) -> None:
        """Takes and stores the profile of the task's version, unless it is there."""
        self._profiles_of(task.dataset.name).of(task.version)

    def judge(self, task: TableTask, *, by_great_expectations: bool) -> tuple[Judgement, ...]:
        """A judgement for each rule that is due. What fails is the verdict of what it concerns."""
        try:
            frame = self._table(task.dataset.name)
        except RefreshError as error:
            return tuple(Judgement(rule, without_judgement(rule, Status.ERROR, error.message)) for rule in task.due)
        columns = {field.name: field.dataType.simpleString() for field in frame.schema.fields}
        found: dict[str, Verdict] = {}
        fitting: list[Rule] = []
        for rule in task.due:
            try:
                fitting += in_order(compile_rules([rule.expectation], columns))
            except DefinitionError as error:
                found[rule.name] = without_judgement(rule, Status.ERROR, error.message)
        others = [rule for rule in fitting if isinstance(rule, EngineRule) or (by_great_expectations and _known(rule))]
        ours = [rule for rule in fitting if rule not in others]
        for verdict in (*self._by_one_pass(frame, ours, task), *_by_great_expectations(frame, others)):
            found[verdict.rule] = verdict
        judged = tuple(Judgement(rule, found[rule.name]) for rule in task.due)
        return with_samples(judged, self._samples(frame, judged, task))

    def _samples(self, frame: DataFrame, judged: Sequence[Judgement], task: TableTask) -> dict[str, Samples]:
        """Some of what violates the rules that are not met."""
        failing = {each.rule.name: each.verdict.failed_records for each in judged if _is_failed(each)}
        columns = {field.name: field.dataType.simpleString() for field in frame.schema.fields}
        rules = compile_rules([rule.expectation for rule in task.due if rule.name in failing], columns)
        try:
            of_rows = violating_rows(frame, rules.rows, task.dataset.layout.primary_key, failing)
            return of_rows | violating_tables(frame, rules.tables, self._context(task))
        except (PySparkException, Py4JJavaError):  # files that went meanwhile: the verdicts stand without them
            return {}

    def _context(self, task: TableTask) -> JudgingContext:
        return JudgingContext(
            now=self._moment[1],
            table=self._table,
            previous=task.previous,
            drift=lambda rule: self._drift(rule, task),
        )

    def _by_one_pass(self, frame: DataFrame, rules: Sequence[Rule], task: TableTask) -> tuple[Verdict, ...]:
        if not rules:
            return ()
        compiled = CompiledRules(
            rows=tuple(rule for rule in rules if isinstance(rule, RowRule)),
            tables=tuple(rule for rule in rules if isinstance(rule, TableRule)),
        )
        try:
            return judge_frame(frame, compiled, self._context(task))
        except Py4JJavaError as error:  # what Spark does not own up to, such as files that are gone
            failure = describe_failure(error).message
            return tuple(without_judgement(rule, Status.ERROR, failure) for rule in rules)

    def _drift(self, rule: TableRule, task: TableTask) -> float | None:
        profiles = self._profiles_of(task.dataset.name)
        profiles.of(task.version)  # the next version is compared with it
        return profiles.drift(rule, task.version)

    def _profiles_of(self, name: TableName) -> VersionProfiles:
        if name not in self._profiles:
            location = locate(self._project, name)
            self._profiles[name] = VersionProfiles(
                self._warehouse.profiles,
                (self._project.spec.name, name),
                location,
                lambda version: self._catalog.table(location, version),
                self._moment,
            )
        return self._profiles[name]

    def _table(self, name: TableName) -> DataFrame:
        location = locate(self._project, name)
        version = self._versions.get(name, -1)
        if isinstance(self._project.by_name.get(name), ExternalTable):
            version = newest_version(location)
        if version < 0:
            raise RefreshError(f"{name} has no version that readers see.")
        try:
            return self._catalog.table(location, version)
        except (PySparkException, Py4JJavaError) as error:
            failure = describe_failure(error).message
            raise RefreshError(f"version {version} of {name} cannot be read: {failure}") from error


def _by_great_expectations(frame: DataFrame, rules: Sequence[Rule]) -> tuple[Verdict, ...]:
    if not rules:
        return ()
    # Seconds to import, and most checks need none of it.
    from lakehouse.quality.great_expectations_engine import judge_by_engine

    return judge_by_engine(frame, rules)


def _is_failed(judgement: Judgement) -> bool:
    return judgement.verdict.status is Status.FAILED


def _known(rule: Rule) -> bool:
    """Whether Great Expectations can judge it: all but our own types."""
    return rule.expectation.type not in own_expectation_types()
