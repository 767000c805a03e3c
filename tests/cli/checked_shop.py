"""A small project with expectations of every kind, built by real runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lakehouse.run.outcome import RunOutcome
from lakehouse.run.pipeline import run_pipeline
from lakehouse.run.request import RunRequest
from lakehouse.run.workspace import Workspace

SPEC = """\
name: shop
database: silver
libraries: [{glob: {include: tables/**}}]
configuration: {spark.sql.shuffle.partitions: '1', spark.sql.adaptive.enabled: 'false'}
"""
ORDERS = """\
streaming_table: bronze.orders
source: {files: landing/*.csv, format: csv, options: {header: true}, schema: "id BIGINT, amount BIGINT, country STRING"}
expectations:
  - {name: has_amount, expect: amount IS NOT NULL, on_violation: drop}
  - {name: plausible, expect: amount < 100, on_violation: quarantine}
  - {name: even, expect: amount % 2 = 0}
  - name: known_country
    expect_column_values_to_be_in_set: {column: country, value_set: ["NO", SE], mostly: 0.5}
    severity: warning
  - {name: one_row_an_id, expect_column_values_to_be_unique: {column: id}}
"""
REVENUE = """\
materialized_view: gold.revenue
query: SELECT country, sum(amount) AS revenue, count(*) AS orders FROM bronze.orders GROUP BY country
expectations:
  - {name: positive, expect: revenue > 0}
  - {name: biggest, expect_column_max_to_be_between: {column: revenue, max_value: 1000}, on_violation: fail}
  - name: of_an_order
    expect_column_values_to_be_in_table_column: {column: country, references: bronze.orders.country}
  - {name: typical, expect_column_value_z_scores_to_be_less_than: {column: revenue, threshold: 3, double_sided: true}}
  - name: unlike_words
    unexpected_rows_expectation: {unexpected_rows_query: "SELECT * FROM {batch} WHERE length(country) > 2"}
  - {name: not_worse, expect_table_no_worse_than_last_version: {row_count: 0.1}}
"""
PLAIN = """\
materialized_view: gold.plain
query: SELECT DISTINCT country FROM bronze.orders
"""


class CheckedShop:
    """The project in a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("tables", "landing"):
            (root / folder).mkdir()
        (root / "spark-pipeline.yml").write_text(SPEC)
        self.declare()

    def declare(self, orders: str = ORDERS, revenue: str = REVENUE) -> None:
        """Writes the definitions."""
        (self.root / "tables/shop.yml").write_text("---\n".join((orders, revenue, PLAIN)))

    def deliver(self, name: str, *rows: str) -> None:
        """A file of orders lands."""
        (self.root / "landing" / f"{name}.csv").write_text("\n".join(["id,amount,country", *rows]) + "\n")

    def run(self, **request: Any) -> RunOutcome:
        """One run, as a start of the command."""
        outcome = run_pipeline(Workspace(self.root), RunRequest(**request), lambda event: None)
        for step in outcome.steps:
            if step.error is not None:
                raise step.error
        return outcome

    def recorded(self, origin: str = "check") -> list[dict[str, Any]]:
        """The rows of `system/expectations`."""
        return [row for row in Workspace(self.root).warehouse.expectations.rows() if row["origin"] == origin]
