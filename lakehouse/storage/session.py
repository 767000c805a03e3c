"""The Spark session: taken from the Spark that runs already, or started here, quickly and quietly."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import delta.exceptions  # noqa: F401  makes pyspark raise Delta's conflicts as classes of their own
from py4j.protocol import Py4JJavaError
from pyspark import SparkConf, SparkContext
from pyspark.errors import PySparkException
from pyspark.logger import PySparkLogger
from pyspark.sql import SparkSession

from lakehouse.errors import InstallationError
from lakehouse.storage import session_profile as profile
from lakehouse.storage.class_archive import ArchiveState, ClassArchive, discard, is_mapped, judge, open_archive
from lakehouse.storage.jars import DeltaJars, delta_jars, spark_home
from lakehouse.storage.java import JavaInstallation, find_java
from lakehouse.storage.session_jvm import VirtualMachine, add_jars, has_delta, start_machine

_JAVA_OPTIONS = "spark.driver.extraJavaOptions"
_WAREHOUSE = "spark.sql.warehouse.dir"
_LOG_SETTINGS = Path(__file__).with_name("session_log4j2.properties")


@dataclass(slots=True, kw_only=True)
class _Started:
    """What this process started, and therefore ends."""

    session: SparkSession
    machine: VirtualMachine | None = None  # None under spark-submit: the JVM is another's
    archive: ClassArchive | None = None
    scratch: Path | None = None


_started: _Started | None = None


def open_session(
    spec_configuration: Mapping[str, str],
    *,
    app_name: str,
    master: str | None = None,
    expected_seconds: float | None = None,
) -> SparkSession:
    """A session with Delta and these settings.

    Reuses the Spark that runs in this process (notebook, spark-submit), with a catalog of its own that leaves the
    session there alone; else starts one. `master` overrides `spark.master` in the settings; without either a local
    one is started, with settings for small data where the user gave none. `expected_seconds` is what the work took
    before. InstallationError if Java, jars or the running Spark do not allow it.
    """
    global _started
    _quieten_python()
    configuration = {key: value for key, value in spec_configuration.items() if key.startswith("spark.")}
    if master:
        configuration["spark.master"] = master
    context = SparkContext._active_spark_context
    if context is not None and context._jsc is not None:
        return _session_in(context, configuration)
    stop_session()  # one of ours whose context someone stopped
    if SparkContext._gateway is not None or "PYSPARK_GATEWAY_PORT" in os.environ:
        _started = _submitted(configuration, app_name)
    else:
        _started = _local(configuration, app_name, expected_seconds)
    return _started.session


def isolated_session(spark: SparkSession, settings: Mapping[str, str]) -> SparkSession:
    """Another session on the same Spark with its own catalog, temporary views and settings.

    Unlike `newSession()`, which shares the catalog. Delta's extension comes from the context's configuration.
    """
    jvm: Any = spark._jvm
    initial = jvm.java.util.HashMap()
    for key, value in settings.items():
        initial.put(key, value)
    own = jvm.org.apache.spark.sql.classic.SparkSession(spark.sparkContext._jsc.sc(), initial)
    return SparkSession(spark.sparkContext, own)


def sibling_session(spark: SparkSession, settings: Mapping[str, str]) -> SparkSession:
    """A session over the same catalog with settings and temporary views of its own: those of `spark`, then these."""
    own = spark.newSession()
    # newSession() starts from the context's settings; what this session was given at run time must come along.
    given = {key: value for key, value in spark.conf.getAll.items() if spark.conf.isModifiable(key)}
    for key, value in {**given, **settings}.items():
        own.conf.set(key, value)
    return own


def stop_session() -> None:
    """End the Spark that `open_session` started: its process is gone afterwards, or writes its class archive and
    ends by itself. Does nothing to a Spark that was there before."""
    global _started
    if _started is None:
        return
    ended, _started = _started, None
    if ended.archive is not None:
        jvm: Any = SparkContext._jvm
        beans = jvm.java.lang.management.ManagementFactory
        judge(ended.archive, beans.getClassLoadingMXBean().getTotalLoadedClassCount())
    ended.session.stop()
    recording = ended.archive is not None and ended.archive.state is ArchiveState.RECORDED
    _end(ended.machine, ended.scratch, wait=not recording)


def _end(machine: VirtualMachine | None, scratch: Path | None, *, wait: bool) -> None:
    if machine is not None:
        machine.end(wait=wait)
        SparkContext._gateway = None
        SparkContext._jvm = None
    if scratch is not None:
        shutil.rmtree(scratch, ignore_errors=True)


def _local(given: Mapping[str, str], app_name: str, expected_seconds: float | None) -> _Started:
    """Start a JVM and Spark in it: all of Spark on this machine, or the driver of a cluster."""
    home = spark_home()
    settings = {**profile.STARTED_DEFAULTS, "spark.app.name": app_name, **profile.installed_defaults(home), **given}
    java = find_java()
    jars = delta_jars(settings)
    scratch = _scratch()
    settings.setdefault(_WAREHOUSE, str(scratch / "warehouse"))
    options = profile.split_options(settings.get(_JAVA_OPTIONS, ""), _JAVA_OPTIONS)
    if profile.is_local(settings["spark.master"]):
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        memory = profile.driver_memory(profile.granted_memory())
        settings = {
            **profile.session_defaults(os.cpu_count() or 1, expected_seconds),
            "spark.driver.memory": f"{memory >> 20}m",
            **settings,
        }
        options = profile.java_options(options, _java_options_elsewhere(), expected_seconds)
    else:
        settings = _with_distributed(settings, jars)
    settings[_JAVA_OPTIONS] = profile.join_options(profile.with_quiet_log(options, _LOG_SETTINGS))
    settings = _with_class_path(profile.with_delta(settings), [*jars.files, *profile.leading_jars(home)])
    machine: VirtualMachine | None = None
    try:
        machine, archive = _machine(settings, java, home)
        session = _new_context(machine.gateway, settings)
    except BaseException:
        _end(machine, scratch, wait=True)
        raise
    return _Started(session=session, machine=machine, archive=archive, scratch=scratch)


def _machine(settings: Mapping[str, str], java: JavaInstallation, home: Path) -> tuple[VirtualMachine, ClassArchive]:
    """The JVM, with its class archive if the archive is good for it, without if not."""
    options = profile.split_options(settings.get(_JAVA_OPTIONS, ""), _JAVA_OPTIONS)
    large = profile.memory_bytes(settings.get("spark.driver.memory", "1g")) >= profile.LARGE_HEAP
    archive = open_archive(
        java,
        profile.class_path(settings, home),
        [*options, *_java_options_elsewhere(), *(["-Xlarge"] if large else [])],
    )
    try:
        machine = start_machine(_with_options(settings, options, archive), java, archive.inherited)
    except InstallationError:
        if archive.state is ArchiveState.OFF:
            raise
        without = replace(archive, state=ArchiveState.OFF, reason="the JVM did not start with it", options=())
        machine = start_machine(_with_options(settings, options, without), java, ())
        discard(archive)  # only now: a JVM that does not start either way has another fault
        return machine, without
    finally:
        archive.release()
    if archive.state is ArchiveState.USED and is_mapped(archive, machine.process_id) is False:
        discard(archive)
    return machine, archive


def _submitted(given: Mapping[str, str], app_name: str) -> _Started:
    """A context in the JVM that spark-submit started; what was given to spark-submit counts like a user's setting."""
    SparkContext._ensure_initialized()
    gateway: Any = SparkContext._gateway
    settings = {"spark.app.name": app_name, **dict(SparkConf(_jvm=gateway.jvm).getAll()), **given}
    if profile.is_local(settings.setdefault("spark.master", "local[*]")):
        settings = {**profile.session_defaults(os.cpu_count() or 1, None), **settings}
    scratch = _scratch()
    settings.setdefault(_WAREHOUSE, str(scratch / "warehouse"))
    if not has_delta(gateway.jvm):
        jars = delta_jars(settings)
        add_jars(gateway.jvm, jars.files)
        settings = _with_distributed(settings, jars)
    return _Started(session=_new_context(gateway, profile.with_delta(settings)), scratch=scratch)


