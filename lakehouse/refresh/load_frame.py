"""The rows a load brings, as one frame with the table's columns: files read flow by flow, selected, fitted, joined."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from pyspark.errors import ParseException
from pyspark.sql import Column, DataFrame, Observation, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DataType, StructField, StructType

from lakehouse.analysis.observation import observed
from lakehouse.definition.dataset import FileSource, SchemaEvolution, StreamingTable
from lakehouse.errors import InvalidValue, SchemaError
from lakehouse.plan.load_plan import SourceFile
from lakehouse.refresh.bad_files import BadFile
from lakehouse.refresh.bad_records import any_mark
from lakehouse.refresh.file_reading import FilesRead, Known, read_files
from lakehouse.refresh.file_reading_columns import (
    EPOCH,
    INGESTED_AT,
    RESCUED,
    RESERVED,
    SOURCE_FILE,
    Stamp,
    plan_columns,
)
from lakehouse.refresh.file_reading_options import declared_schema
from lakehouse.refresh.file_reading_rows import MARKS, Reading, quoted, rescues
from lakehouse.refresh.load_select import apply_select
from lakehouse.refresh.materialize import shape
from lakehouse.refresh.type_fitting import convert, does_not_fit
from lakehouse.storage.source_files import is_local

_ILLEGAL = frozenset(" ,;{}()\n\t=")


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowRead:
    """One flow's files, and what is counted while their rows are written: only a load that rescues counts."""

    read: FilesRead
    counts: Observation | None

    @property
    def bad_rows(self) -> int:
        """Marked rows; known once the rows are written. A strict read lets none through. Where Spark does not tell
        them, there may be one: whoever asks has to look."""
        return self._count("bad", unknown=1)

    @property
    def rescued_rows(self) -> int:
        """Rows of which something was rescued; known once the rows are written."""
        return self._count("rescued", unknown=0)

    def _count(self, name: str, *, unknown: int) -> int:
        if self.counts is None:
            return 0
        found = observed(self.counts)
        return unknown if found is None else int(found[name])


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadFrame:
    """The rows of all flows in the table's columns; `ignored` are columns that stay out."""

    frame: DataFrame
    flows: tuple[FlowRead, ...]
    ignored: tuple[str, ...]


def read_load(
    session: SparkSession,
    table: StreamingTable,
    files: Sequence[SourceFile],
    existing: StructType | None,
    stamp: Stamp,
    reading: Reading,
) -> tuple[LoadFrame | None, list[BadFile]]:
    """The frame that loads these files, and the files that cannot be in it; no frame if nothing tells its columns.

    `existing` is the table's schema, None where there is none or it is replaced. Raises SchemaError, QueryError,
    InvalidValue for what the definition and the files do not allow, and what Spark raises for unreadable files.
    """
    layout = StructType([StructField(c.name, _parse(c.type, table)) for c in table.layout.columns if c.type])
    known = _united(_own_columns(existing), layout)
    reading = replace(reading, stamp=stamp)
    flows: list[FlowRead] = []
    frames: list[DataFrame] = []
    bad: list[BadFile] = []
    for flow in table.flows:
        source = flow.source
        declared = declared_schema(source)
        due = [file for file in files if file.flow == flow.name]
        read, unreadable = _read_flow(session, source, due, known, reading, is_new=existing is None)
        bad += unreadable
        if read is not None:
            flows.append(read)
            frame = read.read.frame()
            if read.counts is not None:
                rescued = F.count_if(quoted(RESCUED).isNotNull()).alias("rescued")
                frame = frame.observe(read.counts, F.count_if(any_mark()).alias("bad"), rescued)
        elif declared is not None:
            frame = _empty(session, declared)
        else:
            continue
        frames.append(_fitted(_stamped(frame, source, stamp), known, source, existing is None))
    if not frames:
        return None, bad
    whole = frames[0]
    for frame in frames[1:]:
        whole = whole.unionByName(frame, allowMissingColumns=True)
    ignored = tuple(dict.fromkeys(name for read in flows for name in read.read.target.ignored))
    return LoadFrame(frame=_checked(whole, table), flows=tuple(flows), ignored=ignored), bad


