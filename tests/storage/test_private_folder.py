"""Folders that only their process's user may enter, and what becomes of those whose process has died."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from lakehouse.storage.private_folder import PrivateFolder

_HOLDING = """
import sys, time
from pathlib import Path
from lakehouse.storage.private_folder import PrivateFolder
print(PrivateFolder(Path(sys.argv[1])).path, flush=True)
time.sleep(600)
"""


def test_only_its_user_may_enter_and_it_goes(tmp_path: Path) -> None:
    folder = PrivateFolder(tmp_path / "new")
    assert folder.path.stat().st_mode & 0o777 == 0o700
    (folder.path / "rows").write_text("x")
    folder.remove()
    folder.remove()
    assert list((tmp_path / "new").iterdir()) == []


def test_those_of_dead_processes_are_removed_and_no_others(tmp_path: Path) -> None:
    command = [sys.executable, "-c", _HOLDING, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        theirs = Path(process.stdout.readline().strip())
        (theirs / "rows").write_text("x")
        first = PrivateFolder(tmp_path)
        assert theirs.exists()
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert (theirs / "rows").exists()
        foreign = tmp_path / "lakehouse-private-foreign"  # without a lock: nobody knows whose
        foreign.mkdir()
        second = PrivateFolder(tmp_path)
    assert not theirs.exists()
    assert first.path.exists()
    assert foreign.exists()
    first.remove()
    second.remove()
