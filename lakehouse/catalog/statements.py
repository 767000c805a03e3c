"""Statements about access as values: what is written, before names are looked up."""

from __future__ import annotations

from dataclasses import dataclass

from lakehouse.catalog.policy import Effect, TagMatch
from lakehouse.catalog.privilege import Privilege
from lakehouse.catalog.securable_names import SecurableName


@dataclass(frozen=True, slots=True)
class PrivilegeItem:
    """A privilege; `columns` (lower case) only with SELECT."""

    privilege: Privilege
    columns: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class GrantPrivileges:
    """`GRANT … ON … TO …`; with `effect` DENY `DENY … ON … TO …`."""

    effect: Effect
    items: tuple[PrivilegeItem, ...]
    securable: SecurableName
    principal: str


@dataclass(frozen=True, slots=True)
class RevokePrivileges:
    """`REVOKE … ON … FROM …`; with `effect` DENY `REVOKE DENY … ON … FROM …`."""

    effect: Effect
    items: tuple[PrivilegeItem, ...]
    securable: SecurableName
    principal: str


@dataclass(frozen=True, slots=True)
class GrantRole:
    """`GRANT ROLE r TO p`."""

    role: str
    principal: str


@dataclass(frozen=True, slots=True)
class RevokeRole:
    """`REVOKE ROLE r FROM p`."""

    role: str
    principal: str


@dataclass(frozen=True, slots=True)
class CreateRole:
    """`CREATE ROLE [IF NOT EXISTS] r [BOUNDARY (privilege, …)]`."""

    role: str
    boundary: frozenset[Privilege] | None = None
    if_not_exists: bool = False


@dataclass(frozen=True, slots=True)
class DropRole:
    """`DROP ROLE [IF EXISTS] r`."""

    role: str
    if_exists: bool = False


@dataclass(frozen=True, slots=True)
class AlterGroup:
    """`ALTER GROUP g ADD|DROP USER|GROUP p, …`."""

    group: str
    adds: bool
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SetOwner:
    """`ALTER TABLE|SCHEMA|CATALOG|… x [SET] OWNER TO p`."""

    securable: SecurableName
    principal: str


@dataclass(frozen=True, slots=True)
class SetRowFilter:
    """`ALTER TABLE t SET ROW FILTER f ON (column, …)`; in place of every filter that the table has."""

    table: SecurableName
    function: tuple[str, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DropRowFilter:
    """`ALTER TABLE t DROP ROW FILTER`."""

    table: SecurableName


@dataclass(frozen=True, slots=True)
class SetMask:
    """`ALTER TABLE t ALTER COLUMN c SET MASK m [USING COLUMNS (argument, …)]`; in place of every mask of the column.
    Arguments are SQL text: quoted names or literals."""

    table: SecurableName
    column: str
    function: tuple[str, ...]
    using: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DropMask:
    """`ALTER TABLE t ALTER COLUMN c DROP MASK`."""

    table: SecurableName
    column: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateFunction:
    """`CREATE [OR REPLACE] FUNCTION [IF NOT EXISTS] f(p [TYPE], …) [RETURNS type] RETURN expression`."""

    function: SecurableName
    parameters: tuple[str, ...]
    returns: str | None
    body: str
    or_replace: bool = False
    if_not_exists: bool = False


@dataclass(frozen=True, slots=True)
class DropFunction:
    """`DROP FUNCTION [IF EXISTS] f`."""

    function: SecurableName
    if_exists: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatePolicy:
    """`CREATE [OR REPLACE] POLICY p ON … ROW FILTER f|COLUMN MASK m TO … [EXCEPT …] FOR TABLES [WHEN …]
    [MATCH COLUMNS condition AS name, …] [ON COLUMN name] [USING COLUMNS (argument, …)]`."""

    name: str
    scope: SecurableName
    function: tuple[str, ...]
    to: tuple[str, ...]
    exempt: tuple[str, ...] = ()
    when: TagMatch | None = None
    matched: tuple[tuple[str, TagMatch], ...] = ()
    on_column: str | None = None  # of a mask
    using: tuple[str, ...] = ()
    or_replace: bool = False


@dataclass(frozen=True, slots=True)
class DropPolicy:
    """`DROP POLICY [IF EXISTS] p ON …`."""

    name: str
    scope: SecurableName
    if_exists: bool = False


@dataclass(frozen=True, slots=True)
class SetTags:
    """`SET TAG ON … key = value`, `ALTER TABLE … SET TAGS ('key' = 'value', …)`; `column` None: the securable."""

    securable: SecurableName
    column: str | None
    tags: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class UnsetTags:
    """`UNSET TAG ON … key`, `ALTER TABLE … UNSET TAGS ('key', …)`."""

    securable: SecurableName
    column: str | None
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ShowGrants:
    """`SHOW GRANTS [principal] ON …`."""

    securable: SecurableName
    principal: str | None = None


@dataclass(frozen=True, slots=True)
class ExplainAccess:
    """`EXPLAIN ACCESS privilege ON … FOR principal`."""

    privilege: Privilege
    securable: SecurableName
    principal: str


Question = ShowGrants | ExplainAccess
Amendment = (
    GrantPrivileges
    | RevokePrivileges
    | GrantRole
    | RevokeRole
    | CreateRole
    | DropRole
    | AlterGroup
    | SetOwner
    | SetRowFilter
    | DropRowFilter
    | SetMask
    | DropMask
    | CreateFunction
    | DropFunction
    | CreatePolicy
    | DropPolicy
    | SetTags
    | UnsetTags
)
Statement = Question | Amendment
