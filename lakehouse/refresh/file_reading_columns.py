"""Which columns a load brings into a table: the known ones with their types, and what becomes of new ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from pyspark.sql.types import DataType, NullType, StringType, StructField, StructType

from lakehouse.definition.dataset import SchemaEvolution
from lakehouse.refresh.type_fitting import extend_type, join_types, new_fields

SOURCE_FILE, INGESTED_AT, EPOCH, RESCUED = "_source_file", "_ingested_at", "_epoch", "_rescued"
RESERVED = frozenset({SOURCE_FILE, INGESTED_AT, EPOCH, RESCUED})
_EPOCH_START = datetime(1970, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What every row of one load carries beside its columns."""

    epoch: int
    ingested_at: datetime

    @property
    def constants(self) -> dict[str, tuple[str, int]]:
        """The columns that are the same in every row: name to SQL type and Spark's number for the value."""
        micros = round((self.ingested_at - _EPOCH_START).total_seconds() * 1_000_000)
        return {INGESTED_AT: ("TIMESTAMP_LTZ", micros), EPOCH: ("BIGINT", self.epoch)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The columns that rows are brought into. `added`, `ignored` and `rescued` are the names of new columns and new
    nested fields by what becomes of them; `unknown` of new columns only, with their types."""

    columns: StructType
    unknown: StructType
    added: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    rescued: tuple[str, ...] = ()

    def find(self, name: str) -> StructField | None:
        """The target of a column of this name, in any case."""
        lowered = name.lower()
        return next((field for field in self.columns.fields if field.name.lower() == lowered), None)


def plan_columns(found: Sequence[StructType], known: StructType, evolution: SchemaEvolution | None) -> Target:
    """The target of frames with these schemas. Without `evolution` every column is welcome (there is no table yet);
    with FAIL new columns are reported as added, and the caller raises."""
    unknown = _unknown(found, known)
    nested = tuple(
        dict.fromkeys(
            name
            for schema in found
            for field in schema.fields
            if (have := _named(known, field.name)) is not None
            for name in new_fields(have.dataType, field.dataType, have.name)
        )
    )
    names = (*unknown.names, *nested)
    if evolution in (None, SchemaEvolution.ADD_COLUMNS, SchemaEvolution.FAIL):
        columns = [StructField(field.name, _extended(field.dataType, field.name, found)) for field in known.fields]
        added = names if evolution is not None else ()
        return Target(columns=StructType(columns + unknown.fields), added=added, unknown=unknown)
    is_rescue = evolution is SchemaEvolution.RESCUE
    return Target(
        columns=StructType([StructField(field.name, field.dataType) for field in known.fields]),
        ignored=() if is_rescue else names,
        rescued=names if is_rescue else (),
        unknown=unknown,
    )


def _unknown(found: Sequence[StructType], known: StructType) -> StructType:
    """The columns that are not known, each in a type that holds the values of all files, as far as there is one."""
    columns: dict[str, StructField] = {}
    for schema in found:
        for field in schema.fields:
            if _named(known, field.name) is not None:
                continue
            before = columns.get(field.name.lower())
            kind: DataType = field.dataType
            if before is not None:
                kind = join_types(before.dataType, field.dataType) or before.dataType
            columns[field.name.lower()] = StructField(before.name if before else field.name, kind)
    # A table has no column of NULLs only; text takes whatever comes later.
    return StructType(
        [
            StructField(f.name, StringType() if isinstance(f.dataType, NullType) else f.dataType)
            for f in columns.values()
        ]
    )


def _extended(kind: DataType, name: str, found: Sequence[StructType]) -> DataType:
    for schema in found:
        field = _named(schema, name)
        if field is not None:
            kind = extend_type(kind, field.dataType)
    return kind


def _named(schema: StructType, name: str) -> StructField | None:
    lowered = name.lower()
    return next((field for field in schema.fields if field.name.lower() == lowered), None)
