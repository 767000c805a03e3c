"""Statements folded over a policy: pure, one after the other, so that it does not matter where a sequence is split.

A statement that is made now must fit: what it names exists, and who makes it may. One that was recorded earlier was
checked then; since then access.yml may have changed. A principal that it names and that is declared no more takes no
part (it cannot act either): its grants, denials and memberships have no effect until it is declared again. Anything
else that does not fit any more is an error, and a policy with an error allows nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from lakehouse.catalog.amended_objects import (
    create_function,
    create_policy,
    drop_function,
    drop_mask,
    drop_policy,
    drop_row_filter,
    set_mask,
    set_owner,
    set_row_filter,
    set_tags,
    unset_tags,
)
from lakehouse.catalog.amended_principals import alter_group, create_role, drop_role, grant_role, revoke_role
from lakehouse.catalog.amended_rules import Change, give, revoke
from lakehouse.catalog.compiled_policy import index
from lakehouse.catalog.decision import may_manage
from lakehouse.catalog.policy import AccessPolicy
from lakehouse.catalog.principal import Principal
from lakehouse.catalog.securable import METASTORE, Securable
from lakehouse.catalog.securable_names import resolve
from lakehouse.catalog.statements import (
    AlterGroup,
    Amendment,
    CreateFunction,
    CreatePolicy,
    CreateRole,
    DropFunction,
    DropMask,
    DropPolicy,
    DropRole,
    DropRowFilter,
    GrantPrivileges,
    GrantRole,
    RevokePrivileges,
    RevokeRole,
    SetMask,
    SetOwner,
    SetRowFilter,
    SetTags,
    UnsetTags,
)
from lakehouse.errors import AccessRefused

Authorise = Callable[[AccessPolicy, Principal, Securable], bool]
Amended = tuple[AccessPolicy, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Stated:
    """A statement, who made it, and its name in traces."""

    statement: Amendment
    principal: Principal
    origin: str


def amend(policy: AccessPolicy, stated: Iterable[Stated], authorise: Authorise | None = None) -> Amended:
    """The policy after these statements, and what is worth telling (of statements without effect).

    `policy` as `policy_file.read_rules` gives it: with its functions not put in, so that one that is replaced is
    replaced everywhere. With `authorise` (see `may_change`) the statements are made now, else they were recorded.
    Raises AccessRefused if it says no, InvalidValue, UnknownName or DuplicateName for what does not fit.
    """
    notices: list[str] = []
    for each in stated:
        if authorise is not None and not authorise(policy, each.principal, changed_by(each.statement, policy.catalog)):
            # The same answer for what is not there: nothing was looked up yet.
            raise AccessRefused(
                "this needs MANAGE on what the statement changes, which you do not have, or it does not exist."
            )
        policy, more = _amended(policy, each.statement, Change(each.origin, is_recorded=authorise is None))
        notices.extend(more)
    return policy, tuple(notices)


def may_change(policy: AccessPolicy, principal: Principal, securable: Securable) -> bool:
    """Whether the rules of the securable may be changed by the principal: MANAGE or ownership, as `may_manage` says."""
    return may_manage(index(policy), principal, securable).allowed


def changed_by(statement: Amendment, catalog: str) -> Securable:
    """On which securable a statement needs MANAGE: what it changes; the schema of a function; the metastore for groups
    and roles. Raises InvalidValue for a name that means nothing."""
    match statement:
        case GrantPrivileges() | RevokePrivileges() | SetOwner() | SetTags() | UnsetTags():
            return resolve(statement.securable, catalog)
        case SetRowFilter() | DropRowFilter() | SetMask() | DropMask():
            return resolve(statement.table, catalog)
        case CreatePolicy() | DropPolicy():
            return resolve(statement.scope, catalog)
        case CreateFunction() | DropFunction():
            return resolve(statement.function, catalog).parent or METASTORE
        case _:
            return METASTORE


def _amended(policy: AccessPolicy, statement: Amendment, change: Change) -> Amended:
    match statement:
        case GrantPrivileges():
            return give(policy, statement, change)
        case RevokePrivileges():
            return revoke(policy, statement, change)
        case GrantRole():
            return grant_role(policy, statement, change)
        case RevokeRole():
            return revoke_role(policy, statement, change)
        case CreateRole():
            return create_role(policy, statement)
        case DropRole():
            return drop_role(policy, statement)
        case AlterGroup():
            return alter_group(policy, statement, change)
        case SetOwner():
            return set_owner(policy, statement, change)
        case _:
            return _amended_objects(policy, statement, change)


def _amended_objects(policy: AccessPolicy, statement: Amendment, change: Change) -> Amended:
    match statement:
        case SetRowFilter():
            return set_row_filter(policy, statement, change)
        case DropRowFilter():
            return drop_row_filter(policy, statement)
        case SetMask():
            return set_mask(policy, statement, change)
        case DropMask():
            return drop_mask(policy, statement)
        case CreateFunction():
            return create_function(policy, statement, change)
        case DropFunction():
            return drop_function(policy, statement)
        case CreatePolicy():
            return create_policy(policy, statement, change)
        case DropPolicy():
            return drop_policy(policy, statement)
        case SetTags():
            return set_tags(policy, statement)
        case UnsetTags():
            return unset_tags(policy, statement)
        case _:
            raise AssertionError(statement)
