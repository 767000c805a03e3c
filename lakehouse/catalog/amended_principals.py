"""Roles and memberships changed by statements."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lakehouse.catalog.amended_rules import Amended, Change, gone, principal_of
from lakehouse.catalog.directory_reading import check_circles, principal_name
from lakehouse.catalog.policy import AccessPolicy, ColumnMask, Effect, RowFilter, TagPolicy
from lakehouse.catalog.principal import ACCOUNT_USERS, Directory, Principal, PrincipalKind, Role
from lakehouse.catalog.statements import AlterGroup, CreateRole, DropRole, GrantRole, RevokeRole
from lakehouse.errors import DuplicateName, InvalidValue, UnknownName


def create_role(policy: AccessPolicy, statement: CreateRole) -> Amended:
    """CREATE ROLE."""
    name = principal_name(statement.role)
    known = policy.directory.find(name)
    if known is not None:
        if statement.if_not_exists and known.kind is PrincipalKind.ROLE:
            return policy, (f"the role '{name}' is there already.",)
        raise DuplicateName(name, first=None, where=None)
    return _with_role(policy, name, Role(boundary=statement.boundary)), ()


def drop_role(policy: AccessPolicy, statement: DropRole) -> Amended:
    """DROP ROLE, with its grants and memberships; not while anything that restricts or owns depends on it."""
    role = policy.directory.find(f"role:{_bare(statement.role)}")
    if role is None:
        if statement.if_exists:
            return policy, (f"there is no role '{statement.role}'.",)
        raise UnknownName(statement.role, policy.directory.roles, what="role")
    used = sorted(_uses(policy, role))
    if used:
        raise InvalidValue(f"the role '{role.name}' is still used by {', '.join(used)}; change that first.")
    directory = policy.directory
    roles = {
        name: replace(found, members=found.members - {role})
        for name, found in directory.roles.items()
        if name != role.name
    }
    groups = {name: members - {role} for name, members in directory.groups.items()}
    return (
        replace(
            policy,
            directory=replace(directory, roles=roles, groups=groups),
            rules=tuple(rule for rule in policy.rules if rule.principal != role),
            row_filters=tuple(replace(each, exempt=each.exempt - {role}) for each in policy.row_filters),
            masks=tuple(replace(each, exempt=each.exempt - {role}) for each in policy.masks),
            tag_policies=tuple(replace(each, exempt=each.exempt - {role}) for each in policy.tag_policies),
            tests=tuple(test for test in policy.tests if test.principal != role),
        ),
        (),
    )


def grant_role(policy: AccessPolicy, statement: GrantRole, change: Change) -> Amended:
    """GRANT ROLE."""
    found = _role_and_member(policy, statement.role, statement.principal, change)
    if isinstance(found, str):
        return policy, (found,)
    name, member = found
    role = policy.directory.roles[name]
    if member in role.members:
        return policy, (f"{member} has the role '{name}' already.",)
    return _checked(_with_role(policy, name, replace(role, members=role.members | {member}))), ()


def revoke_role(policy: AccessPolicy, statement: RevokeRole, change: Change) -> Amended:
    """REVOKE ROLE."""
    found = _role_and_member(policy, statement.role, statement.principal, change)
    if isinstance(found, str):
        return policy, (found,)
    name, member = found
    role = policy.directory.roles[name]
    if member not in role.members:
        return policy, (f"{member} was not granted the role '{name}'; nothing changed.",)
    return _with_role(policy, name, replace(role, members=role.members - {member})), ()


def alter_group(policy: AccessPolicy, statement: AlterGroup, change: Change) -> Amended:
    """ALTER GROUP … ADD and DROP."""
    group = principal_of(policy, statement.group, change)
    if group is None:
        return policy, (gone(statement.group, change),)
    if group.kind is not PrincipalKind.GROUP or group == ACCOUNT_USERS:
        raise InvalidValue(f"'{statement.group}' is not a group whose members can be changed.")
    members = set(policy.directory.groups[group.name])
    notices = []
    for text in statement.members:
        member = principal_of(policy, text, change)
        if member is None:
            notices.append(gone(text, change))
        elif (member in members) == statement.adds:
            notices.append(f"{member} is {'a' if statement.adds else 'no'} member of {group} already.")
        elif statement.adds:
            members.add(member)
        else:
            members.discard(member)
    groups = {**policy.directory.groups, group.name: frozenset(members)}
    return _checked(replace(policy, directory=replace(policy.directory, groups=groups))), tuple(notices)


def _role_and_member(policy: AccessPolicy, role: str, member: str, change: Change) -> tuple[str, Principal] | str:
    found = policy.directory.find(f"role:{_bare(role)}")
    if found is None:
        if change.is_recorded:
            return gone(role, change)
        raise UnknownName(role, policy.directory.roles, what="role")
    principal = principal_of(policy, member, change)
    return gone(member, change) if principal is None else (found.name, principal)


def _bare(role: str) -> str:
    return role.strip().lower().removeprefix("role:")


def _with_role(policy: AccessPolicy, name: str, role: Role) -> AccessPolicy:
    directory: Directory = replace(policy.directory, roles={**policy.directory.roles, name: role})
    return replace(policy, directory=directory)


def _checked(policy: AccessPolicy) -> AccessPolicy:
    check_circles(policy.directory)
    return policy


def _uses(policy: AccessPolicy, role: Principal) -> Iterator[str]:
    """What would restrict less, or belong to no one, without the role."""
    for rule in policy.rules:
        if rule.principal == role and rule.effect is Effect.DENY:
            yield f"DENY {rule.privilege.value} on {rule.securable}"
    for securable, owner in policy.owners.items():
        if owner == role:
            yield f"the ownership of {securable}"
    restrictions: tuple[RowFilter | ColumnMask | TagPolicy, ...]
    restrictions = (*policy.row_filters, *policy.masks, *policy.tag_policies)
    for restriction in restrictions:
        if role in restriction.to:
            yield f"'{restriction.name}'"
