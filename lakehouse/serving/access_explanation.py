"""Why someone may, or may not, do something: the steps of the decision, and what is seen of a table and why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lakehouse.catalog.access_trace import explain
from lakehouse.catalog.decision import Decision, TraceStep
from lakehouse.catalog.inherited_rules import InheritedRules
from lakehouse.catalog.policy import Effect, Rule, TableShape, Tagged
from lakehouse.catalog.principal import Principal
from lakehouse.catalog.privilege import Privilege
from lakehouse.catalog.securable import Securable, SecurableKind
from lakehouse.catalog.securable_names import read_securable
from lakehouse.catalog.table_access import TableAccess, table_access
from lakehouse.catalog.tag_inheritance import UnfilteredFlow, unfiltered
from lakehouse.definition.project import ProjectSpec
from lakehouse.errors import UnknownName
from lakehouse.names import TableName
from lakehouse.run.access_rules import project_rules, rules_over, table_shape
from lakehouse.run.delta_warehouse import DeltaWarehouse


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessExplanation:
    """A decision with all of its steps. `table`, where SELECT was asked about a published table, is what is seen of it,
    of all its `columns`; `tags` tell for a column which it has, and along which columns they came; `unfiltered` where
    rows of a filtered table go that no filter holds back."""

    principal: Principal
    privilege: Privilege
    securable: Securable
    decision: Decision
    table: TableAccess | None = None
    columns: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    unfiltered: tuple[UnfilteredFlow, ...] = ()

    def steps(self) -> list[dict[str, Any]]:
        """A row a step: `step`, `did`, `privilege`, `securable`, `route`, `origin`, `detail`. The last one decided."""
        return [step_fields(step) for step in self.decision.trace]

    def seen(self) -> list[dict[str, Any]]:
        """A row a column of the table: `column`, `shown` (raw, masked, hidden), `by`, `origin`."""
        if self.table is None or not self.decision.allowed:
            return []
        visible = {column.name.lower(): column for column in self.table.columns}
        rows = []
        for name in self.columns:
            column = visible.get(name.lower())
            mask = column.mask if column else None
            shown = "hidden" if column is None else "masked" if mask else "raw"
            rows.append(
                {
                    "column": name,
                    "shown": shown,
                    "by": mask.policy if mask else "",
                    "as": mask.expression if mask else "",
                    "origin": mask.origin if mask else "",
                }
            )
        return rows

    def filters(self) -> list[dict[str, Any]]:
        """A row a row filter: `filter`, `condition`, `origin`."""
        filters = self.table.filters if self.table and self.decision.allowed else ()
        return [{"filter": each.policy, "condition": each.condition, "origin": each.origin} for each in filters]


def step_fields(step: TraceStep) -> dict[str, Any]:
    """A step as plain texts."""
    return {
        "step": step.kind.value,
        "did": step.did.value,
        "privilege": step.privilege.value,
        "securable": str(step.securable),
        "route": " > ".join(map(str, step.route)) or (str(step.principal) if step.principal else ""),
        "origin": step.origin,
        "detail": step.detail,
    }


class AccessDesk:
    """Answers questions about the rules of one project as they are now, to someone who may see them all."""

    def __init__(self, spec: ProjectSpec) -> None:
        """Raises DefinitionError and AccessRefused where the rules cannot be read."""
        self._warehouse = DeltaWarehouse(spec)
        self._publication = self._warehouse.latest_publication()
        self.current = project_rules(spec)
        self.rules: InheritedRules = rules_over(spec, self.current.policy, self._warehouse, self._publication)

    def principal(self, name: str) -> Principal:
        """Who is called so. Raises UnknownName."""
        directory = self.current.policy.directory
        found = directory.find(name)
        if found is None:
            known = [*directory.users, *directory.services, *directory.groups, *directory.roles]
            raise UnknownName(name, known, what="principal")
        return found

    def securable(self, text: str) -> Securable:
        """What is called so. Raises InvalidValue."""
        return read_securable(text, self.current.policy.catalog)

    def explain(self, principal: Principal, privilege: Privilege, securable: Securable) -> AccessExplanation:
        """Why the principal has the privilege, or not."""
        decision = explain(self.rules.compiled, principal, privilege, securable)
        shape = self._shape(securable)
        if shape is None or privilege is not Privilege.SELECT:
            return AccessExplanation(principal=principal, privilege=privilege, securable=securable, decision=decision)
        access = table_access(self.rules.compiled, principal, shape)
        return AccessExplanation(
            principal=principal,
            privilege=privilege,
            securable=securable,
            # The table may be refused for its policies where the privilege is granted.
            decision=decision if access.decision.allowed or not decision.allowed else access.decision,
            table=access,
            columns=tuple(name for name, _ in shape.columns),
            tags=tuple(self._tags(securable, shape)),
            unfiltered=tuple(
                flow
                for flow in unfiltered(self.current.policy, self.rules.lineage)
                if securable in (flow.source, flow.target)
            ),
        )

    def grants(self, securable: Securable, principal: Principal | None) -> list[dict[str, Any]]:
        """The grants and denials on a securable and on what contains it, of all or of one and what it belongs to; a
        row each: `effect`, `principal`, `privilege`, `securable`, `columns`, `origin`."""
        reached = {securable, *securable.ancestors()}
        who = self.current.compiled.closure_of(principal, None) if principal else None
        members = who.full if who else frozenset()
        return [
            _grant(rule)
            for rule in self.current.policy.rules
            if rule.securable in reached and (principal is None or rule.principal in members)
        ]

    def _shape(self, securable: Securable) -> TableShape | None:
        if securable.kind is not SecurableKind.TABLE or self._publication is None:
            return None
        published = self._publication.tables.get(TableName(*securable.path[1:]))
        if published is None:
            return None
        shape = table_shape(published.name, self._warehouse.location(published.name), published.version)
        return self.rules.with_tags(shape) if shape else None

    def _tags(self, securable: Securable, shape: TableShape) -> Iterator[str]:
        for name, _ in shape.columns:
            for key, tag in self.rules.effective.get(Tagged(securable, name.lower()), {}).items():
                for value, chain in tag.chains.items():
                    way = " > ".join(f"{part.securable}.{part.column}" for part in chain)
                    yield f"{name}: {key}={value}" + (f", along {way}" if len(chain) > 1 else "")


def _grant(rule: Rule) -> dict[str, Any]:
    return {
        "effect": "GRANT" if rule.effect is Effect.ALLOW else "DENY",
        "principal": str(rule.principal),
        "privilege": rule.privilege.value,
        "securable": str(rule.securable),
        "columns": ", ".join(sorted(rule.columns or ())),
        "origin": rule.origin,
    }
