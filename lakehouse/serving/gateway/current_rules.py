"""The rules of access as they are at this moment, read again only when what they are made of has changed."""

from __future__ import annotations

import threading
from pathlib import Path

from lakehouse.catalog.current_policy import CurrentPolicy, read_current_policy
from lakehouse.catalog.principal import Principal, PrincipalKind
from lakehouse.definition.project import ProjectSpec
from lakehouse.errors import AccessRefused, LakehouseError
from lakehouse.storage.access_ledger import AccessLedger
from lakehouse.storage.table_log import newest_version

_ACTING = (PrincipalKind.USER, PrincipalKind.SERVICE)
_Mark = tuple[int, int, int, int]


class CurrentRules:
    """The rules of one project. Safe to use from several threads."""

    def __init__(self, spec: ProjectSpec) -> None:
        self._spec = spec
        self._ledger = AccessLedger(spec.warehouse, spec.name)
        self._lock = threading.Lock()
        self._known: tuple[_Mark, CurrentPolicy] | None = None

    def now(self) -> CurrentPolicy:
        """The rules; the same object as long as nothing changed. Raises AccessRefused where they cannot be read: then
        nothing is allowed, and why is for whoever may read the file."""
        with self._lock:
            try:
                mark = self._mark()
                if self._known is None or self._known[0] != mark:
                    self._known = None
                    self._known = mark, read_current_policy(self._spec.root, self._spec, self._ledger)
            except (LakehouseError, OSError) as error:
                raise AccessRefused("the rules of access cannot be read, so nothing is allowed.") from error
            return self._known[1]

    def find(self, name: str) -> Principal | None:
        """The user or service principal of this name, None if there is none now."""
        found = self.now().policy.directory.find(name)
        return found if found is not None and found.kind in _ACTING else None

    def _mark(self) -> _Mark:
        """What changes whenever a rule may have. A file is told from another by inode, size and time: one that is
        written in place twice in the clock's grain with the same length would be missed."""
        if self._spec.access is None:
            file = (0, 0, 0)
        else:
            status = (Path(self._spec.root) / self._spec.access).stat()
            file = (status.st_ino, status.st_size, status.st_mtime_ns)
        return (*file, newest_version(self._ledger.location))
