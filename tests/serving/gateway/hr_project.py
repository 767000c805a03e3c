"""The tables of `guarded_tables` as a published project, with rules that give ana what its views give: written without
Spark, so that a gateway of another process may be the first to read it."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path

import pyarrow as pa
from deltalake import write_deltalake

from lakehouse.definition.spec_file import read_spec
from lakehouse.names import TableName
from lakehouse.plan.records import Publication, PublishedTable, RefreshRecord
from lakehouse.run.delta_warehouse import DeltaWarehouse
from tests.serving.guarded_tables import EMP, PARTITIONED_BY, TABLES

SPEC = """\
name: hr
database: default
access: access.yml
libraries:
  - glob: {include: tables/**}
"""

RULES = """\
principals:
  users: {ana@corp: {}, bob@corp: {}, root@corp: {}}
  groups: {readers: [ana@corp]}
metastore: {owner: root@corp}
securables:
  spark_catalog: {grants: {"account users": [USE CATALOG]}}
  hr: {grants: {"group:readers": [USE SCHEMA], bob@corp: [USE SCHEMA]}}
  hr.dept:
    grants: {"group:readers": [SELECT], bob@corp: [SELECT]}
    row_filter: {using: "dept = 'd0' OR current_user() = 'ana@corp'"}
  hr.emp:
    grants: {"group:readers": [{SELECT: {columns: [id, name, region, dept, ssn, addr]}}]}
    row_filter: {using: "region = 'EU'"}
    columns:
      ssn: {mask: {using: hr.hashed(val)}}
      addr: {mask: {using: "named_struct('city', val.city, 'zip', '***')"}}
  hr.emp_view:
    grants: {"group:readers": [{SELECT: {columns: [id, name, ssn]}}]}
    row_filter: {using: "region = 'EU'"}
    columns: {ssn: {mask: {using: "sha2(val, 256)"}}}
  hr.staff:
    grants: {"group:readers": [{SELECT: {columns: [id, region, dept]}}]}
    row_filter: {using: "dept = 'd0'"}
functions:
  hr.hashed: {parameters: [text], body: "sha2(text, 256)"}
...
"""
"""`emp_view` is a table here: the rows of `emp`, twice, under the rules of `emp`."""

EMP_VIEW = pa.concat_tables([EMP, EMP]).select(["id", "name", "ssn", "region"])


def make_hr_project(root: Path) -> Path:
    """Makes the project in `root`, which must not exist, and its one publication. Returns `root`."""
    (root / "tables").mkdir(parents=True)
    (root / "spark-pipeline.yml").write_text(SPEC)
    (root / "access.yml").write_text(RULES)
    tables = {**TABLES, "emp_view": EMP_VIEW}
    (root / "tables" / "tables.sql").write_text(
        "".join(f"CREATE MATERIALIZED VIEW hr.{name} AS SELECT 1 AS id;\n" for name in tables)
    )
    warehouse = DeltaWarehouse(read_spec(root, target=None, variables={}))
    published = {}
    for bare, rows in tables.items():
        name = TableName("hr", bare)
        write_deltalake(warehouse.location(name), rows, partition_by=PARTITIONED_BY.get(bare))
        record = RefreshRecord(
            project="hr",
            dataset=str(name),
            run="run1",
            epoch=1,
            mode="full",
            fingerprint=f"print of {name}",
            layout="",
            settings="",
            reads={},
            views={},
        )
        published[name] = PublishedTable(name=name, version=0, record=record)
    at = datetime(2026, 3, 1, 12, 0, tzinfo=timezone.utc)
    warehouse.publish(Publication(sequence=1, run="run1", published_at=at, tables=published))
    return root
