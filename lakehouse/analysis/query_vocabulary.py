"""What a query through the gate may be made of: classes of plans and expressions, functions, table functions.

Allow-lists: whatever is not here is refused, so a later Spark brings nothing in unseen. The lists of names are text
files beside this module. Left out on purpose are functions that call Java methods, read files or descriptors, tell of
the server, its user or of input files, raise errors with a text of one's own, or take options that name files.
"""

from __future__ import annotations

from importlib.resources import files


def _lines(name: str) -> list[list[str]]:
    text = files("lakehouse.analysis").joinpath(name).read_text(encoding="utf-8")
    return [line.split() for line in text.splitlines() if line and not line.startswith("#")]


_CLASSES = _lines("query_classes.txt")

PARSED_CLASSES = frozenset(name for stage, name in _CLASSES if stage in {"parsed", "both"})
"""Java classes that may stand in a plan as the parser makes it."""

ANALYSED_CLASSES = frozenset(name for stage, name in _CLASSES if stage in {"analysed", "both"})
"""Java classes that may stand in a plan after analysis."""

FUNCTIONS = frozenset(name for (name,) in _lines("query_functions.txt"))
"""Built-in functions, aggregates, window functions and generators, in lower case."""

TABLE_FUNCTIONS = frozenset(
    {
        "collations", "explode", "explode_outer", "inline", "inline_outer", "json_tuple", "posexplode",
        "posexplode_outer", "range", "sql_keywords", "stack", "variant_explode", "variant_explode_outer",
    }
)  # fmt: skip
"""Functions that may stand where a table does; all work on their arguments alone."""

GROWTH = tuple(" ".join(words) for words in _lines("value_growth.txt"))
"""A number, and names of functions whose values are at most that many times as large as their arguments together."""

CALLED_METHODS = ("org.apache.spark.sql.catalyst.", "org.apache.spark.unsafe.", "org.apache.spark.sql.types.")
"""Where the Java methods are that admitted functions are made of once analysed."""
