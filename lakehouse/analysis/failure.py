"""A failed query as facts: Spark's condition, one clear sentence, and the place in the user's file.

Spark reports one mistake in many shapes: a converted PySpark exception, a bare `Py4JJavaError`, a cause below "task
failed", a worker's traceback as text. Whatever the shape, no Java stack trace and no plan leaves this module.

A failure is transient, so that trying again in the same session may help, only when the cluster or the network failed
and not the query: lost executors, failed fetches, timeouts, and commits that lost a race. Running out of memory is
not: the same rows will need the same memory. A JVM that ended is not: there is no session to try again in.
"""

from __future__ import annotations

import re
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from py4j.java_gateway import JavaClass
from py4j.protocol import Py4JError, Py4JJavaError, Py4JNetworkError
from pyspark.errors import PySparkException
from pyspark.errors.exceptions.base import QueryContextType

from lakehouse.errors import InvalidValue, SourceLocation
from lakehouse.names import split_name

_SPARK_THROWABLE = "org.apache.spark.SparkThrowable"
_SQL_STATE = re.compile(r"\s*SQLSTATE: ([0-9A-Z]{5})")
_END_OF_SENTENCE = re.compile(r"\n\s*== (SQL|DataFrame)|\n\nJVM stacktrace|\n\tat |;\s*\n")
_CONDITION_PREFIX = re.compile(r"^\s*\[([A-Z][A-Z0-9_.]*)\]\s*")
_LINE = re.compile(r"\(line (\d+), pos(?:ition)? \d+\)|; line (\d+) pos \d+")
_WORKER_FRAME = re.compile(r'^ *File "(.+)", line (\d+)', re.MULTILINE)
_WORKER_TRACEBACK = "Traceback (most recent call last):"
_QUOTED_PART = re.compile(r"`((?:[^`]|``)*)`")

