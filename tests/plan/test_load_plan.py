"""Load plans: the cases by name, then random histories against a model that knows only contents and rows."""

from __future__ import annotations

import hashlib
import random
import time
from collections import Counter
from dataclasses import replace

import pytest

from lakehouse.definition.dataset import FileSource, Flow, OnChange, StreamingTable
from lakehouse.errors import SourceFileError, SourceLocation
from lakehouse.names import TableName
from lakehouse.plan.load_plan import (
    FileStatus,
    LedgerEntry,
    LoadPlan,
    SourceFile,
    check_sources,
    files_to_hash,
    plan_load,
)

HERE = SourceLocation("bronze/flights.yml", 3)


def table(on_change: OnChange = OnChange.ERROR, deduplicate: bool = False) -> StreamingTable:
    source = FileSource(files="in/*", format="csv", on_change=on_change, deduplicate_content=deduplicate, location=HERE)
    flow = Flow(name="in", source=source, location=HERE)
    return StreamingTable(name=TableName("bronze", "flights"), flows=(flow,), location=HERE)


def listed(path: str, content: str = "x", modified_at: int = 1) -> SourceFile:
    digest = hashlib.blake2b(content.encode()).hexdigest()
    return SourceFile(
        flow="in",
        path=path,
        uri=f"file:///{path}",
        size=len(content),
        modified_at=modified_at,
        content_hash=digest,
    )


def entry(file: SourceFile, status: FileStatus = FileStatus.LOADED, epoch: int = 1) -> LedgerEntry:
    return LedgerEntry(
        dataset="bronze.flights",
        flow=file.flow,
        path=file.path,
        size=file.size,
        modified_at=file.modified_at,
        content_hash=file.content_hash,
        epoch=epoch,
        run="r",
        status=status,
    )


def paths(files: tuple[SourceFile, ...]) -> list[str]:
    return [file.path for file in files]


def test_new_files_are_loaded_however_old_they_are() -> None:
    new = listed("a", modified_at=10**15)
    plan = plan_load(table(), [new, listed("b", modified_at=1)], [entry(new)], full=False)
    assert paths(plan.load) == ["b"]
    assert not plan.is_empty


def test_nothing_new_is_empty() -> None:
    assert plan_load(table(), [listed("a")], [entry(listed("a"))], full=False) == LoadPlan(full=False)
    assert plan_load(table(), [], [], full=False).is_empty


def test_a_changed_file_is_an_error_that_names_it() -> None:
    plan = plan_load(table(), [listed("a", "longer", 2)], [entry(listed("a"))], full=False)
    assert paths(plan.changed) == ["a"]
    assert (plan.load, plan.reload, plan.is_empty) == ((), (), False)
    with pytest.raises(SourceFileError) as caught:
        check_sources(plan, table())
    assert (caught.value.path, caught.value.where) == ("a", HERE)
    check_sources(LoadPlan(full=False), table())


def test_files_that_could_not_be_listed_refuse_the_load() -> None:
    plan = LoadPlan(full=False, unlisted=SourceFileError("gone", path="a"))
    assert not plan.is_empty
    with pytest.raises(SourceFileError):
        check_sources(plan, table())


def test_a_changed_file_is_reloaded_where_the_source_says_so() -> None:
    plan = plan_load(table(OnChange.RELOAD), [listed("a", "longer", 2)], [entry(listed("a"))], full=False)
    assert (paths(plan.reload), plan.changed, plan.load) == (["a"], (), ())


def test_a_touched_file_is_unchanged() -> None:
    plan = plan_load(table(), [listed("a", modified_at=9)], [entry(listed("a"))], full=False)
    assert plan.is_empty
    assert plan.touched == (entry(listed("a", modified_at=9)),)


def test_without_a_hash_size_and_time_decide() -> None:
    before, now = replace(listed("a"), content_hash=None), replace(listed("a", modified_at=9), content_hash=None)
    assert paths(plan_load(table(), [now], [entry(before)], full=False).changed) == ["a"]
    assert plan_load(table(), [before], [entry(before)], full=False).is_empty


def test_a_deleted_file_keeps_its_rows_unless_the_load_is_full() -> None:
    ledger = [entry(listed("a")), entry(listed("b"))]
    plan = plan_load(table(), [listed("b")], ledger, full=False)
    assert plan.is_empty
    assert plan.gone == ("a",)
    full = plan_load(table(), [listed("b"), listed("c", "y")], ledger, full=True)
    assert (paths(full.load), paths(full.reload), full.gone) == (["c"], ["b"], ("a",))


def test_same_content_under_two_names() -> None:
    files = [listed("a"), listed("b")]
    assert paths(plan_load(table(), files, [], full=False).load) == ["a", "b"]
    plan = plan_load(table(deduplicate=True), files, [], full=False)
    assert paths(plan.load) == ["a"]
    assert [(one.file.path, one.of) for one in plan.duplicates] == [("b", "a")]
    known = [entry(files[0]), entry(files[1], FileStatus.DUPLICATE)]
    assert plan_load(table(deduplicate=True), files, known, full=False).is_empty


def test_a_duplicate_is_loaded_once_its_original_has_other_content() -> None:
    ledger = [entry(listed("a")), entry(listed("b"), FileStatus.DUPLICATE)]
    now = [listed("a", "new content", 2), listed("b")]
    plan = plan_load(table(OnChange.RELOAD, deduplicate=True), now, ledger, full=False)
    assert (paths(plan.reload), paths(plan.load), plan.duplicates) == (["a"], ["b"], ())


