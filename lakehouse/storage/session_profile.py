"""Which Spark settings a session gets: what the user gave, Delta's, and on one machine defaults that fit small data.

Nothing here overrides a user's setting; lists (extensions, class path, jars, Java options) are added to.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from lakehouse.errors import InvalidValue

DELTA_EXTENSION = "io.delta.sql.DeltaSparkSessionExtension"
DELTA_CATALOG = "org.apache.spark.sql.delta.catalog.DeltaCatalog"
QUICK_SECONDS = 60.0  # below this the optimizing compiler costs more than it gives back

STARTED_DEFAULTS = {"spark.master": "local[*]", "spark.ui.showConsoleProgress": "false"}
_LOCAL_DEFAULTS = {
    "spark.ui.enabled": "false",
    "spark.sql.ui.explainMode": "simple",  # each query's plan is described for the UI at start, whether it is on or not
    "spark.sql.catalogImplementation": "in-memory",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.scheduler.mode": "FAIR",
}
_LEADING_JARS = (
    "scala-library-",
    "spark-catalyst_",
    "spark-sql_",
    "spark-core_",
    "spark-sql-api_",
    "spark-common-utils_",
    "hadoop-client-api-",
    "netty-common-",
    "log4j-core-",
    "log4j-api-",
    "jackson-databind-",
    "jackson-core-2",
    "spark-network-common_",
    "parquet-column-",
    "parquet-hadoop-",
    "antlr4-",
    "spark-unsafe_",
)
# With one compiler the JVM keeps only 48 MiB for compiled code. Spark fills that in some minutes, and runs interpreted
# from then on.
_CODE_CACHE = "-XX:ReservedCodeCacheSize=256m"
_QUICK = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", _CODE_CACHE)
_LONG = ("-XX:+UseParallelGC",)
_COLLECTORS = re.compile(r"-XX:\+Use\w+GC$")
_COMPILERS = re.compile(r"-XX:(Tiered|[-+]TieredCompilation)|-Xint$|-Xcomp$")
_CODE_CACHES = re.compile(r"-XX:ReservedCodeCacheSize=")
_GIB = 1 << 30
LARGE_HEAP = 32 * _GIB  # from here the JVM's pointers double, and with them its class archive
_UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def is_local(master: str) -> bool:
    """Does this master run everything on this machine, in one JVM?

    >>> is_local("local[*]"), is_local("spark://host:7077"), is_local("local-cluster[2,1,1024]")
    (True, False, False)
    """
    return re.fullmatch(r"local(\[.*\])?", master) is not None


def with_delta(configuration: Mapping[str, str]) -> dict[str, str]:
    """The configuration plus Delta's extension and catalog, and UTC unless it names another zone.

    One time zone everywhere: the same project must give the same rows on a laptop and on a cluster. Timestamps are
    written as numbers of microseconds: Spark's own default, INT96, has no statistics, and its instants wrap in other
    readers.
    """
    merged = {
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "spark.sql.catalog.spark_catalog": DELTA_CATALOG,
        **configuration,
    }
    return {**merged, "spark.sql.extensions": appended(merged.get("spark.sql.extensions", ""), DELTA_EXTENSION, ",")}


def session_defaults(cores: int, expected_seconds: float | None) -> dict[str, str]:
    """What suits one machine, for settings the user left alone."""
    return {**_LOCAL_DEFAULTS, **small_data_defaults(cores, expected_seconds)}


def small_data_defaults(cores: int, expected_seconds: float | None) -> dict[str, str]:
    """The part of them that a session can still choose on a Spark that runs already."""
    partitions = min(cores, 4) if is_quick(expected_seconds) else 4 * cores
    return {
        "spark.sql.shuffle.partitions": str(max(2, partitions)),
        "spark.databricks.delta.snapshotPartitions": "1",
        # A copy of the file list in the checksum file, which nothing here reads: a Spark job per commit.
        "spark.databricks.delta.allFilesInCrc.enabled": "false",
        # Arrow rows of more bytes go to the job as they are: as part of its plan they take twice as long.
        "spark.sql.execution.arrow.localRelationThreshold": "8m",
    }


def is_quick(expected_seconds: float | None) -> bool:
    """Is the work too short for the optimizing compiler and a parallel collector? Unknown work counts as short."""
    return expected_seconds is None or expected_seconds < QUICK_SECONDS


def java_options(given: Sequence[str], elsewhere: Sequence[str], expected_seconds: float | None) -> list[str]:
    """The driver's Java options on one machine: the user's (`given`), then compiler and collector, each only where
    neither `given` nor the options set `elsewhere` (JAVA_TOOL_OPTIONS) decide it: two collectors stop a JVM."""
    options = list(given)
    for option in _QUICK if is_quick(expected_seconds) else _LONG:
        alternatives = _COLLECTORS if option.endswith("GC") else _COMPILERS
        if option == _CODE_CACHE:
            alternatives = _CODE_CACHES
        if not any(alternatives.match(mine) for mine in (*given, *elsewhere)):
            options.append(option)
    return options


def with_quiet_log(options: Sequence[str], log_settings: Path) -> list[str]:
    """The Java options with our logging, unless they name another."""
    if any("log4j2.configurationFile" in option or "log4j.configurationFile" in option for option in options):
        return list(options)
    return [*options, f"-Dlog4j2.configurationFile={log_settings.as_uri()}"]


def split_options(setting: str, name: str) -> list[str]:
    """Java options in a setting or variable called `name`, one by one; InvalidValue if a quote is left open."""
    try:
        return shlex.split(setting)
    except ValueError as error:
        raise InvalidValue(f"{name} cannot be read: {error} in '{setting}'.", hint="Close the quote.") from error


def join_options(options: Sequence[str]) -> str:
    """Java options as one setting. Spark's launcher splits at blanks and reads double quotes."""
    return " ".join(f'"{option}"' if re.search(r"\s", option) else option for option in options)


