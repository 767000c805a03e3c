"""A load: the rows of new files staged as one write, and what the ledger must say of every file.

Files that cannot be read are set aside one way or another until the rest can be staged: before reading (no bytes,
no footer, a header in another encoding), when Spark fails on one, or when rows were counted that do not belong in the
table. Then the load is staged again without them. Files that change meanwhile are left for the next load.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.types import StructType

from lakehouse.analysis.schema import OutputColumn, output_columns, quote_string
from lakehouse.definition.dataset import StreamingTable
from lakehouse.errors import LakehouseError, SourceFileError
from lakehouse.plan.load_plan import FileStatus, LedgerEntry, LoadPlan, SourceFile, check_sources
from lakehouse.plan.refresh_plan import RefreshStep
from lakehouse.plan.sieve import ROWS
from lakehouse.refresh.bad_files import BadFile, diagnose_failure, is_about_records, undecodable, without_empty
from lakehouse.refresh.bad_records import bad_records, merged_json_records
from lakehouse.refresh.file_reading_columns import RESCUED, SOURCE_FILE, Stamp
from lakehouse.refresh.file_reading_options import encoding_of, reader_options
from lakehouse.refresh.file_reading_rows import UNFIT, Reading
from lakehouse.refresh.load_frame import LoadFrame, read_load, reading_settings
from lakehouse.refresh.load_sifting import SiftedLoad
from lakehouse.refresh.quarantine import Quarantine
from lakehouse.refresh.type_fitting import new_fields
from lakehouse.storage.source_files import is_plain, unchanged
from lakehouse.storage.staged_write import StagedWrite, TableWrite, WriteMode, stage_write
from lakehouse.storage.table_log import newest_version


@dataclass(frozen=True, slots=True)
class RunMoment:
    """The run that loads, and the instant (UTC) that its rows say they came at."""

    run: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StagedLoad:
    """A load that no reader sees yet; `write` is None where no file brings rows.

    `rows` are those written, of the `rows_in` that the files gave; `counts` are those of their sieve, `quarantine` the
    commit of what it sets aside. `loaded` are its files, `bad` every file that cannot be read with the reason, now or
    before, `ledger` what to record before the commit, `notices` sentences worth showing. `frame` computes all rows.
    """

    write: StagedWrite | None
    rows: int
    loaded: tuple[SourceFile, ...]
    bad: tuple[tuple[str, str], ...]
    ledger: tuple[LedgerEntry, ...]
    columns_added: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    rows_in: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)
    quarantine: StagedWrite | None = None
    frame: DataFrame | None = None


def stage_load(
    session: SparkSession,
    table: StreamingTable,
    step: RefreshStep,
    write: TableWrite,
    moment: RunMoment,
    sift: Callable[[DataFrame], Quarantine] | None = None,
) -> StagedLoad:
    """Stages the step's load plan as one write of the table: appended, or replacing the rows of changed files, or all.
    `sift` tells what becomes of rows with the columns of a frame.

    Raises SourceFileError for a file that changed after it was loaded and for a load that would lose rows, SchemaError
    for columns that do not fit, QueryError for a wrong `select`; the table is unchanged then.
    """
    assert step.load is not None
    check_sources(step.load, table)
    load = _Load(session, table, step.load, write, Stamp(epoch=step.epoch, ingested_at=moment.at), sift)
    staged = load.stage()
    aside = load.sifting.set_aside(staged) if staged is not None and load.sifting is not None else None
    counts = load.sifting.counts(staged) if staged is not None and load.sifting is not None else {}
    rows = staged.rows if staged is not None else 0
    return StagedLoad(
        write=staged,
        rows=rows,
        rows_in=counts.get(ROWS, rows),
        counts=counts,
        quarantine=aside,
        frame=load.frame.frame if load.frame is not None else None,
        loaded=tuple(load.due) if staged is not None else (),
        bad=(
            *((entry.path, entry.reason or "it could not be read before") for entry in step.load.known_bad),
            *((bad.file.path, bad.reason) for bad in load.bad),
        ),
        ledger=tuple(load.ledger(moment.run, _project(write, table))),
        columns_added=load.columns_added() if staged is not None else (),
        notices=tuple(load.notices()),
    )


def source_columns(session: SparkSession, table: StreamingTable, plan: LoadPlan, path: str) -> tuple[OutputColumn, ...]:
    """The columns that the table at `path` will have after the load; none if no file tells them. Nothing is written.

    Raises SchemaError, QueryError and InvalidValue as the load itself would.
    """
    load = _Load(session, table, plan, TableWrite(path=path, application="", mode=WriteMode.APPEND), _NO_STAMP)
    frame = load.read()
    before = output_columns(session.read.format("delta").load(path)) if load.existing is not None else ()
    if frame is None:
        return before
    names = {column.name.lower() for column in before}
    return (*before, *(column for column in output_columns(frame.frame) if column.name.lower() not in names))


class _Load:
    """One load on its way: `due` are the files still in it, `bad` and `moving` those that had to leave."""

    def __init__(
        self,
        session: SparkSession,
        table: StreamingTable,
        plan: LoadPlan,
        write: TableWrite,
        stamp: Stamp,
        sift: Callable[[DataFrame], Quarantine] | None = None,
    ) -> None:
        self._session = session
        self._table = table
        self._plan = plan
        self._write = write
        self._sift = sift
        self.sifting: SiftedLoad | None = None
        self._stamp = stamp
        self._checked: set[str] = set()
        self._decodable: set[str] = set()
        self._exists = newest_version(write.path) >= 0
        self.existing: StructType | None = None
        if self._exists and not plan.full:
            self.existing = session.read.format("delta").load(write.path).schema
        self.due = [*plan.load, *plan.reload]
        self.bad: list[BadFile] = []
        self.moving: list[SourceFile] = []
        self.frame: LoadFrame | None = None

    def read(self) -> LoadFrame | None:
        """The frame of the files that can be read at all, nothing staged."""
        if self._plan.unlisted is not None and not self._exists:
            raise self._plan.unlisted
        with reading_settings(self._session, self.due):
            self._set_aside(without_empty(self.due)[1])
            while True:
                with _Failures(self) as failures:
                    self._read()
                if not failures.found:
                    break
        if self.frame is None and self.bad and not self._exists:
            first = self.bad[0]
            raise SourceFileError(
                f"no file of {self._table.name} can be read; '{first.file.path}' is one: {first.reason}.",
                path=first.file.path,
                where=self._table.location,
            )
        return self.frame

    def stage(self) -> StagedWrite | None:
        """Stages what can be staged; None if that is nothing."""
        with reading_settings(self._session, self.due):
            self._set_aside(without_empty(self.due)[1])
            self._set_aside(self._other_encodings())
            self._leave_moving()
            while True:
                self._check_loss()
                if not self.due and self._exists:
                    return None
                staged: StagedWrite | None = None
                with _Failures(self) as failures:
                    if not self._set_aside(self._merged_records()) and self._read() is not None:
                        staged = self._write_frame()
                if staged is not None or (self.frame is None and not failures.found and not self.due):
                    return staged

    def columns_added(self) -> tuple[str, ...]:
        """Columns and nested fields that the table did not have."""
        if self.frame is None or self.existing is None:
            return ()
        known = {column.name.lower(): column.dataType for column in self.existing.fields}
        added: list[str] = []
        for column in self.frame.frame.schema.fields:
            before = known.get(column.name.lower())
            added += [column.name] if before is None else new_fields(before, column.dataType, column.name)
        return tuple(added)

    def ledger(self, run: str, project: str) -> Iterable[LedgerEntry]:
        """What the ledger must know before the commit."""
        reasons = {(bad.file.flow, bad.file.path): bad.reason for bad in self.bad}

        def entry(file: SourceFile, status: FileStatus, reason: str | None = None) -> LedgerEntry:
            return LedgerEntry(
                dataset=str(self._table.name),
                flow=file.flow,
                path=file.path,
                size=file.size,
                modified_at=file.modified_at,
                content_hash=file.content_hash,
                epoch=self._stamp.epoch,
                run=run,
                status=status,
                reason=reason,
                full=self._plan.full,
                project=project,
            )

        yield from self._plan.touched
        yield from (entry(file, FileStatus.PENDING) for file in self.due)
        yield from (entry(bad.file, FileStatus.BAD, bad.reason) for bad in self.bad)
        left = {(file.flow, file.path) for file in self.moving}
        for duplicate in self._plan.duplicates:
            original = (duplicate.file.flow, duplicate.of)
            if original in reasons:
                yield entry(duplicate.file, FileStatus.BAD, reasons[original])
            elif original not in left:
                yield entry(duplicate.file, FileStatus.DUPLICATE, f"same content as {duplicate.of}")

    def notices(self) -> Iterable[str]:
        """What is worth telling, beside the bad files."""
        added = self.columns_added()
        if added:
            yield f"new columns: {', '.join(added)}"
        if self.frame is not None and self.frame.ignored:
            yield f"columns left out, as 'schema_evolution: ignore' says: {', '.join(self.frame.ignored)}"
        rescued = sum(flow.rescued_rows for flow in self.frame.flows) if self.frame is not None and self.due else 0
        if rescued:
            yield f"{rescued} rows hold values in {RESCUED} that have no place in the table's columns"
        for file in self.moving:
            yield f"'{file.path}' is still being written; the next run loads it"
        for duplicate in self._plan.duplicates:
            yield f"'{duplicate.file.path}' has the same content as '{duplicate.of}' and is not loaded again"
        if self._plan.full and self._plan.gone:
            yield f"rows of {len(self._plan.gone)} files that are no longer there are gone: {self._plan.gone[0]} …"

    def set_aside_for(self, error: Exception) -> bool:
        """Takes out the files that made Spark fail; says whether there were any."""
        if self._leave_moving():
            return True
        if self.frame is not None and is_about_records(error, UNFIT):
            return self._set_aside_records(self.frame)
        if self._set_aside(diagnose_failure(error, self.due)):
            return True
        # Spark's XML reader fails on undecodable bytes without naming the file.
        for flow in self._table.flows:
            files = [file for file in self.due if file.flow == flow.name and flow.source.format == "xml"]
            if files and self._set_aside(undecodable(files, encoding_of(reader_options(flow.source)))):
                return True
        return False

    def _read(self) -> LoadFrame | None:
        self.frame = None
        frame, unreadable = read_load(
            self._session, self._table, self.due, self.existing, self._stamp, Reading(decodable=self._decodable)
        )
        self._set_aside(unreadable)
        if frame is None and not self.due and not self.bad and not self.moving and not self._exists:
            files = ", ".join(flow.source.files for flow in self._table.flows)
            raise SourceFileError(
                f"no file matches '{files}', so the columns of {self._table.name} are not known.",
                path=files,
                where=self._table.location,
                hint='Deliver a file, or declare the columns: schema: "id BIGINT, …".',
            )
        self.frame = frame
        return frame

    def _write_frame(self) -> StagedWrite | None:
        """The frame staged; None if some files turned out not to belong into it."""
        assert self.frame is not None
        rows = self.frame.frame
        if self._sift is not None:
            self.sifting = SiftedLoad(rows, self._sift(rows))
            rows = self.sifting.kept
        staged = stage_write(rows, self._table_write())
        marked = [flow for flow in self.frame.flows if flow.bad_rows]
        if (marked and self._set_aside_records(self.frame)) or self._leave_moving():
            staged.discard()
            return None
        return staged

    def _set_aside_records(self, frame: LoadFrame) -> bool:
        """Looks at all rows once more for the files that cannot be loaded; says whether the next attempt differs."""
        try:
            if self._set_aside(bad for flow in frame.flows for bad in bad_records(flow.read)):
                return True
        except LakehouseError:
            raise
        except Exception as error:
            if not self._set_aside(diagnose_failure(error, self.due)):
                raise
            return True
        # Then the text that looked undecodable is really what the files say.
        cleared = {file.uri for file in self.due} - self._decodable
        self._decodable |= cleared
        return bool(cleared)

    def _other_encodings(self) -> list[BadFile]:
        """Local text files whose bytes are not of their encoding; the others need no look at their rows for it."""
        found: list[BadFile] = []
        for flow in self._table.flows:
            plain = [file for file in self.due if file.flow == flow.name and is_plain(file)]
            if flow.source.format in ("csv", "text"):
                found += undecodable(plain, encoding_of(reader_options(flow.source)))
                self._decodable |= {file.uri for file in plain}
        return found

    def _table_write(self) -> TableWrite:
        if not self._exists:
            return replace(self._write, mode=WriteMode.APPEND)
        if self._plan.full:
            return replace(self._write, mode=WriteMode.OVERWRITE)
        staying = {file.path for file in self.due}
        replaced = [quote_string(file.path) for file in self._plan.reload if file.path in staying]
        if not replaced:
            return replace(self._write, mode=WriteMode.APPEND)
        return replace(self._write, mode=WriteMode.REPLACE, replace_where=f"`{SOURCE_FILE}` IN ({', '.join(replaced)})")

    def _merged_records(self) -> list[BadFile]:
        """JSON files with more than one record on a line; each file is looked at once."""
        found: list[BadFile] = []
        for flow in self._table.flows:
            files = [file for file in self.due if file.flow == flow.name and file.uri not in self._checked]
            if flow.source.format == "json" and files:
                found += merged_json_records(self._session, flow.source, files)
                self._checked |= {file.uri for file in files}
        return found

    def _check_loss(self) -> None:
        """A full load replaces all rows: it may not lose those of a file it cannot read again."""
        if not self._plan.full or not self._exists:
            return
        before = {(file.flow, file.path) for file in self._plan.reload}
        lost = [bad for bad in self.bad if (bad.file.flow, bad.file.path) in before]
        allowed = sum(flow.source.max_bad_files for flow in self._table.flows)
        if lost and len(self.bad) > allowed:
            raise SourceFileError(
                f"'{lost[0].file.path}' cannot be loaded again ({lost[0].reason}), and a full refresh of "
                f"{self._table.name} would lose its rows.",
                path=lost[0].file.path,
                where=self._table.location,
                hint="Mend the file, or allow for it with 'max_bad_files'.",
            )
        if not self.due:
            files = ", ".join(flow.source.files for flow in self._table.flows)
            raise SourceFileError(
                f"no file of '{files}' can be loaded, and a full refresh of {self._table.name} would empty it.",
                path=files,
                where=self._table.location,
                hint="Is the folder mounted? To start again with an empty table, reset it.",
            )

    def _set_aside(self, found: Iterable[BadFile]) -> bool:
        known = {(bad.file.flow, bad.file.uri): bad for bad in found}
        self.bad += known.values()
        self.due = [file for file in self.due if (file.flow, file.uri) not in known]
        return bool(known)

    def _leave_moving(self) -> bool:
        still = {(file.flow, file.uri) for file in unchanged(self.due)}
        moving = [file for file in self.due if (file.flow, file.uri) not in still]
        self.moving += moving
        self.due = [file for file in self.due if (file.flow, file.uri) in still]
        return bool(moving)


class _Failures:
    """Swallows a failure of Spark for which files are to blame, once they are set aside; nothing else."""

    def __init__(self, load: _Load) -> None:
        self._load = load
        self.found = False

    def __enter__(self) -> _Failures:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, Exception) and not isinstance(error, LakehouseError):
            self.found = self._load.set_aside_for(error)
        return self.found


_NO_STAMP = Stamp(epoch=0, ingested_at=datetime(1970, 1, 1, tzinfo=timezone.utc))


def _project(write: TableWrite, table: StreamingTable) -> str:
    """Whose table it is: the application is `lakehouse/<project>/<table>`."""
    return write.application.removeprefix("lakehouse/").removesuffix(f"/{table.name}")
