"""The gate that a query of someone untrusted passes before Spark may run it: text in, refusal or frame out.

Two independent checks, both allow-lists. `admit` parses the text and refuses whatever is not a plain query over
relations that the caller may know of; nothing is resolved or run before that. `check` looks at the analysed plan: its
rows must come from the secured views or from the query itself. A class, function or object that neither list knows is
refused. An object that one may not know of is refused in the words for one that does not exist.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from math import prod
from typing import Any

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession

from lakehouse.analysis.plan_walk import Fact, Walk, analysed_frame, parse_and_walk, walk_analysed
from lakehouse.analysis.query_vocabulary import CALLED_METHODS, FUNCTIONS, TABLE_FUNCTIONS
from lakehouse.errors import GateError, GateReason, QueryRefused
from lakehouse.names import TableName

LONGEST = 64 * 1024
"""Bytes of a query's text in UTF-8."""

MOST_COMMENTS = 50
"""Comments in brackets: they nest, and Spark's lexer takes seconds for 250 levels of them, minutes for 1,000."""

MOST_COPIES = 5_000
"""Table expressions that a query is made of once each stands wherever it is read."""

MOST_STARS = 1 << 12
"""The numbers of stars in the SELECTs that have several, multiplied: as often a column may be there in the end."""

MOST_ROW_COPIES = 1 << 12
"""Grouping sets, and windows that overlap, each a copy of every row and a part of the plan, multiplied."""

REQUIRED_SETTINGS = {"spark.sql.runSQLOnFiles": "false", "spark.sql.variable.substitute": "false"}
"""Settings of a session that a gate can stand before: no reading by path, and `${env:…}` stays the text it is."""

_CATALOG = "spark_catalog"
_METADATA = "_metadata"
_CLASS_REASONS = {
    "plan": GateReason.PLAN_CLASS,
    "expression": GateReason.EXPRESSION_CLASS,
    "value": GateReason.EXPRESSION_CLASS,
}

KnownRelation = Callable[[tuple[str, ...]], bool]
"""Whether the principal may know of the relation of this name: its parts as written, in lower case."""


@dataclass(frozen=True, slots=True)
class ParsedQuery:
    """An admitted query: its text, the relations it reads (each once, in lower case), and Spark's parsed plan."""

    text: str
    relations: tuple[tuple[str, ...], ...]
    plan: Any


class Gate:
    """The gate of one isolated session, whose catalog holds the principal's secured views.

    ValueError if the session has not the REQUIRED_SETTINGS.
    """

    def __init__(self, session: SparkSession) -> None:
        for key, value in REQUIRED_SETTINGS.items():
            if session.conf.get(key) != value:
                raise ValueError(f"a session behind the gate needs {key}={value}")
        self._session = session

    def admit(self, text: str, known_relation: KnownRelation) -> ParsedQuery:
        """Parse a query and refuse it, unless everything in it is admitted and it reads known relations only.

        Raises QueryRefused. Nothing was looked up in a catalog or run by then.
        """
        return parse_and_check(self._session, text, known_relation=known_relation)

    def frame(self, query: ParsedQuery) -> DataFrame:
        """Spark's frame of an admitted query, not yet run. Raises GateError for what Spark refuses."""
        try:
            return analysed_frame(self._session, query.plan)
        except (PySparkException, Py4JError) as error:
            raise redacted(error) from None

    def check(self, frame: DataFrame, secured_views: Collection[TableName]) -> None:
        """Refuse an analysed query whose rows come from anything but these views and the query itself.

        Raises QueryRefused.
        """
        check_analysed(frame, secured_views)

    def types_of_nulls(self, frame: DataFrame) -> dict[int, str]:
        """The types (as SQL) that each NULL of an analysed query gets, by its place in the text; those that get one."""
        facts = walk_analysed(frame).facts
        return {int(fact.values[0]): fact.values[1] for fact in facts if fact.kind == "untyped"}


def parse_and_check(session: SparkSession, text: str, *, known_relation: KnownRelation) -> ParsedQuery:
    """See Gate.admit."""
    try:
        size = len(text.encode("utf-8"))
    except UnicodeEncodeError:  # half a surrogate pair is no text
        raise QueryRefused(GateReason.PARSE) from None
    if size > LONGEST:
        raise QueryRefused(GateReason.SIZE)
    if text.count("/*") > MOST_COMMENTS:
        raise QueryRefused(GateReason.DEPTH)
    try:
        plan, walk = parse_and_walk(session, text)
    except Py4JError as error:
        raise redacted(error) from None
    _refuse_unless_walked(walk)
    for fact in walk.facts:
        if reason := _parsed_reason(fact):
            raise QueryRefused(reason)
    # Every `SELECT *, *` over another doubles the columns: nineteen are half a million, and Spark plans for minutes.
    if prod(int(fact.values[0]) for fact in walk.facts if fact.kind == "stars") > MOST_STARS:
        raise QueryRefused(GateReason.SIZE)
    if prod(max(1.0, float(fact.values[0])) for fact in walk.facts if fact.kind == "copies") > MOST_ROW_COPIES:
        raise QueryRefused(GateReason.SIZE)
    relations = dict.fromkeys(_relations(walk.facts))
    for name in relations:
        if not known_relation(name):
            raise QueryRefused(GateReason.RELATION, relation=name)
    return ParsedQuery(text, tuple(relations), plan)


