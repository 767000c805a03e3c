"""Statements about access: those that change rules are carried out and recorded, questions are answered."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lakehouse.catalog.current_policy import record
from lakehouse.catalog.decision import may_manage
from lakehouse.catalog.principal import Principal, PrincipalKind
from lakehouse.catalog.securable import METASTORE, Securable
from lakehouse.catalog.securable_names import resolve
from lakehouse.catalog.statements import ExplainAccess, ShowGrants, Statement
from lakehouse.definition.project import ProjectSpec
from lakehouse.errors import AccessRefused, UsageError
from lakehouse.run.access_rules import project_rules
from lakehouse.serving.access_explanation import AccessDesk, AccessExplanation
from lakehouse.storage.access_ledger import AccessLedger

_ACTING = (PrincipalKind.USER, PrincipalKind.SERVICE)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementAnswer:
    """What came of a statement: that it was carried out as number `sequence`, with `notices` where it changed less
    than it says; or the answer to a question, as `grants` or `explanation`."""

    sequence: int | None = None
    notices: tuple[str, ...] = ()
    grants: tuple[dict[str, Any], ...] | None = None
    explanation: AccessExplanation | None = None


def answer_statement(
    spec: ProjectSpec, text: str, statement: Statement, name: str | None, now: datetime
) -> StatementAnswer:
    """Carries out a statement, or answers it, as the user or service principal `name`; None: whoever owns the project,
    who is the metastore admin of its rules.

    Raises AccessRefused for who may not, UnknownName and InvalidValue for what does not fit.
    """
    if spec.access is None:
        raise UsageError(
            f"the project '{spec.name}' has no rules of access.",
            hint="Name a file of rules in the spec first: 'access: access.yml'.",
        )
    if isinstance(statement, ShowGrants):
        return _grants(AccessDesk(spec), statement, name)
    if isinstance(statement, ExplainAccess):
        return _explained(AccessDesk(spec), statement, name)
    who = _acting(spec, name)
    ledger = AccessLedger(spec.warehouse, spec.name)
    after, notices = record(text, who, lambda: project_rules(spec), ledger, now)
    return StatementAnswer(sequence=after.sequence, notices=notices)


def _acting(spec: ProjectSpec, name: str | None) -> Principal:
    policy = project_rules(spec).policy
    if name is None:
        if policy.admin is None:
            raise UsageError(
                "the rules of access name no metastore owner, so no one is whose statement this would be.",
                hint="Write 'metastore: {owner: WHO}' into them, or say who states it with --as.",
            )
        return policy.admin
    found = policy.directory.find(name)
    if found is None or found.kind not in _ACTING:
        raise AccessRefused(f"'{name}' is no user or service principal of this project.")
    return found


def _grants(desk: AccessDesk, statement: ShowGrants, name: str | None) -> StatementAnswer:
    securable = resolve(statement.securable, desk.current.policy.catalog)
    wanted = desk.principal(statement.principal) if statement.principal else None
    _require(desk, name, wanted, securable)
    return StatementAnswer(grants=tuple(desk.grants(securable, wanted)))


def _explained(desk: AccessDesk, statement: ExplainAccess, name: str | None) -> StatementAnswer:
    securable = resolve(statement.securable, desk.current.policy.catalog)
    wanted = desk.principal(statement.principal)
    _require(desk, name, wanted, METASTORE)
    return StatementAnswer(explanation=desk.explain(wanted, statement.privilege, securable))


def _require(desk: AccessDesk, name: str | None, wanted: Principal | None, securable: Securable) -> None:
    """Everyone may ask for their own grants; others' are for who may change them."""
    if name is None:
        return
    asking = desk.current.policy.directory.find(name)
    if asking is None or asking.kind not in _ACTING:
        raise AccessRefused(f"'{name}' is no user or service principal of this project.")
    is_own = wanted == asking and securable != METASTORE
    if not is_own and not may_manage(desk.current.compiled, asking, securable).allowed:
        raise AccessRefused(f"'{name}' may not see the rules of others here.", hint="It needs MANAGE.")
