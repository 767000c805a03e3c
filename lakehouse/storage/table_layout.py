"""Bringing an existing table's properties, comment and clustering in line with what is declared.

Each is a metadata commit of its own before the refresh that follows; none of them changes a row or what readers of a
publication see, so a crash between them is repaired by the next run.
"""

from __future__ import annotations

from typing import Any

from pyspark.sql import SparkSession

from lakehouse.storage.staged_write import TableWrite


def align_layout(session: SparkSession, write: TableWrite) -> None:
    """Alters the table at `write.path` where its properties, comment or clustering differ from `write`.

    Properties that Delta keeps for itself are left alone. Raises what Delta raises for an illegal property.
    """
    table = f"delta.`{write.path}`"
    detail: Any = session.sql(f"DESCRIBE DETAIL {table}").first()
    current: dict[str, str] = dict(detail["properties"] or {})
    wanted = dict(write.properties)
    changed = {key: value for key, value in wanted.items() if current.get(key) != value}
    if changed:
        pairs = ", ".join(f"{_literal(key)} = {_literal(value)}" for key, value in changed.items())
        session.sql(f"ALTER TABLE {table} SET TBLPROPERTIES ({pairs})")
    gone = [key for key in current if key not in wanted and not key.startswith("delta.")]
    if gone:
        session.sql(f"ALTER TABLE {table} UNSET TBLPROPERTIES IF EXISTS ({', '.join(map(_literal, gone))})")
    if (detail["description"] or None) != write.comment:
        session.sql(f"COMMENT ON TABLE {table} IS {_literal(write.comment) if write.comment else 'NULL'}")
    if list(detail["clusteringColumns"] or []) != list(write.cluster_by) and not detail["partitionColumns"]:
        columns = ", ".join(f"`{column}`" for column in write.cluster_by)
        session.sql(f"ALTER TABLE {table} CLUSTER BY {f'({columns})' if columns else 'NONE'}")


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
