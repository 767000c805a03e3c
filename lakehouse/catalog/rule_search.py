"""Finding the rules that reach a principal on a securable or above it."""

from __future__ import annotations

from typing import NamedTuple

from lakehouse.catalog.closure import Closure
from lakehouse.catalog.compiled_policy import Chain, Node, RuleSet
from lakehouse.catalog.policy import ColumnMask, RowFilter, Rule, TagPolicy
from lakehouse.catalog.principal import Principal
from lakehouse.catalog.privilege import GATES, Privilege, implied_by_all
from lakehouse.catalog.securable import Securable, SecurableKind

_CREATES = (Privilege.CREATE_SCHEMA, Privilege.CREATE_TABLE, Privilege.CREATE_FUNCTION)
_ROWS = (Privilege.SELECT, Privilege.MODIFY, Privilege.EXECUTE)
_LEAVES = (SecurableKind.TABLE, SecurableKind.FUNCTION, SecurableKind.PIPELINE)
_BOTH = {privilege: (privilege, Privilege.ALL_PRIVILEGES) for privilege in Privilege}
_GRANTED_BY = {
    privilege: _BOTH[privilege] if implied_by_all(privilege) else (privilege,) for privilege in Privilege
}  # fmt: skip

# By which privileges the existence of a securable is known. USE of a container does not reveal what is in it.
_REVEALS = {
    SecurableKind.TABLE: (Privilege.BROWSE, Privilege.SELECT, Privilege.MODIFY, Privilege.APPLY_TAG),
    SecurableKind.FUNCTION: (Privilege.BROWSE, Privilege.EXECUTE),
    SecurableKind.PIPELINE: (Privilege.BROWSE, Privilege.EXECUTE),
    SecurableKind.SCHEMA: tuple(
        privilege for privilege in Privilege if privilege not in (Privilege.USE_CATALOG, Privilege.CREATE_SCHEMA)
    ),
    SecurableKind.CATALOG: tuple(Privilege),
}

Policy = RowFilter | ColumnMask | TagPolicy


class Hit(NamedTuple):
    """Rules on one securable that reach a principal: of this privilege, through these of what it belongs to."""

    securable: Securable
    privilege: Privilege
    rules: dict[Principal, list[Rule]]
    through: frozenset[Principal]


def find_denial(chain: Chain, privilege: Privilege, whom: frozenset[Principal]) -> Hit | None:
    """The nearest denial of the privilege, or of all, to one of these."""
    for securable, node in chain:
        principals = node.denials.principals
        if principals:
            for denied in _BOTH[privilege]:
                found = principals.get(denied)
                if found is not None and not found.isdisjoint(whom):
                    return Hit(securable, denied, node.denials.rules[denied], found & whom)
    return None


def find_grant(chain: Chain, privilege: Privilege, whom: frozenset[Principal]) -> Hit | None:
    """The nearest grant of the privilege, or of all if that implies it, to one of these; column lists do not count."""
    for securable, node in chain:
        principals = node.grants.principals
        if principals:
            for granted in _GRANTED_BY[privilege]:
                found = principals.get(granted)
                if found is not None and not found.isdisjoint(whom):
                    return Hit(securable, granted, node.grants.rules[granted], found & whom)
    return None


def find_column_grant(
    place: tuple[Securable, Node], giving: frozenset[Principal], full: frozenset[Principal]
) -> Hit | None:
    """The grants of SELECT on columns of a table to one of these, if a column is left that is not denied."""
    securable, node = place
    through = node.grants.column_principals & giving
    if not through or not columns_of(node.grants, giving) - columns_of(node.denials, full):
        return None
    return Hit(securable, Privilege.SELECT, node.grants.column_rules, through)


def columns_of(rules: RuleSet, whom: frozenset[Principal]) -> frozenset[str]:
    """The columns, in lower case, that column lists name for any of these."""
    return frozenset(
        column.lower()
        for principal in rules.column_principals & whom
        for rule in rules.column_rules[principal]
        for column in rule.columns or ()
    )


def gates(chain: Chain, privilege: Privilege) -> list[int]:
    """Where in the chain the containers are that must give their USE privilege, the outermost first. To create
    something in a container is to use the container; BROWSE needs none, as in Unity Catalog."""
    if privilege is Privilege.BROWSE:
        return []
    first = 0 if privilege in _CREATES else 1
    return [place for place in range(len(chain) - 1, first - 1, -1) if chain[place][0].kind in GATES]


def gate_is_open(who: Closure, above: Chain) -> bool:
    """Whether the first of `above`, a container with its ancestors, gives its USE privilege."""
    securable, node = above[0]
    privilege = GATES[securable.kind]
    giving = who.giving[privilege]
    return find_denial(above, privilege, who.full) is None and (
        node.owner in giving or find_grant(above, privilege, giving) is not None
    )


def owner_has(kind: SecurableKind, privilege: Privilege) -> bool:
    """Whether owning a securable gives the privilege on it. Owning a container gives no rows of what is in it, and file
    paths are granted by name only: schema owners do not have EXTERNAL USE SCHEMA in Unity Catalog either."""
    if privilege is Privilege.EXTERNAL_USE_SCHEMA:
        return False
    return kind in _LEAVES or privilege not in _ROWS


def is_visible(who: Closure, chain: Chain) -> bool:
    """Whether a principal may know that the first of the chain exists: it holds a privilege there, gates aside, that
    concerns such a securable and is not denied; or owns it, or may manage it."""
    securable, node = chain[0]
    if securable.kind is SecurableKind.METASTORE:
        return True
    if chain[-1][1].owner in who.giving[Privilege.MANAGE]:
        return True
    for privilege in (*_REVEALS[securable.kind], Privilege.MANAGE):
        if privilege is Privilege.ALL_PRIVILEGES:
            continue
        giving = who.giving[privilege]
        manages = privilege is Privilege.MANAGE and any(above.owner in giving for _, above in chain)
        owns = owner_has(securable.kind, privilege) and node.owner in giving
        columns = privilege is Privilege.SELECT and find_column_grant(chain[0], giving, who.full) is not None
        if (manages or owns or columns or find_grant(chain, privilege, giving) is not None) and (
            find_denial(chain, privilege, who.full) is None
        ):
            return True
    return False


def applies(policy: Policy, who: Closure, privilege: Privilege) -> bool:
    """Whether a filter or mask holds for a principal: it is for something it belongs to, by whatever route, and it is
    not exempt by a route that gives the privilege. Owning a table or all privileges on it exempts from nothing."""
    return not policy.to.isdisjoint(who.full) and policy.exempt.isdisjoint(who.giving[privilege])
