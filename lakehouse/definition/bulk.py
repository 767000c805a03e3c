"""Making many values at once."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def keeping_all() -> Iterator[None]:
    """What is made in the body is kept, so Python's collector need not look for circles in it.

    It would go through all that there is again and again while that grows: more than half of the time it takes to read
    100,000 rules.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
