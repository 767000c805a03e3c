"""Rows of files of one shape in the table's columns: converted, or marked, never dropped or silently emptied.

A load reads strictly: the first record that is broken, does not fit, or may come from another encoding fails it, at no
cost to a good one. The second look at a failed load, and every load that rescues, read leniently and mark rows:
MALFORMED where the record is not well-formed, MISFIT where a value does not fit its column's type, SUSPECT where text
may come from another encoding.
"""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass
from functools import reduce

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import AtomicType, StringType, StructField, StructType, VariantType

from lakehouse.analysis.stamped_files import with_file_columns
from lakehouse.definition.dataset import FileSource, SchemaEvolution
from lakehouse.plan.load_plan import SourceFile
from lakehouse.refresh.file_reading_columns import INGESTED_AT, RESCUED, RESERVED, SOURCE_FILE, Stamp, Target
from lakehouse.refresh.file_reading_options import CORRUPT, PATH_OPTIONS, reader_options
from lakehouse.refresh.file_reading_records import RecordMarks, record_marks
from lakehouse.refresh.file_reading_shapes import FileGroup
from lakehouse.refresh.type_fitting import convert, does_not_fit, extend_type, has_same_fields, is_from_variant

MALFORMED, MISFIT, SUSPECT = "__malformed", "__misfit", "__suspect"
MARKS = (MALFORMED, MISFIT, SUSPECT)
TEXT_FORMATS = frozenset({"csv", "json", "xml", "text"})
RECORD_FORMATS = TEXT_FORMATS - {"text"}
UNFIT = "a record that cannot be loaded"  # how a strict read says what a lenient one marks
_UNDEFINED_PARTITION = "__HIVE_DEFAULT_PARTITION__"
# Everything else in a path is percent-encoded where Spark tells it.
_PLAIN_URI = re.compile(r"[\w\-./=,:@&+$!~'();]*")
_PATTERN_CHARACTERS = frozenset("*?[]{}\\")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How files are read: `decodable` are the URIs of those whose bytes are known to be text in their encoding;
    `marks` asks for marks instead of failures; a strict read gives its rows the `stamp`, if there is one."""

    decodable: Set[str] = frozenset()
    marks: bool = False
    stamp: Stamp | None = None


def rescues(source: FileSource) -> bool:
    """Whether what does not fit is kept beside the columns."""
    return source.schema_evolution is SchemaEvolution.RESCUE


def group_frames(
    session: SparkSession, source: FileSource, group: FileGroup, target: Target, reading: Reading
) -> list[DataFrame]:
    """The group's rows: the target's columns, `_source_file`, the columns of the reading's stamp; instead of these, if
    marks are asked for, `_rescued` where the source rescues, and the marks."""
    schema = _read_schema(source, group, target)
    options = reader_options(source)
    if schema is not None and not reading.marks:
        schema = StructType([field for field in schema.fields if field.name != CORRUPT])
        options["mode"] = "FAILFAST"
    reader = session.read.format(source.format).options(**options)
    if schema is not None:
        reader = reader.schema(schema)
    shaped, stamp = (_marked, None) if reading.marks else (_strict, reading.stamp)
    # A select's conditions must not reach the reader: it would pass over rows, or files, that cannot be loaded.
    # Columns that only an expression can tell keep them above it.
    told = _asked_origin if source.select else _with_origin
    return [
        shaped(_Part(told(reader.load([file.uri for file in part]), part, stamp), source, part, target), reading)
        for part in _parts(group.files)
    ]


def with_source_file(
    session: SparkSession, kind: str, options: dict[str, str], files: Sequence[SourceFile]
) -> DataFrame:
    """The files in another format than their source's, with `_source_file`."""
    reader = session.read.format(kind).options(**PATH_OPTIONS, **options)
    frames = []
    for part in _parts(files):
        frames.append(_with_origin(reader.load([file.uri for file in part]), part, None))
    return reduce(DataFrame.unionAll, frames)


def _with_origin(frame: DataFrame, files: Sequence[SourceFile], stamp: Stamp | None) -> DataFrame:
    """The rows of files as they are read, with `_source_file`, as the ledger knows it, and the stamp."""
    constants = stamp.constants if stamp is not None else {}
    stamped = with_file_columns(frame, SOURCE_FILE, {file.uri: file.path for file in files}, constants)
    return stamped if stamped is not None else _asked_origin(frame, files, stamp)


