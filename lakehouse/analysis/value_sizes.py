"""How large the values are that a query makes, told from its plan alone.

`repeat('x', 1000000000)` is made before anyone could look at its size, and Spark makes it while it analyses the query.
So what a query makes is bounded beforehand, by small Java classes (value_bounds.java, expression_sizes.java,
value_sizes.java) that go through its expressions: of each they take the most bytes it can have from those of its
arguments, and from the range of a number that says how often. A size that cannot be told counts as too large. A stored
value has no such bound: it counts as STORED bytes, so what is bounded is by how much a query can multiply it.
"""

from __future__ import annotations

from typing import Any

from lakehouse.analysis.java_source import compiled_class, java_array
from lakehouse.analysis.query_vocabulary import GROWTH

STORED = 4 << 10
"""Bytes that a stored text is taken to have. A query may make MOST_VALUE / STORED times as much of one."""

GATHERED = 64
"""Rows that an aggregate which gathers values (`collect_list`, `listagg`) is taken to gather."""

MOST_VALUE = 64 << 20
"""Bytes of one value."""

MOST_ROW = 256 << 20
"""Bytes of one row of the answer."""

MOST_STEPS = 100_000_000
"""How often lambdas may be evaluated for one row: Spark cannot be interrupted there."""

_MOST_VISITS = 400_000


def value_sizes(gateway: Any) -> Any:
    """A Java `Supplier` of functions from an expression or plan to what of it grows too large, or null."""
    limits = (STORED, GATHERED, MOST_VALUE, MOST_ROW, MOST_STEPS)
    made = compiled_class(
        gateway.jvm,
        ("value_bounds.java", "ValueBounds"),
        ("expression_sizes.java", "ExpressionSizes"),
        ("value_sizes.java", "ValueSizes"),
    )
    return made.newInstance(java_array(gateway, "\n".join(GROWTH), *map(float, limits), _MOST_VISITS))
