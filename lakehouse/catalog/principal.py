"""Who access is granted to: users, service principals, groups and roles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from lakehouse.catalog.privilege import Privilege


class PrincipalKind(str, Enum):
    """Users and service principals act; groups and roles are what they belong to."""

    USER = "user"
    SERVICE = "service"
    GROUP = "group"
    ROLE = "role"


@dataclass(frozen=True, slots=True, order=True)
class Principal:
    """A principal by its name, in lower case."""

    kind: PrincipalKind
    name: str

    def __str__(self) -> str:
        return (
            self.name if self.kind in (PrincipalKind.USER, PrincipalKind.SERVICE) else f"{self.kind.value}:{self.name}"
        )


_KINDS = frozenset(kind.value for kind in PrincipalKind)
ACCOUNT_USERS = Principal(PrincipalKind.GROUP, "account users")  # built in: all users and service principals


@dataclass(frozen=True, slots=True)
class Role:
    """Who holds a role, and the most that it may ever give; `boundary` None: no bound."""

    members: frozenset[Principal] = frozenset()
    boundary: frozenset[Privilege] | None = None


@dataclass(frozen=True, slots=True)
class Directory:
    """All principals. Names are unique over the four kinds; members may be users, services, groups and (of groups and
    roles) roles; `account users` is not listed."""

    users: frozenset[str] = frozenset()
    services: frozenset[str] = frozenset()
    groups: Mapping[str, frozenset[Principal]] = field(default_factory=dict)
    roles: Mapping[str, Role] = field(default_factory=dict)

    def find(self, name: str) -> Principal | None:
        """The principal of this name, `group:` or `role:` before it or not; None if there is none."""
        bare = name.strip().lower()
        wanted = None
        prefix, colon, rest = bare.partition(":")
        if colon and prefix in _KINDS:
            bare, wanted = rest, PrincipalKind(prefix)
        # In this order, should a name ever be there twice.
        if bare in self.users and wanted in (None, PrincipalKind.USER):
            return Principal(PrincipalKind.USER, bare)
        if bare in self.services and wanted in (None, PrincipalKind.SERVICE):
            return Principal(PrincipalKind.SERVICE, bare)
        if (bare in self.groups or bare == ACCOUNT_USERS.name) and wanted in (None, PrincipalKind.GROUP):
            return Principal(PrincipalKind.GROUP, bare)
        if bare in self.roles and wanted in (None, PrincipalKind.ROLE):
            return Principal(PrincipalKind.ROLE, bare)
        return None
