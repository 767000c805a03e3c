"""Makes the commits of a change script, by Spark or by deltalake."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
from deltalake import ColumnProperties, DeltaTable, Field, WriterProperties, write_deltalake
from deltalake.schema import PrimitiveType
from pyspark.sql import SparkSession

from tests.refresh.random_changes import ADDED, Commit
from tests.refresh.random_tables import Row, Source, arrow_table, random_value

# deltalake's statistics pass over NaN, which to Spark is the greatest number: it would skip files that hold one.
WRITER = WriterProperties(column_properties={"x": ColumnProperties(statistics_enabled="NONE")})
DELETE_MARK = "s IS NULL"  # rows of a merge that are to be deleted if they are there


def create_source(source: Source, path: Path) -> None:
    """The table with its first rows, in as many files as it says."""
    features = {
        "delta.enableChangeDataFeed": source.change_feed,
        "delta.enableDeletionVectors": source.deletion_vectors,
    }
    configuration = {name: "true" for name, on in features.items() if on}
    for part in range(source.files):
        rows = source.rows[part :: source.files]
        table = arrow_table(source.columns, rows)
        write_deltalake(str(path), table, mode="append", configuration=configuration, writer_properties=WRITER)


def read_source(spark: SparkSession, path: Path) -> pa.Table:
    """The table's rows as they are now. deltalake reads them a hundred times faster, but not with deletion vectors."""
    table = DeltaTable(str(path))
    if "deletionVectors" in (table.protocol().reader_features or ()):
        return spark.read.format("delta").load(str(path)).toArrow()
    return table.to_pyarrow_table()


class SourceCommits:
    """Applies commits to the tables below a folder."""

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        self._spark = spark
        self._folder = folder

    def apply(self, commit: Commit) -> None:
        """Makes the commit; one of the action `reinsert` is a delete and an append."""
        path = self._folder / commit.table
        if commit.action in ("overwrite", "reinsert"):
            self._rewrite(commit, path)
        elif commit.by_spark:
            self._by_spark(commit, path)
        else:
            _by_deltalake(commit, path)

    def _rewrite(self, commit: Commit, path: Path) -> None:
        rng = random.Random(commit.seed)
        found = read_source(self._spark, path)
        rows: list[Row] = sorted(found.to_pylist(), key=lambda row: repr(list(row.values())))
        if commit.action == "reinsert":
            some = {row["id"] for row in rng.sample(rows, min(len(rows), 3))} or {0}
            condition = f"id IN ({', '.join(map(str, sorted(some)))})"
            again = tuple(row for row in rows if row["id"] in some)
            for part in (
                _with(commit, action="delete", condition=condition),
                _with(commit, action="insert", rows=again),
            ):
                self.apply(part)
            return
        column = rng.choice(commit.columns[1:])
        kept = [dict(row) for row in rows if rng.random() > 0.1]
        for row in rng.sample(kept, min(len(kept), 2)):
            row[column.name] = random_value(rng, column)
        table = arrow_table(commit.columns, kept)
        if commit.by_spark:
            frame = self._spark.createDataFrame(table)
            frame.write.format("delta").mode("overwrite").save(str(path))
        else:
            write_deltalake(str(path), table, mode="overwrite", writer_properties=WRITER)

    def _by_spark(self, commit: Commit, path: Path) -> None:
        sql, target = self._spark.sql, f"delta.`{path}`"
        match commit.action:
            case "insert":
                frame = self._spark.createDataFrame(arrow_table(commit.columns, commit.rows))
                frame.write.format("delta").mode("append").save(str(path))
            case "update":
                assignments = ", ".join(f"{name} = {value}" for name, value in commit.assignments)
                sql(f"UPDATE {target} SET {assignments} WHERE {commit.condition}")
            case "delete":
                sql(f"DELETE FROM {target} WHERE {commit.condition}")
            case "merge":
                frame = self._spark.createDataFrame(arrow_table(commit.columns, commit.rows))
                frame.createOrReplaceTempView("merge_rows")
                sql(
                    f"MERGE INTO {target} t USING merge_rows s ON t.id = s.id "
                    f"WHEN MATCHED AND s.{DELETE_MARK} THEN DELETE WHEN MATCHED THEN UPDATE SET * "
                    "WHEN NOT MATCHED THEN INSERT *"
                )
            case "optimize":
                sql(f"OPTIMIZE {target}")
            case _:
                raise AssertionError(commit.action)


def _with(commit: Commit, *, action: str, condition: str = "", rows: tuple[Row, ...] = ()) -> Commit:
    return Commit(
        table=commit.table, action=action, columns=commit.columns, by_spark=commit.by_spark,
        condition=condition, rows=rows,
    )  # fmt: skip


def _by_deltalake(commit: Commit, path: Path) -> None:
    table = DeltaTable(str(path))
    match commit.action:
        case "insert":
            rows = arrow_table(commit.columns, commit.rows)
            write_deltalake(table, rows, mode="append", writer_properties=WRITER)
        case "update":
            table.update(dict(commit.assignments), predicate=commit.condition, writer_properties=WRITER)
        case "delete":
            table.delete(commit.condition, writer_properties=WRITER)
        case "merge":
            merge = table.merge(
                arrow_table(commit.columns, commit.rows),
                "t.id = s.id",
                source_alias="s",
                target_alias="t",
                writer_properties=WRITER,
            )
            merge = merge.when_matched_delete(predicate=f"s.{DELETE_MARK}").when_matched_update_all()
            merge.when_not_matched_insert_all().execute()
        case "optimize":
            table.optimize.compact(writer_properties=WRITER)
        case "add_column":
            table.alter.add_columns([Field(ADDED.name, PrimitiveType("integer"))])
        case _:
            raise AssertionError(commit.action)
