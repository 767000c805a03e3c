"""The archive of loaded classes that halves Spark's start: made, kept and thrown away without anyone asking.

A JVM that was started with `ArchiveClassesAtExit` writes, when it ends, the classes it had loaded (JEP 350: Default
CDS Archives extended to dynamic ones); a later JVM of the same build, class path and collector maps that file
instead of reading some 20,000 classes from jars. So the first session of a kind records, and its JVM writes the file
after Python is gone; the next one adopts it. Whatever is wrong, a session starts without: nothing depends on it.

One folder, `$XDG_CACHE_HOME/lakehouse/classes`, holds per key: `KEY.jsa` the archive, `KEY.part` one being written,
`KEY.classes` how much it holds,
`KEY.lock` the lock that the recording JVM inherits, so that the system releases it when that JVM is gone, however it
ended. Each byte in the lock file is a recording; after three the machine is left alone.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from lakehouse.storage.java import JavaInstallation

if sys.platform != "win32":
    import fcntl

SPACE_NEEDED = 1 << 30  # bytes; an archive is about 200 MB
ATTEMPTS = 3  # a day: what ended a recording may be over
_MAGIC = 0xF00BABA8  # JDK: cds.h, CDS_DYNAMIC_ARCHIVE_MAGIC; the JVM writes the header last
_SMALLEST = 1 << 20  # bytes; a real archive is far larger
_POOR = 1.15  # times as many classes as were recorded
_KEPT = 4  # archives; two collectors, two versions
_HOUR, _DAY = 3600.0, 86_400.0  # seconds
_UNUSED_DAYS = 30
_ENDINGS = (".jsa", ".part", ".lock", ".classes")
_QUIET = "-Xlog:disable"  # the JVM reports on archives on its standard output


class ArchiveState(str, Enum):
    """What a session does about the archive."""

    USED = "used"
    RECORDED = "recorded"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassArchive:
    """The JVM options for one start, and why. `inherited` are descriptors the recording JVM must inherit: the lock."""

    state: ArchiveState
    reason: str
    path: Path | None = None
    options: tuple[str, ...] = ()
    inherited: tuple[int, ...] = ()

    def release(self) -> None:
        """Close this process's copy of the lock, once the JVM has its own or will not come."""
        for descriptor in self.inherited:
            os.close(descriptor)


def cache_folder() -> Path:
    """Where the product keeps what it can make again: `$XDG_CACHE_HOME/lakehouse`, or `~/.cache/lakehouse`."""
    root = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(root) / "lakehouse"


def open_archive(java: JavaInstallation, class_path: Iterable[Path], options: Sequence[str]) -> ClassArchive:
    """The archive for a JVM of this build, class path and `options`: used, recorded by this start, or off.

    Never raises: what stands in the way becomes the reason of `off`.
    """
    files = tuple(class_path)
    obstacle = _obstacle(files, options)
    if obstacle:
        return ClassArchive(state=ArchiveState.OFF, reason=obstacle)
    try:
        return _open(cache_folder() / "classes", archive_key(java, files, options))
    except OSError as error:
        return ClassArchive(state=ArchiveState.OFF, reason=str(error))


def archive_key(java: JavaInstallation, class_path: Iterable[Path], options: Sequence[str]) -> str:
    """What an archive depends on, as 16 hexadecimal digits: JVM build, jars (name, size, time), -X options."""
    facts = [java.version, str(java.executable), *(option for option in options if option.startswith("-X"))]
    for place in (java.home / "release", *sorted(java.home.glob("lib/server/*")), *class_path):
        try:
            status = place.stat()
        except OSError:
            facts.append(f"{place} missing")
        else:
            facts.append(f"{place} {status.st_size} {status.st_mtime_ns}")
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


def discard(archive: ClassArchive) -> None:
    """Throw an archive away that the JVM did not accept, so that another is recorded."""
    if archive.path is not None:
        archive.path.unlink(missing_ok=True)


