"""The statements about access that were made in a project, in the order they were made: `system/access`.

Rows are added, never changed or removed (`delta.appendOnly`); a row's sequence is one more than that of the row before
it. The commit carries the sequence as the project's transaction identifier and is based on the version of the table
that was read, so that of two writers who follow the same row only one commits (Delta protocol: "Transaction
Identifiers"; two concurrent commits with one application id conflict).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import CommitFailedError, DeltaError

from lakehouse.errors import AccessRefused
from lakehouse.storage.small_table import arrow_table, open_table, read_rows
from lakehouse.storage.system_tables import SCHEMAS

_NAME = "access"
_COMPACT_EVERY = 50
_MOST_ATTEMPTS = 20


@dataclass(frozen=True, slots=True)
class LedgerStatement:
    """A recorded statement: its place from 1, who made it (kind and name, as `user:ana@corp`), when, and its text."""

    sequence: int
    principal: str
    stated_at: datetime
    text: str


class AccessLedger:
    """The statements of one project."""

    def __init__(self, warehouse: str, project: str) -> None:
        self.location = f"{warehouse}/system/{_NAME}"
        self._project = project
        self._application = f"lakehouse/{project}/access"

    def sequence(self) -> int:
        """The place of the last statement; 0 if there is none. Reads no rows."""
        table = open_table(self.location)
        return self._sequence(table)

    def statements(self) -> tuple[LedgerStatement, ...]:
        """All statements, in order.

        Raises AccessRefused if any is missing, twice there, or incomplete: rules that are not whole allow nothing.
        """
        table = open_table(self.location)
        if table is None:
            return ()
        expected = self._sequence(table)
        there = {field.name for field in table.schema().fields}
        if not there.issuperset(SCHEMAS[_NAME]):
            raise self._unreadable("its columns are not those that were written")
        rows = read_rows(table, list(SCHEMAS[_NAME]), [("project", "=", self._project)])
        found = sorted((self._statement(row) for row in rows), key=lambda each: each.sequence)
        if [each.sequence for each in found] != list(range(1, expected + 1)):
            raise self._unreadable("statements are missing or there twice")
        return tuple(found)

    def append(self, statement: LedgerStatement) -> bool:
        """Records a statement after the one before its sequence; False if another one has taken its place."""
        row = {
            "project": self._project,
            "sequence": statement.sequence,
            "previous": statement.sequence - 1,
            "principal": statement.principal,
            "stated_at": statement.stated_at,
            "statement": statement.text,
        }
        batch = arrow_table(SCHEMAS[_NAME], [row])
        commit = CommitProperties(app_transactions=[Transaction(app_id=self._application, version=statement.sequence)])
        attempt = 0
        while True:
            table = open_table(self.location) or self._created()
            if self._sequence(table) != statement.sequence - 1:
                return False
            try:
                write_deltalake(table, batch, mode="append", commit_properties=commit)
            except CommitFailedError:
                # Not always for a statement: the table may be made, or written by another project, at this moment.
                attempt += 1
                if attempt == _MOST_ATTEMPTS:
                    raise
                continue
            self._compact_now_and_then(statement.sequence)
            return True

    def _created(self) -> DeltaTable:
        # Empty: a first row that came with the table would not conflict with another writer's.
        schema = arrow_table(SCHEMAS[_NAME], []).schema
        try:
            return DeltaTable.create(self.location, schema, mode="ignore", configuration={"delta.appendOnly": "true"})
        except DeltaError:
            found = open_table(self.location)
            if found is None:
                raise
            return found  # another writer made it

    def _sequence(self, table: DeltaTable | None) -> int:
        return int((table.transaction_version(self._application) if table else None) or 0)

    def _statement(self, row: Mapping[str, Any]) -> LedgerStatement:
        incomplete = [name for name in SCHEMAS[_NAME] if row[name] is None]
        if incomplete or row["previous"] != row["sequence"] - 1:
            raise self._unreadable(f"statement {row['sequence']} is incomplete")
        return LedgerStatement(row["sequence"], row["principal"], row["stated_at"], row["statement"])

    def _unreadable(self, why: str) -> AccessRefused:
        return AccessRefused(
            f"the rules of access of '{self._project}' cannot be read from system/{_NAME}: {why}.",
            hint="Nothing is allowed until it is repaired.",
        )

    def _compact_now_and_then(self, sequence: int) -> None:
        # Every statement leaves a small file; without this a read would open them all.
        if sequence % _COMPACT_EVERY == 0:
            table = DeltaTable(self.location)
            try:
                table.optimize.compact()
            except CommitFailedError:
                return  # someone writes at this moment; the next one compacts
            table.create_checkpoint()
