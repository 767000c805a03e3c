"""One principal's access to a catalog, as readers ask for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from lakehouse.catalog.compiled_policy import CompiledPolicy
from lakehouse.catalog.decision import Decision, decide
from lakehouse.catalog.policy import Effect, Rule, TableShape
from lakehouse.catalog.policy_expression import Invoker
from lakehouse.catalog.principal import Principal, PrincipalKind
from lakehouse.catalog.privilege import Privilege
from lakehouse.catalog.securable import table
from lakehouse.catalog.table_access import TableAccess, table_access
from lakehouse.errors import AccessRefused
from lakehouse.names import TableName

_ACTING = (PrincipalKind.USER, PrincipalKind.SERVICE)


@dataclass(frozen=True, slots=True)
class PrincipalAccess:
    """What one principal may read under one policy. `with_tags` adds a table's tags to its shape."""

    compiled: CompiledPolicy
    principal: Principal
    with_tags: Callable[[TableShape], TableShape] = field(default=lambda shape: shape)

    @property
    def invoker(self) -> Invoker:
        """Who asks, for filters and masks: its name and all groups it belongs to."""
        who = self.compiled.closure_of(self.principal, None)
        groups = who.full if who else ()
        return Invoker(self.principal.name, frozenset(p.name for p in groups if p.kind is PrincipalKind.GROUP))

    def decide(self, name: TableName) -> Decision:
        """Whether the principal may select from a table."""
        securable = table(self.compiled.policy.catalog, name.schema, name.name)
        return decide(self.compiled, self.principal, Privilege.SELECT, securable)

    def table(self, shape: TableShape) -> TableAccess:
        """What the principal may read of a table."""
        return table_access(self.compiled, self.principal, shape)

    def grants(self, name: TableName) -> list[Rule]:
        """The grants on a table, or on what contains it, that are made to the principal or what it belongs to."""
        securable = table(self.compiled.policy.catalog, name.schema, name.name)
        reached = {securable, *securable.ancestors()}
        who = self.compiled.closure_of(self.principal, None)
        members = who.full if who else frozenset()
        return [
            rule
            for rule in self.compiled.policy.rules
            if rule.effect is Effect.ALLOW and rule.securable in reached and rule.principal in members
        ]


def principal_access(
    compiled: CompiledPolicy, name: str, with_tags: Callable[[TableShape], TableShape] = lambda shape: shape
) -> PrincipalAccess:
    """The access of the user or service principal of this name. Raises AccessRefused for anyone else."""
    found = compiled.policy.directory.find(name)
    if found is None or found.kind not in _ACTING:
        raise AccessRefused(
            f"'{name}' is no user or service principal of this project.",
            hint="Principals are declared in the project's access rules.",
        )
    return PrincipalAccess(compiled, found, with_tags)
