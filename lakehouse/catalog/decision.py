"""The decision about access: allowed or not, why, and the rule that decided. Pure; nothing but values comes in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from lakehouse.catalog.closure import Closure
from lakehouse.catalog.compiled_policy import Chain, CompiledPolicy, index, origins
from lakehouse.catalog.principal import Principal
from lakehouse.catalog.privilege import GATES, Privilege, implied_by_all
from lakehouse.catalog.rule_search import (
    Hit,
    Policy,
    applies,
    find_column_grant,
    find_denial,
    find_grant,
    gate_is_open,
    gates,
    is_visible,
    owner_has,
)
from lakehouse.catalog.securable import Securable

__all__ = [
    "CompiledPolicy",
    "Decision",
    "Effectiveness",
    "Reason",
    "StepKind",
    "TraceStep",
    "decide",
    "index",
    "may_manage",
]


class Reason(str, Enum):
    """Why a decision falls as it does. The first four allow, all others refuse."""

    GRANTED = "granted"
    OWNER = "owner"
    OWNER_ABOVE = "owner of a container"  # MANAGE only
    ADMIN = "metastore admin"  # MANAGE only
    DENIED = "denied"
    GATE = "a container does not give its USE privilege"
    NARROWED = "a role boundary or SET ROLE leaves it out"
    NOT_GRANTED = "not granted"
    UNKNOWN_PRINCIPAL = "unknown principal"
    RESTRICTED = "a filter, mask or hidden column applies"  # MODIFY, EXTERNAL USE SCHEMA
    NO_COLUMN = "no column is left"
    MASK_CONFLICT = "two different masks on one column"
    AMBIGUOUS_MATCH = "a policy's name matches several columns"
    MISSING_COLUMN = "a policy names a column that the table does not have"


class StepKind(str, Enum):
    """What a step of a trace is about."""

    GRANT = "grant"
    DENY = "deny"
    GATE = "gate"
    OWNER = "owner"
    ADMIN = "admin"
    POLICY = "policy"  # a row filter, mask or tag policy


class Effectiveness(str, Enum):
    """What a step did to the decision."""

    ALLOWS = "allows"
    REFUSES = "refuses"
    NARROWED = "gives nothing: narrowed by a role boundary or SET ROLE"
    IGNORED = "ignored"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One rule, gate, owner or policy and what it did. `route` leads from who asks to `principal`, both included; only
    `explain` fills it in. `detail` names what has no field: a policy, columns."""

    kind: StepKind
    did: Effectiveness
    privilege: Privilege
    securable: Securable
    principal: Principal | None = None
    origin: str = ""
    route: tuple[Principal, ...] = ()
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """Allowed or refused, with the step that decided. As a truth value: whether it is allowed.

    `visible`: whether the principal may know that the securable exists; if not, a refusal must look exactly like the
    answer about a securable that does not exist. Reason and trace are for who may see the rules, not for the refused.
    """

    allowed: bool
    reason: Reason
    trace: tuple[TraceStep, ...]
    visible: bool

    def __bool__(self) -> bool:
        return self.allowed


