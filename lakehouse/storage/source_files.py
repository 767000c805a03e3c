"""The files a flow reads from, without a JVM: listed, hashed, opened, and looked at again before a commit.

Local folders are walked by the operating system; other storage through `pyarrow.fs`. A folder stands for the files
directly in it and in its `key=value` folders, as it does for Spark. A pattern that matches nothing lists nothing.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, cast

from lakehouse.errors import SourceFileError
from lakehouse.plan.load_plan import LedgerEntry, SourceFile, files_to_hash
from lakehouse.storage.file_patterns import compile_pattern, expand_braces, has_magic, is_hidden, local_matches

_URI = re.compile(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]*://")
_CHUNK = 1 << 20
_THREADS = 8
# pyarrow knows Hadoop's connectors under other names.
_SCHEMES = {"s3a://": "s3://", "s3n://": "s3://"}


def list_source_files(flow: str, pattern: str, root: Path) -> tuple[SourceFile, ...]:
    """The files that `pattern` (a path, a glob, or either as a URI) selects now, in order of path, without hashes.

    Relative patterns start at `root`, the project's folder; files inside it get a path relative to it.
    Raises SourceFileError for a folder that may not be read and for a file name that is not UTF-8.
    """
    found: dict[str, SourceFile] = {}
    for alternative in expand_braces(pattern):
        listing = _list_remote(flow, alternative) if _URI.match(pattern) else _list_local(flow, alternative, root)
        for file in listing:
            found.setdefault(file.uri, file)
    return tuple(sorted(found.values(), key=lambda file: file.path))


def with_hashes(files: Iterable[SourceFile], *, remote: bool = False) -> tuple[SourceFile, ...]:
    """The files with the hash of their content; files on remote storage are read only where `remote` says so.

    A file that cannot be opened keeps None: reading it later tells why.
    """
    files = tuple(files)
    with ThreadPoolExecutor(_THREADS) as pool:
        return tuple(pool.map(lambda file: _with_hash(file) if remote or is_local(file) else file, files))


def hash_changes(
    listed: Iterable[SourceFile], ledger: Iterable[LedgerEntry], *, remote_flows: frozenset[str] = frozenset()
) -> tuple[SourceFile, ...]:
    """The listing with the hash of every file that is new or looks changed; remote files only of `remote_flows`
    (those that deduplicate by content). A listing without changes reads no file."""
    listed = tuple(listed)
    due = files_to_hash(listed, ledger)
    hashed = {
        (file.flow, file.uri): file
        for remote in (False, True)
        for file in with_hashes([file for file in due if (file.flow in remote_flows) is remote], remote=remote)
    }
    return tuple(hashed.get((file.flow, file.uri), file) for file in listed)


def unchanged(files: Iterable[SourceFile]) -> tuple[SourceFile, ...]:
    """Those files that still have the size and the time of their listing: the others are still being written."""
    files = tuple(files)
    remote = [file for file in files if not is_local(file)]
    still = {file.uri for file in files if is_local(file) and _local_stat(file) == (file.size, file.modified_at)}
    for file in remote:
        filesystem, path, _ = _filesystem(file.uri)
        status = filesystem.get_file_info(path)
        if status.is_file and (status.size, _microseconds(status)) == (file.size, file.modified_at):
            still.add(file.uri)
    return tuple(file for file in files if file.uri in still)


@contextmanager
def open_source_file(file: SourceFile) -> Iterator[BinaryIO]:
    """The file's bytes, decompressed where its name ends in .gz or .bz2. Raises OSError."""
    with _open_raw(file) as raw:
        if file.path.endswith(".gz"):
            with gzip.GzipFile(fileobj=raw) as unpacked:
                yield cast(BinaryIO, unpacked)
        elif file.path.endswith(".bz2"):
            with bz2.BZ2File(raw) as unpacked:
                yield cast(BinaryIO, unpacked)
        else:
            yield raw


def is_local(file: SourceFile) -> bool:
    """Whether the operating system itself can open the file."""
    return file.uri.startswith("file://")


def is_plain(file: SourceFile) -> bool:
    """Whether reading its bytes costs the driver little: on a local disk, and not packed."""
    return is_local(file) and not file.path.endswith((".gz", ".bz2", ".zst", ".lz4", ".snappy", ".deflate"))


def local_path(file: SourceFile) -> str:
    """The path of a local file for the operating system."""
    return file.uri[len("file://") :]


def _open_raw(file: SourceFile) -> BinaryIO:
    if is_local(file):
        return open(local_path(file), "rb")
    filesystem, path, _ = _filesystem(file.uri)
    return cast(BinaryIO, filesystem.open_input_file(path))


def _list_local(flow: str, pattern: str, root: Path) -> Iterator[SourceFile]:
    try:
        yield from _local_files(flow, pattern, root)
    except PermissionError as error:
        raise SourceFileError(
            f"'{error.filename}' may not be read.", path=str(error.filename), hint="Grant read access to it."
        ) from error


