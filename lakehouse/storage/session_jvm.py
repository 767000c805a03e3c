"""The JVM that Spark runs in: started with its output under control, given Delta's classes if it is another's, ended.

Its output goes through a pipe: lines before it is ready are kept for the error message if it never gets there, later
ones are passed on. So the terminal (or whatever reads this process's output) is free when this process ends, although
the JVM may go on for seconds to write a class archive.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JError, Py4JJavaError
from pyspark import SparkConf
from pyspark.errors import PySparkRuntimeError
from pyspark.java_gateway import launch_gateway

from lakehouse.errors import InstallationError
from lakehouse.storage.java import JavaInstallation
from lakehouse.storage.session_profile import DELTA_EXTENSION

_LINES_KEPT = 60
_SAYING_NOTHING = ("at ", "Error occurred during initial", "Error: Could not create", "Error: A fatal exception")
_TELLING = ("xception", "rror", "nvalid", "nrecognized", "onflict")
_SECONDS_TO_END = 20.0


class VirtualMachine:
    """A JVM that this process started, with py4j's gateway into it."""

    def __init__(self, gateway: Any, output: _Output) -> None:
        self.gateway = gateway
        self._process: subprocess.Popen[bytes] = gateway.proc
        self._output = output

    @property
    def process_id(self) -> int:
        """The number of the JVM's process (Spark's launch scripts replace themselves by it)."""
        return self._process.pid

    def end(self, *, wait: bool = True) -> None:
        """Let the JVM end and, with `wait`, see it gone. Without, it may take its time; the system cleans up."""
        self.gateway.shutdown()
        if self._process.stdin:
            self._process.stdin.close()  # the gateway server in the JVM exits at the end of its input
        if not wait:
            return
        try:
            self._process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.join(_SECONDS_TO_END)


def start_machine(configuration: Mapping[str, str], java: JavaInstallation, inherited: Sequence[int]) -> VirtualMachine:
    """Start a JVM for Spark with this configuration; it inherits the file descriptors given.

    InstallationError with the JVM's own words if it does not come up.
    """
    os.environ["JAVA_HOME"] = str(java.home)  # Spark's launch scripts and its worker processes read it
    conf = SparkConf(loadDefaults=False)
    for key, value in configuration.items():
        conf.set(key, value)
    reading, writing = os.pipe()
    output = _Output(reading)
    options = {"stdout": writing, "stderr": writing, **({"pass_fds": tuple(inherited)} if inherited else {})}
    try:
        gateway = launch_gateway(conf, options)  # type: ignore[no-untyped-call]
    except (PySparkRuntimeError, OSError) as error:
        os.close(writing)
        output.join(_SECONDS_TO_END)
        raise InstallationError(
            f"Spark did not start with Java {java.version} in {java.home}: {output.reason() or error}.",
            hint="Check --master and the settings that begin with 'spark.'; 'lakehouse doctor' checks the rest.",
        ) from error
    os.close(writing)
    output.pass_on(gateway.proc)
    return VirtualMachine(gateway, output)


def add_jars(jvm: Any, jars: Sequence[Path]) -> None:
    """Make Delta's classes known to a JVM that is already running, unless it has them.

    Spark's submitting JVM runs the driver in a class loader that can be added to. InstallationError where it is not.
    """
    if has_delta(jvm):
        return
    loader = jvm.java.lang.Thread.currentThread().getContextClassLoader()
    try:
        for jar in jars:
            loader.addURL(jvm.java.io.File(str(jar)).toURI().toURL())
    except Py4JError:
        loader = None
    if loader is None or not has_delta(jvm):
        listed = ",".join(str(jar) for jar in jars)
        raise InstallationError(
            "the running Spark does not know Delta Lake, and cannot be taught.",
            hint=f"Start it with: spark-submit --jars {listed}" if listed else "Start it with Delta's jars.",
        )


def has_delta(jvm: Any) -> bool:
    """Can the driver's JVM load Delta's classes?"""
    loader = jvm.java.lang.Thread.currentThread().getContextClassLoader()
    try:
        jvm.java.lang.Class.forName(DELTA_EXTENSION, False, loader)
    except Py4JJavaError:
        return False
    return True


class _Output(threading.Thread):
    """Reads what the JVM prints, so that it never waits for a reader."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(name="jvm-output", daemon=True)
        self._descriptor = descriptor
        self._kept: deque[bytes] = deque(maxlen=_LINES_KEPT)
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def pass_on(self, process: subprocess.Popen[bytes]) -> None:
        """From now on, print what comes; when it ends, see the process off."""
        self._process = process

    def reason(self) -> str:
        """The line that says why the JVM did not start, as far as one does."""
        lines = [line.decode(errors="replace").strip() for line in self._kept]
        lines = [line for line in lines if line and not line.startswith(_SAYING_NOTHING)]
        telling = [line for line in lines if any(word in line for word in _TELLING)]
        return next(iter(telling or lines[-1:]), "").removeprefix('Exception in thread "main" ').rstrip(".")

    def run(self) -> None:
        with os.fdopen(self._descriptor, "rb") as lines:
            for line in lines:
                if self._process is None:
                    self._kept.append(line)
                else:
                    self._print(line)
        if self._process is not None:
            self._process.wait()  # no zombie stays, even if this process lives on

    def _print(self, line: bytes) -> None:
        try:
            os.write(2, line)  # not sys.stderr: at interpreter exit its lock may be gone
        except OSError:
            self._kept.append(line)
