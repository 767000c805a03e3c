"""The classes of `pyspark.sql.types` by name, as Great Expectations writes types, over Spark's simple types."""

from __future__ import annotations

_SIMPLE = {
    "BinaryType": ("binary",),
    "BooleanType": ("boolean",),
    "ByteType": ("tinyint",),
    "DateType": ("date",),
    "DoubleType": ("double",),
    "FloatType": ("float",),
    "IntegerType": ("int",),
    "LongType": ("bigint",),
    "ShortType": ("smallint",),
    "StringType": ("string",),
    "TimestampNTZType": ("timestamp_ntz",),
    "TimestampType": ("timestamp",),
    "NullType": ("void",),
    "VariantType": ("variant",),
    "IntegralType": ("tinyint", "smallint", "int", "bigint"),
    "FractionalType": ("float", "double", "decimal("),
    "NumericType": ("tinyint", "smallint", "int", "bigint", "float", "double", "decimal("),
    "DecimalType": ("decimal(",),
    "ArrayType": ("array<",),
    "MapType": ("map<",),
    "StructType": ("struct<",),
    "CharType": ("char(",),
    "VarcharType": ("varchar(",),
    "DataType": ("",),
}
TYPE_CLASSES = frozenset(_SIMPLE)


def is_of_class(type_text: str, class_name: str) -> bool:
    """Whether a column of Spark's simple type `type_text` is of a class. Raises KeyError for an unknown class.

    >>> is_of_class("decimal(10,2)", "DecimalType"), is_of_class("int", "LongType")
    (True, False)
    """
    text = type_text.lower()
    return any(text.startswith(shape) if shape[-1:] in "(<" else text == shape for shape in _SIMPLE[class_name])
