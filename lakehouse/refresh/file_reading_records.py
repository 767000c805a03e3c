"""Records that Spark's text readers could not take as a whole: broken, or well-formed with a value that does not fit.

The readers hand over the raw text of such a record. Read again without types it tells the two cases apart, and
gives the values back that did not fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructType

from lakehouse.definition.dataset import FileSource
from lakehouse.refresh.file_reading_options import CORRUPT, reader_options

# What these say is about files, not about the text of one record.
_ABOUT_FILES = frozenset({"header", "inferschema", "multiline", "encoding", "charset", "linesep", "compression"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordMarks:
    """`malformed` and `misfit` are true or false for every row; `raw` gives columns as the record's text has them,
    NULL for rows that are in order."""

    malformed: Column
    misfit: Column
    raw: Mapping[str, Column] = field(default_factory=dict)


def record_marks(source: FileSource, schema: StructType) -> RecordMarks:
    """The marks for rows read with this schema; formats without text records have none."""
    if CORRUPT not in schema.names:
        return RecordMarks(malformed=F.lit(False), misfit=F.lit(False))
    text = F.col(CORRUPT)
    names = [name for name in schema.names if name != CORRUPT]
    typed = [name for name in names if not isinstance(schema[name].dataType, StringType)]
    if source.format == "csv" and typed:
        return _csv_marks(text, names, typed, reader_options(source))
    if source.format == "json" and "singlevariantcolumn" not in reader_options(source):
        return _json_marks(text, names)
    return RecordMarks(malformed=text.isNotNull(), misfit=F.lit(False))


def _csv_marks(text: Column, names: list[str], typed: list[str], options: Mapping[str, str]) -> RecordMarks:
    columns = ", ".join(f"`{_name(position)}` STRING" for position in range(len(names)))
    rules = {key: value for key, value in options.items() if key not in _ABOUT_FILES and not key.startswith("__")}
    again = F.from_csv(text, f"{columns}, `{CORRUPT}` STRING", rules)
    malformed = text.isNotNull() & (again.isNull() | again.getField(CORRUPT).isNotNull())
    positions = {name: names.index(name) for name in typed}
    return RecordMarks(
        malformed=malformed,
        misfit=text.isNotNull() & ~malformed,
        raw={name: again.getField(_name(position)) for name, position in positions.items()},
    )


def _json_marks(text: Column, names: list[str]) -> RecordMarks:
    again = F.try_parse_json(text)
    # An array of records on one line is handed over as a whole: which of its values did not fit cannot be told.
    is_object = F.coalesce(F.startswith(F.schema_of_variant(again), F.lit("OBJECT")), F.lit(False))
    raw = {}
    for name in names:
        value = F.try_variant_get(again, _path(name), "variant")
        raw[name] = F.when(~F.is_variant_null(value), value)
    return RecordMarks(
        malformed=text.isNotNull() & ~is_object,
        misfit=text.isNotNull() & is_object,
        raw=raw,
    )


def _name(position: int) -> str:
    return f"c{position}"


def _path(name: str) -> str:
    """The field in the notation of Spark's variant functions."""
    return f'$["{name}"]' if "'" in name else f"$['{name}']"
