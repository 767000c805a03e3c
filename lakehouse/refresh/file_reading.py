"""Source files as one frame: every column of every file under its name, `_source_file`, and marks on doubtful rows.

A row is marked, never dropped or silently emptied: MALFORMED where its record is not well-formed, MISFIT where a
value does not fit the column's type, SUSPECT where its text may come from another encoding.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import AtomicType, StringType, StructField, StructType, VariantType

from lakehouse.definition.dataset import FileSource, SchemaEvolution
from lakehouse.errors import SchemaError
from lakehouse.plan.load_plan import SourceFile
from lakehouse.refresh.bad_files import BadFile, BadFileKind
from lakehouse.refresh.file_reading_columns import RESCUED, RESERVED, SOURCE_FILE, Target, plan_columns
from lakehouse.refresh.file_reading_options import CORRUPT, PATH_OPTIONS, reader_options
from lakehouse.refresh.file_reading_records import record_marks
from lakehouse.refresh.file_reading_shapes import FileGroup, read_shapes
from lakehouse.refresh.type_fitting import (
    convert,
    does_not_fit,
    extend_type,
    has_same_fields,
    is_from_variant,
)

MALFORMED, MISFIT, SUSPECT = "__malformed", "__misfit", "__suspect"
MARKS = (MALFORMED, MISFIT, SUSPECT)
TEXT_FORMATS = frozenset({"csv", "json", "xml", "text"})
_RECORD_FORMATS = TEXT_FORMATS - {"text"}
_UNDEFINED_PARTITION = "__HIVE_DEFAULT_PARTITION__"
# Everything else in a path reaches Spark's metadata percent-encoded.
_PLAIN_URI = re.compile(r"[\w\-./=,:@&+$!~'();]*")
_PATTERN_CHARACTERS = frozenset("*?[]{}\\")


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesRead:
    """The rows of `files`: the target's columns, `_source_file`, with rescue `_rescued`, and the marks."""

    frame: DataFrame
    files: tuple[SourceFile, ...]
    target: Target


def read_files(
    session: SparkSession, source: FileSource, files: Sequence[SourceFile], known: StructType, *, is_open: bool
) -> tuple[FilesRead | None, list[BadFile]]:
    """The files as a frame, and those that cannot be in it; no frame if none can.

    `known` are the columns that exist, with their types; with `is_open` any other column is welcome, else the source's
    evolution decides. Raises SchemaError for columns that may not come in, and what Spark raises for a file it cannot
    read while inferring a schema.
    """
    shapes = read_shapes(session, source, files)
    bad = list(shapes.bad)
    groups = [group for group in shapes.groups if group.files]
    schemas = [_with_partitions(group) for group in groups]
    _check_reserved(schemas, source)
    target = plan_columns(schemas, known, None if is_open else source.schema_evolution)
    if source.schema_evolution is SchemaEvolution.FAIL and target.added:
        _refuse(target, groups, source)
    frames: list[DataFrame] = []
    read: list[SourceFile] = []
    for group in groups:
        reason = _impossible(group, target, source)
        if reason is not None:
            bad += [BadFile(file=file, kind=BadFileKind.SHAPE, detail=reason) for file in group.files]
            continue
        frames += _frames(session, source, group, target)
        read += group.files
    if not frames:
        return None, bad
    # Every frame has the same columns in the same order.
    return FilesRead(frame=reduce(DataFrame.unionAll, frames), files=tuple(read), target=target), bad


def with_source_file(
    session: SparkSession, kind: str, options: dict[str, str], files: Sequence[SourceFile]
) -> DataFrame:
    """The files in another format than their source's, with `_source_file`."""
    reader = session.read.format(kind).options(**PATH_OPTIONS, **options)
    frames = []
    for part in _parts(files):
        frame = reader.load([file.uri for file in part])
        frames.append(frame.withColumn(SOURCE_FILE, _source_file(_location(frame, part), part)))
    return reduce(DataFrame.unionAll, frames)


def _parts(files: Sequence[SourceFile]) -> list[list[SourceFile]]:
    """The files in as few reads as possible: one whose name Spark would take for a pattern is read alone, since with
    others of its folder it would bring them all once more."""
    odd = [[file] for file in files if _PATTERN_CHARACTERS & set(file.uri)]
    plain = [file for file in files if not _PATTERN_CHARACTERS & set(file.uri)]
    return ([plain] if plain else []) + odd


