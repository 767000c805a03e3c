"""Is everything here that a run needs? Answered without starting Spark."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from lakehouse.errors import InstallationError
from lakehouse.storage.class_archive import SPACE_NEEDED, cache_folder, is_complete
from lakehouse.storage.jars import delta_version, find_jars, spark_home
from lakehouse.storage.java import find_java
from lakehouse.storage.session_profile import driver_memory, granted_memory, installed_defaults

PYTHON_FROM, PYTHON_BELOW = (3, 10), (3, 14)
_GIB = 1 << 30
_MEMORY_NEEDED = 2 * _GIB


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at: is it as it should be, what was seen, and what to do if it is not (else empty)."""

    name: str
    ok: bool
    detail: str
    fix: str = ""


def diagnose(warehouse: str) -> tuple[Finding, ...]:
    """What is there and what is missing, for a project that keeps its tables in `warehouse` (a path or URI)."""
    findings: list[Callable[[], Finding]] = [
        _python,
        _packages,
        _java,
        _jars,
        _class_archive,
        _memory,
        lambda: _disk(warehouse),
        lambda: _writable("warehouse", warehouse),
        lambda: _writable("cache", str(cache_folder())),
    ]
    return tuple(finding() for finding in findings)


def _python() -> Finding:
    ok = PYTHON_FROM <= sys.version_info[:2] < PYTHON_BELOW
    supported = f"{_dotted(PYTHON_FROM)} up to, not including, {_dotted(PYTHON_BELOW)}"
    fix = "" if ok else f"Use Python {supported}."
    return Finding(name="python", ok=ok, detail=f"{_dotted(sys.version_info[:3])} in {sys.executable}", fix=fix)


def _packages() -> Finding:
    versions = [f"{name} {metadata.version(name)}" for name in ("pyspark", "delta-spark", "deltalake")]
    return Finding(name="packages", ok=True, detail=", ".join(versions))


def _java() -> Finding:
    try:
        java = find_java()
    except InstallationError as error:
        return Finding(name="java", ok=False, detail=error.message, fix=error.hint or "")
    return Finding(name="java", ok=True, detail=f"{java.version} in {java.home}")


def _jars() -> Finding:
    try:
        jars = find_jars(installed_defaults(spark_home()))
    except InstallationError as error:
        return Finding(name="jars", ok=False, detail=error.message, fix=error.hint or "")
    if jars is None:
        detail = f"Delta Lake {delta_version()} was not fetched yet"
        return Finding(name="jars", ok=False, detail=detail, fix="The first run fetches it; it needs the network.")
    names = ", ".join(file.name for file in jars.files) or "part of Spark"
    return Finding(name="jars", ok=True, detail=f"{names} in {jars.folder}")


def _class_archive() -> Finding:
    """Never a fault: without an archive sessions start more slowly."""
    folder = cache_folder() / "classes"
    found = [path for path in sorted(folder.glob("*.jsa")) + sorted(folder.glob("*.part")) if is_complete(path)]
    size = sum(path.stat().st_size for path in found) >> 20
    detail = f"{len(found)} in {folder}, {size} MB" if found else "none yet; the first session records one"
    return Finding(name="class archive", ok=True, detail=detail)


def _memory() -> Finding:
    memory = granted_memory()
    ok = memory >= _MEMORY_NEEDED
    detail = f"{memory / _GIB:.1f} GB, of which a local session takes {driver_memory(memory) / _GIB:.1f} GB"
    fix = "" if ok else "Grant at least 2 GB, or run on a cluster with --master."
    return Finding(name="memory", ok=ok, detail=detail, fix=fix)


def _disk(warehouse: str) -> Finding:
    places = {place for place in (_local_path(warehouse), tempfile.gettempdir()) if place}
    free = {place: shutil.disk_usage(_existing(Path(place))).free for place in places}
    short = sorted(place for place, space in free.items() if space < SPACE_NEEDED)
    detail = ", ".join(f"{space / _GIB:.1f} GB free for {place}" for place, space in sorted(free.items()))
    fix = f"Free at least 1 GB for {', '.join(short)}." if short else ""
    return Finding(name="disk", ok=not short, detail=detail, fix=fix)


def _writable(what: str, place: str) -> Finding:
    """Can this process make files there? Tried for real where the folder exists: rights alone do not tell."""
    path = _local_path(place)
    if path is None:
        return Finding(name=what, ok=True, detail=f"{place} is not on this machine; not checked")
    existing = _existing(Path(path))
    in_the_way = next((place for place in (Path(path), *Path(path).parents) if place.is_file()), None)
    if in_the_way is not None:
        fix = f"Move {in_the_way} away, or name another folder."
        return Finding(name=what, ok=False, detail=f"{in_the_way} is a file, not a folder", fix=fix)
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        return Finding(
            name=what,
            ok=False,
            detail=f"{existing} cannot be written to: {error.strerror}",
            fix=f"Give this user write access to {existing}, or name another folder.",
        )
    note = "" if existing == Path(path) else " (will be made)"
    return Finding(name=what, ok=True, detail=f"{path}{note} can be written to")


def _local_path(place: str) -> str | None:
    if place.startswith("file:"):
        return place.removeprefix("file://").removeprefix("file:")
    return None if "://" in place else os.path.abspath(place)


def _existing(path: Path) -> Path:
    """The folder itself, or the nearest one above it that exists."""
    return next(place for place in (path, *path.parents) if place.is_dir())


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