@contextmanager
def reading_settings(session: SparkSession, files: Sequence[SourceFile]) -> Iterator[None]:
    """Settings under which many small files are listed and read well, while the context lasts.

    Spark lists more than 32 paths in a job with a task for each, and charges 4 MiB for opening one: right for a
    remote store, and minutes for ten thousand local files. Charged an average file instead, files of about one size
    are shared out evenly, whichever of them come first.
    """
    wanted = {"spark.sql.sources.parallelPartitionDiscovery.parallelism": "64"}
    if all(is_local(file) for file in files):
        average = sum(file.size for file in files) // max(1, len(files))
        wanted = {
            "spark.sql.sources.parallelPartitionDiscovery.threshold": str(max(32, len(files))),
            "spark.sql.files.openCostInBytes": str(min(max(64 << 10, average), 4 << 20)),
        }
    before = {key: session.conf.get(key) for key in wanted}
    for key, value in wanted.items():
        session.conf.set(key, value)
    try:
        yield
    finally:
        for key, old in before.items():
            session.conf.set(key, str(old))


def _read_flow(
    session: SparkSession,
    source: FileSource,
    files: Sequence[SourceFile],
    known: StructType,
    reading: Reading,
    *,
    is_new: bool,
) -> tuple[FlowRead | None, list[BadFile]]:
    if not files:
        return None, []
    declared = declared_schema(source)
    # What a select returns is no file's column: then only the source's own schema says what is known.
    expected = _united(StructType([]) if source.select else known, declared)
    is_open = declared is None and (is_new or source.select is not None)
    read, bad = read_files(session, source, files, Known(columns=expected, is_open=is_open), reading)
    if read is None:
        return None, bad
    return FlowRead(read=read, counts=Observation() if rescues(source) else None), bad


def _stamped(frame: DataFrame, source: FileSource, stamp: Stamp) -> DataFrame:
    """The rows without marks, with the columns that every streaming table has, after the source's `select`."""
    own = [SOURCE_FILE, INGESTED_AT, EPOCH]
    numbers = {name: F.lit(number).cast("bigint") for name, (_, number) in stamp.constants.items()}
    values = {INGESTED_AT: F.timestamp_micros(numbers[INGESTED_AT]), EPOCH: numbers[EPOCH]}
    values = {name: value for name, value in values.items() if name not in frame.columns}
    if source.schema_evolution is SchemaEvolution.RESCUE:
        own.append(RESCUED)
        values |= {} if RESCUED in frame.columns else {RESCUED: F.lit(None).cast("string")}
    columns = [name for name in frame.columns if name not in RESERVED and name not in MARKS]
    rows = frame
    if frame.columns != [*columns, *own]:
        given = (values[name].alias(name) if name in values else quoted(name) for name in own)
        rows = frame.select(*(quoted(name) for name in columns), *given)
    return apply_select(rows, source.select, own, source.location) if source.select else rows


def _fitted(frame: DataFrame, known: StructType, source: FileSource, is_new: bool) -> DataFrame:
    """The frame with the known columns in their types first; what `select` adds to them as the source's evolution
    says. Values of a select that do not fit make the load fail, since no file is to blame."""
    schema = StructType([field for field in frame.schema.fields if field.name not in RESERVED])
    target = plan_columns([schema], known, None if is_new else source.schema_evolution)
    if not is_new and source.schema_evolution is SchemaEvolution.FAIL and target.added:
        raise SchemaError(
            f"'select' returns columns that the table does not have: {', '.join(target.added)}.",
            columns=target.added,
            where=source.location,
            hint="Leave them out, or set 'schema_evolution' to add_columns, rescue or ignore.",
        )
    if not target.rescued and _is_fitted(frame, schema, target.columns):
        return frame
    found = {field.name.lower(): field for field in schema.fields}
    columns = []
    for field in target.columns.fields:
        have = found.get(field.name.lower())
        value = F.lit(None).cast(field.dataType) if have is None else _strictly(quoted(have.name), have, field, source)
        columns.append(value.alias(field.name))
    own = [name for name in frame.columns if name in RESERVED]
    values = {name: quoted(name) for name in own}
    if target.rescued:
        left_over = F.nullif(F.to_json(F.struct(*(quoted(name) for name in target.unknown.names))), F.lit("{}"))
        values[RESCUED] = _joined_objects(values[RESCUED], left_over)
    return frame.select(*columns, *(value.alias(name) for name, value in values.items()))


