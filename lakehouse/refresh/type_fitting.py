"""Types of the same column in different files and in the table: joined, extended, converted without loss."""

from __future__ import annotations

from collections.abc import Iterator

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import (
    ArrayType,
    AtomicType,
    ByteType,
    DataType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    MapType,
    NullType,
    NumericType,
    ShortType,
    StringType,
    StructField,
    StructType,
    VariantType,
)

_WHOLE = (ByteType, ShortType, IntegerType, LongType)
_DIGITS = {ByteType: 3, ShortType: 5, IntegerType: 10, LongType: 20}


def is_same(left: DataType, right: DataType) -> bool:
    """Whether two types are the same but for what may be NULL."""
    return left.simpleString().lower() == right.simpleString().lower()


def join_types(left: DataType, right: DataType) -> DataType | None:
    """The narrowest type that holds every value of both; text where numbers and others meet; None if there is none."""
    if is_same(left, right) or isinstance(right, NullType):
        return left
    if isinstance(left, NullType):
        return right
    match left, right:
        case StructType(), StructType():
            fields = {field.name: field.dataType for field in left.fields}
            for field in right.fields:
                joined = join_types(fields.get(field.name, field.dataType), field.dataType)
                if joined is None:
                    return None
                fields[field.name] = joined
            return StructType([StructField(name, kind) for name, kind in fields.items()])
        case ArrayType(), ArrayType():
            element = join_types(left.elementType, right.elementType)
            return ArrayType(element) if element is not None else None
        case MapType(), MapType():
            value = join_types(left.valueType, right.valueType)
            same_keys = is_same(left.keyType, right.keyType)
            return MapType(left.keyType, value) if value is not None and same_keys else None
        case NumericType(), NumericType():
            return _join_numbers(left, right) or StringType()
        case ((AtomicType() | StringType()), (AtomicType() | StringType())):
            return None if VariantType() in (left, right) else StringType()
        case _:
            return None


def extend_type(known: DataType, found: DataType) -> DataType:
    """The known type with the nested fields that only the found one has, at the end of their structs."""
    match known, found:
        case StructType(), StructType():
            names = {field.name.lower(): field for field in found.fields}
            fields = [
                StructField(field.name, extend_type(field.dataType, names[field.name.lower()].dataType))
                if field.name.lower() in names
                else field
                for field in known.fields
            ]
            have = {field.name.lower() for field in known.fields}
            return StructType(fields + [field for field in found.fields if field.name.lower() not in have])
        case ArrayType(), ArrayType():
            return ArrayType(extend_type(known.elementType, found.elementType))
        case MapType(), MapType():
            return MapType(known.keyType, extend_type(known.valueType, found.valueType))
        case _:
            return known


def new_fields(known: DataType, found: DataType, path: str) -> Iterator[str]:
    """The dotted names of the nested fields that only the found type has."""
    match known, found:
        case StructType(), StructType():
            names = {field.name.lower(): field for field in known.fields}
            for field in found.fields:
                inside = names.get(field.name.lower())
                if inside is None:
                    yield f"{path}.{field.name}"
                else:
                    yield from new_fields(inside.dataType, field.dataType, f"{path}.{field.name}")
        case ArrayType(), ArrayType():
            yield from new_fields(known.elementType, found.elementType, path)
        case MapType(), MapType():
            yield from new_fields(known.valueType, found.valueType, path)


def has_same_fields(known: DataType, found: DataType) -> bool:
    """Whether nothing in the found type is lost in the known one: no nested field, no record where it has a value."""
    match known, found:
        case StructType(), StructType():
            names = {field.name.lower(): field.dataType for field in known.fields}
            return all(
                field.name.lower() in names and has_same_fields(names[field.name.lower()], field.dataType)
                for field in found.fields
            )
        case ArrayType(), ArrayType():
            return has_same_fields(known.elementType, found.elementType)
        case MapType(), MapType():
            return has_same_fields(known.valueType, found.valueType)
        case MapType(), StructType():
            return True
        case _:
            return not isinstance(known, StructType | ArrayType | MapType)


def is_from_variant(found: DataType, wanted: DataType) -> bool:
    """Whether a value of any shape is brought into a fixed one."""
    return isinstance(found, VariantType) and not isinstance(wanted, VariantType)