_LONGEST_CHAIN = 20
_WRAPPERS = frozenset({"TASK_WRITE_FAILED"})  # says only that a task failed; its cause says why
_TRANSIENT_CLASSES = (
    "org.apache.spark.shuffle.FetchFailedException",
    "org.apache.spark.rpc.RpcTimeoutException",
    "java.net.ConnectException",
    "java.net.SocketException",
    "java.net.SocketTimeoutException",
    "java.util.concurrent.TimeoutException",
)
_TRANSIENT_TEXTS = ("ExecutorLostFailure", "FetchFailed(", "MetadataFetchFailedException")
_LOST_RACES = frozenset(
    {
        "DELTA_CONCURRENT_APPEND",
        "DELTA_CONCURRENT_DELETE_DELETE",
        "DELTA_CONCURRENT_DELETE_READ",
        "DELTA_CONCURRENT_WRITE",
        "DELTA_METADATA_CHANGED",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What is known of a failed query.

    `condition` and `sql_state` are Spark's error class and SQLSTATE, None for a plain Python exception. `line` counts
    from 1 within the query's SQL text; `location` is a place in the project's Python code. `missing_table` are the
    lower-case parts of a table name that does not exist, `missing_column` a column or field that does not, and
    `candidates` the ones Spark saw instead. `transient`: trying again in the same session may help.
    """

    message: str
    condition: str | None = None
    sql_state: str | None = None
    line: int | None = None
    location: SourceLocation | None = None
    missing_table: tuple[str, ...] | None = None
    missing_column: str | None = None
    candidates: tuple[str, ...] = ()
    transient: bool = False

    def where(self, query: SourceLocation) -> SourceLocation:
        """The nearest known place, for a query whose text or function begins at `query`."""
        if self.location is not None:
            return self.location
        return query if self.line is None else SourceLocation(query.file, query.line + self.line - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cause:
    """One throwable of a chain: its Java class, Spark's condition and its parameters where it has them."""

    java_class: str
    text: str
    condition: str | None = None
    parameters: tuple[tuple[str, str], ...] = ()


def describe_failure(error: BaseException, *, query: str | None = None, root: Path | None = None) -> Failure:
    """The facts of an exception that Spark, or a user's query function, raised.

    `query` is the SQL text, if the query is one: a line number is given only if it is a line of that text. `root` is
    the project's folder: a place in Python code is given only if it lies below it, as a path relative to it.
    """
    causes = _causes(error)
    named = [cause for cause in causes if cause.condition and cause.condition not in _WRAPPERS]
    main = named[-1] if named else causes[0]
    parameters = dict(main.parameters)
    missing_table = _missing_table(main.condition, parameters)
    missing_column, candidates = _missing_column(main.condition, parameters)
    worker = _worker_traceback(causes)
    return Failure(
        message=_message(error, causes, main, worker),
        condition=main.condition,
        sql_state=_sql_state(error, main),
        line=_line(error, main, query),
        location=_location(error, worker, root),
        missing_table=missing_table,
        missing_column=missing_column,
        candidates=candidates,
        transient=_is_transient(causes),
    )


def _causes(error: BaseException) -> list[_Cause]:
    """The error and what caused it, outermost first."""
    throwable = getattr(error, "_origin", None)
    if isinstance(error, Py4JJavaError):
        throwable = error.java_exception
    causes: list[_Cause] = []
    while throwable is not None and len(causes) < _LONGEST_CHAIN:
        causes.append(_java_cause(throwable))
        throwable = throwable.getCause()
    if causes:
        return causes
    if isinstance(error, PySparkException):
        parameters = tuple((error.getMessageParameters() or {}).items())
        return [_Cause(java_class="", text=str(error), condition=error.getCondition(), parameters=parameters)]
    return [_Cause(java_class="", text=f"{type(error).__name__}: {error}".removesuffix(": "))]


def _java_cause(throwable: Any) -> _Cause:
    java_class = str(throwable.getClass().getName())
    text = str(throwable.getMessage() or "")
    reflection = JavaClass("py4j.reflection.TypeUtil", throwable._gateway_client)
    if not reflection.isInstanceOf(_SPARK_THROWABLE, throwable) or throwable.getCondition() is None:
        return _Cause(java_class=java_class, text=text)
    parameters = tuple((str(key), str(value)) for key, value in dict(throwable.getMessageParameters()).items())
    return _Cause(java_class=java_class, text=text, condition=str(throwable.getCondition()), parameters=parameters)


def _message(error: BaseException, causes: list[_Cause], main: _Cause, worker: str | None) -> str:
    if isinstance(error, Py4JNetworkError):
        return "the Java process of Spark ended or cannot be reached."
    if isinstance(error, Py4JError) and not isinstance(error, Py4JJavaError):
        return f"Spark's Java side refused a call: {_sentence(str(error))}"
    if worker is not None:
        return _worker_error(worker)
    sentence = _known_sentence(main) or _sentence(main.text) or main.java_class
    root_cause = causes[-1]
    if root_cause is not main and root_cause.condition is None and causes.index(main) < len(causes) - 1:
        detail = _sentence(root_cause.text)
        if detail and detail not in sentence:
            sentence = f"{sentence} ({detail})"
    return sentence


def _known_sentence(cause: _Cause) -> str | None:
    """Our own words for the mistakes that happen daily, where Spark's run to several sentences."""
    parameters = dict(cause.parameters)
    if table := _missing_table(cause.condition, parameters):
        return f"table '{'.'.join(table)}' does not exist."
    column, candidates = _missing_column(cause.condition, parameters)
    if column is not None:
        existing = f"; there are: {', '.join(candidates)}" if candidates else ""
        return f"column '{column}' does not exist{existing}."
    return None


def _sentence(text: str) -> str:
    """Spark's text on one line, without condition, SQLSTATE, query, plan and stack."""
    text = _CONDITION_PREFIX.sub("", text)
    for end in (_SQL_STATE, _END_OF_SENTENCE):
        if found := end.search(text):
            text = text[: found.start()]
    return " ".join(text.split())


def _sql_state(error: BaseException, main: _Cause) -> str | None:
    found = _SQL_STATE.search(main.text)
    if found:
        return found.group(1)
    return error.getSqlState() if isinstance(error, PySparkException) and main.condition else None


def _missing_table(condition: str | None, parameters: dict[str, str]) -> tuple[str, ...] | None:
    if condition != "TABLE_OR_VIEW_NOT_FOUND" or "relationName" not in parameters:
        return None
    try:
        return split_name(parameters["relationName"])
    except InvalidValue:  # not a name as we know it, but still what the user wrote
        return (parameters["relationName"],)


def _missing_column(condition: str | None, parameters: dict[str, str]) -> tuple[str | None, tuple[str, ...]]:
    match (condition or "").split("."):
        case ["UNRESOLVED_COLUMN" | "UNRESOLVED_MAP_KEY" | "UNRESOLVED_FIELD", _]:
            name, existing = parameters.get("objectName") or parameters.get("fieldName"), parameters.get("proposal", "")
        case ["FIELD_NOT_FOUND"]:
            name, existing = parameters.get("fieldName"), parameters.get("fields", "")
        case _:
            return None, ()
    return (_unquoted(name) if name else None), tuple(_unquoted(part) for part in existing.split(", ") if part)


def _unquoted(name: str) -> str:
    return ".".join(part.replace("``", "`") for part in _QUOTED_PART.findall(name)) or name


def _line(error: BaseException, main: _Cause, query: str | None) -> int | None:
    contexts = error.getQueryContext() if isinstance(error, PySparkException) else []
    for context in contexts:
        if context.contextType() is not QueryContextType.SQL:
            continue
        # The SQL text of a view that is read has places too; only the query's own count.
        if query is not None and query[context.startIndex() : context.stopIndex() + 1] != context.fragment():
            continue
        if found := _LINE.search(context.summary()):
            return int(found.group(1))
    if contexts:
        return None
    found = _LINE.search(main.text)
    return int(found.group(1) or found.group(2)) if found else None


def _location(error: BaseException, worker: str | None, root: Path | None) -> SourceLocation | None:
    """The deepest place in the project's Python code: in a worker, where the expression was made, in the function."""
    if root is None:
        return None
    places: list[tuple[str, int]] = []
    places += [(frame.filename, frame.lineno or 1) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, PySparkException):
        for context in error.getQueryContext():
            if context.contextType() is QueryContextType.DataFrame:
                called_in, _, number = context.callSite().rpartition(":")
                places.append((called_in, int(number) if number.isdigit() else 1))
    places += [(file, int(line)) for file, line in _WORKER_FRAME.findall(worker or "")]
    for file, line in reversed(places):
        path = Path(file)
        if path.is_relative_to(root) and "site-packages" not in path.parts:
            return SourceLocation(path.relative_to(root).as_posix(), line)
    return None


def _worker_traceback(causes: list[_Cause]) -> str | None:
    """The traceback that a Python worker sent, as text, if a user's function failed there."""
    for cause in reversed(causes):
        if _WORKER_TRACEBACK in cause.text and ("PythonException" in cause.java_class or not cause.java_class):
            return cause.text[cause.text.index(_WORKER_TRACEBACK) :].partition("\n\tat ")[0]
    return None


def _worker_error(worker: str) -> str:
    """`ValueError: text` from the end of a traceback: what follows its last frame's lines."""
    lines = worker.strip().splitlines()
    last_frame = max(index for index, line in enumerate(lines) if line.startswith('  File "') or index == 0)
    end = next((index for index in range(last_frame + 1, len(lines)) if not lines[index].startswith(" ")), last_frame)
    return " ".join(" ".join(lines[end:]).split())


def _is_transient(causes: list[_Cause]) -> bool:
    return any(
        cause.condition in _LOST_RACES
        or cause.java_class.startswith(_TRANSIENT_CLASSES)
        or any(text in cause.text for text in _TRANSIENT_TEXTS)
        for cause in causes
    )
