"""Short ways to write down policies and questions in tests."""

from __future__ import annotations

from collections.abc import Mapping

from lakehouse.catalog.policy import AccessPolicy, Effect, Rule, TableShape
from lakehouse.catalog.principal import Directory, Principal, PrincipalKind, Role
from lakehouse.catalog.privilege import Privilege
from lakehouse.catalog.securable import METASTORE, Securable, SecurableKind
from lakehouse.names import TableName


def user(name: str) -> Principal:
    return Principal(PrincipalKind.USER, name)


def service(name: str) -> Principal:
    return Principal(PrincipalKind.SERVICE, name)


def group(name: str) -> Principal:
    return Principal(PrincipalKind.GROUP, name)


def role(name: str) -> Principal:
    return Principal(PrincipalKind.ROLE, name)


def at(path: str, kind: str | None = None) -> Securable:
    """`main.gold.t` as a securable: by its depth, or of the kind that is named."""
    parts = tuple(path.split(".")) if path else ()
    if kind is not None:
        return Securable(SecurableKind(kind), parts)
    if not parts:
        return METASTORE
    return Securable((SecurableKind.CATALOG, SecurableKind.SCHEMA, SecurableKind.TABLE)[len(parts) - 1], parts)


def allow(privilege: str, on: str, to: Principal, *, columns: set[str] | None = None, kind: str | None = None) -> Rule:
    listed = None if columns is None else frozenset(columns)
    return Rule(Effect.ALLOW, to, Privilege(privilege), at(on, kind), listed, f"grant {privilege} on {on} to {to}")


def deny(privilege: str, on: str, to: Principal, *, columns: set[str] | None = None, kind: str | None = None) -> Rule:
    listed = None if columns is None else frozenset(columns)
    return Rule(Effect.DENY, to, Privilege(privilege), at(on, kind), listed, f"deny {privilege} on {on} to {to}")


def use(to: Principal, path: str = "main.gold") -> tuple[Rule, Rule]:
    """Both gates of a schema."""
    return allow("USE CATALOG", path.split(".")[0], to), allow("USE SCHEMA", path, to)


def policy(directory: Directory, *rules: Rule, owners: Mapping[str, Principal] | None = None) -> AccessPolicy:
    owned = {at(path): owner for path, owner in (owners or {}).items()}
    return AccessPolicy(catalog="main", directory=directory, rules=rules, owners=owned)


def shape(
    name: str = "gold.customers",
    columns: tuple[str, ...] = ("id", "email", "region"),
    tags: Mapping[str, Mapping[str, str]] | None = None,
    table_tags: Mapping[str, str] | None = None,
) -> TableShape:
    schema, _, table = name.partition(".")
    return TableShape(
        TableName(schema, table), tuple((column, "string") for column in columns), (), tags or {}, table_tags or {}
    )


def bounded(*privileges: str, members: tuple[Principal, ...] = ()) -> Role:
    return Role(frozenset(members), frozenset(Privilege(privilege) for privilege in privileges))
