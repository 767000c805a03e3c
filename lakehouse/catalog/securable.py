"""What access is granted on: metastore > catalog > schema > table or function; pipelines stand in their catalog."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum


class SecurableKind(str, Enum):
    """A view is a TABLE here: both have one namespace, and the same rules."""

    METASTORE = "METASTORE"
    CATALOG = "CATALOG"
    SCHEMA = "SCHEMA"
    TABLE = "TABLE"
    FUNCTION = "FUNCTION"
    PIPELINE = "PIPELINE"


@dataclass(frozen=True, slots=True, order=True)
class Securable:
    """A securable by its path, in lower case: () is the metastore, then catalog, schema, object."""

    kind: SecurableKind
    path: tuple[str, ...]

    def __post_init__(self) -> None:
        # A denial must not be missed because someone wrote the name in capitals.
        lowered = tuple([part.lower() for part in self.path])
        if lowered != self.path:
            object.__setattr__(self, "path", lowered)

    def __str__(self) -> str:
        return ".".join(self.path) or "metastore"

    @property
    def parent(self) -> Securable | None:
        """What contains it; None for the metastore."""
        if not self.path:
            return None
        above = self.path[:-1]
        return Securable(_CONTAINERS[len(above)], above)

    def ancestors(self) -> Iterator[Securable]:
        """What contains it, nearest first; the metastore last."""
        above = self.parent
        while above is not None:
            yield above
            above = above.parent


_CONTAINERS = (SecurableKind.METASTORE, SecurableKind.CATALOG, SecurableKind.SCHEMA)
METASTORE = Securable(SecurableKind.METASTORE, ())


def table(catalog: str, schema: str, name: str) -> Securable:
    """The table or view of this name."""
    return Securable(SecurableKind.TABLE, (catalog.lower(), schema.lower(), name.lower()))
