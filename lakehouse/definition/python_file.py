"""Python definition files: run inside pyspark's registration context, as the code its users wrote expects.

While a file runs, the working directory is the project's folder; that and the file's own folder are on `sys.path`;
`spark` is a global; and asking pyspark for a session gives the stand-in. All of it is restored afterwards, and the
project's own modules are forgotten, so that another project, or the next reading, starts anew.
"""

from __future__ import annotations

import functools
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from pyspark.errors import PySparkException
from pyspark.pipelines.graph_element_registry import graph_element_registration_context

from lakehouse.definition.dataset import Dataset
from lakehouse.definition.declared_name import without_prefix
from lakehouse.definition.document import Declarations
from lakehouse.definition.project import ProjectSpec
from lakehouse.definition.python_registry import ProjectRegistry
from lakehouse.definition.session_stand_in import SessionStandIn, standing_in
from lakehouse.definition.source_text import source_bytes
from lakehouse.definition.user_frame import is_project_file, last_line_below
from lakehouse.errors import DefinitionError, DefinitionErrors, InvalidValue, LakehouseError, SourceLocation

# What pyspark raises where an expression is built (F.col, udf types) before there is a session.
_NO_SESSION = ("SESSION_OR_CONTEXT_NOT_EXISTS", "NO_ACTIVE_SESSION", "NO_ACTIVE_OR_DEFAULT_SESSION")
_EXPECTATION_NAMES = re.compile(r"'pyspark\.pipelines' has no attribute '(expect\w*|streaming_table)'")


def read_python_files(
    files: Sequence[Path], spec: ProjectSpec, open_session: Callable[[], Any] | None
) -> tuple[Declarations, ...]:
    """What each file declares, with the problems of the others. Raises nothing of the user's making."""
    stand_in = SessionStandIn(
        open_session, spec.configuration, lambda name: without_prefix(name, spec.catalog), spec.root
    )
    before = set(sys.modules)
    try:
        return tuple(_read_file(file, spec, stand_in) for file in files)
    finally:
        for name in set(sys.modules) - before:
            if is_project_file(getattr(sys.modules[name], "__file__", None) or "", spec.root):
                del sys.modules[name]


def _read_file(file: Path, spec: ProjectSpec, stand_in: SessionStandIn) -> Declarations:
    def run_in_project(function: Callable[[], Any]) -> Callable[[], Any]:
        @functools.wraps(function)
        def query() -> Any:
            with _import_paths(spec.root, file.parent), standing_in(stand_in):
                return function()

        return query

    try:
        source = compile(source_bytes(file, spec.root), str(file), "exec", dont_inherit=True)
    except InvalidValue as problem:
        return Declarations(problems=(problem,))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = getattr(error, "lineno", None) or 1
        where = SourceLocation(os.path.relpath(file, spec.root), line)
        return Declarations(problems=(InvalidValue(f"this is not Python: {_sentence(error)}", where=where),))
    while True:
        registry = ProjectRegistry(spec, run_in_project)
        without_session = not stand_in.opened()
        try:
            _execute(source, file, spec, registry, stand_in)
        except (Exception, SystemExit) as error:
            if not (without_session and _wants_session(error)):
                return Declarations(problems=_problems(error, file, spec))
            if not stand_in.can_open:
                return Declarations(problems=(_needs_session(error, file, spec),))
            stand_in.open()
            continue  # the session is there now: read the file again from its first line
        found = list(registry.datasets())
        return Declarations(
            datasets=tuple(item for item in found if isinstance(item, Dataset)),
            problems=tuple(item for item in found if isinstance(item, DefinitionError)),
            notices=tuple(registry.notices),
        )


def _execute(source: Any, file: Path, spec: ProjectSpec, registry: ProjectRegistry, stand_in: SessionStandIn) -> None:
    # A name of its own: two files may share theirs, and one may be called as a library is.
    name = "_definition_" + re.sub(r"\W", "_", os.path.relpath(file, spec.root).removesuffix(".py"))
    module = ModuleType(name)
    module.__file__ = str(file)
    module.__dict__["spark"] = stand_in
    # Dataclasses look their module up while the file runs. Later it must not be found, or workers would import it
    # by name instead of getting its functions by value.
    sys.modules[name] = module
    before = Path.cwd()
    os.chdir(spec.root)
    try:
        with (
            _import_paths(spec.root, file.parent),
            standing_in(stand_in),
            graph_element_registration_context(registry),
        ):
            exec(source, module.__dict__)  # noqa: S102  (running the user's file is the purpose)
    finally:
        os.chdir(before)
        sys.modules.pop(name, None)


@contextmanager
def _import_paths(*folders: Path) -> Iterator[None]:
    """Inside, the folders can be imported from."""
    added = [str(folder) for folder in dict.fromkeys(folders)]
    sys.path[:0] = added
    try:
        yield
    finally:
        for path in added:
            if path in sys.path:
                sys.path.remove(path)


def _wants_session(error: BaseException) -> bool:
    """Whether pyspark failed for want of a session."""
    if isinstance(error, PySparkException):
        return error.getCondition() in _NO_SESSION
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    inside = traceback is not None and f"{os.sep}pyspark{os.sep}" in traceback.tb_frame.f_code.co_filename
    return inside and (isinstance(error, AssertionError) or "'NoneType' object has no attribute '_j" in str(error))


def _needs_session(error: BaseException, file: Path, spec: ProjectSpec) -> DefinitionError:
    return InvalidValue(
        "this line builds a Spark expression while the definition file is read, and no session is started here.",
        where=_place(error, file, spec),
        hint="Move it into the query function, and give types as objects (IntegerType(), not 'int');"
        " what must run at import works in 'dry-run' and 'run'.",
    )


def _problems(error: BaseException, file: Path, spec: ProjectSpec) -> tuple[DefinitionError, ...]:
    """An exception of a user's file as what the user reads: no traceback, the line of the user's own file."""
    if isinstance(error, DefinitionErrors):
        return error.problems
    where = _place(error, file, spec)
    if isinstance(error, DefinitionError):
        error.where = error.where or where
        return (error,)
    if isinstance(error, LakehouseError):  # opening the session failed: not the file's fault
        raise error
    hint = None
    if isinstance(error, ModuleNotFoundError) and error.name == "dlt":
        hint = "Write: from lakehouse import pipelines as dlt"
    elif _EXPECTATION_NAMES.search(str(error)):
        hint = "Write: from lakehouse import pipelines as dp"
    what = f"reading this file failed with {type(error).__name__}: {_sentence(error)}"
    return (DefinitionError(what, where=where, hint=hint),)


def _place(error: BaseException, file: Path, spec: ProjectSpec) -> SourceLocation:
    return last_line_below(spec.root, error.__traceback__) or SourceLocation(os.path.relpath(file, spec.root), 1)


def _sentence(error: BaseException) -> str:
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    first = (text or "").strip().splitlines()[:1]
    return (first[0].rstrip(".") if first else "no message") + "."
