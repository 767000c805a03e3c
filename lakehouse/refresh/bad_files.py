"""Files that cannot be loaded: which they are, and why.

Good loads pay one counter for this. Only when a load fails, or the counter is not zero, are the guilty files looked
for. Nothing but names, counts and messages comes to the driver.
"""

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from typing import Any
from urllib.parse import unquote

from lakehouse.plan.load_plan import SourceFile
from lakehouse.storage.source_files import is_local, local_path, open_source_file

_CHUNK = 1 << 20
_LONGEST_CHAIN = 20


class BadFileKind(str, Enum):
    """Why a file is set aside."""

    EMPTY = "empty file"
    UNREADABLE = "unreadable"
    ENCODING = "wrong encoding"
    MALFORMED = "malformed records"
    MISFIT = "values that do not fit"
    SHAPE = "columns that do not fit"


@dataclass(frozen=True, slots=True, kw_only=True)
class BadFile:
    """A file that is set aside; `detail` is one sentence."""

    file: SourceFile
    kind: BadFileKind
    detail: str

    @property
    def reason(self) -> str:
        """Kind and detail, as the ledger keeps them."""
        return f"{self.kind.value}: {self.detail}"


def without_empty(files: Iterable[SourceFile]) -> tuple[list[SourceFile], list[BadFile]]:
    """The files that have bytes, and those that have none: a supplier's file is never meant to be empty."""
    good, bad = [], []
    for file in files:
        if file.size:
            good.append(file)
        else:
            bad.append(BadFile(file=file, kind=BadFileKind.EMPTY, detail="the file has 0 bytes"))
    return good, bad


def diagnose_failure(error: BaseException, files: Sequence[SourceFile]) -> list[BadFile]:
    """The files that made Spark fail; empty if the failure has another cause.

    Spark names the first one. Others broken in the same way are found without running again, where that is cheap.
    """
    named, cause = _failed_file(error)
    by_path = {_bare(file.uri): file for file in files}
    guilty = by_path.get(_bare(unquote(named))) if named else None
    if guilty is None and named:
        guilty = by_path.get(_bare(named))
    if guilty is None:
        return []
    is_encoding = "Invalid UTF-8" in cause or "MalformedInput" in cause
    kind = BadFileKind.ENCODING if is_encoding else BadFileKind.UNREADABLE
    found = {guilty.uri: BadFile(file=guilty, kind=kind, detail=cause)}
    packed = [file for file in files if file is not guilty and is_local(file) and file.path.endswith(".gz")]
    with ThreadPoolExecutor() as pool:
        for bad in pool.map(_broken_gzip, packed):
            if bad is not None:
                found[bad.file.uri] = bad
    return list(found.values())


def is_about_records(error: BaseException, sign: str) -> bool:
    """Whether Spark failed on a record rather than on a file; `sign` is what our own checks say then."""
    return any("MALFORMED_RECORD_IN_PARSING" in text or sign in text for text, _ in _causes(error))


def undecodable(files: Sequence[SourceFile], encoding: str) -> list[BadFile]:
    """The text files whose bytes are not of the encoding, where they do not say another one themselves."""
    with ThreadPoolExecutor() as pool:
        decoded = pool.map(lambda file: _names_encoding(file) or is_decodable(file, encoding), files)
        return [wrong_encoding(file, encoding) for file, good in zip(files, decoded, strict=True) if not good]


def wrong_encoding(file: SourceFile, encoding: str) -> BadFile:
    """A file whose bytes are not text in the encoding."""
    detail = f"the file is not {encoding} text; say 'encoding' in its options"
    return BadFile(file=file, kind=BadFileKind.ENCODING, detail=detail)


def is_decodable(file: SourceFile, encoding: str) -> bool:
    """Whether the file's bytes are text in the encoding, read to the end."""
    try:
        decoder = codecs.getincrementaldecoder(encoding)(errors="strict")
    except LookupError:
        return True  # an encoding that Java knows and Python does not: no proof against the file
    try:
        with open_source_file(file) as stream:
            while chunk := stream.read(_CHUNK):
                decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeError:
        return False
    except (OSError, EOFError, zlib.error):
        return True  # no statement about its text: reading it will tell
    return True


def _names_encoding(file: SourceFile) -> bool:
    """Whether an XML declaration at the file's beginning says how to read it."""
    try:
        with open_source_file(file) as stream:
            return re.match(rb"\s*<\?xml[^>]*encoding=", stream.read(200)) is not None
    except (OSError, EOFError, zlib.error):
        return True


def _failed_file(error: BaseException) -> tuple[str | None, str]:
    """The path in Spark's FAILED_READ_FILE, and the innermost message, or (None, "")."""
    path, message = None, ""
    for text, parameters in _causes(error):
        if path is None and "FAILED_READ_FILE" in text and "path" in parameters:
            path = parameters["path"]
        elif path is not None:
            message = text
    lines = message.splitlines()
    return path, re.sub(r"^(?:[a-z]\w*\.)+[A-Z]\w*: ", "", lines[0]) if lines else "the file cannot be read"


def _causes(error: BaseException) -> list[tuple[str, dict[str, str]]]:
    """The messages of an exception of the JVM, outermost first, with the parameters of Spark's own conditions."""
    throwable: Any = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    found: list[tuple[str, dict[str, str]]] = []
    while throwable is not None and len(found) < _LONGEST_CHAIN:
        text = str(throwable.getMessage() or throwable.getClass().getSimpleName())
        is_spark = throwable.getClass().getName().startswith("org.apache.spark.Spark")
        found.append((text, dict(throwable.getMessageParameters()) if is_spark else {}))
        throwable = throwable.getCause()
    return found


def _bare(uri: str) -> str:
    """A local URI in one form, whoever wrote it."""
    return re.sub(r"^file:/+", "/", uri)


def _broken_gzip(file: SourceFile) -> BadFile | None:
    try:
        with gzip.open(local_path(file)) as stream:
            while stream.read(_CHUNK):
                pass
    except (OSError, EOFError) as error:
        return BadFile(file=file, kind=BadFileKind.UNREADABLE, detail=str(error))
    return None
