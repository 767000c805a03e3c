"""Spark's own operators over other rows: an operator of a query's plan, evaluated over frames that stand for its
children.

In such a frame the column of attribute 17 is called `c17`. Spark's operator is put over a projection that gives each
column its identifier back, so expressions need no translation: Spark's semantics are the semantics. A column `__w`
(the sign of a row in a change) passes through operators that treat each row by itself.

The work on plans is done by plan_binding.java, in one call each: a small refresh consists of little else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from pyspark.sql import DataFrame, SparkSession

from lakehouse.analysis.java_source import compiled
from lakehouse.plan.algebra import PlanNode

WEIGHT = "__w"
_SEPARATOR = "\x1e"  # ASCII record separator: no expression holds it


def column(number: int) -> str:
    """The name that the attribute has in a frame."""
    return f"c{number}"


class Buffer(NamedTuple):
    """The `part`-th number that the `call`-th aggregate function keeps: Spark's name of it, and its SQL type."""

    call: int
    part: int
    name: str
    sql_type: str


class PlanBinder:
    """Builds frames of one session from operators of a plan."""

    def __init__(self, session: SparkSession, operators: Sequence[Any]) -> None:
        self._session = session
        self._java_session = session._jsparkSession
        self._operators = operators
        jvm: Any = session._jvm
        self._binding = compiled(jvm, ("plan_binding.java", "PlanBinding"))
        self._new_list = jvm.java.util.ArrayList

    def evaluate(self, node: PlanNode, frames: Sequence[DataFrame]) -> DataFrame:
        """The node's rows from its children's frames: columns `c<id>` of its output, and `__w` where a child has it
        (one child at most, and then a node that treats its rows one by one)."""
        children, rows = self._new_list(), self._new_list()
        for child, frame in zip(node.children, frames, strict=True):
            children.add(self._operators[child.id])
            rows.add(frame._jdf)
        return self._frame(
            self._binding.evaluate(self._java_session, self._operators[node.id], children, rows, _ids(node))
        )

    def with_arguments(self, node: PlanNode, frame: DataFrame, keys: Sequence[int]) -> DataFrame:
        """Of the rows of an aggregate node's child: the attributes `keys` as `g0`, `g1`, …, the argument of call i of
        `node.calls` as `x<i>`, NULL where its filter leaves the row out, and `__w`, if there is one."""
        operator, child = self._operators[node.id], self._operators[node.children[0].id]
        ids = ",".join(map(str, keys))
        return self._frame(self._binding.withArguments(self._java_session, operator, child, frame._jdf, ids))

    def buffers(self, node: PlanNode) -> list[Buffer]:
        """What the functions of an aggregate node keep, in the order of `node.calls`."""
        lines = str(self._binding.buffers(self._operators[node.id])).splitlines()
        split = [line.split("\t") for line in lines]
        return [Buffer(int(call), int(part), name, kind) for call, part, name, kind in split]

    def finished(self, node: PlanNode, frame: DataFrame) -> DataFrame:
        """The rows of an aggregate node from the buffers of its functions.

        `frame` has the grouping columns as `c<id>`, and for call i of `node.calls` the j-th buffer of Spark's own
        function as `b<i>_<j>`, in Spark's types; a sign `__w` is kept.
        """
        operator = self._operators[node.id]
        return self._frame(self._binding.finished(self._java_session, operator, frame._jdf, _ids(node)))

    def first_rows(self, node: PlanNode, frame: DataFrame) -> DataFrame:
        """What a limit node keeps of a frame that is in order."""
        return frame.limit(int(str(self._operators[node.id].limitExpr().toString())))

    def _frame(self, dataset: Any) -> DataFrame:
        return DataFrame(dataset, self._session)


def sibling_with(session: SparkSession, settings: Mapping[str, str]) -> SparkSession:
    """A sibling of the session (its tables, temporary views apart) with its settings, and these."""
    jvm: Any = session._jvm
    wanted = jvm.java.util.HashMap()
    for key, value in settings.items():
        wanted.put(key, value)
    made = compiled(jvm, ("plan_binding.java", "PlanBinding")).sibling(session._jsparkSession, wanted)
    return SparkSession(session.sparkContext, made)


def select(frame: DataFrame, expressions: Sequence[str]) -> DataFrame:
    """`frame.selectExpr`: one call of the gateway instead of one a column."""
    return DataFrame(_binding(frame).select(frame._jdf, _SEPARATOR.join(expressions)), frame.sparkSession)


def grouped(frame: DataFrame, keys: Sequence[str], measures: Sequence[str]) -> DataFrame:
    """`frame.groupBy(…).agg(…)` of expressions as SQL text, which name their results: one call of the gateway."""
    found = _binding(frame).grouped(frame._jdf, _SEPARATOR.join(keys), _SEPARATOR.join(measures))
    return DataFrame(found, frame.sparkSession)


def _binding(frame: DataFrame) -> Any:
    return compiled(frame.sparkSession._jvm, ("plan_binding.java", "PlanBinding"))


def _ids(node: PlanNode) -> str:
    return ",".join(map(str, dict.fromkeys(node.ids)))
