"""What clients may ask about the server itself: SqlInfo and types of Flight SQL. JDBC's DatabaseMetaData is made of it.

Numbers: enums SqlInfo and XdbcDataType of FlightSql.proto.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from lakehouse import __version__

_TEXT, _TRUTH, _WHOLE, _BITS, _TEXTS, _MAP = range(6)
_INFO = pa.schema(
    [
        pa.field("info_name", pa.uint32(), nullable=False),
        pa.field(
            "value",
            pa.dense_union(
                [
                    pa.field("string_value", pa.string()),
                    pa.field("bool_value", pa.bool_()),
                    pa.field("bigint_value", pa.int64()),
                    pa.field("int32_bitmask", pa.int32()),
                    pa.field("string_list", pa.list_(pa.field("string_data", pa.string()))),
                    pa.field("int32_to_int32_list_map", pa.map_(pa.int32(), pa.list_(pa.field("$data$", pa.int32())))),
                ]
            ),
            nullable=False,
        ),
    ]
)

_NUMERIC = ["abs", "ceil", "exp", "floor", "ln", "log", "mod", "power", "round", "sign", "sqrt"]
_STRING = ["concat", "length", "lower", "ltrim", "replace", "rtrim", "substring", "trim", "upper"]
_DATETIME = ["add_months", "current_date", "date_add", "date_trunc", "datediff", "year", "month", "day", "hour"]
_FACTS: Mapping[int, tuple[int, Any]] = {
    0: (_TEXT, "lakehouse"),
    1: (_TEXT, __version__),
    2: (_TEXT, pa.__version__),
    3: (_TRUTH, True),  # read only
    4: (_TRUTH, True),  # SQL
    5: (_TRUTH, False),  # Substrait
    8: (_BITS, 0),  # transactions: none
    9: (_TRUTH, True),  # cancelling
    500: (_TRUTH, False),
    501: (_TRUTH, False),
    502: (_TRUTH, False),
    503: (_WHOLE, 3),  # identifiers: lower case, whatever is written
    504: (_TEXT, "`"),
    505: (_WHOLE, 3),
    506: (_TRUTH, False),
    507: (_WHOLE, 1),  # NULL is low
    508: (_TEXTS, ["ANTI", "LATERAL", "PIVOT", "RLIKE", "SEMI", "TABLESAMPLE", "UNPIVOT"]),
    509: (_TEXTS, _NUMERIC),
    510: (_TEXTS, _STRING),
    511: (_TEXTS, ["coalesce", "if", "nullif"]),
    512: (_TEXTS, _DATETIME),
    513: (_TEXT, "\\"),
    514: (_TEXT, ""),
    515: (_TRUTH, True),
    516: (_TRUTH, True),
    517: (_MAP, []),
    518: (_TRUTH, True),
    519: (_TRUTH, False),
    520: (_TRUTH, True),
    521: (_TRUTH, True),
    522: (_BITS, 3),
    523: (_TRUTH, True),
    524: (_TRUTH, True),
    525: (_BITS, 1),
    526: (_BITS, 1),
    527: (_TRUTH, False),
    528: (_BITS, 2),  # full outer joins
    529: (_TEXT, "schema"),
    530: (_TEXT, ""),
    531: (_TEXT, "catalog"),
    532: (_TRUTH, True),
    533: (_BITS, 0),
    534: (_BITS, 0),
    535: (_BITS, 0),
    536: (_TRUTH, False),
    537: (_TRUTH, False),
    538: (_BITS, 15),  # subqueries wherever they may stand
    539: (_TRUTH, True),
    540: (_BITS, 3),
    **dict.fromkeys(range(541, 563), (_WHOLE, 0)),  # lengths and numbers: no limit that is known
    556: (_TRUTH, False),
    563: (_TRUTH, False),
    564: (_BITS, 1),
    565: (_TRUTH, False),
    566: (_TRUTH, False),
    567: (_BITS, 2),
    **dict.fromkeys(range(568, 572), (_BITS, 0)),
    **dict.fromkeys(range(572, 576), (_TRUTH, False)),
    576: (_TRUTH, False),
}


class _Type(NamedTuple):
    """A type of Spark as JDBC knows it; `radix` is that of numbers, `quote` what its literals stand in."""

    name: str
    number: int
    size: int | None
    quote: str | None = None
    radix: int | None = None
    subcode: int | None = None


_DATETIME_TYPE = 9
_TYPES = (
    _Type("BOOLEAN", -7, 1),
    _Type("TINYINT", -6, 3, radix=10),
    _Type("BIGINT", -5, 19, radix=10),
    _Type("BINARY", -2, None, quote="'"),
    _Type("DECIMAL", 3, 38, radix=10),
    _Type("INT", 4, 10, radix=10),
    _Type("SMALLINT", 5, 5, radix=10),
    _Type("FLOAT", 6, 24, radix=2),
    _Type("DOUBLE", 8, 53, radix=2),
    _Type("STRING", 12, None, quote="'"),
    _Type("DATE", 91, 10, quote="'", subcode=1),
    _Type("TIMESTAMP", 93, 26, quote="'", subcode=3),
)
_TYPE_COLUMNS = pa.schema(
    [
        pa.field("type_name", pa.string(), nullable=False),
        pa.field("data_type", pa.int32(), nullable=False),
        pa.field("column_size", pa.int32()),
        pa.field("literal_prefix", pa.string()),
        pa.field("literal_suffix", pa.string()),
        pa.field("create_params", pa.list_(pa.field("item", pa.string(), nullable=False))),
        pa.field("nullable", pa.int32(), nullable=False),
        pa.field("case_sensitive", pa.bool_(), nullable=False),
        pa.field("searchable", pa.int32(), nullable=False),
        pa.field("unsigned_attribute", pa.bool_()),
        pa.field("fixed_prec_scale", pa.bool_(), nullable=False),
        pa.field("auto_increment", pa.bool_()),
        pa.field("local_type_name", pa.string()),
        pa.field("minimum_scale", pa.int32()),
        pa.field("maximum_scale", pa.int32()),
        pa.field("sql_data_type", pa.int32(), nullable=False),
        pa.field("datetime_subcode", pa.int32()),
        pa.field("num_prec_radix", pa.int32()),
        pa.field("interval_precision", pa.int32()),
    ]
)


def info_table(numbers: Sequence[int]) -> Any:
    """The answer to GetSqlInfo: the facts with these numbers, all for none; those that are not known are left out."""
    wanted = [number for number in (numbers or _FACTS) if number in _FACTS]
    kinds = [_FACTS[number][0] for number in wanted]
    union = _INFO.field("value").type
    values: list[list[Any]] = [[] for _ in range(union.num_fields)]
    offsets = []
    for number in wanted:
        kind, value = _FACTS[number]
        offsets.append(len(values[kind]))
        values[kind].append(value)
    children = [pa.array(found, union.field(index).type) for index, found in enumerate(values)]
    names = [union.field(index).name for index in range(union.num_fields)]
    column = pa.UnionArray.from_dense(pa.array(kinds, pa.int8()), pa.array(offsets, pa.int32()), children, names)
    return pa.table([pa.array(wanted, pa.uint32()), column], schema=_INFO)


def types_table(number: int | None) -> Any:
    """The answer to GetXdbcTypeInfo: Spark's types, or the one with this JDBC number."""
    rows = [_type_row(kind) for kind in _TYPES if number in (None, kind.number)]
    return pa.Table.from_pylist(rows, schema=_TYPE_COLUMNS)


def _type_row(kind: _Type) -> dict[str, Any]:
    is_number = kind.radix is not None
    return {
        "type_name": kind.name,
        "data_type": kind.number,
        "column_size": kind.size,
        "literal_prefix": "X'" if kind.name == "BINARY" else kind.quote,
        "literal_suffix": kind.quote,
        "create_params": ["precision", "scale"] if kind.name == "DECIMAL" else None,
        "nullable": 1,
        "case_sensitive": kind.name == "STRING",
        "searchable": 3,
        "unsigned_attribute": False if is_number else None,
        "fixed_prec_scale": False,
        "auto_increment": False if is_number else None,
        "local_type_name": kind.name,
        "minimum_scale": 0 if is_number else None,
        "maximum_scale": 38 if kind.name == "DECIMAL" else (0 if is_number else None),
        "sql_data_type": kind.number if kind.subcode is None else _DATETIME_TYPE,
        "datetime_subcode": kind.subcode,
        "num_prec_radix": kind.radix,
    }
