"""The rules of a catalog as one frozen value: whatever was written in access.yml and by statements, resolved.

Expressions are SQL text in which functions of the policy are expanded already; `val` in a mask is the column's value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from lakehouse.catalog.principal import ACCOUNT_USERS, Directory, Principal
from lakehouse.catalog.privilege import Privilege
from lakehouse.catalog.securable import METASTORE, Securable
from lakehouse.names import TableName


class Effect(str, Enum):
    """A denial beats every grant."""

    ALLOW = "ALLOW"
    DENY = "DENY"


@dataclass(frozen=True, slots=True)
class Rule:
    """One grant or denial. `columns` (lower case) only with SELECT on a table; None: the whole securable. `origin`
    says where it is written: `access.yml:12`, or the statement that made it."""

    effect: Effect
    principal: Principal
    privilege: Privilege
    securable: Securable
    columns: frozenset[str] | None = None
    origin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFilter:
    """Which rows of a table its readers see: those for which `condition` is true. It sees raw values."""

    name: str
    table: Securable
    condition: str
    to: frozenset[Principal] = frozenset({ACCOUNT_USERS})
    exempt: frozenset[Principal] = frozenset()
    origin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnMask:
    """What readers see in place of a column: `expression` over `val` and the table's other columns, raw."""

    name: str
    table: Securable
    column: str
    expression: str
    to: frozenset[Principal] = frozenset({ACCOUNT_USERS})
    exempt: frozenset[Principal] = frozenset()
    origin: str = ""


# A column made of several tagged ones may carry several values of one tag: they stand in one text, this between them.
VALUE_SEPARATOR = "\x1f"


@dataclass(frozen=True, slots=True)
class TagMatch:
    """Columns that carry a tag; with `value` only those that carry it with this value."""

    tag: str
    value: str | None = None


class TagPolicyKind(str, Enum):
    """What a tag policy puts on the tables it matches."""

    MASK = "mask"
    ROW_FILTER = "row_filter"


@dataclass(frozen=True, slots=True, kw_only=True)
class TagPolicy:
    """A mask or row filter for every table under `scope` that has matching columns, tables to come included.

    A mask masks each column that matches `on`. In both kinds a name in `matched` stands in the expression for the one
    column that matches it; a table on which a name matches several columns cannot be read.
    """

    name: str
    kind: TagPolicyKind
    scope: Securable
    expression: str
    on: TagMatch | None = None  # of a mask
    matched: Mapping[str, TagMatch] = field(default_factory=dict)
    table_tag: TagMatch | None = None  # only tables that carry it
    to: frozenset[Principal] = frozenset({ACCOUNT_USERS})
    exempt: frozenset[Principal] = frozenset()
    origin: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Tagged:
    """A table or one of its columns; `column` None: the table (or a schema or catalog) itself."""

    securable: Securable
    column: str | None = None


@dataclass(frozen=True, slots=True)
class SqlFunction:
    """A function for masks and filters: parameter names in order, and an expression over them."""

    name: Securable
    parameters: tuple[str, ...]
    body: str
    origin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessTest:
    """A line of `access_tests`. Either privilege and securable with `allowed`, or a query with what comes out."""

    principal: Principal
    allowed: bool = True
    privilege: Privilege | None = None
    securable: Securable | None = None
    query: str | None = None
    matches: Mapping[str, str] = field(default_factory=dict)  # output column -> regular expression of its every value
    rows: int | None = None  # the number of rows the query gives
    origin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPolicy:
    """Everything that decides about access to one project's catalog."""

    catalog: str
    directory: Directory = field(default_factory=Directory)
    rules: tuple[Rule, ...] = ()
    owners: Mapping[Securable, Principal] = field(default_factory=dict)  # METASTORE: the metastore admin
    row_filters: tuple[RowFilter, ...] = ()
    masks: tuple[ColumnMask, ...] = ()
    tag_policies: tuple[TagPolicy, ...] = ()
    tags: Mapping[Tagged, Mapping[str, str]] = field(default_factory=dict)
    declassified: Mapping[Tagged, str] = field(default_factory=dict)  # with the reason
    functions: Mapping[Securable, SqlFunction] = field(default_factory=dict)
    tests: tuple[AccessTest, ...] = ()
    run_as: Principal | None = None  # the service principal of the project's runs

    @property
    def admin(self) -> Principal | None:
        """The metastore admin, who may change any rule but reads nothing without a grant."""
        return self.owners.get(METASTORE)


@dataclass(frozen=True, slots=True)
class TableShape:
    """What is decided about: a table as it is now. Columns in order with their Spark types (DDL text), lower-case
    partition columns; `tags` are a column's own and inherited ones."""

    name: TableName
    columns: tuple[tuple[str, str], ...]
    partition_columns: tuple[str, ...] = ()
    tags: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    table_tags: Mapping[str, str] = field(default_factory=dict)
