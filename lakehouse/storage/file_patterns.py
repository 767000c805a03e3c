"""Glob patterns as Spark understands them: `*`, `?`, `[…]`, `{a,b}`, and `**` for any depth of folders.

Names that start with `_` or `.` are hidden, as they are to Spark's readers, unless they are `key=value` folders.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

_MAGIC = re.compile(r"[*?\[{]")


def has_magic(text: str) -> bool:
    """Whether the text is a pattern rather than a plain path.

    >>> has_magic("landing/*.csv"), has_magic("landing/a.csv")
    (True, False)
    """
    return _MAGIC.search(text) is not None


def is_hidden(name: str) -> bool:
    """Whether Spark's readers leave a file or folder of this name out."""
    return name.startswith(".") or (name.startswith("_") and "=" not in name) or name.endswith("._COPYING_")


def expand_braces(pattern: str) -> list[str]:
    """The patterns that `{a,b}` alternatives stand for; alternatives may nest and may hold slashes.

    >>> expand_braces("in/{a,b/c}/*.csv")
    ['in/a/*.csv', 'in/b/c/*.csv']
    """
    start = pattern.find("{")
    if start < 0:
        return [pattern]
    depth, cut, choices = 0, start + 1, []
    for position in range(start, len(pattern)):
        character = pattern[position]
        depth += (character == "{") - (character == "}")
        if (character == "," and depth == 1) or depth == 0:
            choices.append(pattern[cut:position])
            cut = position + 1
        if depth == 0:
            return [
                expanded for choice in choices for expanded in expand_braces(pattern[:start] + choice + pattern[cut:])
            ]
    return [pattern]  # an unclosed brace is a character like any other


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """A regular expression that matches whole paths; `pattern` has no braces left."""
    segments = pattern.split("/")
    text = ""
    for position, segment in enumerate(segments):
        last = position == len(segments) - 1
        if segment == "**":
            text += r"(?:[^/]+/)*[^/]+" if last else r"(?:[^/]+/)*"
        else:
            text += _segment(segment) + ("" if last else "/")
    return re.compile(text, re.DOTALL)


def local_matches(pattern: str) -> Iterator[str]:
    """Absolute paths on the local disk, files and folders, that an absolute pattern without braces matches."""
    segments = [segment for segment in pattern.split("/") if segment]
    if segments and segments[-1] == "**":
        segments.append("*")
    yield from _walk("/", segments)


def _walk(folder: str, segments: list[str]) -> Iterator[str]:
    head, rest = segments[0], segments[1:]
    if head == "**":
        yield from _walk(folder, rest)
        for entry in _entries(folder):
            # A link may lead back up; plain `*` follows links, any-depth does not.
            if entry.is_dir(follow_symlinks=False) and not is_hidden(entry.name):
                yield from _walk(entry.path, segments)
    elif not has_magic(head):
        path = os.path.join(folder, head)
        if rest:
            yield from _walk(path, rest)
        elif os.path.exists(path):
            yield path
    else:
        expression = re.compile(_segment(head), re.DOTALL)
        for entry in _entries(folder):
            if is_hidden(entry.name) or not expression.fullmatch(entry.name):
                continue
            if not rest:
                yield entry.path
            elif entry.is_dir():
                yield from _walk(entry.path, rest)


def _entries(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _segment(segment: str) -> str:
    text, position = "", 0
    while position < len(segment):
        character = segment[position]
        position += 1
        if character == "*":
            text += "[^/]*"
        elif character == "?":
            text += "[^/]"
        elif character == "\\" and position < len(segment):
            text += re.escape(segment[position])
            position += 1
        elif character == "[" and (end := segment.find("]", position + 1)) > 0:
            members = segment[position:end]
            negated = members[0] in "^!"
            inside = re.sub(r"([\\\[\]^&~|])", r"\\\1", members[1:] if negated else members)
            text += f"[{'^' if negated else ''}{inside}]"
            position = end + 1
        else:
            text += re.escape(character)
    return text
