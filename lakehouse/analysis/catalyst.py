"""Reading Spark's analysed plans through py4j: the few calls that the other modules here are made of.

Every py4j call costs some 40 µs, so attributes are fetched as one joined string a node, and nothing below a persistent
view is visited: such a view stands for a dataset of the project. Node names are Spark's class names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from py4j.java_gateway import JavaClass
from pyspark.sql import DataFrame

from lakehouse.names import TableName

_SEPARATOR = "\x1e"  # ASCII record separator: not in any column name a person types

CONSTANT_LEAVES = frozenset(
    {"LocalRelation", "OneRowRelation", "Range", "CTERelationRef", "UnionLoopRef", "EmptyRelation"}
)
"""Plan leaves that hold no rows of their own from outside the query."""

_IDENTIFIER = re.compile(r"#\d+L?\b")
_IN_MEMORY_RDDS = frozenset({"ParallelCollectionRDD", "EmptyRDD"})


class Attribute(NamedTuple):
    """A column of a plan node. `text` is Spark's `name#id` notation, equal for the same column of the same name."""

    name: str
    id: int
    text: str


def analysed_plan(frame: DataFrame) -> Any:
    """The frame's analysed logical plan (a JVM object)."""
    return frame._jdf.queryExecution().analyzed()


def elements(sequence: Any) -> list[Any]:
    """The elements of a Scala Seq."""
    return [sequence.apply(index) for index in range(sequence.size())]


def texts(sequence: Any) -> list[str]:
    """The elements of a Scala collection, each as its string, in one call."""
    joined = str(sequence.mkString(_SEPARATOR))
    return joined.split(_SEPARATOR) if joined else []


def attributes(sequence: Any) -> list[Attribute]:
    """A Scala collection of attributes; their text is `name#id`, with a suffix that tells of the type."""
    found = []
    for text in texts(sequence):
        name, _, number = text.rpartition("#")
        found.append(Attribute(name, int("".join(_leading_digits(number))), text))
    return found


def without_identifiers(text: str) -> str:
    """A plan's text as people read it.

    >>> without_identifiers("Aggregate [day#7], [day#7, count(1) AS n#48L]")
    'Aggregate [day], [day, count(1) AS n]'
    """
    return _IDENTIFIER.sub("", text)


def patterns_in(tree: Any, *names: str) -> list[Any]:
    """Those of the named TreePatterns that the plan or expression, subqueries included, holds somewhere; as values
    for `has_any`, so that they are looked up once a plan."""
    catalogue = JavaClass("org.apache.spark.sql.catalyst.trees.TreePattern", tree._gateway_client)
    patterns = [getattr(catalogue, name)() for name in names]
    return [pattern for pattern in patterns if tree.containsPattern(pattern)]


def has_any(tree: Any, patterns: list[Any]) -> bool:
    """Whether the plan or expression, subqueries included, holds a node of one of the patterns."""
    return any(tree.containsPattern(pattern) for pattern in patterns)


def dataset_of(view: Any) -> TableName | None:
    """The dataset that a `View` node stands for; None for a temporary view, which is only a name for its plan."""
    if view.isTempView():
        return None
    identifier = view.desc().identifier()
    return TableName(str(identifier.database().get()).lower(), str(identifier.table()).lower())


class Node(NamedTuple):
    """A plan node: Spark's name of it, the JVM object, whether it is a leaf, and the dataset a `View` stands for."""

    name: str
    plan: Any
    is_leaf: bool
    dataset: TableName | None


def nodes(plan: Any) -> Iterator[Node]:
    """Every node, top down, through subqueries, but not below the project's persistent views."""
    open_nodes = [plan]
    if patterns_in(plan, "PLAN_EXPRESSION"):
        open_nodes += elements(plan.subqueriesAll())
    while open_nodes:
        node = open_nodes.pop()
        name = str(node.nodeName())
        dataset = dataset_of(node) if name == "View" else None
        children = elements(node.children()) if dataset is None else []
        yield Node(name, node, not children and dataset is None, dataset)
        open_nodes += children


def holds_local_rows(logical_rdd: Any) -> bool:
    """Whether a `LogicalRDD` leaf carries rows made in Python (`createDataFrame`), not read from anywhere."""
    open_rdds = [logical_rdd.rdd()]
    while open_rdds:
        rdd = open_rdds.pop()
        parents = [dependency.rdd() for dependency in elements(rdd.dependencies())]
        if not parents and str(rdd.getClass().getSimpleName()) not in _IN_MEMORY_RDDS:
            return False
        open_rdds += parents
    return True


def _leading_digits(text: str) -> Iterator[str]:
    for character in text:
        if not character.isdigit():
            return
        yield character
