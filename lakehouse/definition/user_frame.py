"""The line of the user's file that a call comes from."""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from pathlib import Path
from types import TracebackType

from lakehouse.errors import SourceLocation

_OWN_FOLDER = str(Path(__file__).parent.parent) + os.sep


def calling_line() -> tuple[str, int]:
    """File and line of the innermost frame that is neither this package's nor pyspark's."""
    pyspark = getattr(sys.modules.get("pyspark"), "__file__", None)
    skipped = (_OWN_FOLDER, *([str(Path(pyspark).parent) + os.sep] if pyspark else []))
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(skipped):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def location_in(root: Path, file: str, line: int) -> SourceLocation:
    """A place as the user would type it: relative to the project in `root`."""
    return SourceLocation(os.path.relpath(file, root), line)


def last_line_below(root: Path, traceback: TracebackType | None) -> SourceLocation | None:
    """The innermost place of a traceback that is in the project's own files."""
    found = None
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        if is_project_file(file, root):
            found = location_in(root, file, traceback.tb_lineno)
        traceback = traceback.tb_next
    return found


@lru_cache(maxsize=4096)
def is_project_file(file: str, root: Path) -> bool:
    """Whether a file is the project's own: below its folder, and no package installed into an environment there."""
    path = Path(file)
    if not path.is_absolute():
        return False
    resolved = path.resolve()
    parts = resolved.relative_to(root).parts if resolved.is_relative_to(root) else ()
    return bool(parts) and not {"site-packages", "dist-packages"} & set(parts)
