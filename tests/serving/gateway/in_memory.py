"""A query service without an engine: a few fixed statements over Arrow tables, row by row of who asks."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from lakehouse.catalog.principal import Principal, PrincipalKind
from lakehouse.errors import AccessRefused, UsageError
from lakehouse.serving.gateway.query_service import EngineFailed, QueryResult, TableEntry

ANA, BOB = Principal(PrincipalKind.USER, "ana@corp"), Principal(PrincipalKind.USER, "bob@corp")
PEOPLE = {str(principal): principal for principal in (ANA, BOB)}
ORDERS = pa.schema([("id", pa.int64()), ("owner", pa.string())])


class InMemoryService:
    """`SELECT * FROM orders` gives rows of the principal's own; other statements do what their words say."""

    def __init__(self) -> None:
        self.cancelled: list[str] = []
        self.closed = threading.Event()
        self.released = threading.Event()
        self.texts: list[str] = []
        self._stop = threading.Event()

    def execute(self, principal: Principal, text: str, query_id: str) -> QueryResult:
        self.texts.append(text)
        schema = self.schema_of(principal, text)
        return QueryResult(schema=schema, batches=self._rows(principal, text, query_id), tables=("gold.orders",))

    def schema_of(self, principal: Principal, text: str) -> Any:
        if "secret" in text:
            raise AccessRefused("table 'secret' does not exist.")
        if "broken" in text:
            raise EngineFailed(condition="DIVIDE_BY_ZERO", sql_state="22012")
        if "DROP" in text:
            raise UsageError("only queries can be run here.")
        if "bug" in text:
            raise KeyError("/var/warehouse/hidden")
        if "slow plan" in text:
            time.sleep(1)
        return ORDERS

    def parameter_types(self, principal: Principal, text: str) -> Sequence[Any]:
        return [None] * text.count("?")

    def catalogs(self, principal: Principal) -> Sequence[str]:
        return ["main"]

    def schemas(self, principal: Principal) -> Sequence[tuple[str, str]]:
        return [("main", "gold"), ("main", "silver")] if principal == ANA else [("main", "gold")]

    def tables(self, principal: Principal, *, with_columns: bool) -> Sequence[TableEntry]:
        columns = ORDERS if with_columns else None
        found = [TableEntry(catalog="main", schema="gold", name="orders", columns=columns)]
        if principal == ANA:
            found.append(TableEntry(catalog="main", schema="silver", name="raw_orders", kind="VIEW"))
        return found

    def cancel(self, query_id: str) -> None:
        self.cancelled.append(query_id)
        self._stop.set()

    def _rows(self, principal: Principal, text: str, query_id: str) -> Iterator[Any]:
        try:
            wanted = re.search(r"LIMIT (\d+)", text)
            batches = int(wanted.group(1)) if wanted else 2
            for number in range(batches):
                if "fails late" in text and number == 1:
                    raise KeyError("/var/warehouse/hidden")
                if "stuck" in text and number == 1:
                    self._stop.wait(20)
                    raise EngineFailed(condition="CANCELLED", sql_state=None)
                if "deaf" in text and number == 1:
                    self.released.wait(60)
                yield pa.record_batch([[number], [str(principal)]], schema=ORDERS)
        finally:
            self.closed.set()