def _is_fitted(frame: DataFrame, schema: StructType, wanted: StructType) -> bool:
    """Whether the frame has the wanted columns first, in their order and types."""
    types = [(field.name, field.dataType) for field in schema.fields]
    return types == [(field.name, field.dataType) for field in wanted.fields] and (
        frame.columns[: len(types)] == wanted.names
    )


def _strictly(value: Column, have: StructField, wanted: StructField, source: FileSource) -> Column:
    converted = convert(value, have.dataType, wanted.dataType)
    kinds = f"{have.dataType.simpleString()}, and {wanted.dataType.simpleString()} in the table"
    if converted is None:
        raise SchemaError(
            f"the column '{wanted.name}' is {kinds}.",
            columns=(wanted.name,),
            where=source.location,
            hint="Cast it in 'select', or rebuild the table with --full-refresh.",
        )
    lost = does_not_fit(value, have.dataType, wanted.dataType)
    if lost is None:
        return converted
    return F.when(lost, F.raise_error(F.lit(f"a value of '{wanted.name}' does not fit: it is {kinds}"))).otherwise(
        converted
    )


def _joined_objects(first: Column, second: Column) -> Column:
    """Two JSON objects without a common key as one; either may be NULL."""
    both = F.concat(F.substr(first, F.lit(1), F.length(first) - 1), F.lit(","), F.substr(second, F.lit(2)))
    return F.coalesce(both, first, second)


def _checked(frame: DataFrame, table: StreamingTable) -> DataFrame:
    """The frame with declared comments; raises SchemaError for names that Delta does not take."""
    mapped = dict(table.layout.properties).get("delta.columnMapping.mode", "none") != "none"
    illegal = tuple(name for name in frame.columns if _ILLEGAL & set(name) and not mapped)
    if illegal:
        raise SchemaError(
            f"{table.name}: a table's column names may not hold blanks or any of ,;{{}}()=: "
            f"{', '.join(repr(name) for name in illegal)}.",
            columns=illegal,
            where=table.location,
            hint=f"Rename them on the way: select: SELECT `{illegal[0]}` AS …, … FROM {{source}}",
        )
    # Types were settled above, where a value that does not fit is noticed.
    untyped = replace(table.layout, columns=tuple(replace(column, type=None) for column in table.layout.columns))
    return shape(frame, untyped, table.location)


def _parse(kind: str, table: StreamingTable) -> DataType:
    try:
        parsed = StructType.fromDDL(f"c {kind}")
    except ParseException as error:
        raise InvalidValue(f"'{kind}' is not a type of Spark SQL.", where=table.location) from error
    assert isinstance(parsed, StructType)
    return parsed.fields[0].dataType


def _own_columns(existing: StructType | None) -> StructType:
    """The table's columns that come from files."""
    fields = existing.fields if existing is not None else []
    return StructType([StructField(f.name, f.dataType) for f in fields if f.name not in RESERVED])


def _united(first: StructType, second: StructType | None) -> StructType:
    names = {field.name.lower() for field in first.fields}
    return StructType(first.fields + [f for f in (second.fields if second else []) if f.name.lower() not in names])


def _empty(session: SparkSession, schema: StructType) -> DataFrame:
    columns = [F.lit(None).cast(field.dataType).alias(field.name) for field in schema.fields]
    return session.range(0).select(*columns, F.lit(None).cast("string").alias(SOURCE_FILE))
