"""What a principal belongs to, directly and through nested groups and roles, and by which routes.

A denial reaches a principal through whatever it belongs to. A grant reaches it by routes: a route through a role gives
no more than the role's boundary, several routes give the union of what each gives, as a permissions boundary of IAM
narrows one identity's policies and never another's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from lakehouse.catalog.principal import ACCOUNT_USERS, Directory, Principal, PrincipalKind
from lakehouse.catalog.privilege import Privilege, implied_by_all
from lakehouse.errors import DefinitionError, InvalidValue, UnknownName

_NOTHING: frozenset[Principal] = frozenset()


@dataclass(frozen=True, slots=True)
class Closure:
    """All that a principal belongs to, itself included: `full` for what restricts it (denials, filters, masks);
    `giving` those from which grants of a privilege reach it, which boundaries and SET ROLE narrow and never widen."""

    full: frozenset[Principal]
    giving: Mapping[Privilege, frozenset[Principal]]


@dataclass(frozen=True, slots=True)
class Memberships:
    """A directory turned round: what each member belongs to directly, and what bounds each role."""

    containers: Mapping[Principal, frozenset[Principal]]  # sets join sets by their stored hashes, in C
    boundaries: Mapping[Principal, frozenset[Privilege]]
    known: frozenset[Principal]
    lacking: Mapping[Privilege, frozenset[Principal]]  # the roles whose boundary leaves a privilege out
    # What groups and roles belong to, without those in the second part of the key; only saves time.
    _above: dict[tuple[Principal, frozenset[Principal]], frozenset[Principal]] = field(default_factory=dict)

    def reach(self, principal: Principal, without: frozenset[Principal]) -> frozenset[Principal]:
        """The principal and all that it belongs to, by ways on which none of `without` is."""
        if principal in without:
            return _NOTHING
        directly = self.containers.get(principal, _NOTHING) - without
        return frozenset({principal}).union(*(self._all_above(group, without) for group in directly))

    def _all_above(self, group: Principal, without: frozenset[Principal]) -> frozenset[Principal]:
        key = (group, without)
        if key not in self._above:
            self._above[key] = _reachable(self, [group], without=without)
        return self._above[key]


def memberships(directory: Directory) -> Memberships:
    """Who belongs to what, directly. Users and services belong to `account users` without being listed."""
    containers: dict[Principal, list[Principal]] = {}
    for group, members in _memberships(directory):
        for member in members:
            containers.setdefault(member, []).append(group)
    acting = [Principal(PrincipalKind.USER, name) for name in directory.users]
    acting += [Principal(PrincipalKind.SERVICE, name) for name in directory.services]
    for principal in acting:
        containers.setdefault(principal, []).append(ACCOUNT_USERS)
    boundaries = {
        Principal(PrincipalKind.ROLE, name): _expanded(role.boundary)
        for name, role in directory.roles.items()
        if role.boundary is not None
    }
    known = frozenset([*acting, *(group for group, _ in _memberships(directory)), ACCOUNT_USERS])
    lacking = {
        privilege: frozenset(role for role, most in boundaries.items() if privilege not in most)
        for privilege in Privilege
    }
    directly = {member: frozenset(groups) for member, groups in containers.items()}
    return Memberships(directly, boundaries, known, lacking)


def closure(members: Memberships, principal: Principal, roles: frozenset[str] | None = None) -> Closure | None:
    """The closure of a principal; None if nothing by this name is known.

    `roles` (names, SET ROLE): grants then come through these roles, if the principal holds them, through what these
    belong to in turn, and through `account users`, which everyone is; all else gives nothing, as in PostgreSQL's
    SET ROLE. Denials still come through everything: no one sheds a denial by taking a role. What is denied or masked
    for `account users` holds for a group or role that is asked about, too: only users and services act through it.
    """
    if principal not in members.known:
        return None
    named = None if roles is None else frozenset(Principal(PrincipalKind.ROLE, name.lower()) for name in roles)
    full = members.reach(principal, _NOTHING) | members.reach(ACCOUNT_USERS, _NOTHING)
    by_gap: dict[frozenset[Principal], frozenset[Principal]] = {}
    giving = {}
    for privilege in Privilege:
        bounded = members.lacking[privilege]
        if full.isdisjoint(bounded):
            bounded = _NOTHING
        if bounded not in by_gap:
            found = members.reach(principal, bounded)
            by_gap[bounded] = found if named is None else _narrowed(members, found, named, bounded)
        giving[privilege] = by_gap[bounded]
    return Closure(full, giving)


def route(
    members: Memberships, principal: Principal, target: Principal, *, privilege: Privilege
) -> tuple[Principal, ...]:
    """A shortest way of membership from a principal to what it belongs to, both included: one on which no boundary
    excludes the privilege, else any; empty if there is none."""
    for without in (members.lacking[privilege], frozenset[Principal]()):
        came_from: dict[Principal, Principal | None] = {principal: None}
        if principal in without:
            continue
        waiting = deque([principal])
        while waiting and target not in came_from:
            here = waiting.popleft()
            for above in sorted(members.containers.get(here, _NOTHING)):
                if above not in came_from and above not in without:
                    came_from[above] = here
                    waiting.append(above)
        if target in came_from:
            way: list[Principal] = []
            step: Principal | None = target
            while step is not None:
                way.append(step)
                step = came_from[step]
            return tuple(reversed(way))
    return ()


def check_directory(directory: Directory) -> list[DefinitionError]:
    """What is wrong with a directory: names used twice, unknown members, groups or roles that contain themselves.

    A catalog over a directory with problems must not be used: who belongs to what is then in doubt.
    """
    return [*_name_problems(directory), *_member_problems(directory), *_cycles(directory)]


def _memberships(directory: Directory) -> Iterator[tuple[Principal, frozenset[Principal]]]:
    for name, members in directory.groups.items():
        yield Principal(PrincipalKind.GROUP, name), members
    for name, role in directory.roles.items():
        yield Principal(PrincipalKind.ROLE, name), role.members


def _expanded(boundary: Collection[Privilege]) -> frozenset[Privilege]:
    """A boundary of ALL PRIVILEGES bounds to what that grants: not MANAGE, not EXTERNAL USE SCHEMA."""
    if Privilege.ALL_PRIVILEGES not in boundary:
        return frozenset(boundary)
    return frozenset(boundary) | {privilege for privilege in Privilege if implied_by_all(privilege)}


def _reachable(
    members: Memberships, start: Iterable[Principal], *, without: frozenset[Principal]
) -> frozenset[Principal]:
    found = set(start) - without
    waiting = list(found)
    containers = members.containers
    while waiting:
        new = containers.get(waiting.pop(), _NOTHING) - found - without
        found |= new
        waiting += new
    return frozenset(found)


def _narrowed(
    members: Memberships, found: frozenset[Principal], named: frozenset[Principal], bounded: frozenset[Principal]
) -> frozenset[Principal]:
    """What is left of a closure under SET ROLE: always a part of it."""
    return _reachable(members, found & named, without=bounded) | (found & {ACCOUNT_USERS})


def _name_problems(directory: Directory) -> Iterator[DefinitionError]:
    kinds = {
        "user": directory.users,
        "service": directory.services,
        "group": directory.groups.keys(),
        "role": directory.roles.keys(),
    }
    if any(ACCOUNT_USERS.name in names for names in kinds.values()):
        yield InvalidValue(f"'{ACCOUNT_USERS.name}' is built in: all users and services belong to it.")
    of: dict[str, list[str]] = {}
    for kind, names in kinds.items():
        for name in names:
            of.setdefault(name, []).append(kind)
            if name != name.lower():
                yield InvalidValue(f"the name of {kind} '{name}' must be in lower case.")
    for name, found in sorted(of.items()):
        if len(found) > 1:
            yield InvalidValue(
                f"'{name}' is a {' and a '.join(found)}; a name stands for one principal.", hint="Rename one of them."
            )


def _member_problems(directory: Directory) -> Iterator[DefinitionError]:
    known = memberships(directory).known
    for group, members in _memberships(directory):
        for member in sorted(members - known):
            names = [str(principal) for principal in known]
            yield UnknownName(str(member), names, what=f"member of {group}")


def _cycles(directory: Directory) -> Iterator[DefinitionError]:
    """Each circle once. Depth first without recursion: a directory may be nested deeper than Python's stack."""
    containers = memberships(directory).containers
    done: set[Principal] = set()
    for start in sorted(containers):
        trail: dict[Principal, Iterator[Principal]] = {}
        if start not in done:
            trail[start] = iter(sorted(containers[start]))
        while trail:
            here = next(reversed(trail))
            above = next(trail[here], None)
            if above is None:
                done.add(here)
                del trail[here]
            elif above in trail:
                path = list(trail)
                circle = [*path[path.index(above) :], above]
                yield InvalidValue(
                    f"{' is in '.join(str(principal) for principal in circle)}: nothing may contain itself.",
                    hint="Remove one of these memberships.",
                )
            elif above not in done:
                trail[above] = iter(sorted(containers.get(above, _NOTHING)))
