"""A loaded project with its warehouse, and a Spark session that starts when something really needs it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.definition.dataset import Flow, StreamingTable
from lakehouse.definition.loading import load_project
from lakehouse.definition.project import Project, ProjectSpec
from lakehouse.definition.spec_file import read_spec
from lakehouse.errors import SourceFileError
from lakehouse.names import TableName
from lakehouse.plan.load_plan import LedgerEntry, SourceFile, files_to_hash
from lakehouse.run.delta_warehouse import DeltaWarehouse
from lakehouse.run.location import locate
from lakehouse.storage.source_files import list_source_files, with_hashes

if TYPE_CHECKING:  # importing it imports pyspark
    from pyspark.sql import SparkSession

    from lakehouse.run.spark_side import SparkSide


class Workspace:
    """One project, opened. Loading it raises DefinitionError; nothing is started or written."""

    def __init__(self, root: Path, *, target: str | None = None, variables: Mapping[str, str] | None = None) -> None:
        # The session that a definition file may ask for while it is read is made from the spec alone.
        self._spec: ProjectSpec = read_spec(root, target=target, variables=variables or {})
        self.warehouse = DeltaWarehouse(self._spec)
        self.project: Project = load_project(
            root, target=target, variables=variables, open_session=self._session_for_definitions
        )

    @cached_property
    def spark(self) -> SparkSide:
        """The part that needs Spark; the session itself starts at its first use."""
        from lakehouse.run.spark_side import SparkSide  # imports pyspark: 0.3 s that `ls` need not pay

        return SparkSide(self._spec, self.warehouse.last_seconds)

    def locate(self, name: TableName) -> str:
        """Where a declared table lies."""
        return locate(self.project, name)

    def list_files(self, dataset: StreamingTable, known: Sequence[LedgerEntry]) -> tuple[SourceFile, ...]:
        """The files that are there for a streaming table, flow by flow, sorted by path.

        Those that size and time do not show to be among the `known` carry the hash of their content.
        """
        listed = [file for flow in dataset.flows for file in self._files_of(flow)]
        hashed = {(file.flow, file.path): file for file in with_hashes(files_to_hash(listed, known))}
        return tuple(hashed.get((file.flow, file.path), file) for file in listed)

    def _files_of(self, flow: Flow) -> Sequence[SourceFile]:
        try:
            return list_source_files(flow.name, flow.source.files, self._spec.root)
        except SourceFileError as error:
            error.where = error.where or flow.source.location
            raise

    def close(self) -> None:
        """Ends the session if one was started."""
        if "spark" in self.__dict__:
            self.spark.close()

    def _session_for_definitions(self) -> SparkSession:
        return self.spark.session()
