"""YAML text becomes plain values with lines: the only module that knows PyYAML.

Plain scalars follow YAML 1.2, so `on`, `no` and `12:30` are text. Under the keys of `TEXT_MAPPINGS` every scalar stays
the text that was written (`version: 1.10` does not lose its zero). Anchors and merge keys (`<<`) work.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import yaml

from lakehouse.definition.document import Document, Path
from lakehouse.errors import DefinitionError, DuplicateName, InvalidValue, SourceLocation

TEXT_MAPPINGS = frozenset({"configuration", "options", "properties", "table_properties", "spark_conf"})

# Of one document; the longest lists of values that people write by hand or by script are well below.
MOST_VALUES = 500_000

# PyYAML without the C extension is the same, only slower.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_INTEGER = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_EXPONENT = re.compile(r"[-+]?[0-9.]+[eE][-+]?[0-9]+")
_CONSTANTS = {"": None, "~": None, "null": None, "true": True, "false": False}

Expand = Callable[[str, Path, SourceLocation], str]


def read_yaml(
    text: str, file: str, *, expand: Expand | None = None
) -> tuple[tuple[Document, ...], tuple[DefinitionError, ...]]:
    """Every document of a YAML text that is not empty, and what is wrong with the others.

    `expand` gets each scalar's text, its path, and where it begins; what it returns stands in its place, and the
    problems it raises are collected.
    """
    loader = _Loader(text)
    documents: list[Document] = []
    problems: list[DefinitionError] = []
    try:
        while loader.check_node():
            reading = _Reading(file, expand)
            node = loader.get_node()
            value = reading.value(node, (), as_text=False)
            problems.extend(reading.problems)
            if value is not None and not reading.problems:
                documents.append(
                    Document(
                        value=value,
                        file=file,
                        line=node.start_mark.line + 1,
                        lines=reading.lines,
                        text_lines=reading.text_lines,
                    )
                )
    except yaml.MarkedYAMLError as error:
        mark: Any = error.problem_mark or error.context_mark
        what = " ".join(part for part in (error.context, error.problem) if part)
        problems.append(InvalidValue(f"this is not YAML: {what}.", where=SourceLocation(file, mark.line + 1)))
    except yaml.reader.ReaderError as error:  # characters that YAML forbids
        # Its position counts bytes or characters, as the loader has it.
        where = SourceLocation(file, text.count("\n", 0, text.find(chr(error.character))) + 1)
        what = f"the character #x{error.character:04x} may not stand in it"
        problems.append(InvalidValue(f"this is not YAML: {what}.", where=where))
    except _TooLarge as error:
        where = SourceLocation(file, error.line)
        problems.append(
            InvalidValue(
                f"the aliases of this document stand for more than {MOST_VALUES:,} values.",
                where=where,
                hint="Write what is meant without aliases.",
            )
        )
    except RecursionError:
        problems.append(InvalidValue("this is nested too deep to be read.", where=SourceLocation(file, 1)))
    finally:
        loader.dispose()
    return tuple(documents), tuple(problems)


class _TooLarge(Exception):
    """A few lines of aliases of aliases can stand for more values than there is memory."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


class _Reading:
    """One document on its way from nodes to values."""

    def __init__(self, file: str, expand: Expand | None) -> None:
        self.file, self.expand = file, expand
        self.lines: dict[Path, int] = {}
        self.text_lines: dict[Path, int] = {}
        self.problems: list[DefinitionError] = []
        self._open: set[int] = set()
        self._values = 0

    def value(self, node: Any, path: Path, *, as_text: bool) -> Any:
        self._values += 1
        if self._values > MOST_VALUES:
            raise _TooLarge(node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path, as_text=as_text)
        if id(node) in self._open:
            self.problems.append(InvalidValue("an alias refers to what it is part of.", where=self._where(node)))
            return None
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, path)
            items = []
            for index, item in enumerate(node.value):
                inner = (*path, index)
                self.lines[inner] = item.start_mark.line + 1
                items.append(self.value(item, inner, as_text=False))
            return items
        finally:
            self._open.discard(id(node))

    def _mapping(self, node: Any, path: Path) -> dict[str, Any]:
        as_text = bool(path) and path[-1] in TEXT_MAPPINGS
        result: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            where = self._where(key_node)
            inner = (*path, str(key_node.value))
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(InvalidValue("a key must be plain text.", where=where))
            elif key_node.tag == "tag:yaml.org,2002:merge":
                merged |= self._merged(value_node, path)
            elif key_node.value in result:
                first = SourceLocation(self.file, self.lines[inner])
                self.problems.append(DuplicateName(key_node.value, first=first, where=where))
            else:
                self.lines[inner] = where.line
                result[key_node.value] = self.value(value_node, inner, as_text=as_text)
        return {**merged, **result} if merged else result

    def _merged(self, node: Any, path: Path) -> dict[str, Any]:
        sources = node.value if isinstance(node, yaml.SequenceNode) else [node]
        result: dict[str, Any] = {}
        for source in sources:
            if isinstance(source, yaml.MappingNode):
                result = {**self.value(source, path, as_text=False), **result}
            else:
                self.problems.append(InvalidValue("'<<' merges mappings only.", where=self._where(source)))
        return result

    def _scalar(self, node: Any, path: Path, *, as_text: bool) -> Any:
        block = node.style in ("|", ">")
        where = SourceLocation(self.file, node.start_mark.line + (2 if block else 1))
        self.text_lines[path] = where.line
        text: str = node.value
        if self.expand is not None and "${" in text:
            try:
                text = self.expand(text, path, where)
            except DefinitionError as problem:
                self.problems.append(problem)
        plain = not node.style  # None or empty, as the loader has it
        # PyYAML takes 1e3 for text, as YAML 1.1 did.
        typed = plain and (text != node.value or node.tag != "tag:yaml.org,2002:str" or bool(_EXPONENT.fullmatch(text)))
        value = _resolved(text) if typed else text
        if not as_text or value is None:
            return value
        return text.lower() if isinstance(value, bool) else text

    def _where(self, node: Any) -> SourceLocation:
        return SourceLocation(self.file, node.start_mark.line + 1)


def _resolved(text: str) -> Any:
    """A plain scalar's value by the core schema of YAML 1.2."""
    if text.lower() in _CONSTANTS:
        return _CONSTANTS[text.lower()]
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
