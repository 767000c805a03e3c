"""A connection for one principal, in the process of whoever uses it: mode `guarded`.

It keeps people from reading by accident what they may not read. It is no boundary: this process can open the files,
and whoever owns it can have anything in it do as they like. The gateway is the boundary.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING

from lakehouse.catalog.policy import AccessPolicy
from lakehouse.definition.project import Project, ProjectSpec
from lakehouse.errors import DefinitionError, LakehouseError, UsageError
from lakehouse.names import TableName, parse_table_name
from lakehouse.plan.records import Publication
from lakehouse.run.access_rules import rules_over
from lakehouse.run.delta_warehouse import DeltaWarehouse
from lakehouse.serving.principal_access import PrincipalAccess, principal_access
from lakehouse.serving.readable import TableVersion, external_tables, published_tables, reads_of_others, system_tables
from lakehouse.serving.spark_use import SparkUse

if TYPE_CHECKING:  # imports pyspark
    from pyspark.sql import DataFrame

    from lakehouse.serving.secured_reader import SecuredReader


class GuardedModeWarning(UserWarning):
    """Said once when a guarded connection starts: what it prevents, and what it does not."""


NOTICE = (
    "guarded mode: this connection prevents reading by accident what '{principal}' may not read. It is no boundary "
    "against someone who owns this Python process; the gateway ('lakehouse serve') is."
)


class GuardedConnection:
    """One publication of a project as one principal may see it; see `lakehouse.connect`. A context manager;
    `close()` ends it."""

    def __init__(
        self,
        spec: ProjectSpec,
        principal: str,
        load_policy: Callable[[], AccessPolicy],
        load_definitions: Callable[[], Project],
        *,
        spark: SparkUse,
        at: str | None = None,
    ) -> None:
        self._spec, self._principal, self._spark = spec, principal, spark
        self._load_policy, self._load_definitions = load_policy, load_definitions
        self._warehouse = DeltaWarehouse(spec)
        self._publication = self._warehouse.publication_at(at) if at else self._warehouse.latest_publication()
        self._tables = self._readable()
        self._policy = load_policy()
        self._access = self._decided()
        self._reader: SecuredReader | None = None
        self._closed = False
        warnings.warn(NOTICE.format(principal=principal), GuardedModeWarning, stacklevel=4)

    @property
    def principal(self) -> str:
        """Who reads."""
        return str(self._access.principal)

    @property
    def at(self) -> datetime:
        """When what this connection reads was published, in UTC."""
        return self._published().published_at

    def tables(self) -> list[str]:
        """The names of the tables that the principal may read, sorted; system tables and rows set aside only if they
        are granted."""
        self._require_open()
        self._published()
        return [str(name) for name in sorted(self._tables) if self._access.decide(name)]

    def table(self, name: str) -> DataFrame:
        """What the principal sees of a table; a name without schema is one of the project's `database`. Raises
        UnknownName for a table that does not exist or that the principal may not know of, AccessRefused for one that
        it may know of and not read."""
        found = parse_table_name(name, default_schema=self._spec.database, catalog=self._spec.catalog)
        return self._open_reader().table(found, name)

    def sql(self, query: str) -> DataFrame:
        """A query's rows. Raises what `table` raises, UsageError for a statement that is not a query, QueryError for
        whatever else Spark refuses."""
        return self._open_reader().sql(query)

    def refresh(self) -> bool:
        """Moves on to the newest publication and to the rules as they are now; answers whether either was newer.
        Frames made before stay. Raises AccessRefused where the principal is no longer known, and what is wrong with
        the rules; then the connection is closed."""
        self._require_open()
        before = self._publication, self._policy
        tables, reader, self._reader = self._tables, self._reader, None
        try:
            self._publication = self._warehouse.latest_publication()
            self._tables = self._readable()
            self._policy = self._load_policy()
            self._access = self._decided()
        except LakehouseError:
            self.close()
            raise
        is_same = (self._publication, self._policy) == before
        if is_same and self._tables == tables:
            self._reader = reader  # its views are made, its mapping queries answered
        return not is_same

    def close(self) -> None:
        """Ends the connection, and Spark with it if a connection started it and no other connection uses it."""
        self._reader = None
        self._closed = True
        self._spark.end(self)

    def __enter__(self) -> GuardedConnection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<lakehouse connection of {self.principal}, guarded: project {self._spec.name}>"

    def _open_reader(self) -> SecuredReader:
        self._require_open()
        self._published()
        if self._reader is None:
            self._spark.begin(self)
            # Imports pyspark and starts Spark, which looking around does not need.
            from lakehouse.serving.secured_reader import SecuredReader

            self._reader = SecuredReader(self._spec, self._tables, self._access, checked=True)
        return self._reader

    def _decided(self) -> PrincipalAccess:
        rules = rules_over(self._spec, self._policy, self._warehouse, self._publication, self._tables)
        return principal_access(rules.compiled, self._principal, rules.with_tags)

    def _readable(self) -> dict[TableName, TableVersion]:
        publication = self._publication
        if publication is None:
            return {}
        others: dict[TableName, TableVersion] = {}
        if reads_of_others(publication):
            # Definitions that cannot be read now must not hinder who only reads; then there are no tables of others.
            with suppress(DefinitionError):
                others = external_tables(self._load_definitions(), publication)
        return {**system_tables(self._spec), **others, **published_tables(self._spec, publication)}

    def _published(self) -> Publication:
        if self._publication is None:
            raise UsageError(f"the project '{self._spec.name}' has published nothing yet.")
        return self._publication

    def _require_open(self) -> None:
        if self._closed:
            raise UsageError("this connection is closed.", hint="Open another with lakehouse.connect().")
