"""Privileges, spelled as Unity Catalog spells them."""

from __future__ import annotations

from enum import Enum

from lakehouse.catalog.securable import SecurableKind


class Privilege(str, Enum):
    """What a principal may do with a securable."""

    USE_CATALOG = "USE CATALOG"
    USE_SCHEMA = "USE SCHEMA"
    BROWSE = "BROWSE"  # may know that it exists and see its description, not its rows
    SELECT = "SELECT"
    MODIFY = "MODIFY"
    CREATE_SCHEMA = "CREATE SCHEMA"
    CREATE_TABLE = "CREATE TABLE"
    CREATE_FUNCTION = "CREATE FUNCTION"
    EXECUTE = "EXECUTE"
    APPLY_TAG = "APPLY TAG"
    MANAGE = "MANAGE"  # may change the rules
    EXTERNAL_USE_SCHEMA = "EXTERNAL USE SCHEMA"  # may be given file paths
    ALL_PRIVILEGES = "ALL PRIVILEGES"


# What ALL PRIVILEGES leaves out, as in Unity Catalog: these are granted by name or not at all.
BY_NAME_ONLY = frozenset({Privilege.MANAGE, Privilege.EXTERNAL_USE_SCHEMA})

# What a container must give before anything in it may be used.
GATES = {SecurableKind.CATALOG: Privilege.USE_CATALOG, SecurableKind.SCHEMA: Privilege.USE_SCHEMA}


def implied_by_all(privilege: Privilege) -> bool:
    """Whether ALL PRIVILEGES contains it."""
    return privilege not in BY_NAME_ONLY and privilege is not Privilege.ALL_PRIVILEGES
