"""Where Delta's two jars are: given, shipped with Spark, in Ivy's cache, or fetched into it once.

The fetch is delta-spark's own (`configure_spark_with_delta_pip`), in a process of its own, so that the pages Ivy
prints reach no one unless it fails. Two jars suffice to read and write Delta tables (delta-spark, delta-storage).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path

from lakehouse.errors import InstallationError
from lakehouse.storage.class_archive import cache_folder

if sys.platform != "win32":
    import pwd

_IVY_SETTINGS = ("spark.jars.ivySettings", "spark.jars.repositories")
_IVY_FOLDERS = (".ivy2.5.2", ".ivy2")  # Spark 4 and before
_JAR = re.compile(
    r"(?:io\.delta_)?delta-(?P<part>spark|storage)(?:_(?P<spark>\d\.\d))?(?:_2\.\d+)?-(?P<version>\d[\w.]*)\.jar"
)

# Starts a gateway, not a SparkContext: Spark's launcher resolves the packages before it opens the gateway.
_FETCH = """
import json, sys
from delta import configure_spark_with_delta_pip
from pyspark import SparkConf
from pyspark.java_gateway import launch_gateway
from pyspark.sql import SparkSession
builder = configure_spark_with_delta_pip(SparkSession.builder)
conf = SparkConf(loadDefaults=False)
for key, value in {**json.loads(sys.argv[1]), **builder._options}.items():
    conf.set(key, value)
launch_gateway(conf).shutdown()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeltaJars:
    """The jars Spark needs for Delta. `files` is empty when Spark's own folder has them (`origin` "spark")."""

    files: tuple[Path, ...]
    origin: str  # LAKEHOUSE_JARS | spark | ivy
    folder: Path


def delta_version() -> str:
    """The version of delta-spark that is installed; the jars must be the same."""
    return metadata.version("delta-spark")


def spark_home() -> Path:
    """Spark's folder: SPARK_HOME, or the one inside the installed pyspark."""
    if configured := os.environ.get("SPARK_HOME"):
        return Path(configured)
    found = util.find_spec("pyspark")
    if found is None or not found.submodule_search_locations:
        raise InstallationError("pyspark is not installed.", hint="Install this package again.")
    return Path(next(iter(found.submodule_search_locations)))


def find_jars(configuration: Mapping[str, str] | None = None) -> DeltaJars | None:
    """Delta's jars on this machine, or None if they were never fetched.

    `configuration` are Spark settings (`spark.jars.ivy` names another cache). InstallationError if LAKEHOUSE_JARS
    names a folder without them.
    """
    version = delta_version()
    if given := os.environ.get("LAKEHOUSE_JARS"):
        folder = Path(given).expanduser()
        files = _pair(folder, version)
        if files is None:
            raise InstallationError(
                f"LAKEHOUSE_JARS names {folder}, which does not hold delta-spark and delta-storage {version}.",
                hint="Put both jars there, or unset it.",
            )
        return DeltaJars(files=files, origin="LAKEHOUSE_JARS", folder=folder)
    shipped = spark_home() / "jars"
    if _pair(shipped, version=None):  # a distribution that brings Delta answers for its version
        return DeltaJars(files=(), origin="spark", folder=shipped)
    for ivy in _ivy_folders(configuration or {}):
        folder = ivy / "jars"
        files = _pair(folder, version)
        if files:
            return DeltaJars(files=files, origin="ivy", folder=folder)
    return None


def delta_jars(configuration: Mapping[str, str] | None = None) -> DeltaJars:
    """Delta's jars, fetched into Ivy's cache if this machine has none (about 25 s, once). Java must be found first.

    InstallationError when they cannot be had, with what Ivy said.
    """
    configuration = configuration or {}
    found = find_jars(configuration)
    if found:
        return found
    print(f"Fetching Delta Lake {delta_version()} (once) ...", file=sys.stderr, flush=True)
    output = _fetch(configuration)
    found = find_jars(configuration)
    if found:
        return found
    raise InstallationError(
        f"the jars of Delta Lake {delta_version()} could not be fetched: {_reason(output)}.",
        hint="Check the network, or put delta-spark and delta-storage into a folder and set LAKEHOUSE_JARS to it.",
    )


def _fetch(configuration: Mapping[str, str]) -> str:
    ivy = next(_ivy_folders(configuration))
    settings = {key: configuration[key] for key in _IVY_SETTINGS if key in configuration}
    if "spark.jars.ivy" in configuration or not _is_writable(ivy):
        settings["spark.jars.ivy"] = configuration.get("spark.jars.ivy", str(cache_folder() / "ivy"))
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", _FETCH, json.dumps(settings)],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    return done.stdout


def _reason(output: str) -> str:
    """The line of Ivy's output that says why, as far as one does."""
    lines = [line.strip(" \t:") for line in output.splitlines()]
    for pattern in (
        r"unresolved dependency|not found",
        r"(Server access|Unknown)\w* ?(error|host)|timed out",
        r"Exception|Error",
    ):
        for line in lines:
            if re.search(pattern, line):
                return line[:300]
    return lines[-1][:300] if lines else "no output"


def _ivy_folders(configuration: Mapping[str, str]) -> Iterator[Path]:
    """Where Ivy keeps jars. Java takes the home folder from the system's user list, Python from HOME."""
    if configured := configuration.get("spark.jars.ivy"):
        yield Path(configured).expanduser()
        return
    for home in dict.fromkeys(_homes()):
        for name in _IVY_FOLDERS:
            yield home / name
    yield cache_folder() / "ivy"


def _homes() -> Iterable[Path]:
    if sys.platform != "win32":
        try:
            yield Path(pwd.getpwuid(os.getuid()).pw_dir)
        except KeyError:  # a container's user without an entry: Java says "?"
            yield Path("?")
    yield Path(os.path.expanduser("~"))


def _is_writable(folder: Path) -> bool:
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    return os.access(existing, os.W_OK | os.X_OK)


def _pair(folder: Path, version: str | None) -> tuple[Path, ...] | None:
    """delta-spark and delta-storage of `version` (any, if None) in `folder`, in this order; None unless both are."""
    spark = ".".join(metadata.version("pyspark").split(".")[:2])
    found: dict[str, Path] = {}
    for path in sorted(folder.glob("*delta-*.jar")):
        match = _JAR.fullmatch(path.name)
        if match and version in (None, match["version"]) and match["spark"] in (None, spark):
            found[match["part"]] = path
    return (found["spark"], found["storage"]) if len(found) == 2 else None
