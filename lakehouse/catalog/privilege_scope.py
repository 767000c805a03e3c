"""Which privileges can be written on which kind of securable.

As in Unity Catalog a privilege is granted on the securable that it is about or on a container of it (what is granted
there holds for everything inside, to come included); anywhere else it would mean nothing, so it is refused.
"""

from __future__ import annotations

from collections.abc import Iterable

from lakehouse.catalog.privilege import Privilege
from lakehouse.catalog.securable import Securable, SecurableKind
from lakehouse.errors import InvalidValue, SourceLocation, UnknownName

_BY_NAME = {privilege.value: privilege for privilege in Privilege}
_EVERYWHERE = frozenset(SecurableKind)
_CONTAINERS = frozenset({SecurableKind.METASTORE, SecurableKind.CATALOG, SecurableKind.SCHEMA})
_ABOVE_SCHEMA = frozenset({SecurableKind.METASTORE, SecurableKind.CATALOG})
_TABLES = _CONTAINERS | {SecurableKind.TABLE}
_WHERE = {
    Privilege.USE_CATALOG: _ABOVE_SCHEMA,
    Privilege.CREATE_SCHEMA: _ABOVE_SCHEMA,
    Privilege.USE_SCHEMA: _CONTAINERS,
    Privilege.CREATE_TABLE: _CONTAINERS,
    Privilege.CREATE_FUNCTION: _CONTAINERS,
    Privilege.EXTERNAL_USE_SCHEMA: _CONTAINERS,
    Privilege.SELECT: _TABLES,
    Privilege.MODIFY: _TABLES,
    Privilege.APPLY_TAG: _TABLES,
    Privilege.EXECUTE: _CONTAINERS | {SecurableKind.FUNCTION, SecurableKind.PIPELINE},
}


def read_privilege(text: str, where: SourceLocation | None = None) -> Privilege:
    """The privilege of this name, in any case. Raises UnknownName with the nearest."""
    # Letters outside ASCII may have an ASCII upper case: they are no way to write a privilege.
    found = _BY_NAME.get(text) or (_BY_NAME.get(" ".join(text.upper().split())) if text.isascii() else None)
    if found is None:
        known = [name.lower() for name in _BY_NAME] if text.islower() else list(_BY_NAME)
        raise UnknownName(text, known, what="privilege", where=where)
    return found


def means_something(privilege: Privilege, kind: SecurableKind) -> bool:
    """Whether the privilege can be held on such a securable."""
    return kind in _WHERE.get(privilege, _EVERYWHERE)


def check_scope(
    privilege: Privilege, securable: Securable, columns: Iterable[str] | None, where: SourceLocation | None = None
) -> None:
    """Raises InvalidValue if the privilege, or a list of columns with it, means nothing on the securable."""
    kind = securable.kind
    if not means_something(privilege, kind):
        raise InvalidValue(f"{privilege.value} means nothing on a {kind.value.lower()} ('{securable}').", where=where)
    if columns is None:
        return
    if privilege is not Privilege.SELECT or kind is not SecurableKind.TABLE:
        raise InvalidValue("a list of columns goes with SELECT on a table only.", where=where)
    if not list(columns):
        raise InvalidValue("the list of columns is empty.", where=where)
