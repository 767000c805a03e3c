"""What a query function computes, as a hash that is the same in every process.

It covers the function's bytecode, constants, defaults and closure, and the same of every function, class and plain
global of the project's own files that it uses, however deep; and the configuration values whose keys appear among its
constants. Comments, docstrings, line numbers and formatting do not count, nor does where the project lies on disk.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from lakehouse.definition.user_frame import is_project_file

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_PLAIN = (str, bytes, int, float, complex, bool, type(None), type(Ellipsis))


def code_identity(function: Callable[..., Any], root: Path, configuration: Mapping[str, str]) -> str:
    """SHA-256 (hex) of what `function` computes, for the project in the folder `root`."""
    walk = _Walk(root, configuration)
    walk.value(function)
    return hashlib.sha256("\x1f".join(walk.parts).encode("utf-8", "surrogatepass")).hexdigest()


class _Walk:
    """Writes the parts that make up a value; what was met before is written as its number."""

    def __init__(self, root: Path, configuration: Mapping[str, str]) -> None:
        self.root, self.configuration = root, configuration
        self.parts: list[str] = []
        self._met: dict[int, int] = {}
        self._kept: list[Any] = []  # an object that went away could lend its id to the next one

    def value(self, value: Any) -> None:
        if isinstance(value, _PLAIN):
            self.parts.append(repr(value))
            if isinstance(value, str) and value in self.configuration:
                self.parts.append(f"configured {self.configuration[value]!r}")
            return
        # Whether two equal constants are one object depends on how their module was loaded, so these are written out.
        if not isinstance(value, tuple | frozenset | CodeType):
            if id(value) in self._met:
                self.parts.append(f"again {self._met[id(value)]}")
                return
            self._met[id(value)] = len(self._met)
            self._kept.append(value)
        match value:
            case FunctionType():
                self._function(value)
            case MethodType():
                self._many("method", (value.__func__, value.__self__))
            case CodeType():
                self._code(value, docstring=None)
            case functools.partial():
                self._many("partial", (value.func, value.args, value.keywords))
            case list() | tuple():
                self._many(type(value).__name__, value)
            case dict():
                self._many("dict", [part for item in value.items() for part in item])
            case set() | frozenset():
                self.parts += ["set", *sorted(self._written(member) for member in value)]
            case type():
                self._class(value)
            case ModuleType():
                self.parts.append(f"module {value.__name__}")
            case _:
                self._object(value)

    def _many(self, kind: str, values: Any) -> None:
        self.parts.append(f"{kind} {len(values)}")
        for value in values:
            self.value(value)

    def _function(self, function: FunctionType) -> None:
        if not is_project_file(function.__code__.co_filename, self.root):
            self.parts.append(f"function {function.__module__}.{function.__qualname__}")
            # A wrapper of a library (spark's udf, functools.cache) around a function of the project.
            if hasattr(function, "__wrapped__"):
                self.value(function.__wrapped__)
            return
        self._code(function.__code__, docstring=function.__doc__)
        self._many("defaults", function.__defaults__ or ())
        self.value(function.__kwdefaults__ or {})
        self._many("closure", [_contents(cell) for cell in function.__closure__ or ()])
        for name in sorted(_names(function.__code__)):
            if name in function.__globals__:
                self._global(name, function.__globals__[name], function.__code__)

    def _global(self, name: str, value: Any, code: CodeType) -> None:
        self.parts.append(f"global {name}")
        if isinstance(value, ModuleType) and is_project_file(getattr(value, "__file__", None) or "", self.root):
            for attribute in sorted(_names(code)):
                if hasattr(value, attribute):
                    self.parts.append(f"attribute {attribute}")
                    self.value(getattr(value, attribute))
            return
        self.value(value)

    def _code(self, code: CodeType, *, docstring: str | None) -> None:
        constants = list(code.co_consts)
        if constants and docstring is not None and constants[0] == docstring:
            constants[0] = None
        self.parts += [code.co_code.hex(), getattr(code, "co_exceptiontable", b"").hex(), *code.co_names]
        self.parts.append(f"arguments {code.co_argcount} {code.co_posonlyargcount} {code.co_kwonlyargcount}")
        self._many("constants", constants)

    def _class(self, kind: type) -> None:
        self.parts.append(f"class {kind.__module__}.{kind.__qualname__}")
        if self._is_project_class(kind):
            for name, member in sorted(vars(kind).items()):
                function = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
                if not name.startswith("__") or isinstance(function, FunctionType):
                    self.parts.append(name)
                    self.value(function)

    def _object(self, value: Any) -> None:
        kind = type(value)
        self.parts.append(f"object {kind.__module__}.{kind.__qualname__}")
        unspecific: Any = object.__repr__
        if hasattr(value, "__wrapped__"):
            self.value(value.__wrapped__)
        elif self._is_project_class(kind):
            self.value(kind)
            self.value(dict(getattr(value, "__dict__", {})))
        elif not kind.__module__.startswith("lakehouse.") and kind.__repr__ is not unspecific:
            self.parts.append(_ADDRESS.sub("", repr(value).replace(str(self.root), ".")))

    def _is_project_class(self, kind: type) -> bool:
        files = (member.__code__.co_filename for member in vars(kind).values() if isinstance(member, FunctionType))
        return any(is_project_file(file, self.root) for file in files)

    def _written(self, value: Any) -> str:
        inner = _Walk(self.root, self.configuration)
        inner.value(value)
        return "\x1e".join(inner.parts)


def _contents(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # a name that its function has not set yet
        return None


def _names(code: CodeType) -> set[str]:
    """The global and attribute names in a function's code and in the functions written inside it."""
    inner = [_names(constant) for constant in code.co_consts if isinstance(constant, CodeType)]
    return set(code.co_names).union(*inner)
