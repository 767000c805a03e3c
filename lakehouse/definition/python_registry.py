"""What a Python file registers through pyspark's own registration context becomes datasets."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyspark.pipelines.flow import Flow
from pyspark.pipelines.graph_element_registry import GraphElementRegistry
from pyspark.pipelines.output import MaterializedView as MaterializedViewOutput
from pyspark.pipelines.output import Output, Sink, StreamingTable, Table, TemporaryView

from lakehouse.definition.code_identity import code_identity
from lakehouse.definition.columns import distinct, parse_ddl
from lakehouse.definition.dataset import Column, Dataset, Layout, MaterializedView, PythonQuery, RefreshPolicy
from lakehouse.definition.dataset import TemporaryView as TemporaryViewDataset
from lakehouse.definition.dataset_document import check_layout, read_dataset
from lakehouse.definition.declared_name import table_name, view_name
from lakehouse.definition.document import Document
from lakehouse.definition.expectation import Expectation
from lakehouse.definition.expectation_reading import read_expectation
from lakehouse.definition.project import ProjectSpec
from lakehouse.definition.recorded_expectation import recorded_expectations
from lakehouse.definition.refresh_policy import read_refresh_policy
from lakehouse.definition.strict_model import text_of
from lakehouse.definition.suite_file import with_suite
from lakehouse.definition.user_frame import calling_line, location_in
from lakehouse.errors import DefinitionError, DefinitionErrors, DuplicateName, InvalidValue, SourceLocation

_FED_BY_FILES = "Declare the files: dp.streaming_table(name=…, files=…), or streaming_table with source: in YAML."


@dataclass(slots=True)
class _Registered:
    """A dataset and its function, as far as they are registered."""

    output: Output
    location: SourceLocation
    flow: Flow | None = None
    tags: tuple[str, ...] = ()
    primary_key: tuple[str, ...] = ()
    refresh_policy: Any = RefreshPolicy.AUTO.value
    suite: str | None = None


class ProjectRegistry(GraphElementRegistry):
    """Collects what one file registers; `datasets` turns it into values when the file is read to the end."""

    def __init__(self, spec: ProjectSpec, run_in_project: Callable[[Callable[[], Any]], Callable[[], Any]]):
        self._spec = spec
        self._run_in_project = run_in_project
        self._registered: list[_Registered] = []
        self._declared: list[Dataset] = []
        self.notices: list[str] = []

    def register_output(self, output: Output) -> None:
        """Takes a dataset. Raises InvalidValue for a sink."""
        where = self._where()
        if isinstance(output, Sink):
            raise InvalidValue(
                f"the sink '{output.name}' cannot be declared: this project writes Delta tables only.",
                where=where,
                hint="Read the table from the other system, or export it after the run.",
            )
        self._registered.append(_Registered(output, where))

    def register_flow(self, flow: Flow) -> None:
        """Takes the function of the dataset registered just before. Raises InvalidValue for any other flow."""
        last = self._registered[-1] if self._registered else None
        # `table` and its like hand the same location object to the dataset and to its flow; append_flow has its own.
        if last is None or last.output.source_code_location is not flow.source_code_location:
            raise InvalidValue(
                f"append_flow into '{flow.target}' is not supported yet: streaming tables are fed by files for now.",
                where=self._where(),
                hint=_FED_BY_FILES,
            )
        last.flow = flow
        code = getattr(flow.func, "__code__", None)
        if sys.version_info < (3, 11) and code is not None:
            # Before 3.11 a decorator's call reports the line of the function, not of the decorator.
            last.location = location_in(self._spec.root, code.co_filename, code.co_firstlineno)

    def register_sql(self, sql_text: str, file_path: Path) -> None:
        """Refused: SQL files are read as such. Raises InvalidValue."""
        raise InvalidValue(
            "SQL cannot be registered from a Python file.",
            where=self._where(),
            hint="Put it in a .sql file among the libraries.",
        )

    def declare(self, value: dict[str, Any]) -> None:
        """Takes a dataset as the mapping that a YAML document would be. Raises DefinitionError."""
        where = self._where()
        self._declared.append(read_dataset(Document(value=value, file=where.file, line=where.line), self._spec))

    def annotate_last(
        self, *, tags: Sequence[str], primary_key: Sequence[str], refresh_policy: Any, suite: str | None
    ) -> None:
        """Adds what pyspark's decorators do not take to the dataset registered last."""
        self._registered[-1].suite = suite
        self._registered[-1].refresh_policy = refresh_policy  # looked at with the rest, so that problems show at once
        self._registered[-1].tags = (tags,) if isinstance(tags, str) else tuple(tags)
        self._registered[-1].primary_key = (primary_key,) if isinstance(primary_key, str) else tuple(primary_key)

    def last_function(self) -> Callable[..., Any]:
        """The function registered last: what a decorator above one of pyspark's decorates, though it gets None."""
        last = self._registered[-1] if self._registered else None
        if last is None or last.flow is None:
            raise InvalidValue("this decorator decorates no query function.", where=self._where())
        return last.flow.func

    def datasets(self) -> Iterator[Dataset | DefinitionError]:
        """Every dataset, or what is wrong with it."""
        yield from self._declared
        for registered in self._registered:
            try:
                yield self._dataset(registered)
            except DefinitionErrors as several:
                yield from several.problems
            except DefinitionError as problem:
                yield problem

    def _dataset(self, registered: _Registered) -> Dataset:
        output, flow, where = registered.output, registered.flow, registered.location
        if flow is None:
            raise InvalidValue(
                f"nothing feeds '{output.name}': streaming tables are fed by files for now.",
                where=where,
                hint=_FED_BY_FILES,
            )
        query = PythonQuery(
            function=self._run_in_project(flow.func),
            code=code_identity(flow.func, self._spec.root, self._spec.configuration),
            location=where,
        )
        spark_conf = tuple(sorted((key, str(text_of(value))) for key, value in flow.spark_conf.items()))
        expectations = self._expectations(flow.func)
        if registered.suite is not None:
            expectations = with_suite(expectations, self._spec.root, registered.suite, where)
        if isinstance(output, TemporaryView):
            if spark_conf:
                self.notices.append(f"{where}: spark_conf of a temporary view has no effect; its readers' holds.")
            return TemporaryViewDataset(
                name=view_name(output.name, self._spec, where),
                comment=output.comment,
                tags=registered.tags,
                location=where,
                query=query,
                expectations=expectations,
            )
        # A batch function under @dp.table is a materialized view, as in Delta Live Tables.
        assert isinstance(output, MaterializedViewOutput | StreamingTable)
        return MaterializedView(
            name=table_name(output.name, self._spec, where),
            comment=output.comment,
            tags=registered.tags,
            location=where,
            query=query,
            layout=self._layout(output, registered),
            expectations=expectations,
            spark_conf=spark_conf,
            refresh_policy=read_refresh_policy(registered.refresh_policy, of=f"'{output.name}'", where=where),
        )

    def _layout(self, output: Table, registered: _Registered) -> Layout:
        where = registered.location
        if output.format is not None and output.format.lower() != "delta":
            raise InvalidValue(f"'{output.name}' cannot be {output.format}: tables are Delta tables.", where=where)
        layout = Layout(
            columns=_columns(output.schema, where),
            properties=tuple(sorted((key, str(text_of(value))) for key, value in output.table_properties.items())),
            partition_by=tuple(output.partition_cols or ()),
            cluster_by=tuple(output.cluster_by or ()),
            primary_key=registered.primary_key,
        )
        check_layout(layout, f"'{output.name}'", Document(value={}, file=where.file, line=where.line))
        return layout

    def _expectations(self, function: Callable[..., Any]) -> tuple[Expectation, ...]:
        found: dict[str, Expectation] = {}
        for recorded in recorded_expectations(function):
            where = location_in(self._spec.root, recorded.file, recorded.line)
            document = Document(value=recorded.declared, file=where.file, line=where.line)
            expectation = read_expectation(document, (), recorded.declared)
            if expectation.name in found:
                raise DuplicateName(expectation.name, first=found[expectation.name].location, where=where)
            found[expectation.name] = expectation
        return tuple(found.values())

    def _where(self) -> SourceLocation:
        return location_in(self._spec.root, *calling_line())


def _columns(schema: Any, where: SourceLocation) -> tuple[Column, ...]:
    if schema is None:
        return ()
    if isinstance(schema, str):
        return parse_ddl(schema, where)
    columns = [
        Column(
            name=field.name,
            type=field.dataType.simpleString(),
            comment=field.metadata.get("comment"),
            nullable=field.nullable,
        )
        for field in schema.fields
    ]
    return distinct(columns, where)
