"""Random commits by both engines: for any range, the earlier version plus the feed is the later version."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, DeltaTable, write_deltalake
from pyspark.sql import SparkSession

from tests.storage.feed_tables import FEED, KINDS, SparkTable

pytestmark = [pytest.mark.spark, pytest.mark.long]

COLUMNS = "k INT, v STRING, d DOUBLE, p STRING"
TYPES = pa.schema([("k", pa.int32()), ("v", pa.string()), ("d", pa.float64()), ("p", pa.string())])
NAMES = ("k", "v", "d", "p")
PARTITIONED = "PARTITIONED BY (p)"
TABLES = {
    "plain": (FEED, "", ("x", "y", None)),
    "partitioned": (FEED, PARTITIONED, ("x", "y", None)),
    "escaped": (FEED, PARTITIONED, ("x", "b/ c=%", None)),
    "vectors": (KINDS["vectors"], "", ("x", None)),
    "no feed": ({}, PARTITIONED, ("x", "b/ c=%", None)),
    "vectors, no feed": (KINDS["vectors, no feed"], "", ("x", None)),
    "mapped": (KINDS["mapped"], "", ("x", None)),
}
Row = tuple[int | None, str | None, float | None, str | None]


class Committer:
    """Makes random commits to one table."""

    def __init__(self, table: SparkTable, parts: tuple[str | None, ...], choice: random.Random) -> None:
        self.table, self.parts, self.choice = table, parts, choice
        self.extra = 0
        self.spark: list[Callable[[], object]] = [
            self.spark_append, self.spark_append, self.spark_delete, self.spark_update, self.spark_merge,
            self.spark_overwrite, self.spark_replace, self.spark_optimize, self.spark_add_column,
            self.spark_delete_part,
        ]  # fmt: skip
        self.deltalake: list[Callable[[], object]] = [self.rs_append, self.rs_merge]
        self.rewriting: list[Callable[[], object]] = [
            self.rs_delete, self.rs_update, self.rs_overwrite, self.rs_replace, self.rs_optimize, self.rs_marker,
        ]  # fmt: skip

    def row(self) -> Row:
        pick = self.choice.choice
        numbers = (0.5, float("nan"), -0.0, 0.0, None)
        return pick((*range(6), None)), pick(("a", "b", None)), pick(numbers), pick(self.parts)

    def rows(self) -> list[Row]:
        return [self.row() for _ in range(self.choice.randint(1, 5))]

    def predicate(self) -> str:
        low = self.choice.randint(0, 5)
        return self.choice.choice([f"k = {low}", f"k >= {low}", "k IS NULL", f"k < {low} AND v = 'a'", "k > 90"])

    def values(self) -> str:
        def text(value: object) -> str:
            if value is None:
                return "null"
            return f"double('{value}')" if isinstance(value, float) else repr(value)

        return ", ".join(f"({', '.join(map(text, row))})" for row in self.rows())

    def arrow(self, rows: list[Row] | None = None) -> pa.Table:
        listed = self.rows() if rows is None else rows
        return pa.table([pa.array(column, TYPES.types[i]) for i, column in enumerate(zip(*listed, strict=True))], TYPES)

    def spark_append(self) -> None:
        self.table.run(f"INSERT INTO {{t}} (k, v, d, p) VALUES {self.values()}")

    def spark_delete(self) -> None:
        self.table.run(f"DELETE FROM {{t}} WHERE {self.predicate()}")

    def spark_delete_part(self) -> None:
        self.table.run("DELETE FROM {t} WHERE p = 'x'")

    def spark_update(self) -> None:
        change = self.choice.choice(["v = 'u'", "d = -0.0D", "k = k + 1", "v = v", "p = 'x'"])
        self.table.run(f"UPDATE {{t}} SET {change} WHERE {self.predicate()}")

    def spark_merge(self) -> None:
        keys = self.choice.sample(range(8), 3)
        self.table.run(
            f"MERGE INTO {{t}} t USING (SELECT * FROM VALUES ({keys[0]}), ({keys[1]}), ({keys[2]}), (null) AS s(k)) s "
            "ON t.k <=> s.k WHEN MATCHED AND t.v = 'a' THEN DELETE WHEN MATCHED THEN UPDATE SET v = 'm' "
            "WHEN NOT MATCHED THEN INSERT (k, v, d, p) VALUES (s.k, 'n', 0.5, 'x')"
        )

    def spark_overwrite(self) -> None:
        self.table.run(f"INSERT OVERWRITE {{t}} SELECT * FROM {{t}} WHERE NOT coalesce({self.predicate()}, false)")

    def spark_replace(self) -> None:
        frame = self.table.spark.createDataFrame(self.arrow([(2, "r", 0.5, "x")] * self.choice.randint(1, 2)))
        writer = frame.write.format("delta").mode("overwrite").option("replaceWhere", "p = 'x' AND k = 2")
        writer.save(self.table.path)

    def spark_optimize(self) -> None:
        self.table.run("OPTIMIZE {t}")

    def spark_add_column(self) -> None:
        self.extra += 1
        self.table.run(f"ALTER TABLE {{t}} ADD COLUMN w{self.extra} INT")

    def rs_append(self) -> None:
        write_deltalake(self.table.path, self.arrow(), mode="append", schema_mode="merge")

    def rs_merge(self) -> None:
        keys = self.choice.sample(range(8), 3)
        source = self.arrow([(key, "m", 0.5, "x") for key in (*keys, None)])
        merge = DeltaTable(self.table.path).merge(source, '(t."k" IS NOT DISTINCT FROM s."k")', "s", "t")
        merge = merge.when_matched_delete(predicate="t.v = 'b'").when_matched_update(updates={"v": "s.v"})
        merge.when_not_matched_insert(updates={name: f"s.{name}" for name in NAMES}).execute()

    def rs_delete(self) -> None:
        DeltaTable(self.table.path).delete(self.predicate())

    def rs_update(self) -> None:
        # Not to 0.0: deltalake's UPDATE records no change for a row whose -0.0 becomes 0.0.
        updates = self.choice.choice([{"v": "'u'"}, {"v": "v"}, {"d": "cast(2.5 as double)"}])
        DeltaTable(self.table.path).update(predicate=self.predicate(), updates=updates)

    def rs_overwrite(self) -> None:
        write_deltalake(self.table.path, self.arrow(), mode="overwrite", schema_mode="merge")

    def rs_replace(self) -> None:
        rows = self.arrow([(self.choice.randint(0, 3), "r", None, "x")])
        write_deltalake(self.table.path, rows, mode="overwrite", predicate="p = 'x'", schema_mode="merge")

    def rs_optimize(self) -> None:
        DeltaTable(self.table.path).optimize.compact()

    def rs_marker(self) -> None:
        table = DeltaTable(self.table.path)
        properties = CommitProperties(custom_metadata={"userMetadata": "marker"})
        table.create_write_transaction([], "append", table.schema(), commit_properties=properties)


def differ(spark: SparkSession, folder: Path, name: str, seed: int, commits: int, ranges: int) -> None:
    print(f"table {name}, seed {seed}")
    choice = random.Random(f"{name}/{seed}")
    properties, part, parts = TABLES[name]
    table = SparkTable(spark, folder, COLUMNS, properties, part)
    committer = Committer(table, parts, choice)
    acts = committer.spark + ([] if name == "mapped" else committer.deltalake * 2)
    acts += committer.rewriting if not name.startswith(("vectors", "mapped")) else []
    committer.spark_append()
    done = ["append"]
    for _ in range(commits):
        act = choice.choice(acts)
        act()
        done.append(f"{act.__name__} -> {table.version}")  # type: ignore[attr-defined]
    print("; ".join(done))
    for _ in range(ranges):
        since, until = sorted(choice.sample(range(table.version + 1), 2))
        print(f"range {since} to {until}")
        table.check(since, until)
    table.check(0)


@pytest.mark.parametrize("name", TABLES)
def test_any_range_of_random_commits(spark: SparkSession, tmp_path: Path, name: str) -> None:
    differ(spark, tmp_path / "t", name, seed=20261121, commits=8, ranges=4)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("name", TABLES)
def test_any_range_of_many_random_commits(spark: SparkSession, tmp_path: Path, name: str, seed: int) -> None:
    differ(spark, tmp_path / "t", name, seed=seed, commits=20, ranges=12)