def convert(value: Column, found: DataType, wanted: DataType) -> Column | None:
    """The value in the wanted type; None where no value could ever fit. A value that does not fit becomes NULL:
    `does_not_fit` tells it from others."""
    if is_same(found, wanted):
        return value
    if is_from_variant(found, wanted):
        return F.try_variant_get(value, "$", _spelled(wanted))
    match found, wanted:
        case StructType(), StructType():
            return _convert_struct(value, found, wanted)
        case ArrayType(), ArrayType():
            if convert(F.lit(None), found.elementType, wanted.elementType) is None:
                return None
            return F.transform(value, lambda one: _certainly(one, found.elementType, wanted.elementType))
        case MapType(), MapType() if is_same(found.keyType, wanted.keyType):
            if convert(F.lit(None), found.valueType, wanted.valueType) is None:
                return None
            return F.transform_values(value, lambda _, one: _certainly(one, found.valueType, wanted.valueType))
        case ((AtomicType() | StringType() | NullType()), (AtomicType() | StringType())):
            return value.try_cast(wanted)
        case _:
            return None


def does_not_fit(value: Column, found: DataType, wanted: DataType) -> Column | None:
    """Whether converting loses the value; None where it never does."""
    if is_same(found, wanted) or isinstance(found, NullType) or is_from_variant(found, wanted):
        return None
    match found, wanted:
        case StructType(), StructType():
            names = {field.name.lower(): field for field in found.fields}
            parts = [
                lost
                for field in wanted.fields
                if (have := names.get(field.name.lower())) is not None
                and (lost := does_not_fit(value.getField(have.name), have.dataType, field.dataType)) is not None
            ]
            return _any(parts)
        case ArrayType(), ArrayType():
            if does_not_fit(F.lit(None), found.elementType, wanted.elementType) is None:
                return None
            return F.coalesce(
                F.exists(value, lambda one: _lost(one, found.elementType, wanted.elementType)), F.lit(False)
            )
        case MapType(), MapType():
            if does_not_fit(F.lit(None), found.valueType, wanted.valueType) is None:
                return None
            return F.coalesce(
                F.exists(F.map_values(value), lambda one: _lost(one, found.valueType, wanted.valueType)), F.lit(False)
            )
    if isinstance(wanted, StringType):
        return None
    cast = value.try_cast(wanted)
    if isinstance(found, StringType):
        return value.isNotNull() & cast.isNull()
    # Numbers and times must come back unchanged: a cast cuts digits without a word.
    return value.isNotNull() & ~F.coalesce(cast.try_cast(found) == value, F.lit(False))


def _spelled(kind: DataType) -> str:
    """The type as SQL text, names of nested fields quoted."""
    match kind:
        case StructType():
            fields = (f"`{f.name.replace('`', '``')}`: {_spelled(f.dataType)}" for f in kind.fields)
            return f"STRUCT<{', '.join(fields)}>"
        case ArrayType():
            return f"ARRAY<{_spelled(kind.elementType)}>"
        case MapType():
            return f"MAP<{_spelled(kind.keyType)}, {_spelled(kind.valueType)}>"
        case _:
            return kind.simpleString()


def _convert_struct(value: Column, found: StructType, wanted: StructType) -> Column | None:
    names = {field.name.lower(): field for field in found.fields}
    parts: list[Column] = []
    for field in wanted.fields:
        have = names.get(field.name.lower())
        part: Column | None = F.lit(None).cast(field.dataType)
        if have is not None:
            part = convert(value.getField(have.name), have.dataType, field.dataType)
        if part is None:
            return None
        parts.append(part.alias(field.name))
    return F.when(value.isNotNull(), F.struct(*parts))


def _certainly(value: Column, found: DataType, wanted: DataType) -> Column:
    converted = convert(value, found, wanted)
    assert converted is not None
    return converted


def _lost(value: Column, found: DataType, wanted: DataType) -> Column:
    lost = does_not_fit(value, found, wanted)
    assert lost is not None
    return lost


def _any(parts: list[Column]) -> Column | None:
    if not parts:
        return None
    whole = F.coalesce(parts[0], F.lit(False))
    for part in parts[1:]:
        whole = whole | F.coalesce(part, F.lit(False))
    return whole


def _join_numbers(left: NumericType, right: NumericType) -> DataType | None:
    kinds = (type(left), type(right))
    if all(kind in _WHOLE for kind in kinds):
        return max(left, right, key=lambda kind: _WHOLE.index(type(kind)))
    if LongType not in kinds and all(kind in (*_WHOLE, FloatType, DoubleType) for kind in kinds):
        return DoubleType()  # holds every int and every float; not every bigint
    if all(isinstance(kind, DecimalType) or type(kind) in _WHOLE for kind in (left, right)):
        sizes = [
            (kind.precision - kind.scale, kind.scale) if isinstance(kind, DecimalType) else (_DIGITS[type(kind)], 0)  # type: ignore[index]
            for kind in (left, right)
        ]
        whole, scale = max(size[0] for size in sizes), max(size[1] for size in sizes)
        return DecimalType(whole + scale, scale) if whole + scale <= 38 else None
    return None
