"""Which connections use the Spark of this process, so that the last of them can end what the first one started."""

from __future__ import annotations

import sys
from weakref import WeakSet


class SparkUse:
    """The users of one Spark. A Spark that ran before the first of them came is not theirs to end."""

    def __init__(self) -> None:
        self._users: WeakSet[object] = WeakSet()
        self._is_ours = False

    def begin(self, user: object) -> None:
        """To be called before `user` may start Spark."""
        if not self._users:
            self._is_ours = not _spark_runs()
        self._users.add(user)

    def end(self, user: object) -> None:
        """`user` needs Spark no longer."""
        was_using = user in self._users
        self._users.discard(user)
        if was_using and not self._users and self._is_ours and _spark_runs():
            from lakehouse.storage.session import stop_session  # imports pyspark, which is there by now

            stop_session()


def _spark_runs() -> bool:
    # Asked without importing pyspark: where it is not imported, no Spark runs.
    pyspark = sys.modules.get("pyspark")
    context = pyspark.SparkContext._active_spark_context if pyspark else None
    return context is not None and context._jsc is not None
