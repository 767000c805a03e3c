"""What columns each file has, found from its head or foot: files of one shape are read together, by name.

CSV has its header line, Parquet and ORC their footers, read by the driver in parallel. The records of JSON and XML
name their fields themselves, so all files are one group whose schema Spark infers.
"""

from __future__ import annotations

import codecs
import csv
import re
import zlib
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pyspark.sql import SparkSession
from pyspark.sql.types import StringType, StructField, StructType, VariantType

from lakehouse.definition.dataset import FileSource
from lakehouse.plan.load_plan import SourceFile
from lakehouse.refresh.bad_files import BadFile, BadFileKind, wrong_encoding
from lakehouse.refresh.file_reading_options import CORRUPT, declared_schema, encoding_of, is_true, reader_options
from lakehouse.storage.source_files import open_source_file

_HEAD = 1 << 16
_LONGEST_HEAD = 1 << 22
_THREADS = 8
# With these, a header line is more than its parts between separators, and Spark is asked.
_SUBTLE = frozenset({"ignoreleadingwhitespace", "ignoretrailingwhitespace", "nullvalue", "linesep"})
_PACKED = (".zst", ".lz4", ".snappy", ".deflate")  # Hadoop opens these, Python does not


@dataclass(frozen=True, slots=True, kw_only=True)
class FileGroup:
    """Files that have the same columns; `schema` as the files say it, without partition folders."""

    files: tuple[SourceFile, ...]
    schema: StructType


@dataclass(frozen=True, slots=True, kw_only=True)
class Shapes:
    """Groups of files with the same columns, and the files whose columns cannot be told."""

    groups: tuple[FileGroup, ...]
    bad: tuple[BadFile, ...] = ()


def read_shapes(session: SparkSession, source: FileSource, files: Sequence[SourceFile]) -> Shapes:
    """The files by shape; CSV files without a header have the columns that the source declares.

    Raises what Spark raises where inferring the schema of JSON or XML meets an unreadable file.
    """
    options = reader_options(source)
    if "singlevariantcolumn" in options:
        whole = StructType([StructField(options["singlevariantcolumn"], VariantType())])
        return Shapes(groups=(FileGroup(files=tuple(files), schema=whole),))
    if source.format == "text":
        return Shapes(groups=(FileGroup(files=tuple(files), schema=_texts(["value"])),))
    if source.format == "csv":
        declared = declared_schema(source)
        if declared is not None and not is_true(options, "header"):
            return Shapes(groups=(FileGroup(files=tuple(files), schema=_texts(declared.names)),))
        return _by_shape(files, lambda f: _csv_shape(f, options), lambda g, key: _csv_schema(session, source, g, key))
    if source.format in ("parquet", "orc"):
        footer = _parquet_footer if source.format == "parquet" else _orc_footer
        return _by_shape(files, footer, lambda group, _: _spark_schema(session, source, group[:1]))
    if source.format in ("json", "xml"):
        return Shapes(groups=(FileGroup(files=tuple(files), schema=_spark_schema(session, source, files)),))
    # A format that only Spark knows tells its columns file by file.
    return _by_shape(files, lambda file: file.uri, lambda group, _: _spark_schema(session, source, group))


def _by_shape(
    files: Sequence[SourceFile],
    shape: Callable[[SourceFile], Hashable | BadFile],
    schema: Callable[[Sequence[SourceFile], Hashable], StructType],
) -> Shapes:
    by_key: dict[Hashable, list[SourceFile]] = {}
    bad: list[BadFile] = []
    with ThreadPoolExecutor(_THREADS) as pool:
        for file, key in zip(files, pool.map(shape, files), strict=True):
            if isinstance(key, BadFile):
                bad.append(key)
            else:
                by_key.setdefault(key, []).append(file)
    by_schema: dict[str, tuple[StructType, list[SourceFile]]] = {}
    for key, group in by_key.items():
        found = schema(group, key)
        by_schema.setdefault(found.json(), (found, []))[1].extend(group)
    groups = tuple(FileGroup(files=tuple(group), schema=found) for found, group in by_schema.values())
    return Shapes(groups=groups, bad=tuple(bad))


