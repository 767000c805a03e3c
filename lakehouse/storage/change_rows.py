"""A change set's rows, held to the rules: the table's columns and `_change`, known words in it, one row a key."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from lakehouse.errors import ChangeError, SchemaError
from lakehouse.plan.change_set import BAG_CHANGES, CHANGE, KEYED_CHANGES, Change


class ChangeRule(str, Enum):
    """What a change set may not do: the `rule` of a ChangeError."""

    NO_TABLE = "no_table"  # change a table that does not exist
    UNKNOWN_CHANGE = "unknown_change"  # hold a row whose `_change` is NULL, or a word that its form does not have
    DUPLICATE_KEY = "duplicate_key"  # hold two rows with one key
    INCOMPARABLE = "incomparable"  # need to compare columns whose values cannot be compared


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRows:
    """A change set: `rows` hold the table's columns, by their exact names and types, and `_change`.

    With a `key` (columns of the table) it is keyed, without one a bag; `Change` says what the rows mean. For a
    frame, `at_most` is an upper bound of its rows where one is known: a small one saves counting before collecting.
    """

    rows: pa.Table | DataFrame
    key: tuple[str, ...] | None = None
    at_most: int | None = None

    @property
    def words(self) -> tuple[Change, ...]:
        """What `_change` may say."""
        return BAG_CHANGES if self.key is None else KEYED_CHANGES


def check_columns(found: Sequence[str], table: Sequence[str], key: Iterable[str]) -> None:
    """Raises SchemaError unless the columns are the table's and `_change`, each once, and the key's are among them."""
    if CHANGE in table:
        raise SchemaError(f"the table has a column '{CHANGE}'; a change set cannot hold it.", columns=(CHANGE,))
    wanted = Counter([*table, CHANGE])
    wrong = tuple(sorted((wanted - Counter(found)) + (Counter(found) - wanted)))
    if wrong:
        raise SchemaError(f"change set and table differ in columns: {', '.join(wrong)}.", columns=wrong)
    strange = tuple(sorted(set(key) - set(table)))
    if strange:
        raise SchemaError(f"the key's columns are not the table's: {', '.join(strange)}.", columns=strange)


def fitted(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """The rows with the columns of `schema`, in its order and types, and `_change`.

    Raises SchemaError for a value that is not one of its column, and for NULL where the table allows none.
    """
    columns = []
    for field in schema:
        try:
            columns.append(_fit(rows.column(field.name), field))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
            text = f"column '{field.name}' of the change set does not fit the table's {field.type}: {error}"
            raise SchemaError(text, columns=(field.name,)) from error
    change = rows.column(CHANGE).cast(pa.string())
    found = pa.table([*columns, change], names=[*schema.names, CHANGE])
    _require_values(found, schema)
    return found


def check_words(rows: pa.Table, words: Sequence[Change]) -> None:
    """Raises ChangeError for a `_change` that is NULL or none of `words`."""
    known = pc.is_in(rows.column(CHANGE), value_set=pa.array([word.value for word in words]))
    strange = rows.column(CHANGE).filter(pc.invert(known))
    if len(strange):
        raise unknown_change(strange[0].as_py(), words)


def check_unique(rows: pa.Table, key: Sequence[str]) -> None:
    """Raises ChangeError if two rows have one key. For flat key columns."""
    keys = pa.table([canonical(rows.column(name)) for name in key], names=[str(i) for i in range(len(key))])
    if keys.group_by(keys.column_names).aggregate([]).num_rows < keys.num_rows:
        raise duplicate_key(key)


def distinct_removals(rows: pa.Table) -> pa.Table:
    """The rows, with removals of one and the same row told once. For flat columns."""
    is_removal = pc.equal(rows.column(CHANGE), Change.REMOVE.value)
    removals = rows.filter(is_removal)
    names = [str(i) for i in range(removals.num_columns)]
    keys = pa.table([canonical(column) for column in removals.columns], names=names)
    numbered = keys.append_column("row", pa.array(range(removals.num_rows), pa.int64()))
    first = numbered.group_by(names).aggregate([("row", "min")]).column("row_min")
    return pa.concat_tables([removals.take(first), rows.filter(pc.invert(is_removal))])


def canonical(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """The values, with one NaN and one zero, so that equal ones are equal bit by bit."""
    if not pa.types.is_floating(values.type):
        return values
    zero, nan = pa.scalar(0.0, values.type), pa.scalar(float("nan"), values.type)
    one_zero = pc.if_else(pc.equal(values, zero), zero, values)
    return pc.if_else(pc.is_nan(one_zero), nan, one_zero)


def check_frame_unique(rows: DataFrame, key: Sequence[str]) -> None:
    """`check_unique` by Spark."""
    counted = rows.groupBy(*map(column, key)).agg(F.count(F.lit(1)).alias(CHANGE))
    if counted.where(F.col(CHANGE) > 1).take(1):
        raise duplicate_key(key)


def column(name: str, alias: str | None = None) -> Column:
    """A column by its exact name, whatever characters it has."""
    quoted = "`" + name.replace("`", "``") + "`"
    return F.col(f"{alias}.{quoted}" if alias else quoted)


def unknown_change(word: str | None, words: Iterable[Change]) -> ChangeError:
    """The error of a row whose `_change` is `word`."""
    known = ", ".join(known.value for known in words)
    text = f"a row of the change set says {CHANGE} = {word!r}; expected one of: {known}."
    return ChangeError(text, rule=ChangeRule.UNKNOWN_CHANGE.value)


def duplicate_key(key: Sequence[str]) -> ChangeError:
    """The error of two rows with one key."""
    return ChangeError(
        f"two rows of the change set have the same key ({', '.join(key)}).",
        rule=ChangeRule.DUPLICATE_KEY.value,
        columns=tuple(key),
        hint="Declare a key that is unique in the result.",
    )


def _fit(values: pa.ChunkedArray, field: pa.Field) -> pa.ChunkedArray:
    if values.type == field.type:
        return values
    if not (_kind(values.type) & _kind(field.type) or pa.types.is_null(values.type)):
        raise pa.ArrowInvalid(f"it is of type {values.type}")
    return values.cast(field.type)


def _kind(kind: pa.DataType) -> set[str]:
    """The families of types between which a cast, which loses nothing, changes no meaning."""
    if pa.types.is_timestamp(kind):
        return {"timestamp" if kind.tz else "timestamp_ntz"}
    families = {
        "integer": pa.types.is_integer,
        "floating": pa.types.is_floating,
        "decimal": pa.types.is_decimal,
        "boolean": pa.types.is_boolean,
        "date": pa.types.is_date,
        "nested": pa.types.is_nested,
    }
    found = {name for name, test in families.items() if test(kind)}
    if str(kind) in {"string", "large_string", "string_view"}:
        found.add("text")
    if str(kind) in {"binary", "large_binary", "binary_view"}:
        found.add("binary")
    return found


def _require_values(rows: pa.Table, schema: pa.Schema) -> None:
    written = pc.is_in(rows.column(CHANGE), value_set=pa.array([Change.UPDATE.value, Change.INSERT.value]))
    strict = [field.name for field in schema if not field.nullable and rows.column(field.name).null_count]
    wrong = tuple(name for name in strict if rows.column(name).filter(written).null_count)
    if wrong:
        raise SchemaError(f"the change set has NULL where the table allows none: {', '.join(wrong)}.", columns=wrong)
