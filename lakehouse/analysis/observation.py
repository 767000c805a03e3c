"""What Spark observed of rows on their way (`CollectMetrics`), without waiting for what will never come."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from pyspark.sql import Observation

_PATIENCE = 5.0  # seconds after the end of the action; Spark tells its listeners a moment later


def observed(observation: Observation, patience: float = _PATIENCE) -> Mapping[str, Any] | None:
    """The metrics of an observation whose action has ended, by name; None if Spark does not tell them.

    Where the optimiser proves that no row passes, it removes the node: then the row of metrics never comes, and
    `Observation.get` blocks for ever, or it is a row without columns, which Python cannot read. Not to be asked after
    an action that failed: what it counted until then looks like the whole.
    """
    future: Any = observation._jo.future()  # type: ignore[union-attr]
    until = time.monotonic() + patience
    while not future.isCompleted():
        if time.monotonic() > until:
            return None
        time.sleep(0.01)
    row: Any = observation._jo.getRow()  # type: ignore[union-attr]
    return dict(observation.get) if row.schema() is not None and row.length() else None
