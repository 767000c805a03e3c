"""Which files a streaming table is due: what is listed against what the ledger holds. Pure.

A file is known by its flow and path. It is new if the ledger holds no entry for it; changed if size or modification
time differ and, where both sides know it, the content hash differs too. How old a file is plays no part: a late
file is as new as any other. A file that is gone keeps its rows, except in a full load, which says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from lakehouse.definition.dataset import OnChange, StreamingTable
from lakehouse.errors import SourceFileError


class FileStatus(str, Enum):
    """What the ledger says of a file. Exactly the `loaded` files have rows in the table."""

    PENDING = "pending"  # intent written, the table's commit not yet confirmed
    LOADED = "loaded"
    BAD = "bad"  # cannot be read; set aside with its reason
    DUPLICATE = "duplicate"  # same content as a loaded file, skipped by `deduplicate: content`
    ABANDONED = "abandoned"  # the commit that should have brought it never happened
    SUPERSEDED = "superseded"  # a later load of the file, or a full load of the table, took its place


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A listed file. `path` is its stable name (relative to the project, or a URI), `uri` what Spark opens;
    `modified_at` in microseconds since 1970; `content_hash` is None where it was not computed. `partition` holds
    the `key=value` folders between a folder that the source names and the file: columns, in Spark's reading."""

    flow: str
    path: str
    uri: str
    size: int
    modified_at: int
    content_hash: str | None = None
    partition: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One row of `system/files`: what became of one file of one flow in one epoch of one table.

    `full` marks a load that replaces the whole table; `project` is whose table it is."""

    dataset: str
    flow: str
    path: str
    size: int
    modified_at: int
    content_hash: str | None
    epoch: int
    run: str
    status: FileStatus
    reason: str | None = None
    full: bool = False
    project: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Duplicate:
    """A file that is not loaded because the file at path `of` has the same content."""

    file: SourceFile
    of: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPlan:
    """What a table's next load does with each listed file that is not plainly unchanged.

    `load` files bring new rows. `reload` files replace the rows they brought before (in a full load: have brought
    rows before). `duplicates` are recorded, not loaded. `touched` are entries of files that moved in time but not in
    content, as they should read now. `known_bad` could not be read before and did not change since. `changed` files
    changed after they were loaded, where their source calls that an error. `gone` are loaded files that are no longer
    there: their rows stay, except in a full load. `unlisted` is why its files could not be listed at all: the load is
    refused then.
    """

    full: bool
    load: tuple[SourceFile, ...] = ()
    reload: tuple[SourceFile, ...] = ()
    duplicates: tuple[Duplicate, ...] = ()
    touched: tuple[LedgerEntry, ...] = ()
    known_bad: tuple[LedgerEntry, ...] = ()
    changed: tuple[SourceFile, ...] = ()
    gone: tuple[str, ...] = ()
    unlisted: SourceFileError | None = None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to load, to set aside or to refuse; a touched file alone is nothing."""
        return not (self.full or self.load or self.reload or self.duplicates or self.changed or self.unlisted)


def plan_load(
    table: StreamingTable, listed: Sequence[SourceFile], ledger: Iterable[LedgerEntry], *, full: bool
) -> LoadPlan:
    """The load that brings a streaming table up to date with the files `listed` for its flows.

    `ledger` holds the table's entries in the order they were recorded, none of them pending: an interrupted load is
    settled first.
    """
    loaded, latest = _index(ledger)
    present = {(file.flow, file.path) for file in listed}
    gone = tuple(sorted(path for flow, path in loaded if (flow, path) not in present))
    if full:
        due, duplicates = _without_duplicates(table, listed, {})
        return LoadPlan(
            full=True,
            load=tuple(file for file in due if (file.flow, file.path) not in loaded),
            reload=tuple(file for file in due if (file.flow, file.path) in loaded),
            duplicates=duplicates,
            gone=gone,
        )
    candidates: list[SourceFile] = []
    changed: list[SourceFile] = []
    touched, known_bad = [], []
    for file in listed:
        key = (file.flow, file.path)
        last, rows = latest.get(key), loaded.get(key)
        known = rows if rows is not None and is_unchanged(file, rows) else last
        if known is None or not is_unchanged(file, known):
            (candidates if rows is None else changed).append(file)
            continue
        if not _same_stat(file, known):
            touched.append(replace(known, size=file.size, modified_at=file.modified_at))
        if known.status is FileStatus.BAD:
            known_bad.append(known)
        elif known.status is FileStatus.DUPLICATE:
            # Skipped again, unless the content it repeats is no longer in the table.
            candidates.append(replace(file, content_hash=known.content_hash))
    reloading = {flow.name for flow in table.flows if flow.source.on_change is OnChange.RELOAD}
    reload = tuple(file for file in changed if file.flow in reloading)
    load, duplicates = _without_duplicates(table, candidates, _contents(loaded, reload))
    return LoadPlan(
        full=False,
        load=load,
        reload=reload,
        duplicates=tuple(duplicate for duplicate in duplicates if not _is_recorded(duplicate, latest)),
        touched=tuple(touched),
        known_bad=tuple(known_bad),
        changed=tuple(file for file in changed if file.flow not in reloading),
        gone=gone,
    )