def _frames(session: SparkSession, source: FileSource, group: FileGroup, target: Target) -> list[DataFrame]:
    schema = _read_schema(source, group, target)
    reader = session.read.format(source.format).options(**reader_options(source))
    if schema is not None:
        reader = reader.schema(schema)
    return [_shaped(reader.load([file.uri for file in part]), source, part, target) for part in _parts(group.files)]


def _read_schema(source: FileSource, group: FileGroup, target: Target) -> StructType | None:
    """What Spark is told to read: text in the target's types; other formats as they are stored."""
    if source.format not in _RECORD_FORMATS:
        return group.schema if source.format in ("parquet", "orc") else None
    rescues = source.schema_evolution is SchemaEvolution.RESCUE
    fields: list[StructField] = []
    for field in group.schema.fields:
        wanted = target.find(field.name)
        if wanted is not None:
            kind = extend_type(wanted.dataType, field.dataType) if rescues else wanted.dataType
            if rescues and source.format == "json" and not has_same_fields(wanted.dataType, field.dataType):
                kind = VariantType()  # taken as it is, so that what does not fit can be kept
            fields.append(StructField(field.name, kind))
        elif source.format == "csv":
            fields.append(StructField(field.name, StringType()))  # by position: it cannot be left out
        elif rescues:
            fields.append(StructField(field.name, VariantType() if source.format == "json" else field.dataType))
    if not fields:
        fields = list(target.columns.fields)
    return StructType([*fields, StructField(CORRUPT, StringType())])


def _shaped(frame: DataFrame, source: FileSource, files: Sequence[SourceFile], target: Target) -> DataFrame:
    """The target's columns from a frame of these files, `_source_file`, `_rescued` where the source asks for it, and
    the marks."""
    location = _location(frame, files)
    values = {field.name.lower(): (quoted(field.name), field) for field in frame.schema.fields if field.name != CORRUPT}
    for key in {key for file in files for key, _ in file.partition}:
        values.setdefault(key.lower(), (_partition_value(location, key), StructField(key, StringType())))
    marks = record_marks(source, frame.schema)
    columns: list[Column] = []
    lost: dict[str, Column] = {}
    for field in target.columns.fields:
        value, found = values.pop(field.name.lower(), (F.lit(None), StructField(field.name, field.dataType)))
        converted = convert(value, found.dataType, field.dataType)
        assert converted is not None, "files whose columns can never fit were set aside"
        columns.append(converted.cast(field.dataType).alias(field.name))
        misfit = does_not_fit(value, found.dataType, field.dataType)
        if misfit is not None:
            lost[found.name] = F.when(misfit, value)
        elif is_from_variant(found.dataType, field.dataType):
            same = F.to_json(F.to_variant_object(converted)) == F.to_json(value)
            lost[found.name] = F.when(~F.coalesce(same, value.isNull()), value)
        elif not has_same_fields(field.dataType, found.dataType):
            lost[found.name] = value
        elif found.name in marks.raw:
            is_lost = value.isNull() if isinstance(field.dataType, AtomicType) else F.lit(True)
            lost[found.name] = F.when(marks.misfit & is_lost, marks.raw[found.name])
    columns.append(_source_file(location, files).alias(SOURCE_FILE))
    misfit_mark = marks.misfit
    if source.schema_evolution is SchemaEvolution.RESCUE:
        kept = [value.alias(found.name) for value, found in values.values()]
        kept += [value.alias(name) for name, value in lost.items()]
        rescued = F.nullif(F.to_json(F.struct(*kept)), F.lit("{}")) if kept else F.lit(None)
        columns.append(rescued.cast("string").alias(RESCUED))
        misfit_mark = F.lit(False)
    elif source.format not in _RECORD_FORMATS:
        misfit_mark = reduce(Column.__or__, [value.isNotNull() for value in lost.values()], F.lit(False))
    return frame.select(
        *columns,
        marks.malformed.alias(MALFORMED),
        misfit_mark.alias(MISFIT),
        _suspect(source, frame.schema).alias(SUSPECT),
    )


