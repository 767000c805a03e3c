"""What the tests of change feeds share: tables that Spark or deltalake commits to, and bags of rows to compare."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import TimestampType

from lakehouse.plan.table_change import TableChange
from lakehouse.storage.change_feed import ChangeFeed, read_change_feed
from lakehouse.storage.commit_log import CommitLog
from lakehouse.storage.table_changes import read_table_change

FEED = {"delta.enableChangeDataFeed": "true"}
VECTORS = {**FEED, "delta.enableDeletionVectors": "true"}
MAPPED = {**FEED, "delta.columnMapping.mode": "name"}
KINDS = {
    "plain": FEED,
    "vectors": VECTORS,
    "mapped": MAPPED,
    "no feed": {},
    "vectors, no feed": {"delta.enableDeletionVectors": "true"},
}


class SparkTable:
    """A Delta table in a folder; `run` makes commits with `{t}` standing for it."""

    def __init__(
        self, spark: SparkSession, folder: Path, columns: str, properties: dict[str, str] | None = None, part: str = ""
    ) -> None:
        self.spark = spark
        self.path = str(folder)
        listed = ", ".join(
            f"'{key}' = '{value}'" for key, value in (FEED if properties is None else properties).items()
        )
        self.run(f"CREATE TABLE {{t}} ({columns}) USING delta {part} {f'TBLPROPERTIES ({listed})' if listed else ''}")

    def run(self, statement: str) -> int:
        """One SQL statement; the version it led to."""
        self.spark.sql(statement.replace("{t}", f"delta.`{self.path}`"))
        return self.version

    @property
    def version(self) -> int:
        return CommitLog(self.path).newest()

    def at(self, version: int) -> DataFrame:
        return self.spark.read.format("delta").option("versionAsOf", version).load(self.path)

    def change(self, since: int, until: int | None = None) -> TableChange:
        found = read_table_change(self.path, since, self.version if until is None else until)
        assert found.obstacle is None, found.obstacle_text
        return found

    def feed(self, since: int, until: int | None = None) -> ChangeFeed:
        return read_change_feed(self.spark, self.path, self.change(since, until))

    def check(self, since: int, until: int | None = None) -> TableChange:
        """The feed, applied to the earlier version, gives the later one; it is netted, and says so rightly."""
        change = self.change(since, until)
        feed = read_change_feed(self.spark, self.path, change)
        after = self.at(change.to_version)
        assert [(f.name, f.dataType) for f in feed.frame.schema.fields[:-1]] == [
            (f.name, f.dataType) for f in after.schema.fields
        ]
        assert feed.frame.schema.fields[-1].simpleString() == "__w:int"
        signed, wanted = bag(feed.frame), bag(after)
        held = feed.frame.count()
        inserts_only = all(weight > 0 for weight in signed.values())
        feed.close()
        assert (len(signed), 0 in signed.values(), feed.rows) == (held, False, held)
        assert feed.inserts_only == inserts_only
        assert change.rows is None or sum(map(abs, signed.values())) <= change.rows
        assert change.changes_rows or not signed
        assert not change.append_only or inserts_only
        before = self.at(change.from_version)
        for column in after.schema.fields:
            if column.name not in before.columns:
                before = before.withColumn(column.name, F.lit(None).cast(column.dataType))
        found = bag(before.select(*(F.col(f"`{name}`") for name in after.columns)))
        found.update(signed)
        found.subtract(wanted)
        wrong = {row: count for row, count in found.items() if count}
        assert not wrong, f"{change.from_version} to {change.to_version}: {wrong}"
        return change


def bag(frame: DataFrame) -> Counter[str]:
    """The rows with their multiplicity (`__w` if there is such a column): NaN is one value, -0.0 and 0.0 are two."""
    found: Counter[str] = Counter()
    # As numbers: Python has neither all instants nor the hour that daylight saving time repeats.
    instants = {field.name for field in frame.schema.fields if isinstance(field.dataType, TimestampType)}
    columns = [F.col(f"`{name}`") for name in frame.columns]
    chosen = [
        F.unix_micros(column).alias(name) if name in instants else column
        for name, column in zip(frame.columns, columns, strict=True)
    ]
    for row in frame.select(*chosen).collect():
        values = row.asDict(recursive=True)
        weight = values.pop("__w", 1)
        found[repr(values)] += weight
    return found
