"""A principal's isolated session by hand: the tables of `guarded_tables` in a database nobody can name, secured views
over them, and the gate before it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deltalake import write_deltalake
from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from lakehouse.analysis.query_gate import REQUIRED_SETTINGS, Gate, redacted
from lakehouse.names import TableName
from lakehouse.storage.session import isolated_session
from tests.serving.guarded_tables import PARTITIONED_BY, TABLES, VIEWS

RAW = "r_5d41c2"
SECURED = frozenset(TableName("hr", name) for name in VIEWS)
_KNOWN = {(view.schema, view.name) for view in SECURED}


@dataclass(frozen=True)
class Guarded:
    """The session behind the gate, the gate, and the folder of the table `emp`."""

    session: SparkSession
    gate: Gate
    path: str

    def text(self, sql: str) -> str:
        """A statement with its placeholders filled in."""
        return sql.format(raw=RAW, RAW=RAW.upper(), path=self.path)

    def known(self, name: tuple[str, ...]) -> bool:
        """What the principal may know of."""
        return (name[1:] if name[:1] == ("spark_catalog",) else name) in _KNOWN

    def answer(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query through the gate. QueryRefused, or GateError for Spark's errors."""
        frame = self.gate.frame(self.gate.admit(self.text(sql), self.known))
        self.gate.check(frame, SECURED)
        try:
            return [_plain(row) for row in frame.collect()]
        except (PySparkException, Py4JError) as error:
            raise redacted(error) from None


def guard(spark: SparkSession, folder: Path) -> Guarded:
    """Write the tables into the folder, and open a session with the views over them."""
    session = isolated_session(spark, {**REQUIRED_SETTINGS, "spark.sql.warehouse.dir": str(folder / "warehouse")})
    session.sql(f"CREATE DATABASE {RAW}")
    session.sql("CREATE DATABASE hr")
    for name, rows in TABLES.items():
        write_deltalake(folder / name, rows, partition_by=PARTITIONED_BY.get(name))
        session.sql(f"CREATE TABLE {RAW}.{name} USING delta LOCATION '{folder / name}'")
    for name, query in VIEWS.items():
        session.sql(f"CREATE VIEW hr.{name} AS {query.format(raw=RAW)}")
    return Guarded(session, Gate(session), str(folder / "emp"))


def _plain(value: Any) -> Any:
    """Rows as tuples, at any depth."""
    if isinstance(value, tuple):
        return tuple(_plain(part) for part in value)
    return [_plain(part) for part in value] if isinstance(value, list) else value
