"""What a benchmark's table must say beside its figures: machine and versions; and what is read."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # benchmarks of what starts without Spark describe their machine, too
    from pyspark.sql import SparkSession


def describe_machine() -> str:
    """One line: processor count, memory, Python, Java, and the packages that matter."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    java = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr.splitlines()
    packages = ", ".join(f"{name} {version(name)}" for name in ("pyspark", "delta-spark", "deltalake"))
    return (
        f"{os.cpu_count()} cores, {memory} GiB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, {java[0] if java else 'no Java'}, {packages}"
    )


def bytes_read(session: SparkSession) -> int:
    """The bytes that this process and Spark's have taken in by read calls so far, from files, cached or not, and from
    each other. 0 on systems that do not count them."""
    assert session._jvm is not None
    processes = (os.getpid(), int(session._jvm.java.lang.ProcessHandle.current().pid()))
    counted = 0
    for process in processes:
        told = Path(f"/proc/{process}/io")
        if told.exists():
            lines = dict(line.split(": ") for line in told.read_text(encoding="ascii").splitlines())
            counted += int(lines["rchar"])
    return counted
