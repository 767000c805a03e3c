"""What holds for every policy: rules in any order decide the same; a denial never allows more, a grant never less."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

from lakehouse.catalog.access_trace import explain
from lakehouse.catalog.decision import Effectiveness, decide, index
from lakehouse.catalog.policy import AccessPolicy, Effect, Rule
from lakehouse.catalog.principal import ACCOUNT_USERS, Principal, Role
from lakehouse.catalog.privilege import Privilege
from lakehouse.catalog.securable import METASTORE
from lakehouse.catalog.table_access import table_access
from tests.catalog.access_words import at, shape
from tests.catalog.random_policies import (
    GROUPS,
    ROLES,
    USERS,
    Question,
    every_question,
    is_leaf,
    random_policy,
    random_rule,
)

WORLDS = 12
COLUMNS = ("c", "d", "e", "f")
Answer = tuple[Question, frozenset[str] | None]


def worlds(seed: int) -> Iterator[tuple[random.Random, AccessPolicy]]:
    print(f"seed {seed}")
    chance = random.Random(seed)
    for _ in range(WORLDS):
        yield chance, random_policy(chance, boundaries=True)


def allowed(policy: AccessPolicy, *roles: frozenset[str] | None) -> set[Answer]:
    """Every question that is allowed, without SET ROLE or with these."""
    compiled = index(policy)
    return {
        (question, taken)
        for taken in roles or (None, frozenset({ROLES[0].name}))
        for question in every_question()
        if decide(compiled, question.principal, question.privilege, question.securable, roles=taken)
    }


def visible(policy: AccessPolicy) -> set[Question]:
    compiled = index(policy)
    return {
        question
        for question in every_question()
        if decide(compiled, question.principal, question.privilege, question.securable).visible
    }


def test_rules_in_any_order_decide_the_same() -> None:
    for chance, policy in worlds(1):
        rules = list(policy.rules)
        chance.shuffle(rules)
        one, other = index(policy), index(replace(policy, rules=tuple(rules)))
        for question in every_question():
            asked = (question.principal, question.privilege, question.securable)
            assert decide(one, *asked) == decide(other, *asked)
            assert explain(one, *asked) == explain(other, *asked)


def test_one_more_denial_allows_and_shows_nothing_more() -> None:
    lost = 0
    for chance, policy in worlds(2):
        denial = random_rule(chance, denials=1)
        more = replace(policy, rules=(*policy.rules, denial))
        before, after = allowed(policy), allowed(more)
        assert after <= before, denial
        assert visible(more) <= visible(policy), denial
        lost += len(before - after)
    assert lost > 0


def test_one_more_grant_takes_and_hides_nothing() -> None:
    won = 0
    for chance, policy in worlds(3):
        grant = random_rule(chance, denials=0)
        more = replace(policy, rules=(*policy.rules, grant))
        before, after = allowed(policy), allowed(more)
        assert after >= before, grant
        assert visible(more) >= visible(policy), grant
        won += len(after - before)
    assert won > 0


def test_revoking_is_the_inverse_of_granting() -> None:
    for chance, policy in worlds(4):
        grant = random_rule(chance, denials=0)
        more = replace(policy, rules=(*policy.rules, grant))
        revoked = replace(more, rules=tuple(rule for rule in more.rules if rule is not grant))
        assert allowed(revoked) == allowed(policy)


def test_set_role_and_boundaries_never_widen() -> None:
    narrowed_by_role = narrowed_by_boundary = 0
    for chance, policy in worlds(5):
        taken = frozenset(role.name for role in chance.sample(ROLES, chance.randint(0, 4)))
        whole = {question for question, _ in allowed(policy, None)}
        part = {question for question, _ in allowed(policy, taken)}
        assert part <= whole
        narrowed_by_role += len(whole - part)
        roles = {name: Role(role.members) for name, role in policy.directory.roles.items()}
        unbounded = {
            question for question, _ in allowed(replace(policy, directory=replace(policy.directory, roles=roles)), None)
        }
        assert whole <= unbounded
        narrowed_by_boundary += len(unbounded - whole)
    assert narrowed_by_role > 0
    assert narrowed_by_boundary > 0


def random_column_rule(chance: random.Random, effect: Effect) -> Rule:
    listed = frozenset(chance.sample(COLUMNS, chance.randint(1, 3)))
    to = chance.choice([*USERS, *GROUPS, *ROLES, ACCOUNT_USERS])
    return Rule(effect, to, Privilege.SELECT, at("a.s.x"), listed)


def columns(policy: AccessPolicy) -> set[tuple[Principal, str]]:
    """Who sees which columns of one table."""
    compiled = index(policy)
    return {
        (who, column.name) for who in USERS for column in table_access(compiled, who, shape("s.x", COLUMNS)).columns
    }


def test_columns_follow_grants_up_and_denials_down() -> None:
    won = lost = 0
    for chance, bare in worlds(9):
        lists = [random_column_rule(chance, Effect.DENY if chance.random() < 0.2 else Effect.ALLOW) for _ in range(4)]
        policy = replace(bare, rules=(*bare.rules, *lists))
        before = columns(policy)
        granted = columns(replace(policy, rules=(*policy.rules, random_column_rule(chance, Effect.ALLOW))))
        denied = columns(replace(policy, rules=(*policy.rules, random_column_rule(chance, Effect.DENY))))
        assert denied <= before <= granted
        won, lost = won + len(granted - before), lost + len(before - denied)
    assert won > 0
    assert lost > 0


def test_what_is_allowed_is_visible() -> None:
    for _, policy in worlds(6):
        assert {question for question, _ in allowed(policy, None)} <= visible(policy)


def test_no_one_gets_rows_by_owning_a_container() -> None:
    for _, policy in worlds(7):
        bare = replace(policy, owners={})
        of_containers = {on: owner for on, owner in policy.owners.items() if not is_leaf(on)}
        containers = replace(policy, owners=of_containers)
        rows = {Privilege.SELECT, Privilege.MODIFY}
        gates = replace(bare, rules=(*bare.rules, *_all_gates(policy)))
        won = {each for each in allowed(containers, None) - allowed(gates, None) if each[0].privilege in rows}
        assert won == set()


def test_the_explanation_decides_the_same_and_ends_with_the_step_that_decided() -> None:
    refuses = {Effectiveness.REFUSES, Effectiveness.MISSING, Effectiveness.NARROWED}
    routes = 0
    for _, policy in worlds(8):
        compiled = index(policy)
        for question in every_question():
            asked = (question.principal, question.privilege, question.securable)
            decided, explained = decide(compiled, *asked), explain(compiled, *asked)
            assert (explained.allowed, explained.reason, explained.visible) == (
                decided.allowed, decided.reason, decided.visible
            )  # fmt: skip
            last = explained.trace[-1]
            assert replace(last, route=()) == decided.trace[-1]
            assert (last.did in refuses) != decided.allowed
            for step in explained.trace:
                if step.route:
                    assert (step.route[0], step.route[-1]) == (question.principal, step.principal)
                    routes += len(step.route) > 2
    assert routes > 0


def _all_gates(policy: AccessPolicy) -> tuple[Rule, ...]:
    """Every gate for whoever owns something: owning a container opens it."""
    return tuple(
        Rule(Effect.ALLOW, owner, gate, METASTORE)
        for owner in set(policy.owners.values())
        for gate in (Privilege.USE_CATALOG, Privilege.USE_SCHEMA)
    )