def test_bad_files_wait_for_a_change() -> None:
    ledger = [entry(listed("a"), FileStatus.BAD)]
    plan = plan_load(table(), [listed("a")], ledger, full=False)
    assert plan.known_bad == tuple(ledger)
    assert plan.is_empty
    assert paths(plan_load(table(), [listed("a", "mended", 2)], ledger, full=False).load) == ["a"]
    assert plan_load(table(), [], ledger, full=False).known_bad == ()
    assert paths(plan_load(table(), [listed("a")], ledger, full=True).load) == ["a"]


def test_a_reload_that_failed_still_replaces_rows_when_it_succeeds() -> None:
    ledger = [entry(listed("a")), entry(listed("a", "broken", 2), FileStatus.BAD, epoch=2)]
    reloading = table(OnChange.RELOAD)
    assert plan_load(reloading, [listed("a", "broken", 2)], ledger, full=False).known_bad == (ledger[1],)
    assert paths(plan_load(reloading, [listed("a", "mended", 3)], ledger, full=False).reload) == ["a"]
    back = plan_load(reloading, [listed("a")], ledger, full=False)
    assert (back.is_empty, back.known_bad) == (True, ())


def test_abandoned_files_are_new_again() -> None:
    plan = plan_load(table(), [listed("a")], [entry(listed("a"), FileStatus.ABANDONED)], full=False)
    assert paths(plan.load) == ["a"]


def test_only_what_is_not_plainly_unchanged_is_hashed() -> None:
    ledger = [entry(listed("a")), entry(listed("b")), entry(listed("c"), FileStatus.ABANDONED)]
    found = files_to_hash([listed("a"), listed("b", modified_at=5), listed("c"), listed("d")], ledger)
    assert paths(found) == ["b", "c", "d"]


def test_ten_thousand_files_are_quick() -> None:
    def seconds(count: int) -> float:
        files = [listed(f"f{number}", str(number)) for number in range(count)]
        ledger = [entry(file) for file in files]
        started = time.perf_counter()
        assert plan_load(table(deduplicate=True), files, ledger, full=False).is_empty
        return time.perf_counter() - started

    assert seconds(10_000) < 5  # about 0.05 s; a quadratic plan takes minutes


class Model:
    """A landing folder and a table of rows (path, content); applies plans as a load would."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.deduplicate = self.random.random() < 0.5
        self.table = table(OnChange.RELOAD, self.deduplicate)
        self.disk: dict[str, tuple[str, int]] = {}
        self.rows: dict[str, str] = {}
        self.ledger: list[LedgerEntry] = []
        self.instant = self.epoch = 0

    def disturb(self) -> None:
        self.instant += 1
        path, content = self.random.choice("abcdef"), self.random.choice(["p", "q", "rr", "!bad"])
        change = self.random.choice(["write", "write", "touch", "delete"])
        if change == "write":
            self.disk[path] = (content, self.random.choice([self.instant, -self.instant]))
        elif change == "touch" and path in self.disk:
            self.disk[path] = (self.disk[path][0], self.instant)
        elif change == "delete":
            self.disk.pop(path, None)

    def run(self, *, full: bool, crash: bool) -> LoadPlan:
        self.epoch += 1
        files = [listed(path, content, moment) for path, (content, moment) in sorted(self.disk.items())]
        due = files_to_hash(files, self.ledger)
        files = [file if file in due else replace(file, content_hash=None) for file in files]
        plan = plan_load(self.table, files, self.ledger, full=full)
        due = [*plan.load, *plan.reload]
        good = [file for file in due if not self.disk[file.path][0].startswith("!")]
        bad = [entry(file, FileStatus.BAD, self.epoch) for file in due if file not in good]
        status = FileStatus.ABANDONED if crash else FileStatus.LOADED
        outcome = [entry(file, status, self.epoch) for file in good]
        broken = {file.path for file in due if file not in good}
        skipped = [
            entry(one.file, FileStatus.BAD if one.of in broken else FileStatus.DUPLICATE, self.epoch)
            for one in plan.duplicates
        ]
        if not crash:
            replaced = {(file.path, FileStatus.LOADED) for file in good}
            self.ledger = [e for e in self.ledger if not full and (e.path, e.status) not in replaced]
            self.rows = {} if full else self.rows
            self.rows |= {file.path: self.disk[file.path][0] for file in good}
        self.ledger += [*bad, *skipped, *outcome]
        return plan

    def check(self) -> None:
        """After an undisturbed run: every readable file's content is in the table, once or under one name."""
        readable = {path: content for path, (content, _) in self.disk.items() if not content.startswith("!")}
        if self.deduplicate:
            assert set(readable.values()) <= set(self.rows.values())
        for path, content in readable.items():
            assert self.rows.get(path, content) == content, "an outdated content stayed"
            assert self.deduplicate or path in self.rows
        counted = Counter(e.path for e in self.ledger if e.status is FileStatus.LOADED)
        assert counted == Counter(dict.fromkeys(self.rows, 1)), "ledger and rows disagree"


@pytest.mark.parametrize("seed", range(300))
def test_random_histories(seed: int) -> None:
    model = Model(seed)
    for _ in range(12):
        for _ in range(model.random.randint(0, 4)):
            model.disturb()
        model.run(full=model.random.random() < 0.1, crash=model.random.random() < 0.2)
        model.run(full=False, crash=False)
        model.check()
        again = model.run(full=False, crash=False)
        assert again.is_empty, f"seed {seed}: a second run finds work"