def _suspect(source: FileSource, schema: StructType) -> Column:
    if source.format == "text":
        return ~F.is_valid_utf8(quoted("value"))
    if source.format != "csv":
        return F.lit(False)  # JSON and XML readers refuse bytes that are not their encoding's
    texts = [field.name for field in schema.fields if isinstance(field.dataType, StringType)]
    found = [F.coalesce(F.contains(quoted(name), F.lit("\ufffd")), F.lit(False)) for name in texts]
    return reduce(Column.__or__, found, F.lit(False))


def _location(frame: DataFrame, files: Sequence[SourceFile]) -> Column:
    """The file's URI as plain text, as `SourceFile.uri` but for the slashes after `file:`."""
    location = frame.metadataColumn("_metadata").getField("file_path")
    if all(_PLAIN_URI.fullmatch(file.uri) for file in files):
        return location
    return F.url_decode(F.replace(location, F.lit("+"), F.lit("%2B")))


def _source_file(location: Column, files: Sequence[SourceFile]) -> Column:
    """The path that the ledger knows the file by."""
    prefixes = {_one_slash(file.uri).removesuffix(file.path) for file in files}
    path = location
    for prefix in sorted(prefixes, key=len):
        rest = F.substr(location, F.lit(len(prefix) + 1))
        path = rest if len(prefixes) == 1 else F.when(F.startswith(location, F.lit(prefix)), rest).otherwise(path)
    return path


def _one_slash(uri: str) -> str:
    return re.sub(r"^file:/+", "file:/", uri)


def _partition_value(location: Column, key: str) -> Column:
    value = F.regexp_extract(location, f".*/{re.escape(key)}=([^/]*)/", 1)
    # Hadoop writes characters that folders may not hold percent-encoded.
    decoded = F.url_decode(F.replace(value, F.lit("+"), F.lit("%2B")))
    return F.when((value != "") & (value != _UNDEFINED_PARTITION), decoded)


def _with_partitions(group: FileGroup) -> StructType:
    names = set(group.schema.names)
    keys = dict.fromkeys(key for file in group.files for key, _ in file.partition if key not in names)
    return StructType([*group.schema.fields, *(StructField(key, StringType()) for key in keys)])


def _impossible(group: FileGroup, target: Target, source: FileSource) -> str | None:
    """Why no value of a column could ever be converted; text formats are read in the wanted types anyway."""
    if source.format in _RECORD_FORMATS:
        return None
    for field in _with_partitions(group).fields:
        wanted = target.find(field.name)
        if wanted is not None and convert(F.lit(None), field.dataType, wanted.dataType) is None:
            have, want = field.dataType.simpleString(), wanted.dataType.simpleString()
            return f"the column '{field.name}' is {have}, and {want} in the table"
    return None


def _check_reserved(schemas: Sequence[StructType], source: FileSource) -> None:
    taken = tuple(sorted({name for schema in schemas for name in schema.names if name.lower() in RESERVED}))
    if taken:
        raise SchemaError(
            f"the files of '{source.files}' have columns with names that every streaming table keeps for itself: "
            f"{', '.join(taken)}.",
            columns=taken,
            where=source.location,
            hint="Rename them in the files.",
        )
    for schema in schemas:
        names = [name.lower() for name in schema.names]
        twice = tuple(name for name in schema.names if names.count(name.lower()) > 1)
        if twice:
            raise SchemaError(
                f"the files of '{source.files}' have columns whose names differ in case only: {', '.join(twice)}.",
                columns=twice,
                where=source.location,
                hint="Rename one of them in the files; Spark takes them for one column.",
            )


def _refuse(target: Target, groups: Sequence[FileGroup], source: FileSource) -> None:
    names = {name.split(".")[0].lower() for name in target.added}
    guilty = next(g for g in groups if names & {name.lower() for name in _with_partitions(g).names})
    files = (
        f"'{guilty.files[0].path}'" if len(groups) > 1 or len(guilty.files) == 1 else f"the files of '{source.files}'"
    )
    raise SchemaError(
        f"{files} bring columns that the table does not have: {', '.join(target.added)}.",
        columns=target.added,
        where=source.location,
        hint="Set 'schema_evolution' to add_columns, rescue or ignore, or take the columns out of the files.",
    )


def quoted(name: str) -> Column:
    """The column of exactly this name."""
    return F.col("`" + name.replace("`", "``") + "`")
