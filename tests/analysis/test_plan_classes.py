"""Every class of plan and expression in Spark's and Delta's jars is either admitted through the gate or refused by
name, and so is every built-in function: what a later Spark adds must be looked at."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import pyspark
import pytest
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession

from lakehouse.analysis.plan_walk import concrete_subclasses
from lakehouse.analysis.query_gate import REQUIRED_SETTINGS, Gate
from lakehouse.analysis.query_vocabulary import ANALYSED_CLASSES, FUNCTIONS, PARSED_CLASSES, TABLE_FUNCTIONS
from lakehouse.errors import GateError
from lakehouse.storage.session import isolated_session

pytestmark = pytest.mark.spark

HERE = Path(__file__).parent
PLAN = "org.apache.spark.sql.catalyst.plans.logical.LogicalPlan"
EXPRESSION = "org.apache.spark.sql.catalyst.expressions.Expression"


def refused(name: str) -> frozenset[str]:
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


@pytest.fixture(scope="module")
def found(spark: SparkSession) -> frozenset[str]:
    """The classes of plans and expressions that Spark's and Delta's jars hold."""
    jvm: Any = spark._jvm
    path = str(jvm.java.lang.System.getProperty("java.class.path")).split(":")
    jars = {Path(entry) for entry in path if "delta" in Path(entry).name and entry.endswith(".jar")}
    jars |= set(Path(pyspark.__file__).parent.glob("jars/spark-*.jar"))
    names = [
        entry.removesuffix(".class").replace("/", ".")
        for jar in sorted(jars)
        for entry in zipfile.ZipFile(jar).namelist()
        if entry.endswith(".class") and not entry.startswith("META-INF")
    ]
    assert len(names) > 10_000
    return frozenset({*concrete_subclasses(spark, names, PLAN), *concrete_subclasses(spark, names, EXPRESSION)})


def test_every_class_is_classified(found: frozenset[str]) -> None:
    admitted, refusals = PARSED_CLASSES | ANALYSED_CLASSES, refused("refused_classes.txt")
    assert len(found) > 1_000
    assert sorted(found - admitted - refusals) == []
    assert sorted(admitted & refusals) == []
    assert sorted(refusals - found) == [], "these are in no jar any more"


def test_every_admitted_class_exists(spark: SparkSession) -> None:
    names = sorted(PARSED_CLASSES | ANALYSED_CLASSES)
    assert concrete_subclasses(spark, names, "java.lang.Object") == names


DANGEROUS = (
    "Python", "Reflect", "InputFile", "Command", "Avro", "Protobuf", "ScalaUDF", "TimeTravel", "UnresolvedIdentifier",
    "VariableReference", "LogicalRelation", "LogicalRDD", "RaiseError", "CurrentUser", "TableSubqueryArgument",
)  # fmt: skip


@pytest.mark.parametrize("word", DANGEROUS)
def test_nothing_dangerous_is_admitted(word: str) -> None:
    assert any(word in name for name in refused("refused_classes.txt"))
    assert [name for name in PARSED_CLASSES | ANALYSED_CLASSES if word in name] == []


def test_every_function_is_classified(spark: SparkSession) -> None:
    session: Any = spark._jsparkSession
    functions = {row[0] for row in spark.sql("SHOW SYSTEM FUNCTIONS").collect()}
    tables = set(str(session.sessionState().tableFunctionRegistry().listFunction().mkString("\n")).split("\n"))
    refusals = refused("refused_functions.txt")
    assert sorted((functions | tables) - FUNCTIONS - TABLE_FUNCTIONS - refusals) == []
    assert sorted((FUNCTIONS | TABLE_FUNCTIONS) & refusals) == []


def test_the_examples_of_every_admitted_function_pass(spark: SparkSession) -> None:
    """Spark's own documentation as a corpus: what an admitted function is made of, once analysed, is admitted, too."""
    own = isolated_session(spark, REQUIRED_SETTINGS)
    gate = Gate(own)
    catalog: Any = own._jsparkSession.sessionState().catalog()
    identifier: Any = own._jvm.org.apache.spark.sql.catalyst.FunctionIdentifier  # type: ignore[union-attr]
    tried, unanalysable = 0, []
    for name in sorted(FUNCTIONS):
        try:
            text = str(catalog.lookupFunctionInfo(identifier(name)).getExamples())
        except PySparkException:
            continue  # an operator that is no function by itself
        for query in re.findall(r"> (SELECT .*);", text):
            if ";" in query or any(other + "(" in query for other in ("from_xml", "current_user")):
                continue
            tried += 1
            admitted = gate.admit(query, lambda _: False)
            try:
                frame = gate.frame(admitted)
            except GateError as error:
                unanalysable.append((name, error.condition))
                continue
            gate.check(frame, ())
    assert tried > 500
    # Types that are off by default (TIME, geography) and examples that stand for something else.
    assert len(unanalysable) < 40, unanalysable
