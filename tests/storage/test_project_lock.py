"""One run at a time: refusal names the holder, a dead holder's lock is free."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lakehouse.errors import RunInProgress
from lakehouse.storage.project_lock import hold_project

HOLD = """
import sys, time
from pathlib import Path
from lakehouse.storage.project_lock import hold_project
with hold_project(Path(sys.argv[1]), "flights", "run-1"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_run_is_refused_and_told_who_holds(tmp_path: Path) -> None:
    with hold_project(tmp_path, "flights", "run-1"):
        with pytest.raises(RunInProgress) as refused, hold_project(tmp_path, "flights", "run-2"):
            pass
        with hold_project(tmp_path, "weather", "run-3"):
            pass
    assert "run-1" in refused.value.holder
    assert str(os.getpid()) in refused.value.holder
    assert refused.value.exit_code == 4
    with hold_project(tmp_path, "flights", "run-4"):
        pass


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RunInProgress) as refused, hold_project(tmp_path, "flights", "run-2"):
            pass
        assert str(holder.pid) in refused.value.holder
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with hold_project(tmp_path, "flights", "run-2"):
        pass