def files_to_hash(listed: Iterable[SourceFile], ledger: Iterable[LedgerEntry]) -> tuple[SourceFile, ...]:
    """The listed files whose content a plan must know: all but those with the size and time of a known entry."""
    known = {(entry.flow, entry.path, entry.size, entry.modified_at) for entry in ledger if entry.status in _SETTLED}
    return tuple(file for file in listed if (file.flow, file.path, file.size, file.modified_at) not in known)


def check_sources(plan: LoadPlan, table: StreamingTable) -> None:
    """Raises SourceFileError where the files could not be listed, or naming the first that changed after it was
    loaded."""
    if plan.unlisted is not None:
        raise plan.unlisted
    if not plan.changed:
        return
    first, more = plan.changed[0], len(plan.changed) - 1
    others = f" (and {more} more)" if more else ""
    raise SourceFileError(
        f"'{first.path}'{others} changed after it was loaded into {table.name}.",
        path=first.path,
        where=next((flow.source.location for flow in table.flows if flow.name == first.flow), table.location),
        hint="Deliver corrections under a new name, or set 'on_change: reload' to replace the file's rows.",
    )


def is_unchanged(file: SourceFile, entry: LedgerEntry) -> bool:
    """Whether the file is still what the entry describes: same size and time, or same content."""
    if _same_stat(file, entry):
        return True
    return file.content_hash is not None and file.content_hash == entry.content_hash


_SETTLED = frozenset({FileStatus.LOADED, FileStatus.BAD, FileStatus.DUPLICATE})
_Key = tuple[str, str]


def _same_stat(file: SourceFile, entry: LedgerEntry) -> bool:
    return (file.size, file.modified_at) == (entry.size, entry.modified_at)


def _index(ledger: Iterable[LedgerEntry]) -> tuple[dict[_Key, LedgerEntry], dict[_Key, LedgerEntry]]:
    """Per file: the entry whose rows are in the table, and the last entry that tells what the file is."""
    loaded: dict[_Key, LedgerEntry] = {}
    latest: dict[_Key, LedgerEntry] = {}
    for entry in ledger:
        assert entry.status is not FileStatus.PENDING, "an interrupted load is settled before the next is planned"
        if entry.status not in _SETTLED:
            continue
        key = (entry.flow, entry.path)
        latest[key] = entry
        if entry.status is FileStatus.LOADED:
            loaded[key] = entry
    return loaded, latest


def _contents(loaded: dict[_Key, LedgerEntry], reload: tuple[SourceFile, ...]) -> dict[_Key, str]:
    """Flow and content hash to path, of everything that is in the table once the reloads are done."""
    replaced = {(file.flow, file.path) for file in reload}
    contents = {
        (flow, entry.content_hash): path
        for (flow, path), entry in loaded.items()
        if entry.content_hash is not None and (flow, path) not in replaced
    }
    contents.update({(file.flow, file.content_hash): file.path for file in reload if file.content_hash is not None})
    return contents


def _without_duplicates(
    table: StreamingTable, candidates: Iterable[SourceFile], contents: dict[_Key, str]
) -> tuple[tuple[SourceFile, ...], tuple[Duplicate, ...]]:
    """The candidates to load and those whose content is there already, or comes with an earlier candidate."""
    deduplicated = {flow.name for flow in table.flows if flow.source.deduplicate_content}
    load, duplicates = [], []
    for file in candidates:
        if file.flow not in deduplicated or file.content_hash is None:
            load.append(file)
        elif (file.flow, file.content_hash) in contents:
            duplicates.append(Duplicate(file=file, of=contents[file.flow, file.content_hash]))
        else:
            load.append(file)
            contents[file.flow, file.content_hash] = file.path
    return tuple(load), tuple(duplicates)


def _is_recorded(duplicate: Duplicate, latest: dict[_Key, LedgerEntry]) -> bool:
    entry = latest.get((duplicate.file.flow, duplicate.file.path))
    return entry is not None and entry.status is FileStatus.DUPLICATE and is_unchanged(duplicate.file, entry)
