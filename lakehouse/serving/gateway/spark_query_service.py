"""The gateway's query service: published versions in Spark, behind the gate, as the rules are at each query.

Every query is answered by the seat of its principal for the newest publication and the rules of that moment; a change
of either makes a new seat, and what runs on the old one runs on.
"""

from __future__ import annotations

import os
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from pyspark import SparkContext
from pyspark.sql import SparkSession

from lakehouse.catalog.current_policy import CurrentPolicy
from lakehouse.catalog.inherited_rules import InheritedRules
from lakehouse.catalog.principal import Principal
from lakehouse.definition.project import Project, ProjectSpec
from lakehouse.errors import AccessRefused, DefinitionError, LakehouseError, UnknownName, UsageError
from lakehouse.names import TableName
from lakehouse.plan.records import Publication
from lakehouse.run.access_rules import rules_over
from lakehouse.run.delta_warehouse import DeltaWarehouse
from lakehouse.run.spark_side import SparkSide
from lakehouse.serving.gateway.current_rules import CurrentRules
from lakehouse.serving.gateway.limits import Limits
from lakehouse.serving.gateway.query_service import EngineFailed, LimitExceeded, QueryResult, TableEntry
from lakehouse.serving.gateway.seat import CheckedQuery, Seat
from lakehouse.serving.gateway.spark_batches import arrow_batches, cancel_group, engine_failures, job_group
from lakehouse.serving.principal_access import principal_access
from lakehouse.serving.readable import TableVersion, external_tables, published_tables, reads_of_others, system_tables
from lakehouse.storage.private_folder import PrivateFolder
from lakehouse.storage.session_profile import is_local
from lakehouse.storage.table_log import newest_version

_MOST_SEATS = 64
# By default a query that finds no memory ends the whole of Spark, and with it everyone's queries; so only its own.
_SERVER_SETTINGS = {
    "spark.executor.killOnFatalError.depth": "0",
    # pyspark would compress the rows that wait on disk: a tenth of the time that a million of them takes.
    "spark.rdd.compress": "false",
}
Answer = TypeVar("Answer")


@dataclass(slots=True)
class _Place:
    """A principal's place: its seat, what it was made for, and a lock so that one is made at a time."""

    lock: threading.Lock
    made_for: tuple[str, int] | None = None
    seat: Seat | None = None