def _spark_schema(session: SparkSession, source: FileSource, files: Sequence[SourceFile]) -> StructType:
    reader = session.read.format(source.format).options(**reader_options(source))
    found = reader.load([file.uri for file in files]).schema
    return StructType([field for field in found.fields if field.name != CORRUPT])


def _texts(names: Sequence[str]) -> StructType:
    return StructType([StructField(name, StringType()) for name in names])


def _csv_schema(session: SparkSession, source: FileSource, group: Sequence[SourceFile], key: Hashable) -> StructType:
    if not is_true(reader_options(source), "inferschema"):
        if isinstance(key, tuple):
            return _texts(key)
        group = group[:1]
    return _spark_schema(session, source, group)


def _csv_shape(file: SourceFile, options: dict[str, str]) -> Hashable | BadFile:
    """The names of the columns; the file's URI where only Spark can tell them."""
    if file.path.endswith(_PACKED):
        return file.uri
    try:
        line = _first_line(file, options)
    except UnicodeError:
        return wrong_encoding(file, encoding_of(options))
    except (OSError, EOFError, zlib.error) as error:
        return BadFile(file=file, kind=BadFileKind.UNREADABLE, detail=str(error))
    if line is None:
        return BadFile(file=file, kind=BadFileKind.EMPTY, detail="the file has no line of text")
    separator = options.get("sep") or options.get("delimiter") or ","
    quote, escape = options.get("quote", '"'), options.get("escape", "\\")
    header = is_true(options, "header")
    if not header and len(separator) == 1 and len(quote) == 1:
        fields = next(csv.reader([line], delimiter=separator, quotechar=quote))
        return tuple(f"_c{position}" for position in range(len(fields)))
    if not header or _SUBTLE & set(options) or (quote and quote in line) or (escape and escape in line):
        return file.uri
    return _safe_names(line.split(separator))


def _safe_names(names: Sequence[str]) -> tuple[str, ...]:
    """The names Spark gives: nameless columns are numbered, equal ones get their position as a suffix."""
    lowered = [name.lower() for name in names]
    return tuple(
        f"_c{position}" if not name else f"{name}{position}" if lowered.count(name.lower()) > 1 else name
        for position, name in enumerate(names)
    )


def _first_line(file: SourceFile, options: dict[str, str]) -> str | None:
    """The first line that Spark's CSV reader would not skip; None if there is none. Raises UnicodeError, OSError."""
    encoding, comment = encoding_of(options), options.get("comment")
    try:
        decoder = codecs.getincrementaldecoder("UTF-8-SIG" if encoding == "UTF-8" else encoding)()
    except LookupError:
        decoder = codecs.getincrementaldecoder("latin-1")()  # a name only Java knows; ASCII is alike nearly everywhere
    text, ended = "", False
    with open_source_file(file) as stream:
        while not ended and len(text) < _LONGEST_HEAD:
            chunk = stream.read(_HEAD)
            ended = not chunk
            text += decoder.decode(chunk, final=ended)
            *whole, rest = re.split(options.get("linesep") or r"\r\n|\r|\n", text)
            for line in [*whole, rest] if ended else whole:
                if line.strip() and not (comment and line.startswith(comment)):
                    return line
    return None


def _parquet_footer(file: SourceFile) -> Hashable | BadFile:
    from pyarrow import parquet  # only where there are such files

    try:
        with open_source_file(file) as stream:
            return str(parquet.ParquetFile(stream).schema)
    except Exception as error:  # pyarrow raises classes of many kinds for bytes that are no footer
        return BadFile(file=file, kind=BadFileKind.UNREADABLE, detail=str(error).splitlines()[0])


def _orc_footer(file: SourceFile) -> Hashable | BadFile:
    from pyarrow import orc  # only where there are such files

    try:
        with open_source_file(file) as stream:
            return str(orc.ORCFile(stream).schema)
    except Exception as error:  # pyarrow raises classes of many kinds for bytes that are no footer
        return BadFile(file=file, kind=BadFileKind.UNREADABLE, detail=str(error).splitlines()[0])
