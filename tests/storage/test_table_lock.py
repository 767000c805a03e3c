"""The lock of a table: one holder at a time among threads and processes, free when its holder is gone."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from lakehouse.storage.table_lock import LOCK_FILE, table_lock


def is_free(folder: Path) -> bool:
    return subprocess.run(["flock", "--nonblock", str(folder / LOCK_FILE), "true"]).returncode == 0


def test_held_while_the_context_lasts(tmp_path: Path) -> None:
    with table_lock(str(tmp_path)):
        assert not is_free(tmp_path)
    assert is_free(tmp_path)


def test_released_by_an_error_and_by_a_dead_process(tmp_path: Path) -> None:
    try:
        with table_lock(str(tmp_path)):
            raise ValueError
    except ValueError:
        assert is_free(tmp_path)
    program = (
        "import os\nfrom lakehouse.storage.table_lock import table_lock\n"
        f"with table_lock({str(tmp_path)!r}):\n    print('held', flush=True)\n    os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "held\n"
    assert is_free(tmp_path)


def test_threads_take_turns(tmp_path: Path) -> None:
    inside, most = [], []

    def work() -> None:
        for _ in range(20):
            with table_lock(str(tmp_path)):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(most), max(most)) == (80, 1)


def test_who_waited_for_a_table_that_was_dropped_holds_the_new_one(tmp_path: Path) -> None:
    folder = tmp_path / "t"
    folder.mkdir()
    held, got, leave = threading.Event(), threading.Event(), threading.Event()

    def wait() -> None:
        held.wait()
        with table_lock(str(folder)):
            got.set()
            leave.wait()

    thread = threading.Thread(target=wait)
    thread.start()
    with table_lock(str(folder)):
        held.set()
        (folder / LOCK_FILE).rename(folder / "gone")
    assert got.wait(30)
    try:
        assert not is_free(folder)
    finally:
        leave.set()
        thread.join()


def test_other_storage_has_no_lock_file() -> None:
    with table_lock("s3://bucket/table"):
        pass
