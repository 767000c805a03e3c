"""What a benchmark's table must say beside its figures: machine and versions."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version


def describe_machine() -> str:
    """One line: processor count, memory, Python, Java, and the packages that matter."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    java = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr.splitlines()
    packages = ", ".join(f"{name} {version(name)}" for name in ("pyspark", "delta-spark", "deltalake"))
    return (
        f"{os.cpu_count()} cores, {memory} GiB, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}, {java[0] if java else 'no Java'}, {packages}"
    )
