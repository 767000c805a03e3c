"""Walking a whole plan in one call: a small Java class, compiled in Spark's own JVM, reads what Python would have to
ask for node by node (some 40 µs each; the walk itself takes a millisecond or two).

The walk reaches everything that a plan holds: children, subqueries, table expressions, arguments, lambda bodies,
options. It goes by what a node's class offers (`productIterator` and `children`), not by what is expected of it, and
ends at the first object whose class nobody admitted, so that a class of a later Spark cannot hide anything.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from lakehouse.analysis.java_source import compiled_class, java_array
from lakehouse.analysis.query_vocabulary import ANALYSED_CLASSES, PARSED_CLASSES
from lakehouse.analysis.value_sizes import value_sizes

DEEPEST = 250
"""Levels of brackets in a query's text, and of plans and expressions in each other."""

MOST_NODES = 200_000

_LOCK = threading.Lock()
_COMPILED: dict[int, Any] = {}  # the walk by the JVM's gateway: a process has one, tests may start another


@dataclass(frozen=True, slots=True)
class Fact:
    """What a node says of itself: its kind, the fact nearest above it (by position, -1: none), and its values.

    Kinds of a parsed plan: `relation` (plain | options, name parts…), `function` (plain | internal, name parts…),
    `tvf` (name parts…), `attribute` (name parts…),
    `copies` (of a row: grouping sets, windows that overlap; of registers, in thousands),
    `stars` (how many stand in a SELECT, if several), `with` (plain | recursive), `cte` (name), `body`.
    Of an analysed one: `view` (persistent | temporary | options, catalog, database, name), `metadata` (column),
    `static` and `invoke` (class, method), `untyped` (where a NULL stands in the text, the type that it gets there).
    """

    kind: str
    parent: int
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Walk:
    """What a walk found. `outcome`: walked | class (kind, class name) | deep | large | value (what makes a value that
    may grow too large) | error (condition, SQLSTATE).

    `facts` are in the order in which the walk came upon them, parents first; complete only for `walked`.
    """

    outcome: str
    details: tuple[str, ...] = ()
    facts: tuple[Fact, ...] = ()


def parse_and_walk(session: SparkSession, text: str) -> tuple[Any, Walk]:
    """The parsed plan (a JVM object; None unless `walked` or `class`) of a statement, and the walk over it.

    Nothing of it is looked up or run. The parser follows the settings of `session`, whichever session is active.
    """
    parse = _walk(session).parse(session._jsparkSession, text)
    return parse.plan(), _read(str(parse.report()))


def analysed_frame(session: SparkSession, plan: Any) -> DataFrame:
    """The frame of a parsed plan. Spark analyses it here, and would run it here if it were a command.

    Raises pyspark's exceptions for what Spark refuses.
    """
    return DataFrame(_walk(session).frame(session._jsparkSession, plan), session)


def walk_analysed(frame: DataFrame) -> Walk:
    """The walk over a frame's analysed plan, down to persistent views: what they hold was checked when they were
    made, and each is a fact."""
    return _read(str(_walk(frame.sparkSession).analysed(frame._jdf)))


def concrete_subclasses(session: SparkSession, names: list[str], above: str) -> list[str]:
    """Of these Java classes those that can be instantiated and are of the class `above`."""
    return [name for name in str(_walk(session).subclasses("\n".join(names), above)).split("\n") if name]


def _walk(session: SparkSession) -> Any:
    """The compiled walk of this session's JVM."""
    gateway: Any = session.sparkContext._gateway
    with _LOCK:
        if id(gateway) not in _COMPILED:
            _COMPILED.clear()  # a gateway that ended has nothing to offer
            _COMPILED[id(gateway)] = _compile(gateway)
        return _COMPILED[id(gateway)]


def _compile(gateway: Any) -> Any:
    walk = compiled_class(
        gateway.jvm,
        ("query_text.java", "QueryText"),
        ("plan_facts.java", "PlanFacts"),
        ("plan_walk.java", "PlanWalk"),
    )
    return walk.newInstance(
        java_array(
            gateway,
            "\n".join(sorted(PARSED_CLASSES)),
            "\n".join(sorted(ANALYSED_CLASSES)),
            MOST_NODES,
            DEEPEST,
            value_sizes(gateway),
        )
    )


def _read(report: str) -> Walk:
    first, _, rest = report.partition("\n")
    outcome, *details = first.split("\t")
    return Walk(outcome, tuple(map(_unescaped, details)), tuple(_facts(rest)))


def _facts(text: str) -> Iterator[Fact]:
    for line in text.split("\n"):
        if line:
            kind, parent, *values = line.split("\t")
            yield Fact(kind, int(parent), tuple(map(_unescaped, values)))


def _unescaped(value: str) -> str:
    if "\\" not in value:
        return value
    parts = value.split("\\\\")
    return "\\".join(part.replace("\\t", "\t").replace("\\n", "\n") for part in parts)