def check_analysed(frame: DataFrame, secured_views: Collection[TableName]) -> None:
    """See Gate.check."""
    try:
        walk = walk_analysed(frame)
    except (PySparkException, Py4JError) as error:
        raise redacted(error) from None
    _refuse_unless_walked(walk)
    for fact in walk.facts:
        if reason := _analysed_reason(fact, secured_views):
            raise QueryRefused(reason)


def redacted(error: BaseException) -> GateError:
    """What a principal may learn of an error, whatever it is: Spark's condition and SQLSTATE, if it has them. Its text
    may hold values of rows that they may not see, paths, and the names of the tables behind the views.

    Raise it `from None`, so that no traceback shows the original.
    """
    if isinstance(error, PySparkException):
        return GateError(error.getCondition(), error.getSqlState())
    return GateError(None, None)


def _refuse_unless_walked(walk: Walk) -> None:
    match walk.outcome:
        case "walked":
            return
        case "class":
            raise QueryRefused(_CLASS_REASONS[walk.details[0]])
        case "deep":
            raise QueryRefused(GateReason.DEPTH)
        case "large":
            raise QueryRefused(GateReason.SIZE)
        case "value":
            raise QueryRefused(GateReason.VALUE, maker=walk.details[0])
        case _:
            raise QueryRefused(GateReason.PARSE)


def _relations(facts: tuple[Fact, ...]) -> Iterator[tuple[str, ...]]:
    """The relations that a query reads, without its own table expressions. QueryRefused if one is more than a name, or
    if table expressions that read each other would become too many relations."""
    expressions: dict[int, list[tuple[int, str]]] = {}  # by the position of their WITH: position and name, as written
    for position, fact in enumerate(facts):
        if fact.kind == "cte":
            expressions.setdefault(fact.parent, []).append((position, fact.values[0].lower()))
    reads: dict[int, list[int]] = {}  # by the position of a table expression (-1: the query): those that it reads
    for fact in facts:
        if fact.kind == "relation":
            form, *parts = fact.values
            if form != "plain":
                raise QueryRefused(GateReason.RELATION_OPTIONS)
            name = tuple(part.lower() for part in parts)
            # Only a name of one part can be a table expression: `a.b` never is the one named `a.b` in backquotes.
            own = _expression(name[0], fact, facts, expressions) if len(name) == 1 else None
            if own is None:
                yield name
            else:
                above = tuple(_above(fact, facts))
                if own not in above:  # a recursive read makes no copy
                    reader = next((position for position in above if facts[position].kind == "cte"), -1)
                    reads.setdefault(reader, []).append(own)
    _refuse_explosion(reads)


def _above(fact: Fact, facts: tuple[Fact, ...]) -> Iterator[int]:
    """The positions of the facts above one, nearest first."""
    position = fact.parent
    while position >= 0:
        yield position
        position = facts[position].parent


def _expression(
    name: str, fact: Fact, facts: tuple[Fact, ...], expressions: dict[int, list[tuple[int, str]]]
) -> int | None:
    """The position of the table expression of this name, if one is in scope: those of every WITH that the place is in
    the body of, and those written before the one that the place is in; that one itself if the WITH is recursive."""
    for position in _above(fact, facts):
        above = facts[position]
        if above.kind in {"cte", "body"}:
            recursive = facts[above.parent].values == ("recursive",)
            for place, own in expressions[above.parent]:
                visible = above.kind == "body" or place < position or (recursive and place == position)
                if visible and own == name:
                    return place
    return None


def _refuse_explosion(reads: dict[int, list[int]]) -> None:
    """Spark puts a copy of a table expression wherever it is read: thirty that read the one before twice are a
    thousand million."""
    copies: dict[int, int] = {}
    for reader in TopologicalSorter(reads).static_order():  # those that are read come first
        copies[reader] = sum(copies[read] + 1 for read in reads.get(reader, ()))
        if copies[reader] > MOST_COPIES:
            raise QueryRefused(GateReason.SIZE)


def _parsed_reason(fact: Fact) -> GateReason | None:
    match fact.kind, fact.values:
        case "function", ("plain", name) if name.lower() in FUNCTIONS:
            return None
        case "function", _:
            return GateReason.FUNCTION
        case "tvf", (name,) if name.lower() in TABLE_FUNCTIONS:
            return None
        case "tvf", _:
            return GateReason.TABLE_FUNCTION
        case "attribute", parts if any(part.lower() == _METADATA for part in parts):
            return GateReason.METADATA_COLUMN
        case (("relation" | "attribute" | "with" | "cte" | "body" | "stars" | "copies" | "untyped"), _):
            return None
        case _:
            return GateReason.PLAN_CLASS


def _analysed_reason(fact: Fact, secured_views: Collection[TableName]) -> GateReason | None:
    match fact.kind, fact.values:
        case "view", ("persistent", str(catalog), schema, name):
            known = catalog == _CATALOG and TableName(schema, name) in secured_views
            return None if known else GateReason.RELATION
        case "metadata", _:
            return GateReason.METADATA_COLUMN
        case "untyped", _:
            return None
        case (("static" | "invoke"), (str(called), _)) if called.startswith(CALLED_METHODS):
            return None
        case (("static" | "invoke"), _):
            return GateReason.FUNCTION
        case "view", ("options", *_):
            return GateReason.RELATION_OPTIONS
        case "view", _:
            return GateReason.RELATION
        case _:
            return GateReason.PLAN_CLASS
