"""The change of a table's rows as a value: what is to be removed, and what is to be added."""

from __future__ import annotations

from enum import Enum

CHANGE = "_change"  # the column of a change set that says what becomes of a row


class Change(str, Enum):
    """What becomes of a row of a change set.

    With a unique key: DELETE removes the table's row of the same key, UPDATE replaces it, INSERT adds a row whose key
    the table does not have. Without one: REMOVE removes every row that is equal in all columns (its other columns
    hold those values), INSERT adds the row, and the removals come first.
    """

    DELETE = "delete"
    UPDATE = "update"
    INSERT = "insert"
    REMOVE = "remove"
