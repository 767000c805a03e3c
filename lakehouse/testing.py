"""Tests of one dataset on small inputs, through the same run that brings the project up to date.

    from lakehouse.testing import DatasetTest, assert_rows

    def test_revenue_by_day() -> None:
        revenue = DatasetTest("pipelines/shop", "gold.revenue_by_day")
        orders = [{"day": "2026-01-05", "amount": 5}, {"day": "2026-01-05", "amount": 2}]
        assert_rows(revenue.run({"silver.orders": ("day DATE, amount INT", orders)}), [{"revenue": 7}])
        assert_rows(revenue.run({"silver.orders": ("day DATE, amount INT", [])}), [])

Every `run` is the next batch. For a view, inputs are the rows of the tables it reads: a table given again is replaced,
one not given keeps its rows. For a streaming table, inputs are files: each run delivers more of them. Nothing is
written into the project; one Spark is started per process and used by all tests.
"""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from zoneinfo import ZoneInfo

from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import (
    DataType,
    DecimalType,
    DoubleType,
    FloatType,
    StringType,
    StructField,
    StructType,
    TimestampType,
)

from lakehouse.analysis.schema import quote_identifier
from lakehouse.definition.dataset import (
    ExternalTable,
    FileSource,
    MaterializedView,
    StoredDataset,
    StreamingTable,
    TemporaryView,
)
from lakehouse.definition.project import Project
from lakehouse.definition.spec_file import find_project
from lakehouse.errors import InstallationError, SourceFileError, UnknownName, UsageError
from lakehouse.graph.resolution import read_texts, resolve_reference
from lakehouse.graph.selection import resolve_names
from lakehouse.names import TableName
from lakehouse.run.delta_warehouse import DeltaWarehouse
from lakehouse.run.evaluation import failures_named
from lakehouse.run.outcome import StepOutcome
from lakehouse.run.pipeline import run_pipeline
from lakehouse.run.request import RunRequest
from lakehouse.run.workspace import Workspace
from lakehouse.storage.file_patterns import has_magic
from lakehouse.storage.source_files import list_source_files

if TYPE_CHECKING:
    from pandas import DataFrame as PandasFrame  # type: ignore[import-untyped]  # pandas ships no types

    Records: TypeAlias = Sequence[Mapping[str, Any] | Sequence[Any]]
    Rows: TypeAlias = Records | tuple[str, Records] | DataFrame | PandasFrame
    """Rows as dictionaries; or a DDL schema with dictionaries or tuples; or a frame. Text is cast to the schema's
    types; a naive datetime is wall-clock time in the session's time zone, as in Spark SQL."""

__all__ = ["DatasetTest", "assert_rows"]


