"""Grants and denials given and taken back by statements."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lakehouse.catalog.directory_reading import read_principal
from lakehouse.catalog.policy import AccessPolicy, Effect, Rule
from lakehouse.catalog.principal import Principal
from lakehouse.catalog.privilege import Privilege
from lakehouse.catalog.privilege_scope import check_scope
from lakehouse.catalog.securable_names import resolve
from lakehouse.catalog.statements import GrantPrivileges, PrivilegeItem, RevokePrivileges
from lakehouse.errors import UnknownName

Amended = tuple[AccessPolicy, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Change:
    """How a statement comes to a policy: its name in traces, and whether it was recorded earlier."""

    origin: str
    is_recorded: bool = False


def principal_of(policy: AccessPolicy, name: str, change: Change) -> Principal | None:
    """The principal of this name; None for one that a recorded statement names and no one declares any more.
    Raises UnknownName if the statement is made now."""
    try:
        return read_principal(name, policy.directory)
    except UnknownName:
        if not change.is_recorded:
            raise
        return None


def gone(name: str, change: Change) -> str:
    """The notice that a principal is not declared any more."""
    return f"{change.origin} has no effect on '{name}': no such principal is declared any more."


def give(policy: AccessPolicy, statement: GrantPrivileges, change: Change) -> Amended:
    """GRANT and DENY."""
    securable = resolve(statement.securable, policy.catalog)
    for item in statement.items:
        check_scope(item.privilege, securable, item.columns)
    principal = principal_of(policy, statement.principal, change)
    if principal is None:
        return policy, (gone(statement.principal, change),)
    rules, notices = list(policy.rules), []
    for item in statement.items:
        rule = Rule(statement.effect, principal, item.privilege, securable, item.columns, change.origin)
        if any(replace(known, origin=change.origin) == rule for known in rules if known.principal == principal):
            notices.append(f"{item.privilege.value} on {securable}: this rule is there already.")
        else:
            rules.append(rule)
        # Unity Catalog: no one is locked out of repairing rules. `decide` does not heed such a denial.
        is_lock_out = item.privilege in (Privilege.MANAGE, Privilege.ALL_PRIVILEGES) and principal == policy.admin
        if statement.effect is Effect.DENY and is_lock_out:
            notices.append(f"DENY {item.privilege.value} does not take MANAGE from the metastore admin.")
    return replace(policy, rules=tuple(rules)), tuple(notices)


def revoke(policy: AccessPolicy, statement: RevokePrivileges, change: Change) -> Amended:
    """REVOKE and REVOKE DENY: takes back exactly what was given so; never makes or removes the opposite.

    As in Unity Catalog, ALL PRIVILEGES is one privilege here: others that were given by name stay. With columns, those
    are taken out of lists of columns; a rule for all columns is none of them.
    """
    securable = resolve(statement.securable, policy.catalog)
    for item in statement.items:
        check_scope(item.privilege, securable, item.columns)
    principal = principal_of(policy, statement.principal, change)
    if principal is None:
        return policy, (gone(statement.principal, change),)
    rules, notices = policy.rules, []
    for item in statement.items:
        left: list[Rule] = []
        for rule in rules:
            is_meant = (rule.effect, rule.principal, rule.privilege, rule.securable) == (
                statement.effect,
                principal,
                item.privilege,
                securable,
            )
            left.extend(_without(rule, item) if is_meant else [rule])
        if tuple(left) == rules:
            what = "denied" if statement.effect is Effect.DENY else "granted"
            notices.append(f"{item.privilege.value} on {securable} was not {what} to {principal}; nothing changed.")
        rules = tuple(left)
    return replace(policy, rules=rules), tuple(notices)


def _without(rule: Rule, item: PrivilegeItem) -> list[Rule]:
    if item.columns is None:
        return []
    if rule.columns is None:
        return [rule]
    left = rule.columns - item.columns
    return [replace(rule, columns=left)] if left else []
