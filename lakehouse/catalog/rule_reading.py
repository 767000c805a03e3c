"""Grants, denials and owners of access.yml as rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from lakehouse.catalog.access_document import Grants, RuledModel
from lakehouse.catalog.directory_reading import read_principal
from lakehouse.catalog.policy import Effect, Rule
from lakehouse.catalog.principal import ACCOUNT_USERS, Directory, Principal
from lakehouse.catalog.privilege import Privilege
from lakehouse.catalog.privilege_scope import check_scope, read_privilege
from lakehouse.catalog.securable import Securable
from lakehouse.definition.document import Document, Path
from lakehouse.errors import DefinitionError, DefinitionErrors, InvalidValue, SourceLocation, UnknownKey

Read = TypeVar("Read")


@dataclass(slots=True)
class Reading:
    """A file on its way to a policy: what its parts refer to, what is wrong so far, and what was read."""

    document: Document
    catalog: str
    directory: Directory = field(default_factory=Directory)
    problems: list[DefinitionError] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    owners: dict[Securable, Principal] = field(default_factory=dict)

    def attempt(self, read: Callable[[], Read]) -> Read | None:
        """What `read` returns; None if it raises, and then the problem is kept."""
        try:
            return read()
        except DefinitionErrors as several:
            self.problems.extend(several.problems)
        except DefinitionError as problem:
            self.problems.append(problem)
        return None

    def principals(self, names: list[str] | None, path: Path) -> frozenset[Principal]:
        """The principals of a list; all account users if it is not there. Raises InvalidValue if it is empty."""
        if names is None:
            return frozenset({ACCOUNT_USERS})
        if not names:
            raise InvalidValue("this names no one; leave it out for all users.", where=self.document.where(*path))
        return self.exempt(names, path)

    def exempt(self, names: list[str] | None, path: Path) -> frozenset[Principal]:
        """The principals of a list that may be empty or missing."""
        where = self.document.where(*path)
        return frozenset(read_principal(name, self.directory, where) for name in names or ())

    def add_rules(self, model: RuledModel, securable: Securable, path: Path) -> None:
        """Adds what is said about owner, grants and denials of one securable."""
        if model.owner is not None:
            self.add_owner(model.owner, securable, (*path, "owner"))
        self._add_all(model.grants, Effect.ALLOW, securable, (*path, "grants"))
        self._add_all(model.deny, Effect.DENY, securable, (*path, "deny"))

    def add_owner(self, name: str, securable: Securable, path: Path) -> None:
        """Adds the owner of a securable."""
        where = self.document.where(*path)
        owner = self.attempt(lambda: read_principal(name, self.directory, where))
        if owner == ACCOUNT_USERS:
            self.problems.append(InvalidValue("'account users' cannot own anything.", where=where))
        elif self.owners.get(securable, owner) != owner:
            self.problems.append(InvalidValue(f"'{securable}' has two owners.", where=where))
        elif owner is not None:
            self.owners[securable] = owner

    def _add_all(self, grants: Grants, effect: Effect, securable: Securable, path: Path) -> None:
        for who, privileges in grants.items():
            where = self.document.where(*path, who)
            principal = self.attempt(lambda who=who, where=where: read_principal(who, self.directory, where))  # type: ignore[misc]
            for index, item in enumerate(privileges):
                place = self.document.where(*path, who, index)
                try:
                    privilege, columns = _privilege(item, securable, place)
                except DefinitionError as problem:
                    self.problems.append(problem)
                    continue
                if principal is not None:
                    self.rules.append(Rule(effect, principal, privilege, securable, columns, str(place)))
            if not privileges:
                self.problems.append(InvalidValue(f"'{who}' is given a list without privileges.", where=where))


def _privilege(item: Any, securable: Securable, where: SourceLocation) -> tuple[Privilege, frozenset[str] | None]:
    if isinstance(item, str):
        privilege = read_privilege(item, where)
        check_scope(privilege, securable, None, where)
        return privilege, None
    if not isinstance(item, Mapping) or len(item) != 1:
        raise InvalidValue("expected a privilege, or {SELECT: {columns: [...]}}.", where=where)
    name, details = next(iter(item.items()))
    privilege = read_privilege(name, where)
    if not isinstance(details, Mapping):
        raise InvalidValue(f"expected {{{privilege.value}: {{columns: [...]}}}}.", where=where)
    for key in details:
        if key != "columns":
            raise UnknownKey(key, ["columns"], inside=f"the grant of {privilege.value}", where=where)
    columns = details.get("columns")
    if not isinstance(columns, list) or not all(isinstance(column, str) and column for column in columns):
        raise InvalidValue("'columns' must be a list of names.", where=where)
    check_scope(privilege, securable, columns, where)
    return privilege, frozenset(column.lower() for column in columns)
