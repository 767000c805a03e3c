"""The whole chain of a decision: every rule, gate and owner that reaches the principal, and what each did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lakehouse.catalog.closure import Closure, route
from lakehouse.catalog.compiled_policy import Chain, CompiledPolicy, Node, RuleSet, origins
from lakehouse.catalog.decision import Decision, Effectiveness, Reason, StepKind, TraceStep, closed_gate, decide
from lakehouse.catalog.principal import Principal
from lakehouse.catalog.privilege import GATES, Privilege, implied_by_all
from lakehouse.catalog.rule_search import gate_is_open, gates, owner_has
from lakehouse.catalog.securable import Securable


def explain(
    compiled: CompiledPolicy,
    principal: Principal,
    privilege: Privilege,
    securable: Securable,
    *,
    roles: frozenset[str] | None = None,
) -> Decision:
    """The same decision as `decide`, with all steps in the order of evaluation: denials, gates, grants, ownership.
    The last step is the one that decided; each has its route from the principal."""
    decision = decide(compiled, principal, privilege, securable, roles=roles)
    who = compiled.closure_of(principal, roles)
    if who is None:
        return decision
    chain = compiled.chain_of(securable)
    asked = decision.trace[-1].privilege if privilege is Privilege.ALL_PRIVILEGES else privilege
    steps = [
        *_rule_steps(who, chain, asked, StepKind.DENY),
        *_gate_steps(who, chain, asked),
        *_rule_steps(who, chain, asked, StepKind.GRANT),
        *_owner_steps(who, chain, asked),
    ]
    if asked is Privilege.MANAGE and decision.reason is Reason.ADMIN:
        ignored = {StepKind.DENY: Effectiveness.IGNORED}
        steps = [replace(step, did=ignored.get(step.kind, step.did)) for step in steps]
    deciding = decision.trace
    steps = [step for step in steps if step not in deciding]
    return replace(
        decision, trace=tuple([_with_route(compiled, principal, asked, step) for step in (*steps, *deciding)])
    )


def _rule_steps(who: Closure, chain: Chain, privilege: Privilege, kind: StepKind) -> Iterator[TraceStep]:
    """Every grant or denial that reaches the principal, the nearest first."""
    denies = kind is StepKind.DENY
    both = denies or implied_by_all(privilege)
    for place, (securable, node) in enumerate(chain):
        rules: RuleSet = node.denials if denies else node.grants
        found = [
            (each, rules.rules[each], rules.principals[each])
            for each in (privilege, Privilege.ALL_PRIVILEGES)[: 1 + both]
            if each in rules.rules
        ]
        if privilege is Privilege.SELECT and place == 0:
            found.append((privilege, rules.column_rules, rules.column_principals))
        for each, by_principal, principals in found:
            for through in sorted(principals & who.full):
                columns = sorted({column for rule in by_principal[through] for column in rule.columns or ()})
                if denies:
                    did = Effectiveness.REFUSES
                else:
                    gives = through in who.giving[privilege]
                    did = Effectiveness.ALLOWS if gives else Effectiveness.NARROWED
                yield TraceStep(
                    kind, did, each, securable, through, origins(by_principal[through]), detail=", ".join(columns)
                )


def _gate_steps(who: Closure, chain: Chain, privilege: Privilege) -> Iterator[TraceStep]:
    for place in gates(chain, privilege):
        above = chain[place:]
        if not gate_is_open(who, above):
            yield closed_gate(who, above)
            continue
        gate = GATES[above[0][0].kind]
        given = [step for step in _rule_steps(who, above, gate, StepKind.GRANT) if step.did is Effectiveness.ALLOWS]
        if given:
            yield replace(given[0], kind=StepKind.GATE)
        else:
            yield TraceStep(StepKind.GATE, Effectiveness.ALLOWS, gate, above[0][0], above[0][1].owner)


def _owner_steps(who: Closure, chain: Chain, privilege: Privilege) -> Iterator[TraceStep]:
    """Ownership that reaches the principal; of a container it gives MANAGE alone."""
    for place, (securable, node) in enumerate(chain):
        if node.owner is None or node.owner not in who.full:
            continue
        if privilege is Privilege.MANAGE or (place == 0 and owner_has(securable.kind, privilege)):
            admin = privilege is Privilege.MANAGE and securable.parent is None
            yield TraceStep(
                StepKind.ADMIN if admin else StepKind.OWNER, _owner_did(who, node, privilege), privilege, securable,
                node.owner,
            )  # fmt: skip


def _owner_did(who: Closure, node: Node, privilege: Privilege) -> Effectiveness:
    return Effectiveness.ALLOWS if node.owner in who.giving[privilege] else Effectiveness.NARROWED


def _with_route(compiled: CompiledPolicy, principal: Principal, privilege: Privilege, step: TraceStep) -> TraceStep:
    if step.principal is None:
        return step
    through = step.privilege if step.kind is StepKind.GATE else privilege
    return replace(step, route=route(compiled.members, principal, step.principal, privilege=through))