def _local_files(flow: str, pattern: str, root: Path) -> Iterator[SourceFile]:
    if pattern.startswith("file:"):
        pattern = "/" + pattern[len("file:") :].lstrip("/")
    inside = os.path.normpath(root) + "/"
    for match in local_matches(os.path.normpath(os.path.join(root.absolute(), pattern))):
        try:
            for path, status, partition in _expand_folder(match, ()):
                path.encode()  # a name that is not UTF-8 cannot reach Spark
                yield SourceFile(
                    flow=flow,
                    path=path[len(inside) :] if path.startswith(inside) else path,
                    uri=f"file://{path}",
                    size=status.st_size,
                    modified_at=status.st_mtime_ns // 1000,
                    partition=partition,
                )
        except UnicodeEncodeError as error:
            raise SourceFileError(
                f"a file name in {match!a} is not UTF-8.", path=ascii(match), hint="Rename the file."
            ) from error


def _expand_folder(
    path: str, partition: tuple[tuple[str, str], ...]
) -> Iterator[tuple[str, os.stat_result, tuple[tuple[str, str], ...]]]:
    try:
        if not os.path.isdir(path):
            if not is_hidden(os.path.basename(path)) and os.path.isfile(path):
                yield path, os.stat(path), partition
            return
        with os.scandir(path) as entries:
            listing = list(entries)
    except FileNotFoundError:
        return  # gone between two looks: not there to load
    for entry in listing:
        if is_hidden(entry.name):
            continue
        if entry.is_file():
            yield entry.path, entry.stat(), partition
        elif "=" in entry.name and entry.is_dir():
            yield from _expand_folder(entry.path, (*partition, _partition_value(entry.name)))


def _list_remote(flow: str, pattern: str) -> Iterator[SourceFile]:
    filesystem, path, prefix = _filesystem(pattern)
    segments = path.rstrip("/").split("/")
    plain = next((at for at, segment in enumerate(segments) if has_magic(segment)), len(segments))
    yield from _select(flow, filesystem, prefix, "/".join(segments), base="/".join(segments[:plain]))


def _select(flow: str, filesystem: Any, prefix: str, pattern: str, base: str) -> Iterator[SourceFile]:
    from pyarrow import fs  # a quarter of a second that local projects do not pay

    expression = compile_pattern(pattern)
    if filesystem.get_file_info(base).is_file:
        listing = [filesystem.get_file_info(base)]
    else:
        listing = filesystem.get_file_info(fs.FileSelector(base, allow_not_found=True, recursive=True))
    for status in listing:
        below = status.path[len(base) :].strip("/").split("/")
        if not status.is_file or any(is_hidden(name) for name in below if name):
            continue
        partition = _selected(status.path, expression)
        if partition is not None:
            yield SourceFile(
                flow=flow,
                path=prefix + status.path,
                uri=prefix + status.path,
                size=status.size,
                modified_at=_microseconds(status),
                partition=partition,
            )


def _selected(path: str, expression: re.Pattern[str]) -> tuple[tuple[str, str], ...] | None:
    """The partition folders between a match of the pattern and the file; None if the pattern does not reach it."""
    if expression.fullmatch(path):
        return ()
    partition: list[tuple[str, str]] = []
    folder = path.rpartition("/")[0]
    while folder:
        if expression.fullmatch(folder):
            return tuple(reversed(partition))
        folder, _, name = folder.rpartition("/")
        if "=" not in name:
            return None
        partition.append(_partition_value(name))
    return None


def _partition_value(folder_name: str) -> tuple[str, str]:
    key, _, value = folder_name.partition("=")
    return key, value


def _filesystem(uri: str) -> tuple[Any, str, str]:
    """The file system of a URI, the path in it, and what turns such a path back into a URI."""
    from pyarrow import fs  # a quarter of a second that local projects do not pay

    plain = re.split(r"[*?\[]", uri, maxsplit=1)[0]
    known = plain
    for scheme, name in _SCHEMES.items():
        known = known.replace(scheme, name, 1) if known.startswith(scheme) else known
    try:
        filesystem, path = fs.FileSystem.from_uri(known)
    except Exception as error:
        raise SourceFileError(f"'{uri}' cannot be opened: {error}", path=uri) from error
    prefix = plain[: len(plain) - len(path.rstrip("/"))] if plain.endswith(path) else plain.rstrip("/")[: -len(path)]
    return filesystem, uri[len(prefix) :], prefix


def _microseconds(status: Any) -> int:
    return int(status.mtime_ns) // 1000 if status.mtime_ns is not None else 0


def _local_stat(file: SourceFile) -> tuple[int, int] | None:
    try:
        status = os.stat(local_path(file))
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns // 1000


def _with_hash(file: SourceFile) -> SourceFile:
    digest = hashlib.blake2b(digest_size=16)
    try:
        with _open_raw(file) as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    except OSError:
        return file
    return replace(file, content_hash=digest.hexdigest())
