"""The change of a table's rows as a value: what is to be removed, and what is to be added."""

from __future__ import annotations

from enum import Enum

CHANGE = "_change"  # the column of a change set that says what becomes of a row


class Change(str, Enum):
    """What becomes of a row of a change set. Values are compared null-safely: NULL equals NULL, NaN equals NaN.

    With a unique key, no two rows of a change set have the same key. DELETE removes the table's row of that key, if
    there is one. UPDATE makes that row this one, and adds it where the table has none; a row that is already as the
    change wants it is left alone. INSERT adds the row unseen: who writes it knows that the table does not have its
    key; who does not know writes UPDATE.

    Without a key: REMOVE removes every row that is equal in all columns (once or several times, the rest is the
    same), INSERT adds the row, and the removals come first.
    """

    DELETE = "delete"
    UPDATE = "update"
    INSERT = "insert"
    REMOVE = "remove"


KEYED_CHANGES = (Change.DELETE, Change.UPDATE, Change.INSERT)
BAG_CHANGES = (Change.REMOVE, Change.INSERT)