def judge(archive: ClassArchive, classes: int) -> None:
    """Note how many classes a recording session loaded; discard an archive that a later session finds poor, because
    the one that recorded it did little."""
    if archive.path is None:
        return
    note = archive.path.with_suffix(".classes")
    try:
        if archive.state is ArchiveState.RECORDED:
            note.write_text(str(classes), encoding="ascii")
        elif archive.state is ArchiveState.USED and classes > _POOR * int(note.read_text(encoding="ascii")):
            discard(archive)
    except (OSError, ValueError):  # no note, no judgement
        return


def is_mapped(archive: ClassArchive, process: int) -> bool | None:
    """Does the JVM `process` (its number) really use the archive? None where the system does not tell."""
    try:
        return f"/{archive.path.name if archive.path else ''}" in Path(f"/proc/{process}/maps").read_text(
            encoding="utf-8", errors="replace"
        )
    except OSError:
        return None


def is_complete(path: Path) -> bool:
    """Did a JVM finish writing this archive? Its header comes last."""
    try:
        with path.open("rb") as file:
            (magic,) = struct.unpack("=I", file.read(4))
            return magic == _MAGIC and path.stat().st_size >= _SMALLEST
    except (OSError, struct.error):
        return False


def _obstacle(class_path: Sequence[Path], options: Sequence[str]) -> str | None:
    if os.environ.get("LAKEHOUSE_CLASS_ARCHIVE", "").lower() in ("off", "0", "false", "no"):
        return "switched off by LAKEHOUSE_CLASS_ARCHIVE"
    if sys.platform == "win32":
        return "not on this system"
    if any(word in option for option in options for word in ("-Xshare", "ArchiveFile", "ArchiveClassesAtExit")):
        return "the user's Java options manage class archives"
    folder = next((place for place in class_path if place.is_dir() and any(place.iterdir())), None)
    return f"the class path holds the folder {folder}, which a JVM cannot archive" if folder else None


def _open(folder: Path, key: str) -> ClassArchive:
    path, part, lock = (folder / f"{key}.{ending}" for ending in ("jsa", "part", "lock"))
    if is_complete(path):
        os.utime(path)  # when it was last of use
        return _used(path)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if shutil.disk_usage(folder).free < SPACE_NEEDED:
        return ClassArchive(state=ArchiveState.OFF, reason=f"less than 1 GB free in {folder}")
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return ClassArchive(state=ArchiveState.OFF, reason="another session is recording it")
    if is_complete(part):
        part.replace(path)
        os.close(descriptor)
        _prune(folder)
        return _used(path)
    part.unlink(missing_ok=True)
    attempts = os.fstat(descriptor)
    if time.time() - attempts.st_mtime > _DAY:
        os.ftruncate(descriptor, 0)
    elif attempts.st_size >= ATTEMPTS:
        os.close(descriptor)
        return ClassArchive(state=ArchiveState.OFF, reason=f"{ATTEMPTS} attempts to record it failed; delete {lock}")
    os.write(descriptor, b".")
    _prune(folder)
    options = (f"-XX:ArchiveClassesAtExit={part}", _QUIET)
    return ClassArchive(
        state=ArchiveState.RECORDED,
        reason="first session of its kind",
        path=part,
        options=options,
        inherited=(descriptor,),
    )


def _used(path: Path) -> ClassArchive:
    options = (f"-XX:SharedArchiveFile={path}", _QUIET)
    return ClassArchive(state=ArchiveState.USED, reason="recorded earlier", path=path, options=options)


def _prune(folder: Path) -> None:
    """Keep the few archives used last: other Java builds, other versions of Spark or Delta leave theirs behind."""
    ages = {}
    for path in folder.iterdir():
        if path.suffix in _ENDINGS:
            with suppress(FileNotFoundError):  # another session took it away
                ages[path] = path.stat().st_mtime
    now = time.time()
    # A part may be one that a JVM is writing; complete, it is an archive that was not used since.
    archives = [path for path in ages if path.suffix == ".jsa" or (path.suffix == ".part" and ages[path] < now - _HOUR)]
    archives.sort(key=lambda path: ages[path], reverse=True)
    oldest = now - _UNUSED_DAYS * _DAY
    for path in {*archives[_KEPT:], *(path for path, age in ages.items() if age < oldest)}:
        path.unlink(missing_ok=True)