class SparkQueryService:
    """Implements `QueryService` for one project. Starts Spark when it is made; `close` ends it."""

    def __init__(
        self,
        spec: ProjectSpec,
        rules: CurrentRules,
        load_definitions: Callable[[], Project],
        *,
        limits: Limits | None = None,
    ) -> None:
        self._spec, self._rules, self._load_definitions = spec, rules, load_definitions
        self._most_waiting = (limits or Limits()).bytes
        self._warehouse = DeltaWarehouse(spec)
        self._folders = _private_folders(spec.configuration)
        places = {"spark.local.dir": ",".join(str(folder.path) for folder in self._folders)} if self._folders else {}
        self._spark = SparkSide(replace(spec, configuration={**spec.configuration, **_SERVER_SETTINGS, **places}))
        try:
            self._session: SparkSession = self._spark.session()
        except BaseException:
            self._remove_folders()
            raise
        self._places: OrderedDict[Principal, _Place] = OrderedDict()
        self._published: tuple[int, Publication | None] = (-2, None)
        self._known_rules: tuple[tuple[str, int], InheritedRules] | None = None
        self._inheriting = threading.Lock()
        self._working: set[str] = set()
        self._lock = threading.Lock()

    def execute(self, principal: Principal, text: str, query_id: str) -> QueryResult:
        """See QueryService."""
        with self._group(query_id):
            checked = self._answered(lambda: self._seat(principal).take(text))
        return QueryResult(schema=checked.schema, batches=self._rows(checked, query_id), tables=checked.tables)

    def schema_of(self, principal: Principal, text: str) -> Any:
        """See QueryService."""
        return self._answered(lambda: self._seat(principal).prepare(text)).schema

    def parameter_types(self, principal: Principal, text: str) -> Sequence[Any]:
        """See QueryService."""
        return self._answered(lambda: self._seat(principal).parameter_types(text))

    def catalogs(self, principal: Principal) -> Sequence[str]:
        """See QueryService."""
        return sorted({entry.catalog for entry in self.tables(principal, with_columns=False)})

    def schemas(self, principal: Principal) -> Sequence[tuple[str, str]]:
        """See QueryService."""
        return sorted({(entry.catalog, entry.schema) for entry in self.tables(principal, with_columns=False)})

    def tables(self, principal: Principal, *, with_columns: bool) -> Sequence[TableEntry]:
        """See QueryService."""
        return self._answered(lambda: self._seat(principal).entries(with_columns=with_columns))

    def cancel(self, query_id: str) -> None:
        """See QueryService."""
        with self._lock:
            works = query_id in self._working
        if works:
            cancel_group(self._session, query_id)

    def close(self) -> None:
        """Ends Spark."""
        self._places.clear()
        self._spark.close()
        self._remove_folders()

    def _rows(self, checked: CheckedQuery, query_id: str) -> Iterator[Any]:
        with self._group(query_id), engine_failures():
            yield from arrow_batches(checked.frame, checked.schema, self._most_waiting)

    def _remove_folders(self) -> None:
        for folder in self._folders:
            folder.remove()

    @contextmanager
    def _group(self, query_id: str) -> Iterator[None]:
        with self._lock:
            self._working.add(query_id)
        try:
            with job_group(self._session, query_id):
                yield
        finally:
            with self._lock:
                self._working.discard(query_id)

    def _answered(self, ask: Callable[[], Answer]) -> Answer:
        """What `ask` answers; its errors as a client may see them."""
        try:
            with engine_failures():
                return ask()
        except UnknownName as unknown:  # its names are of what the principal may know of
            raise AccessRefused(unknown.message) from None
        except (AccessRefused, UsageError, EngineFailed, LimitExceeded):
            raise
        except LakehouseError as error:
            raise AccessRefused("the rules of access of a table cannot be applied, so it cannot be read.") from error

    def _seat(self, principal: Principal) -> Seat:
        rules, publication = self._rules.now(), self._publication()
        made_for = (rules.hash, publication.sequence)
        with self._lock:
            place = self._places.setdefault(principal, _Place(threading.Lock()))
            self._places.move_to_end(principal)
            while len(self._places) > _MOST_SEATS:
                self._places.popitem(last=False)
        with place.lock:
            if place.seat is None or place.made_for != made_for:
                place.seat = None
                inherited = self._inherited(rules, publication)
                access = principal_access(inherited.compiled, principal.name, inherited.with_tags)
                place.seat = Seat(self._spec, self._readable(publication), access)
                place.made_for = made_for
            return place.seat

    def _inherited(self, rules: CurrentPolicy, publication: Publication) -> InheritedRules:
        made_for = (rules.hash, publication.sequence)
        with self._inheriting:
            if self._known_rules is None or self._known_rules[0] != made_for:
                tables = self._readable(publication)
                inherited = rules_over(self._spec, rules.policy, self._warehouse, publication, tables)
                self._known_rules = made_for, inherited
            return self._known_rules[1]

    def _publication(self) -> Publication:
        version = newest_version(f"{self._spec.warehouse}/system/publications")
        with self._lock:
            if self._published[0] != version:
                self._published = version, self._warehouse.latest_publication()
            found = self._published[1]
        if found is None:
            raise UsageError("the project has published nothing yet.")
        return found

    def _readable(self, publication: Publication) -> Mapping[TableName, TableVersion]:
        others: dict[TableName, TableVersion] = {}
        if reads_of_others(publication):
            # Definitions that cannot be read now must not hinder who only reads; then there are no tables of others.
            with suppress(DefinitionError):
                others = external_tables(self._load_definitions(), publication)
        return {**system_tables(self._spec), **others, **published_tables(self._spec, publication)}


def _private_folders(configuration: Mapping[str, str]) -> Sequence[PrivateFolder]:
    """Where Spark may keep rows while it works, closed to other users: within the places it would take anyway. A Spark
    that runs already has its folders, and those of a cluster's workers are not ours to choose."""
    if SparkContext._active_spark_context is not None or not is_local(configuration.get("spark.master", "local[*]")):
        return ()
    default = configuration.get("spark.local.dir", tempfile.gettempdir())
    listed = os.environ.pop("SPARK_LOCAL_DIRS", default)  # would count for more than the setting
    return [PrivateFolder(Path(place.strip()).expanduser().resolve()) for place in listed.split(",") if place.strip()]
