"""Files with records that cannot be loaded: found by a second pass, after the first one counted that there are some."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from pyspark.sql import Column, SparkSession
from pyspark.sql import functions as F

from lakehouse.definition.dataset import FileSource
from lakehouse.plan.load_plan import SourceFile
from lakehouse.refresh.bad_files import BadFile, BadFileKind, is_decodable, wrong_encoding
from lakehouse.refresh.file_reading import FilesRead
from lakehouse.refresh.file_reading_columns import SOURCE_FILE
from lakehouse.refresh.file_reading_options import encoding_of, is_true, reader_options
from lakehouse.refresh.file_reading_rows import (
    MALFORMED,
    MARKS,
    MISFIT,
    SUSPECT,
    TEXT_FORMATS,
    quoted,
    with_source_file,
)

_LARGEST_DOCUMENT = 256 << 20  # bytes of one JSON document that are looked at in one piece
_ALL = "__all"


def bad_records(read: FilesRead) -> list[BadFile]:
    """The files whose rows carry marks, with the reason; not those that really contain the character that stands
    for undecodable bytes."""
    frame = read.marked()
    columns = [quoted(name) for name in frame.columns if name not in (*MARKS, SOURCE_FILE)]
    counts = [F.count_if(quoted(mark)).alias(mark) for mark in MARKS]
    # Every column takes part: a reader that may leave columns out does not see what is wrong with them.
    everything = F.sum(F.length(F.to_json(F.struct(*columns)))).alias(_ALL)
    rows = (
        frame.groupBy(SOURCE_FILE)
        .agg(F.count(F.lit(1)).alias("rows"), everything, *counts)
        .where(" OR ".join(f"`{mark}` > 0" for mark in MARKS))
        .collect()
    )
    return _judge(read.source, read.files, {row[SOURCE_FILE]: row.asDict() for row in rows})


def merged_json_records(session: SparkSession, source: FileSource, files: Sequence[SourceFile]) -> list[BadFile]:
    """The JSON files with text after the first record of a line (or document): Spark's reader drops it silently."""
    options = reader_options(source)
    whole = is_true(options, "multiline")
    looked_at = [file for file in files if not whole or file.size <= _LARGEST_DOCUMENT]
    unusual = is_true(options, "allowcomments") or encoding_of(options) != "UTF-8"
    if not looked_at or unusual or "singlevariantcolumn" in options:
        return []
    texts = {"wholetext": "true"} if whole else {key: options[key] for key in ("linesep",) if key in options}
    lines = with_source_file(session, "text", texts, looked_at)
    wrapped = F.concat(F.lit("["), F.col("value"), F.lit("]"))
    lenient = {key: value for key, value in options.items() if key.startswith("allow")}
    is_doubtful = (F.trim("value") != "") & ~F.json_array_length(wrapped).eqNullSafe(F.lit(1))
    # Only what fails the quick look is parsed with the source's own leniency.
    is_merged = is_doubtful & ~F.size(F.from_json(wrapped, "array<string>", lenient)).eqNullSafe(F.lit(1))
    rows = (
        lines.groupBy(SOURCE_FILE)
        .agg(F.count(F.lit(1)).alias("rows"), F.count_if(is_merged).alias(MALFORMED))
        .where(f"`{MALFORMED}` > 0")
        .collect()
    )
    return _judge(source, looked_at, {row[SOURCE_FILE]: {**row.asDict(), MISFIT: 0, SUSPECT: 0} for row in rows})


def any_mark() -> Column:
    """Whether a row carries a mark."""
    marked = F.lit(False)
    for mark in MARKS:
        marked = marked | quoted(mark)
    return marked


def _judge(source: FileSource, files: Sequence[SourceFile], counted: dict[str, dict[str, Any]]) -> list[BadFile]:
    doubtful = [file for file in files if file.path in counted]
    with ThreadPoolExecutor() as pool:
        judged = pool.map(lambda file: _verdict(source, file, counted[file.path]), doubtful)
        return [bad for bad in judged if bad is not None]


def _verdict(source: FileSource, file: SourceFile, counts: dict[str, Any]) -> BadFile | None:
    rows, malformed, misfit = counts["rows"], counts[MALFORMED], counts[MISFIT]
    encoding = encoding_of(reader_options(source))
    if source.format in TEXT_FORMATS and not is_decodable(file, encoding):
        return wrong_encoding(file, encoding)
    if malformed:
        meaning = (
            "have another number of fields than the header, or are broken"
            if source.format == "csv"
            else (f"are not well-formed {source.format.upper()}")
        )
        return BadFile(file=file, kind=BadFileKind.MALFORMED, detail=f"{malformed} of {rows} records {meaning}")
    if misfit:
        detail = f"{misfit} of {rows} records have values that do not fit the types of their columns"
        return BadFile(file=file, kind=BadFileKind.MISFIT, detail=detail)
    return None
