"""An order-free digest of a table's rows, filled while the rows are written.

Every row is hashed to 128 bits (two independent 64-bit hashes), the halves of the hashes are summed. Equal bags of
rows give equal digests whatever their order; a change of any row, or of how often it occurs, changes the digest
except with a probability of about 2^-120 (multiset hash by addition: Clarke et al., "Incremental Multiset Hash
Functions", 2003). It costs no pass of its own.
"""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql import functions as F
from pyspark.sql.types import ArrayType, DataType, MapType, StructType, VariantType

_LOW_HALF = 0xFFFFFFFF
_PREFIX = "__digest_"
_WORD = 60  # bits of a 64-bit integer that are used


class ContentDigest:
    """Watches a frame while it is written. `digest` and `rows` are known once the write is done."""

    def __init__(self, frame: DataFrame) -> None:
        self._observation = Observation()
        self.is_possible = not any(_has_no_hash(field.dataType) for field in frame.schema.fields)
        self._columns = ",".join(f"{field.name}:{field.dataType.simpleString()}" for field in frame.schema.fields)
        metrics = [F.count(F.lit(1)).alias("rows")]
        if not self.is_possible:
            self.frame = frame.observe(self._observation, *metrics)
            return
        # Columns of their own below what observes them: there Spark generates code, and each is computed once.
        hashed = _hashed(frame.schema)
        values = {"a": F.xxhash64(*hashed), "b": F.xxhash64(F.lit("b"), *hashed)}
        for name in values:
            value = F.col(f"{_PREFIX}{name}")
            metrics.append(F.sum(F.shiftright(value, 32)).alias(f"{name}_high"))
            metrics.append(F.sum(value.bitwiseAND(F.lit(_LOW_HALF))).alias(f"{name}_low"))
        digested = frame.select("*", *(value.alias(f"{_PREFIX}{name}") for name, value in values.items()))
        self.frame = digested.observe(self._observation, *metrics).drop(*(f"{_PREFIX}{name}" for name in values))

    @property
    def rows(self) -> int:
        """How many rows went by."""
        return int(self._observation.get["rows"])

    @property
    def digest(self) -> str | None:
        """The digest as text, or None where a column's type has no hash."""
        if not self.is_possible:
            return None
        metrics = self._observation.get
        sums = [metrics[f"{name}_{half}"] or 0 for name in ("a", "b") for half in ("high", "low")]
        return f"{self._columns}|{metrics['rows']}|" + "|".join(f"{total:x}" for total in sums)


def _hashed(schema: StructType) -> list[Column]:
    """What the hash of a row is taken of. Spark's passes over NULL, so where it is must be said: one bit a column."""
    columns = [F.col(_quoted(field.name)) for field in schema.fields]
    bits = [
        F.when(column.isNull(), F.lit(1 << place % _WORD)).otherwise(F.lit(0)).cast("bigint")
        for place, column in enumerate(columns)
    ]
    words = [reduce(Column.bitwiseOR, bits[start : start + _WORD]) for start in range(0, len(bits), _WORD)]
    return [*map(_hashable, columns, (field.dataType for field in schema.fields)), *words]


def _hashable(column: Column, kind: DataType) -> Column:
    """What stands for a column in the hash: what nests tells itself where NULL is."""
    if isinstance(kind, MapType):
        column = F.array_sort(F.map_entries(column))  # entries have no order
    if isinstance(kind, MapType | ArrayType | StructType):
        return F.to_json(F.struct(column), {"ignoreNullFields": "false"})
    return column


def _has_no_hash(kind: DataType, *, nested: bool = False) -> bool:
    match kind:
        case VariantType():
            return True
        case MapType():
            return nested or _has_no_hash(kind.valueType, nested=True) or _has_no_hash(kind.keyType, nested=True)
        case ArrayType():
            return _has_no_hash(kind.elementType, nested=True)
        case StructType():
            return any(_has_no_hash(field.dataType, nested=True) for field in kind.fields)
        case _:
            return False


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