def decide(
    compiled: CompiledPolicy,
    principal: Principal,
    privilege: Privilege,
    securable: Securable,
    *,
    roles: frozenset[str] | None = None,
) -> Decision:
    """Whether a principal may do this, and which rule says so. `roles`: SET ROLE, which narrows and never widens.

    Evaluation, as AWS IAM evaluates the policies of one account over Unity Catalog's privileges:

    1. The principal is all that it belongs to: groups, roles, `account users`.
    2. A denial of the privilege, or of ALL PRIVILEGES, on the securable or any ancestor to any of these refuses.
       A denial of ALL PRIVILEGES denies MANAGE and EXTERNAL USE SCHEMA too, which a grant of it does not give.
    3. A role gives nothing outside its boundary; under SET ROLE only the named roles and `account users` give.
    4. Every ancestor that is a catalog or schema must give its USE privilege; to create something in a container, the
       container itself too. BROWSE needs none of them, as in Unity Catalog.
    5. Then a grant of the privilege, or of ALL PRIVILEGES, on the securable or any ancestor allows; so does owning the
       securable itself. Owning a container gives no rows in it, and EXTERNAL USE SCHEMA is granted by name only.
    6. All else is refused.

    MANAGE comes from owning an ancestor as well, and to the metastore admin whatever denies it: no rule may lock out
    the one who repairs rules. ALL PRIVILEGES is held by who may do all that it stands for. SELECT that is granted or
    denied for columns of a table: allowed if a column is left. EXTERNAL USE SCHEMA is refused while any filter, mask,
    column list or denial applies to the principal in there.
    """
    who = compiled.closure_of(principal, roles)
    if who is None:
        return Decision(False, Reason.UNKNOWN_PRINCIPAL, (), False)
    chain = compiled.chain_of(securable)
    if privilege is Privilege.ALL_PRIVILEGES:
        return _all_privileges(who, chain)
    decision = decide_in(who, chain, privilege)
    if privilege is Privilege.EXTERNAL_USE_SCHEMA and decision.allowed:
        return _unrestricted(compiled, who, chain, decision)
    return decision


def may_manage(
    compiled: CompiledPolicy, principal: Principal, securable: Securable, *, roles: frozenset[str] | None = None
) -> Decision:
    """Whether a principal may change the rules of a securable: MANAGE on it or an ancestor, owner of it or of an
    ancestor, or metastore admin."""
    return decide(compiled, principal, Privilege.MANAGE, securable, roles=roles)


def decide_in(who: Closure, chain: Chain, privilege: Privilege) -> Decision:
    """`decide` for one privilege by its name, without what EXTERNAL USE SCHEMA alone asks besides."""
    giving = who.giving[privilege]
    manages = privilege is Privilege.MANAGE
    if manages and chain[-1][1].owner in giving:
        return _by_owner(Reason.ADMIN, StepKind.ADMIN, privilege, chain, len(chain) - 1)
    denial = find_denial(chain, privilege, who.full)
    if denial is not None:
        return _refused(who, chain, Reason.DENIED, step_of(denial, StepKind.DENY, Effectiveness.REFUSES))
    if manages:
        for place in range(len(chain) - 1):
            if chain[place][1].owner in giving:
                reason = Reason.OWNER_ABOVE if place else Reason.OWNER
                return _by_owner(reason, StepKind.OWNER, privilege, chain, place)
    for place in gates(chain, privilege):
        if not gate_is_open(who, chain[place:]):
            return _refused(who, chain, Reason.GATE, closed_gate(who, chain[place:]))
    grant = find_grant(chain, privilege, giving)
    if grant is None and privilege is Privilege.SELECT:
        grant = find_column_grant(chain[0], giving, who.full)
    if grant is not None:
        return Decision(True, Reason.GRANTED, (step_of(grant, StepKind.GRANT, Effectiveness.ALLOWS),), True)
    if chain[0][1].owner in giving and owner_has(chain[0][0].kind, privilege):
        return _by_owner(Reason.OWNER, StepKind.OWNER, privilege, chain, 0)
    return _not_given(who, chain, privilege)


def step_of(hit: Hit, kind: StepKind, did: Effectiveness) -> TraceStep:
    """A step for the rules that were found: the first of the principals through which they came, by name."""
    principal = min(hit.through)
    rules = hit.rules[principal]
    columns = sorted({column for rule in rules for column in rule.columns or ()})
    return TraceStep(kind, did, hit.privilege, hit.securable, principal, origins(rules), detail=", ".join(columns))


