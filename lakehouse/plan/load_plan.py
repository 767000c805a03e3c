"""Which files a streaming table is due: what is listed against what the ledger holds. Pure.

A file is known by its path. It is new if the ledger holds no loaded entry for the path; changed if size or
modification time differ and, where both sides know it, the content hash differs too.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class FileStatus(str, Enum):
    """What the ledger says of a file. Only `loaded` files have rows in the table."""

    PENDING = "pending"  # intent written, the table's commit not yet confirmed
    LOADED = "loaded"
    BAD = "bad"  # cannot be read; set aside with its reason
    DUPLICATE = "duplicate"  # same content as a loaded file, skipped by `deduplicate: content`
    ABANDONED = "abandoned"  # the commit that should have brought it never happened


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A listed file. `path` is its stable name (relative to the project, or a URI), `uri` what Spark opens;
    `modified_at` in microseconds since 1970; `content_hash` is None where it was not computed."""

    flow: str
    path: str
    uri: str
    size: int
    modified_at: int
    content_hash: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """One row of `system/files`: what became of one file of one flow in one epoch of one table."""

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