def _asked_origin(frame: DataFrame, files: Sequence[SourceFile], stamp: Stamp | None) -> DataFrame:
    """The same by expressions, which copy every row once more."""
    constants = stamp.constants if stamp is not None else {}
    given = [F.lit(number).cast("bigint") for _, number in constants.values()]
    cast = [
        (F.timestamp_micros(value) if name == INGESTED_AT else value).alias(name)
        for name, value in zip(constants, given, strict=True)
    ]
    return frame.select("*", _source_file(_location(files), files).alias(SOURCE_FILE), *cast)


def _parts(files: Sequence[SourceFile]) -> list[list[SourceFile]]:
    """The files in as few reads as possible: one whose name Spark would take for a pattern is read alone, since with
    others of its folder it would bring them all once more."""
    odd = [[file] for file in files if _PATTERN_CHARACTERS & set(file.uri)]
    plain = [file for file in files if not _PATTERN_CHARACTERS & set(file.uri)]
    return ([plain] if plain else []) + odd


def _read_schema(source: FileSource, group: FileGroup, target: Target) -> StructType | None:
    """What Spark is told to read: text in the target's types; other formats as they are stored."""
    if source.format not in RECORD_FORMATS:
        return group.schema if source.format in ("parquet", "orc") else None
    keeps_all = rescues(source)
    fields: list[StructField] = []
    for field in group.schema.fields:
        wanted = target.find(field.name)
        if wanted is not None:
            kind = extend_type(wanted.dataType, field.dataType) if keeps_all else wanted.dataType
            if keeps_all and source.format == "json" and not has_same_fields(wanted.dataType, field.dataType):
                kind = VariantType()  # taken as it is, so that what does not fit can be kept
            fields.append(StructField(field.name, kind))
        elif source.format == "csv":
            fields.append(StructField(field.name, StringType()))  # by position: it cannot be left out
        elif keeps_all:
            fields.append(StructField(field.name, VariantType() if source.format == "json" else field.dataType))
    if not fields:
        fields = list(target.columns.fields)
    return StructType([*fields, StructField(CORRUPT, StringType())])


class _Part:
    """Files of one read, and every target column as a value with the type that it was found in."""

    def __init__(self, frame: DataFrame, source: FileSource, files: Sequence[SourceFile], target: Target) -> None:
        self.frame = frame
        self.source = source
        self.files = files
        self.schema = StructType([field for field in frame.schema.fields if field.name not in RESERVED])  # the files'
        self.own = [name for name in frame.columns if name in RESERVED]
        found = {f.name.lower(): (quoted(f.name), f) for f in self.schema.fields if f.name != CORRUPT}
        for key in {key for file in files for key, _ in file.partition}:
            found.setdefault(key.lower(), (_partition_value(_location(files), key), StructField(key, StringType())))
        self.wanted = [
            (wanted, *(found.pop(wanted.name.lower(), None) or (F.lit(None).cast(wanted.dataType), wanted)))
            for wanted in target.columns.fields
        ]
        self.left_over = list(found.values())


def _strict(part: _Part, reading: Reading) -> DataFrame:
    columns: list[Column] = []
    for wanted, value, found in part.wanted:
        converted = _converted(value, found, wanted)
        misfit = does_not_fit(value, found.dataType, wanted.dataType)
        if misfit is not None:
            converted = F.when(misfit, F.raise_error(F.lit(UNFIT))).otherwise(converted)
        columns.append(converted.alias(wanted.name))
    suspect = _suspect(part, reading)
    path = quoted(SOURCE_FILE)
    if suspect is not None:
        path = F.when(suspect, F.raise_error(F.lit(UNFIT))).otherwise(path).alias(SOURCE_FILE)
    return part.frame.select(*columns, path, *(quoted(name) for name in part.own if name != SOURCE_FILE))


