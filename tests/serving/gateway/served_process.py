"""`lakehouse serve` as a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Serving:
    """The process, and the address that clients connect to."""

    process: subprocess.Popen[str]
    address: str


@contextmanager
def serving(
    command: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Iterator[Serving]:
    """Runs `command`, a `lakehouse serve --json`, until the end of the body; ends it by its id if it still runs."""
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, cwd=cwd
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            line = process.stdout.readline()
            if not line:
                raise AssertionError(f"it did not start: {process.stderr.read()}")
            yield Serving(process, json.loads(line)["address"])
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(60)
                except subprocess.TimeoutExpired:
                    process.kill()


def lakehouse(*argv: object) -> subprocess.CompletedProcess[str]:
    """A command line as a process of its own."""
    return subprocess.run([sys.executable, "-m", "lakehouse", *map(str, argv)], capture_output=True, text=True)


def secret_of(done: subprocess.CompletedProcess[str]) -> str:
    """The token that `lakehouse token create --json` made."""
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return str(told["secret"])
