"""The chain of a decision: every rule that reaches the principal, by which route, and what it did."""

from __future__ import annotations

from lakehouse.catalog.access_trace import explain
from lakehouse.catalog.decision import Effectiveness, Reason, StepKind, index
from lakehouse.catalog.policy import Rule
from lakehouse.catalog.principal import ACCOUNT_USERS, Directory, Principal, Role
from lakehouse.catalog.privilege import Privilege
from tests.catalog.access_words import allow, at, bounded, deny, group, policy, role, use, user

ANA = user("ana")
INNER, OUTER, NARROW = group("inner"), group("outer"), role("narrow")
DIRECTORY = Directory(
    users=frozenset({"ana"}),
    groups={"inner": frozenset({ANA}), "outer": frozenset({INNER})},
    roles={"narrow": bounded("SELECT", members=(INNER,)), "other": Role()},
)
TABLE = at("main.gold.customers")
Short = tuple[StepKind, Effectiveness, str, str, tuple[str, ...]]


def chain(*rules: Rule, asked: str = "SELECT", owners: dict[str, Principal] | None = None) -> list[Short]:
    decision = explain(index(policy(DIRECTORY, *rules, owners=owners)), ANA, Privilege(asked), TABLE)
    return [
        (step.kind, step.did, step.privilege.value, str(step.securable), tuple(str(each) for each in step.route))
        for step in decision.trace
    ]


def test_gates_and_grants_with_their_routes() -> None:
    assert chain(*use(ACCOUNT_USERS), allow("SELECT", "main.gold", OUTER)) == [
        (StepKind.GATE, Effectiveness.ALLOWS, "USE CATALOG", "main", ("ana", "group:account users")),
        (StepKind.GATE, Effectiveness.ALLOWS, "USE SCHEMA", "main.gold", ("ana", "group:account users")),
        (StepKind.GRANT, Effectiveness.ALLOWS, "SELECT", "main.gold", ("ana", "group:inner", "group:outer")),
    ]


def test_a_denial_is_last_after_the_grants_that_it_beats() -> None:
    steps = chain(
        *use(ANA), allow("SELECT", "main.gold", ANA), deny("ALL PRIVILEGES", "main", OUTER), owners={str(TABLE): INNER}
    )
    assert steps[2:] == [
        (StepKind.GRANT, Effectiveness.ALLOWS, "SELECT", "main.gold", ("ana",)),
        (StepKind.OWNER, Effectiveness.ALLOWS, "SELECT", "main.gold.customers", ("ana", "group:inner")),
        (StepKind.DENY, Effectiveness.REFUSES, "ALL PRIVILEGES", "main", ("ana", "group:inner", "group:outer")),
    ]


def test_a_boundary_is_shown_as_narrowing() -> None:
    steps = chain(*use(ANA), allow("ALL PRIVILEGES", "main.gold", NARROW), asked="MODIFY")
    assert steps[-1] == (
        StepKind.GRANT, Effectiveness.NARROWED, "ALL PRIVILEGES", "main.gold", ("ana", "group:inner", "role:narrow")
    )  # fmt: skip


def test_a_missing_gate_is_last() -> None:
    steps = chain(allow("USE CATALOG", "main", ANA), allow("SELECT", "main", ANA))
    assert steps[-1] == (StepKind.GATE, Effectiveness.MISSING, "USE SCHEMA", "main.gold", ())
    assert (StepKind.GRANT, Effectiveness.ALLOWS, "SELECT", "main", ("ana",)) in steps


def test_a_denial_that_the_admin_ignores_is_shown() -> None:
    steps = chain(deny("MANAGE", "main", ANA), asked="MANAGE", owners={"": INNER})
    assert steps == [
        (StepKind.DENY, Effectiveness.IGNORED, "MANAGE", "main", ("ana",)),
        (StepKind.GATE, Effectiveness.MISSING, "USE CATALOG", "main", ()),
        (StepKind.GATE, Effectiveness.MISSING, "USE SCHEMA", "main.gold", ()),
        (StepKind.ADMIN, Effectiveness.ALLOWS, "MANAGE", "metastore", ("ana", "group:inner")),
    ]


def test_origins_of_equal_rules_are_all_named() -> None:
    rules = [allow("SELECT", "main.gold", ANA)] * 2
    again = Rule(rules[0].effect, ANA, rules[0].privilege, rules[0].securable, origin="access.yml:9")
    decision = explain(index(policy(DIRECTORY, *use(ANA), *rules, again)), ANA, Privilege.SELECT, TABLE)
    assert decision.trace[-1].origin == "access.yml:9, grant SELECT on main.gold to ana"
    assert decision.reason is Reason.GRANTED


def test_columns_of_a_list_are_named() -> None:
    listed = allow("SELECT", str(TABLE), ANA, columns={"id", "email"})
    decision = explain(index(policy(DIRECTORY, *use(ANA), listed)), ANA, Privilege.SELECT, TABLE)
    assert decision.trace[-1].detail == "email, id"
