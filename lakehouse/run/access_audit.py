"""Before a run: may the service principal that it runs as read what it reads, and write what it writes?

Mode `audit`: a run is trusted code, which this keeps from mistakes. It is no boundary: whoever owns the process can
open the files. What cannot be told beforehand, as a query that reads what is not declared, is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lakehouse.catalog.decision import Decision, decide
from lakehouse.catalog.inherited_rules import InheritedRules
from lakehouse.catalog.policy import AccessPolicy, TableShape
from lakehouse.catalog.principal import Principal
from lakehouse.catalog.privilege import Privilege
from lakehouse.catalog.securable import Securable, table
from lakehouse.catalog.table_access import may_write, table_access
from lakehouse.errors import AccessRefused
from lakehouse.names import TableName
from lakehouse.plan.refresh_plan import RefreshPlan, current_record
from lakehouse.run.access_rules import rules_over, table_shape
from lakehouse.run.survey import Survey
from lakehouse.run.workspace import Workspace


def audit_run(workspace: Workspace, found: Survey, policy: AccessPolicy) -> None:
    """Raises AccessRefused, with all that is lacking, if the run may not do all that it is about to do. Rules that name
    no one to run as leave the run to the owner of the project, who may."""
    if policy.run_as is None or found.plan.does_nothing:
        return
    rules = rules_over(workspace.project.spec, policy, workspace.warehouse, workspace.warehouse.latest_publication())
    audit = _Audit(workspace, found, rules, policy.run_as)
    lacking = list(dict.fromkeys(audit.lacking(found.plan)))
    if lacking:
        raise AccessRefused(
            f"'{policy.run_as}' may not do what this run does: {'; '.join(lacking)}.",
            hint="Nothing was written. 'lakehouse access explain' tells why; grant it, or run as someone who may.",
        )


class _Audit:
    def __init__(self, workspace: Workspace, found: Survey, rules: InheritedRules, principal: Principal) -> None:
        self._workspace, self._found, self._rules, self._principal = workspace, found, rules, principal
        self._catalog = rules.compiled.policy.catalog

    def lacking(self, plan: RefreshPlan) -> Iterator[str]:
        written = {step.dataset for step in plan.steps}
        for name in sorted({read for step in plan.steps for read in step.inputs}):
            yield from self._reading(name, new=name in written)
        for name in sorted(written):
            yield from self._writing(name)
            for read in self._undeclared(name):
                yield f"{name} reads what is not declared, {read}"

    def _reading(self, name: TableName, *, new: bool) -> Iterator[str]:
        shape = self._shape(name)
        if shape is None:
            # Not built yet: what it will look like, its own rules say.
            decision = decide(self._rules.compiled, self._principal, Privilege.SELECT, self._securable(name))
            yield from self._said(decision, f"SELECT on {name}")
            return
        access = table_access(self._rules.compiled, self._principal, shape)
        yield from self._said(access.decision, f"SELECT on {name}")
        if access.decision.allowed:
            masked = [column.name for column in access.columns if column.mask]
            hidden = {column for column, _ in shape.columns} - {column.name for column in access.columns}
            policies = [*(each.policy for each in access.filters), *(f"the mask on {column}" for column in masked)]
            policies += [f"no column {column}" for column in sorted(hidden)]
            if policies:
                yield f"SELECT on all of {name} ({', '.join(policies)}; put it into 'except')"

    def _writing(self, name: TableName) -> Iterator[str]:
        shape = self._shape(name)
        compiled = self._rules.compiled
        if shape is None:
            yield from self._said(
                decide(compiled, self._principal, Privilege.MODIFY, self._securable(name)), f"MODIFY on {name}"
            )
            schema = self._securable(name).parent
            assert schema is not None
            yield from self._said(
                decide(compiled, self._principal, Privilege.CREATE_TABLE, schema), f"CREATE TABLE on {schema}"
            )
            return
        yield from self._said(may_write(compiled, self._principal, shape), f"MODIFY on {name}")

    def _said(self, decision: Decision, what: str) -> Iterator[str]:
        if not decision.allowed:
            yield f"{what} ({decision.reason.value})"

    def _shape(self, name: TableName) -> TableShape | None:
        facts = self._found.facts.tables[name]
        if not facts.exists:
            return None
        found = table_shape(name, self._workspace.locate(name), facts.version)
        return self._rules.with_tags(found) if found else None

    def _securable(self, name: TableName) -> Securable:
        return table(self._catalog, name.schema, name.name)

    def _undeclared(self, name: TableName) -> Iterable[str]:
        if name in self._found.analyses:
            return self._found.analyses[name].undeclared
        record = current_record(self._found.facts.tables[name], self._found.facts.published.get(name))
        return record.undeclared if record is not None else ()
