"""The text of a user's file, or the sentence that says why it cannot be had."""

from __future__ import annotations

import os
from pathlib import Path

from lakehouse.errors import InvalidValue, SourceLocation


def source_bytes(file: Path, root: Path) -> bytes:
    """What a file of the project in `root` holds. Raises InvalidValue if it cannot be read."""
    try:
        return file.read_bytes()
    except OSError as error:
        where = SourceLocation(os.path.relpath(file, root), 1)
        dangles = file.is_symlink() and not file.exists()
        why = f"it links to '{os.readlink(file)}', which is not there" if dangles else error.strerror or str(error)
        raise InvalidValue(
            f"this file cannot be read: {why}.", where=where, hint="Make it readable, or take it out of 'libraries'."
        ) from error


def source_text(file: Path, root: Path) -> str:
    """The text of a file of the project in `root`. Raises InvalidValue if it cannot be read or is not UTF-8."""
    content = source_bytes(file, root)
    try:
        return content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        where = SourceLocation(os.path.relpath(file, root), line)
        raise InvalidValue("this file is not UTF-8 text; save it as UTF-8.", where=where) from error
