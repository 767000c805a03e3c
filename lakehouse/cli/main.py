"""The command `lakehouse`: reads arguments, runs one command, turns every outcome into an exit code.

A user's mistake is one sentence. Only an error of ours has a traceback, and that goes into a file.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

from lakehouse.cli.arguments import build_parser, parse_arguments
from lakehouse.cli.screen import Screen
from lakehouse.errors import InstallationError, LakehouseError

INTERNAL_ERROR = 70  # EX_SOFTWARE of sysexits.h
_INTERRUPTED = 130
# What a file system refuses is for its owner to mend: rights, space, a file where a folder should be.
_OF_THE_MACHINE = frozenset(
    (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR, errno.EISDIR, errno.EIO)
)
ENTRY_POINT = Path(__file__).parent.parent / "__main__.py"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    given = list(sys.argv[1:] if argv is None else argv)
    screen = Screen(as_json="--json" in given)
    try:
        return _execute(given, screen)
    except LakehouseError as error:
        screen.fail(error)
        return error.exit_code
    except KeyboardInterrupt:
        screen.note("stopped.")
        return _INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe has seen enough (`| head`). Python would complain when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno not in _OF_THE_MACHINE or error.filename is None:
            return _internal_error(error, screen)
        refused = InstallationError(
            f"'{error.filename}' cannot be used: {error.strerror}.", hint="'lakehouse doctor' checks rights and space."
        )
        screen.fail(refused)
        return refused.exit_code
    except Exception as error:
        return _internal_error(error, screen)


def _execute(given: list[str], screen: Screen) -> int:
    parser = build_parser()
    arguments = parse_arguments(parser, given)
    if arguments.entry_point:
        print(ENTRY_POINT)
        return 0
    if arguments.command is None:
        parser.print_help()
        return 0
    # Each command imports what it needs when it is asked for: help must not wait for pyarrow or pydantic.
    command = importlib.import_module(f"lakehouse.cli.{arguments.command.replace('-', '_')}_command")
    # What a project's own Python prints is not one of our events, and must not stand among them.
    aside = contextlib.redirect_stdout(sys.stderr) if screen.as_json else contextlib.nullcontext()
    with aside:
        code: int = command.execute(arguments, screen)
    return code


def _internal_error(error: Exception, screen: Screen) -> int:
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", prefix="lakehouse-error-", suffix=".txt", delete=False
    ) as file:
        traceback.print_exception(error, file=file)
    message = f"{type(error).__name__}: {error}".splitlines()[0]
    screen.event("error", **{"class": "InternalError", "message": message, "traceback": file.name, "exit_code": 70})
    screen.note(f"error: lakehouse failed, and it is not your mistake: {message} (traceback in {file.name})")
    return INTERNAL_ERROR
