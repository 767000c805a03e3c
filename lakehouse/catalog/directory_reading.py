"""Principals as access.yml declares them, and their memberships held to be without circles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from lakehouse.catalog.access_document import PrincipalsModel
from lakehouse.catalog.principal import ACCOUNT_USERS, Directory, Principal, PrincipalKind, Role
from lakehouse.catalog.privilege import Privilege
from lakehouse.catalog.privilege_scope import read_privilege
from lakehouse.definition.document import Document, Path
from lakehouse.errors import DefinitionError, DuplicateName, InvalidValue, SourceLocation, UnknownName


def read_directory(model: PrincipalsModel, document: Document, problems: list[DefinitionError]) -> Directory:
    """All principals of the file; what is wrong is added to `problems`, and what is returned then is not to be used."""
    names = _Names(document, problems)
    users = {names.add(name, "users"): user.service for name, user in model.users.items()}
    groups = {names.add(name, "groups"): name for name in model.groups}
    roles = {names.add(name, "roles"): name for name in model.roles}
    declared = Directory(
        users=frozenset(name for name, service in users.items() if not service),
        services=frozenset(name for name, service in users.items() if service),
        groups=dict.fromkeys(groups, frozenset()),
        roles=dict.fromkeys(roles, Role()),
    )

    def members(found: Iterable[str], path: Path) -> frozenset[Principal]:
        result = set()
        for index, member in enumerate(found):
            try:
                result.add(read_principal(member, declared, document.where(*path, index)))
            except DefinitionError as problem:
                problems.append(problem)
        return frozenset(result)

    def boundary(written: str) -> frozenset[Privilege] | None:
        found = model.roles[written].boundary
        if found is None:
            return None
        result = set()
        for index, text in enumerate(found):
            try:
                result.add(read_privilege(text, document.where("principals", "roles", written, "boundary", index)))
            except DefinitionError as problem:
                problems.append(problem)
        return frozenset(result)

    directory = Directory(
        users=declared.users,
        services=declared.services,
        groups={
            name: members(model.groups[written], ("principals", "groups", written)) for name, written in groups.items()
        },
        roles={
            name: Role(
                members(model.roles[written].members, ("principals", "roles", written, "members")), boundary(written)
            )
            for name, written in roles.items()
        },
    )
    try:
        check_circles(directory, document.where("principals"))
    except DefinitionError as problem:
        problems.append(problem)
    return directory


def read_principal(text: str, directory: Directory, where: SourceLocation | None = None) -> Principal:
    """The principal of this name. Raises UnknownName with the nearest."""
    found = directory.find(text)
    if found is None:
        known = {*directory.users, *directory.services, *directory.groups, *directory.roles, ACCOUNT_USERS.name}
        raise UnknownName(text, known, what="principal", where=where)
    return found


def principal_name(text: str, where: SourceLocation | None = None) -> str:
    """A new principal's name, in lower case. Raises InvalidValue for one that could not be told from another."""
    name = text.lower()
    if not name or name != name.strip() or not name.isprintable():
        raise InvalidValue(f"'{text}' is not the name of a principal.", where=where)
    if name.partition(":")[0] in [kind.value for kind in PrincipalKind] and ":" in name:
        raise InvalidValue(f"'{text}' begins like a reference to a principal; declare it without.", where=where)
    return name


def check_circles(directory: Directory, where: SourceLocation | None = None) -> None:
    """Raises InvalidValue if a group or role contains itself, directly or through others."""
    below: Mapping[Principal, frozenset[Principal]] = {
        **{Principal(PrincipalKind.GROUP, name): members for name, members in directory.groups.items()},
        **{Principal(PrincipalKind.ROLE, name): role.members for name, role in directory.roles.items()},
    }
    done: set[Principal] = set()
    for start in below:
        trail: list[Principal] = []
        todo: list[tuple[Principal, bool]] = [(start, True)]
        while todo:
            principal, enters = todo.pop()
            if not enters:
                done.add(trail.pop())
            elif principal in trail:
                circle = " > ".join(map(str, [*trail[trail.index(principal) :], principal]))
                raise InvalidValue(f"groups and roles contain each other in a circle: {circle}.", where=where)
            elif principal not in done:
                trail.append(principal)
                todo.append((principal, False))
                todo.extend((member, True) for member in sorted(below.get(principal, ())))


class _Names:
    """The names that are taken."""

    def __init__(self, document: Document, problems: list[DefinitionError]) -> None:
        self.document, self.problems = document, problems
        self.first: dict[str, SourceLocation] = {}

    def add(self, text: str, section: str) -> str:
        where = self.document.where("principals", section, text)
        try:
            name = principal_name(text, where)
            if name in self.first or name == ACCOUNT_USERS.name:
                raise DuplicateName(text, first=self.first.get(name), where=where)
        except DefinitionError as problem:
            self.problems.append(problem)
            return text.lower()
        self.first[name] = where
        return name