def _session_in(context: SparkContext, given: Mapping[str, str]) -> SparkSession:
    """A session of its own in a running context, which learns Delta if it does not know it."""
    running: Any = context._jsc.sc()
    jvm = SparkContext._jvm
    if not has_delta(jvm):
        jars = delta_jars(given)
        add_jars(jvm, jars.files)
        for jar in jars.files:
            context._jsc.addJar(str(jar))
    known = dict(context.getConf().getAll())
    settings = profile.with_delta({**known, **given})
    for key in ("spark.sql.extensions", "spark.sql.catalog.spark_catalog"):
        running.conf().set(key, settings[key])  # read from the context whenever a session is made
    if profile.is_local(str(context.master)):
        settings = {**profile.small_data_defaults(os.cpu_count() or 1, None), **settings}
    return isolated_session(
        SparkSession(context), {key: value for key, value in settings.items() if known.get(key) != value}
    )


def _scratch() -> Path:
    """A folder for what Spark would leave in the current one (its warehouse: our tables all have places of their
    own), removed at the latest when this process ends."""
    folder = Path(tempfile.mkdtemp(prefix="lakehouse-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _new_context(gateway: Any, settings: Mapping[str, str]) -> SparkSession:
    _check_sql_settings(gateway, settings)
    conf = SparkConf(_jvm=gateway.jvm)
    for key, value in settings.items():
        conf.set(key, value)
    interrupt = signal.getsignal(signal.SIGINT)
    try:
        return SparkSession(SparkContext(conf=conf, gateway=gateway))
    except (Py4JJavaError, PySparkException) as error:
        cause = error.java_exception.toString() if isinstance(error, Py4JJavaError) else str(error)
        raise InstallationError(
            f"Spark did not start with master '{settings['spark.master']}': {cause.splitlines()[0]}",
            hint="Check --master and the settings that begin with 'spark.'.",
        ) from error
    finally:
        # SparkContext puts a handler of its own in place; Ctrl-C is for whoever listened before.
        if interrupt is not None and threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, interrupt)


def _check_sql_settings(gateway: Any, settings: Mapping[str, str]) -> None:
    """Spark SQL reads its settings at the first query, and where one cannot be, every later call fails without end.

    InstallationError that names the setting.
    """
    conf = gateway.jvm.org.apache.spark.sql.internal.SQLConf()
    for key, value in settings.items():
        if not key.startswith("spark.sql."):
            continue
        try:
            conf.setConfString(key, value)
        except (Py4JJavaError, PySparkException) as error:
            said = str(error.java_exception.getMessage() if isinstance(error, Py4JJavaError) else error)
            raise InstallationError(
                f"Spark does not take the setting '{key}': {said.splitlines()[0].partition(' SQLSTATE')[0]}",
                hint="Check the settings that begin with 'spark.' in 'configuration' and --var.",
            ) from error


def _with_options(settings: Mapping[str, str], options: Sequence[str], archive: ClassArchive) -> dict[str, str]:
    return {**settings, _JAVA_OPTIONS: profile.join_options([*options, *archive.options])}


def _with_class_path(settings: Mapping[str, str], jars: Sequence[Path]) -> dict[str, str]:
    """Delta on the JVM's own class path: a class archive holds only classes from there."""
    path = settings.get("spark.driver.extraClassPath", "")
    for jar in jars:
        path = profile.appended(path, str(jar), os.pathsep)
    return {**settings, **({"spark.driver.extraClassPath": path} if path else {})}


def _with_distributed(settings: Mapping[str, str], jars: DeltaJars) -> dict[str, str]:
    """Delta sent to the workers of a cluster."""
    listed = settings.get("spark.jars", "")
    for jar in jars.files:
        listed = profile.appended(listed, str(jar), ",")
    return {**settings, **({"spark.jars": listed} if listed else {})}


def _java_options_elsewhere() -> list[str]:
    names = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS")
    return [option for name in names for option in profile.split_options(os.environ.get(name, ""), name)]


def _quieten_python() -> None:
    """pyspark logs every failed query as JSON on the terminal; the exception says it all."""
    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        PySparkLogger.getLogger(name).setLevel(logging.CRITICAL + 1)
