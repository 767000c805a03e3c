"""A Spark session in which every analysed plan is shown to a Python function before it may run.

Spark's extension point for check rules (`SparkSessionExtensions.injectCheckRule`) takes functions of Scala, which py4j
lets Python implement: the JVM calls back over a socket of this process on the loopback address.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pyspark import SparkContext
from pyspark.java_gateway import ensure_callback_server_started
from pyspark.sql import SparkSession


class _Function:
    """`scala.Function1` for py4j."""

    def __init__(self, call: Callable[[Any], Any]) -> None:
        self._call = call

    def apply(self, argument: Any) -> Any:
        """What the JVM calls. An exception becomes one there, and fails the analysis."""
        return self._call(argument)

    class Java:
        """The interface, as py4j looks for it."""

        implements = ["scala.Function1"]  # noqa: RUF012  py4j's own convention


def checked_session(spark: SparkSession, settings: Mapping[str, str], check: Callable[[Any], None]) -> SparkSession:
    """Like `isolated_session`; `check` is given every analysed plan (a JVM object), whoever made it, Delta's own plans
    over its logs included, in whatever thread, and refuses it by raising. Sessions made of this one check, too."""
    jvm: Any = spark._jvm
    gateway: Any = SparkContext._gateway
    ensure_callback_server_started(gateway)  # on 127.0.0.1, once a process
    extensions = jvm.org.apache.spark.sql.SparkSessionExtensions()
    jvm.io.delta.sql.DeltaSparkSessionExtension().apply(extensions)  # given extensions replace the configured ones
    rule = _Function(check)
    extensions.injectCheckRule(_Function(lambda session: rule))
    initial, nothing = jvm.java.util.HashMap(), jvm.java.util.HashMap()
    for key, value in settings.items():
        initial.put(key, value)
    to_map, none = jvm.PythonUtils.toScalaMap, jvm.scala.Option.empty()
    own = jvm.org.apache.spark.sql.classic.SparkSession(
        spark.sparkContext._jsc.sc(), none, none, extensions, to_map(initial), to_map(nothing)
    )
    return SparkSession(spark.sparkContext, own)
