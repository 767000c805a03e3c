"""Which securable a written name means.

A project has one catalog: the one that its spec names, else `spark_catalog` (which means it in any case). It may be
left out. Without a word for the kind a name means

    one part     `metastore`, the catalog, else a schema
    two parts    a schema if the first part is the catalog, else a table
    three parts  a table; the first part is the catalog

so a schema or table of the catalog's own name is written with the catalog before it. With a word for the kind only
whether the catalog was left out is to be told. Another catalog than the project's is an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lakehouse.catalog.securable import METASTORE, Securable, SecurableKind
from lakehouse.definition.project import ProjectSpec
from lakehouse.errors import InvalidValue, SourceLocation
from lakehouse.names import split_name

DEFAULT_CATALOG = "spark_catalog"
_LEGAL = re.compile(r"\w+")
_BELOW_CATALOG = {
    SecurableKind.CATALOG: 0,
    SecurableKind.SCHEMA: 1,
    SecurableKind.TABLE: 2,
    SecurableKind.FUNCTION: 2,
    SecurableKind.PIPELINE: 1,
}


@dataclass(frozen=True, slots=True)
class SecurableName:
    """A securable as it is written: the parts in lower case, and the kind if a word before them says it."""

    kind: SecurableKind | None
    parts: tuple[str, ...]

    def __str__(self) -> str:
        return ".".join(self.parts) or "metastore"


def catalog_of(spec: ProjectSpec) -> str:
    """The name of the project's catalog, in lower case."""
    return (spec.catalog or DEFAULT_CATALOG).lower()


def read_securable(
    text: str, catalog: str, kind: SecurableKind | None = None, where: SourceLocation | None = None
) -> Securable:
    """The securable that `text` means in the project's `catalog`. Raises InvalidValue."""
    if "\n" in text or text != text.strip():
        raise InvalidValue(f"'{text}' is not a name.", where=where)
    return resolve(SecurableName(kind, split_name(text, where=where)), catalog, where)


def resolve(name: SecurableName, catalog: str, where: SourceLocation | None = None) -> Securable:
    """The securable that a written name means in the project's `catalog`. Raises InvalidValue."""
    kind, parts = name.kind, name.parts
    if kind is SecurableKind.METASTORE or (kind is None and parts == ("metastore",)):
        return METASTORE
    own = {catalog, DEFAULT_CATALOG}
    if kind is None:
        kind, parts = _guessed(parts, own)
    if kind is SecurableKind.CATALOG and not parts:
        parts = (catalog,)
    below = _BELOW_CATALOG[kind]
    if len(parts) == below and not (below == 2 and parts[0] in own):
        parts = (catalog, *parts)
    if len(parts) != below + 1:
        expected = {0: "the catalog's name", 1: "[catalog.]name", 2: "[catalog.]schema.name"}[below]
        raise InvalidValue(f"'{name}' does not name a {kind.value.lower()}; expected {expected}.", where=where)
    if parts[0] not in own:
        raise InvalidValue(f"'{name}' names the catalog '{parts[0]}', but the project's is '{catalog}'.", where=where)
    for part in parts[1:]:
        if not _LEGAL.fullmatch(part):
            raise InvalidValue(f"'{part}' in '{name}' may hold letters, digits and _ only.", where=where)
    return Securable(kind, (catalog, *parts[1:]))


def _guessed(parts: tuple[str, ...], own: set[str]) -> tuple[SecurableKind, tuple[str, ...]]:
    if len(parts) == 1:
        return (SecurableKind.CATALOG if parts[0] in own else SecurableKind.SCHEMA), parts
    if len(parts) == 2 and parts[0] in own:
        return SecurableKind.SCHEMA, parts
    return SecurableKind.TABLE, parts
