"""The `spark` of definition files: it stands for a session and starts one only when one is really used.

Nearly every definition file gets a session while it is imported, and hardly any uses it before its functions are
called. So the import gets this stand-in, and `validate` needs no Java. In a query function it stands for the session
in which the query is evaluated: that of `using_session`, else Spark's active one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from lakehouse.definition.sql_references import names_replaced
from lakehouse.definition.user_frame import calling_line, location_in
from lakehouse.errors import InvalidValue, SourceLocation, UndefinedVariable

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

_session: ContextVar[Any] = ContextVar("session of the query that is evaluated", default=None)
_stand_in: ContextVar[Any] = ContextVar("stand-in of the user code that runs", default=None)
_NONE: Any = object()


@contextmanager
def using_session(session: SparkSession) -> Iterator[None]:
    """Inside, in this thread, every stand-in stands for `session`."""
    token = _session.set(session)
    try:
        yield
    finally:
        _session.reset(token)


class SessionStandIn:
    """Looks like a SparkSession. `configuration` answers `conf.get` first; `normalise_name` turns a table name as a
    user writes it into one that a session of the project knows. Without `open_session` a real use is an error."""

    def __init__(
        self,
        open_session: Callable[[], Any] | None,
        configuration: Mapping[str, str],
        normalise_name: Callable[[str], str],
        root: Path | None = None,
    ) -> None:
        self._open_session = open_session
        self._configuration = configuration
        self._normalise_name = normalise_name
        self._root = root or Path.cwd()
        self._opened: Any = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # asked for by inspection and copying, which mean no use
            raise AttributeError(name)
        return getattr(self._real(), name)

    def __repr__(self) -> str:
        return "<the project's Spark session>"

    @property
    def conf(self) -> ConfStandIn:
        """The configuration: the project's first, then the session's."""
        return ConfStandIn(self, self._configuration)

    @property
    def read(self) -> ReaderStandIn:
        """A reader of tables and files."""
        return ReaderStandIn(self)

    @property
    def readStream(self) -> NoReturn:
        """Refused: streaming tables are fed by files that the project declares."""
        raise InvalidValue(
            "spark.readStream is not supported yet: streaming tables are fed by files for now.",
            where=self._where(),
            hint="Declare the files in YAML (streaming_table with source:) or with dp.streaming_table(name=…, files=…),"
            " and read tables with spark.read.table.",
        )

    def table(self, name: str) -> DataFrame:
        """The table of that name as a frame."""
        frame: DataFrame = self._real().table(self._normalise_name(name))
        return frame

    def sql(self, text: str, *args: Any, **options: Any) -> DataFrame:
        """The result of a query as a frame."""
        replaced = names_replaced(text, self._normalise_name)
        frame: DataFrame = self._real().sql(replaced, *args, **options)
        return frame

    def stop(self) -> None:
        """Does nothing: scripts end with it, but the session belongs to the run."""

    def opened(self) -> bool:
        """Whether there is a real session behind this already."""
        return self._current() is not None

    @property
    def can_open(self) -> bool:
        """Whether there is a way to open a real session."""
        return self._open_session is not None

    def open(self) -> None:
        """Opens the real session."""
        self._real()

    def _current(self) -> Any:
        return _session.get() or (None if _stand_in.get() is None else _active_session()) or self._opened

    def _real(self) -> Any:
        session = self._current()
        if session is None and self._open_session is None:
            raise InvalidValue(
                "this line uses Spark while the definition file is read, and no session is started here.",
                where=self._where(),
                hint="Move it into the query function; what must run at import works in 'dry-run' and 'run'.",
            )
        if session is None and self._open_session is not None:
            with _not_standing_in():  # what opens the session asks for it in the same way as user code does
                session = self._opened = self._open_session()
        return session

    def _where(self) -> SourceLocation:
        return location_in(self._root, *calling_line())


class ReaderStandIn:
    """`spark.read`."""

    def __init__(self, session: SessionStandIn) -> None:
        self._of = session

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._of._real().read, name)

    def table(self, name: str) -> DataFrame:
        """The table of that name as a frame."""
        return self._of.table(name)


class ConfStandIn:
    """`spark.conf`."""

    def __init__(self, session: SessionStandIn, configuration: Mapping[str, str]) -> None:
        self._of, self._configuration = session, configuration

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self._of._real().conf, name)

    def get(self, key: str, default: Any = _NONE) -> Any:
        """The project's value, else the session's, else `default`.

        Raises UndefinedVariable for a key of the user's own that nobody set.
        """
        if key in self._configuration:
            return self._configuration[key]
        if not key.startswith("spark."):
            if default is _NONE:
                raise UndefinedVariable(key, self._configuration, where=self._of._where())
            return default
        if default is not _NONE and not self._of.opened():
            return default
        conf = self._of._real().conf
        return conf.get(key) if default is _NONE else conf.get(key, default)

    def set(self, key: str, value: Any) -> NoReturn:
        """Refused: a file's setting would hold for all other datasets, in an order nobody sees."""
        raise InvalidValue(
            f"a definition file cannot set '{key}'.",
            where=self._of._where(),
            hint="Write it under 'configuration:' of the spec, or as spark_conf of one dataset.",
        )


@contextmanager
def standing_in(stand_in: SessionStandIn) -> Iterator[None]:
    """Inside, in this thread, user code that asks pyspark for a session gets the stand-in."""
    token = _stand_in.set(stand_in)
    try:
        with _PATCH:
            yield
    finally:
        _stand_in.reset(token)


@contextmanager
def _not_standing_in() -> Iterator[None]:
    token = _stand_in.set(None)
    try:
        yield
    finally:
        _stand_in.reset(token)


def _active_session() -> Any:
    from pyspark.sql import SparkSession  # only reached while user code runs, which has imported it

    with _not_standing_in():
        return SparkSession.getActiveSession()


class _Patch:
    """`SparkSession.active`, `.getActiveSession` and `.builder.getOrCreate` answer the stand-in where one stands in.

    Patched while any user code runs, restored after; other threads meanwhile get what pyspark gives.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._originals: list[tuple[type, str, Any]] = []

    def __enter__(self) -> None:
        from pyspark.sql import SparkSession  # only reached when a definition file is read or its function called

        with self._lock:
            self._users += 1
            if self._users == 1:
                for holder, name in (
                    (SparkSession, "active"),
                    (SparkSession, "getActiveSession"),
                    (SparkSession.Builder, "getOrCreate"),
                ):
                    original = holder.__dict__[name]
                    self._originals.append((holder, name, original))
                    setattr(holder, name, _standing_in_for(original))

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                for holder, name, original in self._originals:
                    setattr(holder, name, original)
                self._originals.clear()


def _standing_in_for(original: Any) -> Any:
    is_of_class = isinstance(original, classmethod)
    function = original.__func__ if is_of_class else original

    def answer(self: Any, *args: Any, **options: Any) -> Any:
        stand_in = _stand_in.get()
        return function(self, *args, **options) if stand_in is None else stand_in

    return classmethod(answer) if is_of_class else answer


_PATCH = _Patch()