class DatasetTest:
    """One dataset of the project in (or above) the folder `project`, with its own empty warehouse.

    Temporary views on the way are computed by the project's own definitions; a temporary view can be tested itself.
    Raises DefinitionError if the project does not load, UnknownName for a dataset it does not have.
    """

    def __init__(
        self,
        project: str | Path,
        dataset: str,
        *,
        target: str | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self._workspace = Workspace(find_project(Path(project)), target=target, variables=variables)
        self._declared = self._workspace.project
        self._folder = Path(tempfile.mkdtemp(dir=_process_folder()))
        self._spec = replace(self._declared.spec, warehouse=str(self._folder / "warehouse"))
        self._workspace.warehouse = DeltaWarehouse(self._spec)
        self._name = resolve_names(self._declared, [dataset])[0]
        self._subject = self._as_stored(self._name)
        self._inputs: dict[TableName, ExternalTable] = {}
        self._views: set[TableName] = set()
        self.outcome: StepOutcome | None = None
        """What the last run did: status, mode and its reason, rows in and out, files set aside."""

    def run(self, inputs: Mapping[str, Rows | str | bytes] | None = None, *, full_refresh: bool = False) -> DataFrame:
        """Delivers the inputs, refreshes the dataset, and returns all its rows then.

        For a view: table name to rows. For a streaming table: file name, as its source's pattern has it, to the file's
        content (text or bytes) or to rows, which are written in the source's format.
        Raises UsageError for inputs that are missing or do not fit; what the refresh raises; SourceFileError for a
        file that was set aside (`rows()` has the table without it).
        """
        for name, given in (inputs or {}).items():
            if isinstance(self._subject, StreamingTable):
                self._deliver_file(self._subject, name, given)
            elif isinstance(given, str | bytes):
                raise UsageError(f"the input '{name}' of {self._name} is a text; expected rows.")
            else:
                self._deliver_rows(name, given)
        self.outcome = self._refresh(full_refresh)
        if self.outcome.error is not None:
            raise self.outcome.error
        if len(self.outcome.bad_files) > self.outcome.bad_files_allowed:
            bad = self.outcome.bad_files[0]
            raise SourceFileError(f"'{Path(bad.path).name}' cannot be read: {bad.reason}", path=bad.path)
        return self.rows()

    def rows(self) -> DataFrame:
        """The dataset's rows after the last run; the frame keeps them when runs follow."""
        if self.outcome is None or self.outcome.version < 0:
            raise UsageError(f"{self._name} has no rows yet.", hint="Call run() first.")
        reader = self._session().read.format("delta").option("versionAsOf", self.outcome.version)
        return reader.load(self._workspace.warehouse.location(self._subject.name))

    def _as_stored(self, name: TableName) -> StoredDataset:
        dataset = self._declared.by_name[name]
        match dataset:
            case MaterializedView():
                return dataset
            case StreamingTable():
                flows = tuple(
                    replace(flow, source=replace(flow.source, files=self._pattern(flow.name, flow.source)))
                    for flow in dataset.flows
                )
                return replace(dataset, flows=flows)
            case TemporaryView():
                # Stored for the test, under a name of its own, since only tables keep rows.
                return MaterializedView(
                    name=TableName(self._spec.database.lower(), name.name),
                    comment=dataset.comment,
                    location=dataset.location,
                    query=dataset.query,
                    expectations=dataset.expectations,
                )
        raise UsageError(f"{name} is an external table: there is nothing to compute.", where=dataset.location)

    def _refresh(self, full_refresh: bool) -> StepOutcome:
        """Runs the dataset, and the temporary views it turns out to read, over the inputs."""
        request = RunRequest(full_refresh=(str(self._subject.name),) if full_refresh else ())
        while True:
            self._workspace.project = self._project()
            try:
                outcome = run_pipeline(self._workspace, request, lambda event: None)
            except UnknownName as unknown:
                # Only Spark knows what a query in Python reads.
                read = resolve_reference(self._declared, unknown.name.split("."), frozenset(self._declared.by_name))
                if read is None or read in self._views:
                    raise
                self._views.add(read)
                continue
            return outcome.steps[0]

    def _project(self) -> Project:
        """The dataset, the temporary views it reads, and its inputs as tables of others. Raises UsageError."""
        reads = read_texts(self._declared).reads
        needed: set[TableName] = set()
        waiting = [*reads[self._name], *self._views]
        while waiting:
            name = waiting.pop()
            if name not in needed:
                needed.add(name)
                waiting += () if name.schema else reads[name]
        missing = sorted(str(name) for name in needed if name.schema and name not in self._inputs)
        if missing:
            example = ", ".join(f"'{name}': […]" for name in missing)
            raise UsageError(
                f"{self._name} reads {' and '.join(missing)}, for which no rows were given.",
                hint=f"Call run({{{example}}}).",
            )
        views = [self._declared.by_name[name] for name in needed if not name.schema]
        return Project(spec=self._spec, datasets=(*self._inputs.values(), *views, self._subject))

    def _deliver_rows(self, text: str, given: Rows) -> None:
        name = resolve_names(self._declared, [text])[0]
        dataset = self._declared.by_name[name]
        if not name.schema:
            raise UsageError(
                f"{name} is a temporary view, which the project computes itself.",
                where=dataset.location,
                hint="Give the rows of the tables it reads.",
            )
        if name == self._subject.name:
            raise UsageError(f"{name} is what is tested; give the rows of the tables it reads.")
        declared = {column.name: _data_type(column.type) for column in _columns(dataset) if column.type}
        path = str(self._folder / "inputs" / name.schema / name.name)
        with failures_named(f"the input '{name}'", None, self._spec.root):
            frame = _frame(self._session(), given, declared, what=f"the input '{name}'")
            frame.write.format("delta").mode("overwrite").option("overwriteSchema", "true").save(path)
        self._inputs[name] = ExternalTable(name=name, path=path, location=dataset.location)

    def _pattern(self, flow: str, source: FileSource) -> str:
        """The source's pattern below a folder of the test: what stands before its first wildcard is replaced."""
        segments = source.files.rstrip("/").split("/")
        plain = next((position for position, segment in enumerate(segments) if has_magic(segment)), None)
        if plain is None:  # a file, or a folder of files
            plain = len(segments) - 1 if "." in segments[-1] else len(segments)
        return "/".join([str(self._folder / "files" / flow), *segments[plain:]])

    def _deliver_file(self, table: StreamingTable, name: str, given: Rows | str | bytes) -> None:
        flow_name, _, rest = name.partition("/")
        flow = next((flow for flow in table.flows if flow.name == flow_name and len(table.flows) > 1), table.flows[0])
        if len(table.flows) > 1 and flow.name != flow_name:
            flows = ", ".join(flow.name for flow in table.flows)
            raise UsageError(f"{self._name} has several flows: name the file 'FLOW/{name}'.", hint=f"Flows: {flows}.")
        path = self._folder / "files" / flow.name / (rest if len(table.flows) > 1 else name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(given, str | bytes):
            path.write_bytes(given.encode() if isinstance(given, str) else given)
        else:
            self._write_file(path, flow.source, given, name)
        listed = list_source_files(flow.name, flow.source.files, self._spec.root)
        if path.as_uri() not in {Path(file.uri.removeprefix("file://")).as_uri() for file in listed}:
            path.unlink()
            declared = next(found for found in _flows(self._declared.by_name[self._name]) if found.name == flow.name)
            raise UsageError(
                f"the file '{name}' would not be read by {self._name}: its source is '{declared.source.files}'.",
                where=declared.location,
            )

    def _write_file(self, path: Path, source: FileSource, given: Rows, name: str) -> None:
        folder = self._folder / "written"
        what = f"the file '{name}'"
        with failures_named(what, None, self._spec.root):
            writer = _frame(self._session(), given, {}, what=what).coalesce(1).write.mode("overwrite")
            writer.format(source.format).options(**dict(source.options)).save(str(folder))
        shutil.move(next(folder.glob("part-*")), path)

    def _session(self) -> SparkSession:
        return self._workspace.spark.session()


def assert_rows(
    frame: DataFrame,
    expected: Rows,
    *,
    ignore_order: bool = True,
    precision: float | None = None,
) -> None:
    """Fails, showing both sides, unless `frame` has exactly the rows `expected`, each as often.

    Dictionaries compare the columns they name, tuples all columns. `precision` is how far floats may be apart.
    Values are cast to the frame's types; NaN equals NaN. Needs chispa.
    """
    __tracebackhide__ = True
    try:
        import chispa  # a dependency of tests only
    except ImportError:
        raise InstallationError(
            "assert_rows needs the package 'chispa', which is not installed.",
            hint="Install lakehouse-pipelines with its extra 'test', or chispa itself.",
        ) from None
    types = {field.name: field.dataType for field in frame.schema.fields}
    wanted = _frame(frame.sparkSession, expected, types, what="the expectation", columns=frame.columns)
    for column in wanted.columns:
        if column not in types:
            raise UnknownName(column, types, what="column")
    schema = StructType([StructField(column, types[column]) for column in wanted.columns])
    actual = frame.select(*map(quote_identifier, wanted.columns))
    # Both sides as local rows of one schema: computed once, without comments and nullability.
    left, right = (frame.sparkSession.createDataFrame(side.collect(), schema) for side in (actual, wanted))
    compare = chispa.assert_df_equality
    if precision is not None:
        compare = functools.partial(chispa.assert_approx_df_equality, precision=precision)
    try:
        compare(left, right, ignore_nullable=True, allow_nan_equality=True, ignore_row_order=ignore_order)
    except chispa.DataFramesNotEqualError as difference:
        raise AssertionError(f"rows differ (left: actual, right: expected){difference}") from None


@functools.cache
def _process_folder() -> Path:
    """Where all tests of this process keep their tables: a frame may outlive the test that it came from."""
    folder = tempfile.mkdtemp(prefix="lakehouse-test-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _frame(
    session: SparkSession,
    given: Rows,
    types: Mapping[str, DataType],
    *,
    what: str,
    columns: Sequence[str] | None = None,
) -> DataFrame:
    """The rows as a frame of `session`. `types` are the columns' types where nothing in `given` says them, `columns`
    the names for tuples. Raises UsageError for rows of another shape."""
    if isinstance(given, DataFrame):
        return session.createDataFrame(given.collect(), given.schema)
    if hasattr(given, "to_dict") and hasattr(given, "dtypes"):
        frame = session.createDataFrame(given)
        return frame.select(*(_cast(column, types.get(column)) for column in frame.columns))
    if isinstance(given, tuple) and len(given) == 2 and isinstance(given[0], str):
        schema = StructType.fromDDL(given[0])
        assert isinstance(schema, StructType)
        given, types = given[1], {field.name: field.dataType for field in schema.fields}
        columns = schema.names
        names = list(columns)
    else:
        names = list(dict.fromkeys(name for row in given if isinstance(row, Mapping) for name in row))
        names = names or list(columns or types)
    if not names:
        raise UsageError(f"{what} has no rows and no schema.", hint="Give (schema, rows), such as ('id INT', []).")
    return _local_frame(session, [_record(row, columns, names, what) for row in given], names, types)


def _record(row: Any, columns: Sequence[str] | None, names: list[str], what: str) -> dict[str, Any]:
    if isinstance(row, Row):
        return row.asDict(recursive=False)
    if isinstance(row, Mapping):
        return {name: row.get(name) for name in names}
    if columns is None:
        raise UsageError(f"a row of {what} is not a dictionary: {row!r}.", hint="Tuples need a schema: (schema, rows).")
    if len(row) != len(columns):
        raise UsageError(f"a row of {what} has {len(row)} values, expected {len(columns)}: {row!r}.")
    return dict(zip(columns, row, strict=True))


def _local_frame(
    session: SparkSession, records: Iterable[dict[str, Any]], names: list[str], types: Mapping[str, DataType]
) -> DataFrame:
    rows = list(records)
    zone = ZoneInfo(str(session.conf.get("spark.sql.session.timeZone")))
    values, fields = {}, []
    for name in names:
        values[name], kind = _fitting([row.get(name) for row in rows], types.get(name), zone)
        if kind is None:
            kind = session.createDataFrame([(value,) for value in values[name]], [name]).schema.fields[0].dataType
            values[name], _ = _fitting(values[name], kind, zone)
        fields.append(StructField(name, kind))
    frame = session.createDataFrame(list(zip(*values.values(), strict=True)), StructType(fields))
    return frame.select(*(_cast(name, types.get(name)) for name in names))


def _fitting(values: list[Any], kind: DataType | None, zone: ZoneInfo) -> tuple[list[Any], DataType | None]:
    """The values as Spark takes them for the type; text for another type stays text, to be cast by Spark."""
    present = [value for value in values if value is not None]
    if kind is None:
        mixed = any(isinstance(value, float) for value in present) and any(type(value) is int for value in present)
        return (
            ([None if value is None else float(value) for value in values], DoubleType()) if mixed else (values, None)
        )
    if not isinstance(kind, StringType) and any(isinstance(value, str) for value in present):
        return [None if value is None else str(value) for value in values], StringType()
    match kind:
        case FloatType() | DoubleType():
            return [None if value is None else float(value) for value in values], kind
        case DecimalType():
            return [None if value is None else Decimal(str(value)) for value in values], kind
        case TimestampType():
            # pyspark would take a naive datetime for local time of this machine.
            return [_in_zone(value, zone) for value in values], kind
    return values, kind


def _in_zone(value: Any, zone: ZoneInfo) -> Any:
    return value.replace(tzinfo=zone) if isinstance(value, datetime) and value.tzinfo is None else value


def _cast(name: str, kind: DataType | None) -> Any:
    column = F.col(quote_identifier(name))
    return column if kind is None else column.cast(kind).alias(name)


def _data_type(ddl: str) -> DataType:
    schema = StructType.fromDDL(f"c {ddl}")
    assert isinstance(schema, StructType)
    return schema.fields[0].dataType


def _columns(dataset: Any) -> tuple[Any, ...]:
    return dataset.layout.columns if isinstance(dataset, StreamingTable | MaterializedView) else ()


def _flows(dataset: Any) -> tuple[Any, ...]:
    return dataset.flows if isinstance(dataset, StreamingTable) else ()