def _marked(part: _Part, reading: Reading) -> DataFrame:
    marks = record_marks(part.source, part.schema)
    columns = [_converted(value, found, wanted).alias(wanted.name) for wanted, value, found in part.wanted]
    columns.append(quoted(SOURCE_FILE))
    misfit = reduce(Column.__or__, [lost for _, lost in _misfits(part)], marks.misfit)
    if rescues(part.source):
        kept = [value.alias(found.name) for value, found in part.left_over] + _rescued(part, marks)
        as_json = F.nullif(F.to_json(F.struct(*kept)), F.lit("{}")) if kept else F.lit(None)
        columns.append(as_json.cast("string").alias(RESCUED))
        misfit = F.lit(False)
    suspect = _suspect(part, reading)
    return part.frame.select(
        *columns,
        marks.malformed.alias(MALFORMED),
        misfit.alias(MISFIT),
        (F.lit(False) if suspect is None else suspect).alias(SUSPECT),
    )


def _misfits(part: _Part) -> list[tuple[str, Column]]:
    """Per column found in another type: whether its value is lost in the wanted one."""
    found_misfits = []
    for wanted, value, found in part.wanted:
        lost = does_not_fit(value, found.dataType, wanted.dataType)
        if lost is not None:
            found_misfits.append((found.name, lost))
    return found_misfits


def _rescued(part: _Part, marks: RecordMarks) -> list[Column]:
    """Of the target's columns: the values, and parts of values, that have no place in them."""
    misfits = dict(_misfits(part))
    kept: list[Column] = []
    for wanted, value, found in part.wanted:
        if found.name in misfits:
            lost = F.when(misfits[found.name], value)
        elif is_from_variant(found.dataType, wanted.dataType):
            same = F.to_json(F.to_variant_object(_converted(value, found, wanted))) == F.to_json(value)
            lost = F.when(~F.coalesce(same, value.isNull()), value)
        elif not has_same_fields(wanted.dataType, found.dataType):
            lost = value
        elif found.name in marks.raw:
            is_lost = value.isNull() if isinstance(wanted.dataType, AtomicType) else F.lit(True)
            lost = F.when(marks.misfit & is_lost, marks.raw[found.name])
        else:
            continue
        kept.append(lost.alias(found.name))
    return kept


def _converted(value: Column, found: StructField, wanted: StructField) -> Column:
    if found.dataType == wanted.dataType:
        return value
    converted = convert(value, found.dataType, wanted.dataType)
    assert converted is not None, "files whose columns can never fit were set aside"
    return converted.cast(wanted.dataType)


def _suspect(part: _Part, reading: Reading) -> Column | None:
    """Whether a row's text may come from another encoding; None where there is nothing to ask."""
    if all(file.uri in reading.decodable for file in part.files):
        return None
    if part.source.format == "text":
        return ~F.is_valid_utf8(quoted("value"))
    if part.source.format != "csv":
        return None  # JSON and XML readers refuse bytes that are not their encoding's
    texts = [field.name for field in part.schema.fields if isinstance(field.dataType, StringType)]
    found = [F.coalesce(F.contains(quoted(name), F.lit("\ufffd")), F.lit(False)) for name in texts]
    return reduce(Column.__or__, found, F.lit(False))


def _location(files: Sequence[SourceFile]) -> Column:
    """The file's URI as plain text."""
    # Of the two ways to ask, `_metadata.file_path` copies every row once more.
    location = F.input_file_name()
    if all(_PLAIN_URI.fullmatch(file.uri) for file in files):
        return location
    return F.url_decode(F.replace(location, F.lit("+"), F.lit("%2B")))


def _source_file(location: Column, files: Sequence[SourceFile]) -> Column:
    """The path that the ledger knows the file by."""
    prefixes = {file.uri.removesuffix(file.path) for file in files}
    path = location
    for prefix in sorted(prefixes, key=len):
        rest = F.substr(location, F.lit(len(prefix) + 1))
        path = rest if len(prefixes) == 1 else F.when(F.startswith(location, F.lit(prefix)), rest).otherwise(path)
    return path


def _partition_value(location: Column, key: str) -> Column:
    value = F.regexp_extract(location, f".*/{re.escape(key)}=([^/]*)/", 1)
    # Hadoop writes characters that folders may not hold percent-encoded.
    decoded = F.url_decode(F.replace(value, F.lit("+"), F.lit("%2B")))
    return F.when((value != "") & (value != _UNDEFINED_PARTITION), decoded)


def quoted(name: str) -> Column:
    """The column of exactly this name."""
    return F.col("`" + name.replace("`", "``") + "`")
