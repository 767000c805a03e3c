"""A small project whose tables are there as if runs had published them: three publications, written without Spark."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pyarrow as pa
from deltalake import write_deltalake

from lakehouse.definition.spec_file import read_spec
from lakehouse.names import TableName
from lakehouse.plan.records import Publication, PublishedTable, RefreshRecord
from lakehouse.run.delta_warehouse import DeltaWarehouse

FIRST_AT = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)
ORDERS, TOTALS = TableName("silver", "orders"), TableName("gold", "totals")

SPEC = "name: shop\ncatalog: main\ndatabase: silver\nlibraries:\n  - glob: {include: tables/**}\n"
TABLES = """
CREATE MATERIALIZED VIEW silver.orders AS SELECT * FROM raw.orders;
CREATE MATERIALIZED VIEW gold.totals COMMENT 'Sums <b>per customer</b>' AS
  SELECT customer, sum(amount) AS total FROM paid GROUP BY customer;
CREATE MATERIALIZED VIEW gold.later AS SELECT * FROM gold.totals;
CREATE TEMPORARY VIEW paid AS SELECT * FROM orders WHERE amount > 0;
"""


class Shop:
    """The project in `root`; `publish` does what a run that refreshed these tables would leave behind."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "tables").mkdir(parents=True)
        (root / "spark-pipeline.yml").write_text(SPEC)
        (root / "tables" / "tables.sql").write_text(TABLES)
        (root / "tables" / "raw.yml").write_text("external_table: raw.orders\nlocation: raw/orders\n")
        self.warehouse = DeltaWarehouse(read_spec(root, target=None, variables={}))
        self._published = 0

    def write(self, name: TableName, rows: pa.Table, comment: str | None = None) -> None:
        """Replaces the table's rows by a new version."""
        write_deltalake(
            self.warehouse.location(name), rows, mode="overwrite", schema_mode="overwrite", description=comment
        )

    def publish(self, versions: Mapping[TableName, int], reads: Mapping[TableName, Mapping[str, int]]) -> None:
        """The next publication."""
        self._published += 1
        run = f"run{self._published}"
        now = FIRST_AT + timedelta(days=self._published - 1)
        tables = {}
        for name, version in versions.items():
            record = RefreshRecord(
                project="shop",
                dataset=str(name),
                run=run,
                epoch=version + 1,
                mode="full",
                fingerprint=f"print of {name}",
                layout="",
                settings="",
                reads=dict(reads.get(name, {})),
                views={"paid": "print of paid"} if name == TOTALS else {},
            )
            tables[name] = PublishedTable(name=name, version=version, record=record)
        self.warehouse.publish(Publication(sequence=self._published, run=run, published_at=now, tables=tables))
        self._record(run, now, list(versions))

    def _record(self, run: str, now: datetime, names: list[TableName]) -> None:
        row = {"run": run, "project": "shop", "status": "running", "started_at": now}
        ended = {"ended_at": now + timedelta(seconds=2), "seconds": 2.0}
        self.warehouse.runs.append([row])
        self.warehouse.runs.append([{**row, **ended, "status": "succeeded", "publication": self._published}])
        why = {"status": "refreshed", "mode": "full", "reason_code": "first_refresh", "reason": "there is no table yet"}
        self.warehouse.refreshes.append([{**row, **ended, **why, "dataset": str(name)} for name in names])

    def trace(self, dataset: TableName, column: str, source: str | None, kind: str, fingerprint: str = "") -> None:
        """One row of `system/lineage`."""
        table, _, source_column = (source or "").rpartition(".")
        self.warehouse.record_lineage(
            [
                {
                    "dataset": str(dataset),
                    "fingerprint": fingerprint or f"print of {dataset}",
                    "column_name": column,
                    "source_dataset": table or None,
                    "source_column": source_column or None,
                    "kind": kind,
                    "recorded_at": FIRST_AT,
                }
            ]
        )


def orders(*rows: tuple[str, int]) -> pa.Table:
    return pa.table({"customer": [row[0] for row in rows], "amount": pa.array([row[1] for row in rows], pa.int64())})


def totals(*rows: tuple[str, int]) -> pa.Table:
    return pa.table({"customer": [row[0] for row in rows], "total": pa.array([row[1] for row in rows], pa.int64())})