def appended(given: str, added: str, separator: str) -> str:
    """A list setting with one more entry, unless it has it.

    >>> appended("a.B", "c.D", ","), appended("c.D", "c.D", ","), appended("", "c.D", ",")
    ('a.B,c.D', 'c.D', 'c.D')
    """
    entries = [entry.strip() for entry in given.split(separator) if entry.strip()]
    return separator.join(entries if added in entries else [*entries, added])


def driver_memory(memory: int) -> int:
    """Bytes of heap on a machine that grants `memory`: a third, at least 1 GiB, and below the 32 GiB from which
    the JVM's pointers double."""
    return max(_GIB, min(memory // 3, 24 * _GIB))


def class_path(settings: Mapping[str, str], home: Path) -> list[Path]:
    """What Spark's launcher puts on the driver's class path, jars of a folder in the order of their names."""
    environment = [os.environ.get(name, "") for name in ("HADOOP_CONF_DIR", "YARN_CONF_DIR", "SPARK_DIST_CLASSPATH")]
    given = [settings.get("spark.driver.extraClassPath", ""), str(configuration_folder(home)), *environment]
    entries = [Path(entry) for part in given for entry in part.split(os.pathsep) if entry]
    return [*entries, *sorted((home / "jars").glob("*.jar"))]


def leading_jars(home: Path) -> list[Path]:
    """Spark's jars that most classes come from. In front of the other 270 they save a tenth of a start, and half of
    the time a class archive takes to record: the JVM compares each class's origin with the path entry by entry."""
    return [path for pattern in _LEADING_JARS for path in sorted((home / "jars").glob(f"{pattern}*.jar"))]


def configuration_folder(home: Path) -> Path:
    """Where this installation of Spark reads its settings."""
    return Path(os.environ.get("SPARK_CONF_DIR") or home / "conf")


def memory_bytes(setting: str) -> int:
    """Spark's and Java's way to write memory, in bytes.

    >>> memory_bytes("2g"), memory_bytes("512m")
    (2147483648, 536870912)
    """
    match = re.fullmatch(r"(\d+)([kmgt]?)b?", setting.strip().lower())
    return int(match[1]) * _UNITS.get(match[2], 1 << 20) if match else 0


def granted_memory() -> int:
    """Bytes of memory this process may use: the machine's, or less where a container says so."""
    limits = [_physical_memory()]
    for place in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            limits.append(int(Path(place).read_text(encoding="ascii")))
        except (OSError, ValueError):  # not in a container, or "max"
            continue
    return min(limits)


def installed_defaults(home: Path) -> dict[str, str]:
    """What this installation's `spark-defaults.conf` and PYSPARK_SUBMIT_ARGS say: users' settings too."""
    settings: dict[str, str] = {}
    try:
        text = (configuration_folder(home) / "spark-defaults.conf").read_text(encoding="utf-8")
    except OSError:
        text = ""
    for line in text.splitlines():
        match = re.match(r"\s*([^#!\s=:]+)(?:\s*[=:]\s*|\s+)(.*?)\s*$", line)
        if match:
            settings[match[1]] = match[2]
    return {**settings, **_submit_arguments(os.environ.get("PYSPARK_SUBMIT_ARGS", ""))}


def _submit_arguments(arguments: str) -> dict[str, str]:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    options = {
        "--master": "spark.master",
        "--driver-memory": "spark.driver.memory",
        "--driver-java-options": "spark.driver.extraJavaOptions",
        "--driver-class-path": "spark.driver.extraClassPath",
        "--packages": "spark.jars.packages",
        "--jars": "spark.jars",
    }
    for option, key in options.items():
        parser.add_argument(option, dest=key)
    parser.add_argument("--conf", "-c", action="append", default=[])
    try:
        found = vars(parser.parse_known_args(split_options(arguments, "PYSPARK_SUBMIT_ARGS"))[0])
    except argparse.ArgumentError as error:
        raise InvalidValue(f"PYSPARK_SUBMIT_ARGS cannot be read: {error}.", hint="Correct or unset it.") from error
    settings = dict(pair.split("=", 1) for pair in found.pop("conf") if "=" in pair)
    return {**settings, **{key: value for key, value in found.items() if value is not None}}


def _physical_memory() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows
        return 4 * _GIB
