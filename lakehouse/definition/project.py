"""A project: its spec, and everything its files declare, as one frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from lakehouse.definition.dataset import Dataset, ExternalTable, MaterializedView, StreamingTable
from lakehouse.names import TableName


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSpec:
    """What `spark-pipeline.yml` and the target's file say, variables substituted.

    `configuration` is what `${name}` and `spark.conf.get(name)` answer; its `spark.*` keys configure the session.
    `warehouse` is an absolute path or a URI. `max_concurrent_refreshes` bounds how many tables refresh at a time.
    """

    name: str
    root: Path
    file: Path
    catalog: str | None = None
    database: str = "default"
    storage: str | None = None
    configuration: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    libraries: tuple[str, ...] = ()
    access: str | None = None
    target: str | None = None
    warehouse: str
    max_concurrent_refreshes: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """The spec and the datasets in order of declaration, plus sentences worth showing to the user."""

    spec: ProjectSpec
    datasets: tuple[Dataset, ...]
    notices: tuple[str, ...] = ()

    @property
    def by_name(self) -> Mapping[TableName, Dataset]:
        """Every dataset under its name."""
        return {dataset.name: dataset for dataset in self.datasets}

    @property
    def stored(self) -> tuple[StreamingTable | MaterializedView, ...]:
        """The datasets this project writes."""
        return tuple(d for d in self.datasets if isinstance(d, StreamingTable | MaterializedView))

    @property
    def external(self) -> tuple[ExternalTable, ...]:
        """The Delta tables this project reads but never writes."""
        return tuple(d for d in self.datasets if isinstance(d, ExternalTable))