def closed_gate(who: Closure, above: Chain) -> TraceStep:
    """Why the container that stands first in `above` does not give its USE privilege."""
    privilege = GATES[above[0][0].kind]
    denial = find_denial(above, privilege, who.full)
    if denial is not None:
        return step_of(denial, StepKind.GATE, Effectiveness.REFUSES)
    narrowed = find_grant(above, privilege, who.full)
    if narrowed is not None:
        return step_of(narrowed, StepKind.GATE, Effectiveness.NARROWED)
    return TraceStep(StepKind.GATE, Effectiveness.MISSING, privilege, above[0][0])


def _by_owner(reason: Reason, kind: StepKind, privilege: Privilege, chain: Chain, place: int) -> Decision:
    securable, node = chain[place]
    return Decision(True, reason, (TraceStep(kind, Effectiveness.ALLOWS, privilege, securable, node.owner),), True)


def _refused(who: Closure, chain: Chain, reason: Reason, step: TraceStep) -> Decision:
    return Decision(False, reason, (step,), is_visible(who, chain))


def _not_given(who: Closure, chain: Chain, privilege: Privilege) -> Decision:
    """Refused for want of a grant: because a route was narrowed, or because there is none."""
    narrowed = find_grant(chain, privilege, who.full)
    if narrowed is None and privilege is Privilege.SELECT:
        narrowed = find_column_grant(chain[0], who.full, who.full)
    if narrowed is not None:
        return _refused(who, chain, Reason.NARROWED, step_of(narrowed, StepKind.GRANT, Effectiveness.NARROWED))
    missing = TraceStep(StepKind.GRANT, Effectiveness.MISSING, privilege, chain[0][0])
    return _refused(who, chain, Reason.NOT_GRANTED, missing)


def _all_privileges(who: Closure, chain: Chain) -> Decision:
    """ALL PRIVILEGES is held by who may do each thing that it stands for; the first that is refused is shown."""
    decision = decide_in(who, chain, Privilege.SELECT)
    for privilege in Privilege:
        if implied_by_all(privilege) and decision.allowed:
            decision = decide_in(who, chain, privilege)
    return decision


def _unrestricted(compiled: CompiledPolicy, who: Closure, chain: Chain, decision: Decision) -> Decision:
    """File paths show every row and column raw: not to whom anything here, below or above hides something. A tag policy
    counts if it could match: which tables it matches is known only table by table."""
    policies: list[Policy] = [policy for _, node in chain for policy in node.tag_policies]
    hidden = find_denial(chain, Privilege.SELECT, who.full)
    steps = [step_of(hidden, StepKind.DENY, Effectiveness.REFUSES)] if hidden else []
    giving = who.giving[Privilege.SELECT]
    for securable in chain[0][1].restricted:
        below = compiled.chain_of(securable)
        node = below[0][1]
        policies += [*node.filters, *node.masks, *node.tag_policies]
        hidden = find_denial(below, Privilege.SELECT, who.full)
        some = node.grants.column_principals & giving and find_grant(below, Privilege.SELECT, giving) is None
        if hidden is not None:
            steps.append(step_of(hidden, StepKind.DENY, Effectiveness.REFUSES))
        elif some or node.denials.column_principals & who.full:
            steps.append(policy_step(securable, Privilege.SELECT, "", "column list"))
    for policy in policies:
        if applies(policy, who, Privilege.EXTERNAL_USE_SCHEMA):
            steps.append(policy_step(chain[0][0], Privilege.EXTERNAL_USE_SCHEMA, policy.origin, policy.name))
    if not steps:
        return decision
    first = min(steps, key=lambda step: (step.securable, step.detail, step.origin))
    return replace(decision, allowed=False, reason=Reason.RESTRICTED, trace=(first,))


def policy_step(securable: Securable, privilege: Privilege, origin: str, detail: str) -> TraceStep:
    """A filter, mask or column list because of which something is refused."""
    return TraceStep(StepKind.POLICY, Effectiveness.REFUSES, privilege, securable, origin=origin, detail=detail)
