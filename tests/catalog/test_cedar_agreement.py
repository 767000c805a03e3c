"""Decisions against Cedar, an authorization engine of its own: default deny, forbid overrides permit, hierarchies of
principals, actions and resources.

The rules are written as Cedar policies here, straight from the words of the model: a grant is `permit`, a denial is
`forbid`, a grant of ALL PRIVILEGES is `permit` of an action group without MANAGE and EXTERNAL USE SCHEMA, a denial of
it is `forbid` of every action, an owner has a `permit` on its own securable. A gate is a request of its own: USE of
every container around what is asked. Nothing is taken from the index that `decide` uses.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace

import cedarpy
import pytest

from lakehouse.catalog.decision import decide, index
from lakehouse.catalog.policy import AccessPolicy, Effect, Rule
from lakehouse.catalog.principal import Principal
from lakehouse.catalog.privilege import Privilege
from lakehouse.catalog.securable import METASTORE, Securable, SecurableKind
from tests.catalog.random_policies import Question, is_leaf, random_policy, random_questions

WORLDS, QUESTIONS, SEED = 120, 60, 20260702
Name = dict[str, str]
IN_ALL = [privilege for privilege in Privilege if privilege.value not in {"MANAGE", "EXTERNAL USE SCHEMA"}]
NO_OWNER = {"SELECT", "MODIFY", "EXECUTE", "EXTERNAL USE SCHEMA"}  # not given by owning a container


def principal_name(principal: Principal) -> Name:
    return {"type": "Principal", "id": f"{principal.kind.value} {principal.name}"}


def resource_name(securable: Securable) -> Name:
    return {"type": "Securable", "id": f"{securable.kind.value} {'/'.join(securable.path)}"}


def action_name(name: str) -> Name:
    return {"type": "Action", "id": name}


def text(name: Name) -> str:
    return f"{name['type']}::{json.dumps(name['id'])}"


def around(securable: Securable) -> list[Securable]:
    """The containers of a securable, written out by its depth."""
    catalog = Securable(SecurableKind.CATALOG, securable.path[:1])
    if securable.kind in (SecurableKind.TABLE, SecurableKind.FUNCTION):
        return [Securable(SecurableKind.SCHEMA, securable.path[:2]), catalog]
    if securable.kind in (SecurableKind.SCHEMA, SecurableKind.PIPELINE):
        return [catalog]
    return []


def entity(name: Name, parents: list[Name]) -> dict[str, object]:
    return {"uid": name, "attrs": {}, "parents": parents}


def entities(policy: AccessPolicy, securables: set[Securable]) -> list[dict[str, object]]:
    directory = policy.directory
    everyone = {"type": "Principal", "id": "group account users"}
    parents: dict[str, list[Name]] = {everyone["id"]: []}
    for kind, names in (("user", directory.users), ("service", directory.services)):
        parents |= {f"{kind} {name}": [everyone] for name in names}
    members = {f"group {name}": found for name, found in directory.groups.items()}
    members |= {f"role {name}": found.members for name, found in directory.roles.items()}
    for container, found in members.items():
        parents.setdefault(container, [])
        for member in found:
            parents.setdefault(principal_name(member)["id"], []).append({"type": "Principal", "id": container})
    found = [entity({"type": "Principal", "id": name}, above) for name, above in parents.items()]
    found += [
        entity(action_name(privilege.value), [action_name("IN ALL")] if privilege in IN_ALL else [])
        for privilege in Privilege
    ]
    found.append(entity(action_name("IN ALL"), []))
    for securable in securables:
        above = [*around(securable), METASTORE] if securable != METASTORE else []
        found.append(entity(resource_name(securable), [resource_name(each) for each in above[:1]]))
    return found


def cedar_rule(rule: Rule) -> str:
    to, on = text(principal_name(rule.principal)), text(resource_name(rule.securable))
    every = rule.privilege is Privilege.ALL_PRIVILEGES
    if rule.effect is Effect.DENY:
        action = "action" if every else f"action == {text(action_name(rule.privilege.value))}"
        return f"forbid (principal in {to}, {action}, resource in {on});"
    action = (
        f"action in {text(action_name('IN ALL'))}" if every else f"action == {text(action_name(rule.privilege.value))}"
    )
    return f"permit (principal in {to}, {action}, resource in {on});"


def cedar_owner(securable: Securable, owner: Principal) -> list[str]:
    """What owning gives: all on the securable itself (of a container no rows, and paths of none), and MANAGE of all
    that is below it."""
    to, on = text(principal_name(owner)), text(resource_name(securable))
    given = [
        text(action_name(privilege.value))
        for privilege in Privilege
        if privilege.value not in (NO_OWNER if not is_leaf(securable) else {"EXTERNAL USE SCHEMA"})
    ]
    return [
        f"permit (principal in {to}, action in [{', '.join(given)}], resource == {on});",
        f"permit (principal in {to}, action == {text(action_name('MANAGE'))}, resource in {on});",
    ]


def requests(question: Question) -> list[tuple[str, Securable]]:
    """What must be permitted, each: the privilege itself and USE of each container around it."""
    asked = [(question.privilege.value, question.securable)]
    if question.privilege.value == "BROWSE":
        return asked
    containers = around(question.securable)
    if question.privilege.value.startswith("CREATE ") and not is_leaf(question.securable):
        containers = [question.securable, *containers]
    for container in containers:
        if container.kind is not SecurableKind.METASTORE:
            asked.append((f"USE {container.kind.value}", container))
    return asked


def cedar_answers(policy: AccessPolicy, questions: list[Question]) -> list[bool]:
    asked = [requests(question) for question in questions]
    securables = {securable for each in asked for _, securable in each} | {METASTORE}
    securables |= {rule.securable for rule in policy.rules} | set(policy.owners)
    securables |= {above for securable in securables for above in around(securable)}
    rules = [cedar_rule(rule) for rule in policy.rules]
    rules += [line for securable, owner in policy.owners.items() for line in cedar_owner(securable, owner)]
    batch = [
        {
            "principal": principal_name(question.principal),
            "action": action_name(action),
            "resource": resource_name(securable),
            "context": {},
        }
        for question, each in zip(questions, asked, strict=True)
        for action, securable in each
    ]
    answers = iter(cedarpy.is_authorized_batch(batch, "\n".join(rules), entities(policy, securables)))
    found = []
    for each in asked:
        own = [next(answers) for _ in each]
        assert not any(answer.diagnostics.errors for answer in own)
        found.append(all(answer.allowed for answer in own))
    return found


def without_managing_owners(policy: AccessPolicy, question: Question) -> bool:
    """MANAGE by owning needs no gates and hits no admin: what Cedar is not asked."""
    return question.privilege is Privilege.MANAGE and bool(policy.owners)


def test_decisions_agree_with_cedar() -> None:
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    seen: Counter[tuple[str, bool]] = Counter()
    for world in range(WORLDS):
        policy = random_policy(chance, boundaries=False, owned=world % 2 == 0)
        compiled = index(policy)
        questions = [
            question
            for question in random_questions(chance, QUESTIONS)
            if not without_managing_owners(policy, question)
        ]
        for question, expected in zip(questions, cedar_answers(policy, questions), strict=True):
            found = decide(compiled, question.principal, question.privilege, question.securable)
            assert found.allowed == expected, (world, question, found, policy)
            seen[(found.reason.name, found.allowed)] += 1
    assert sum(seen.values()) >= 5_000
    # The comparison is worth something only if every way to decide occurs often enough.
    for reason in ("GRANTED", "DENIED", "GATE", "NOT_GRANTED", "OWNER"):
        assert sum(count for (name, _), count in seen.items() if name == reason) >= 50, seen


@pytest.mark.parametrize("effect", list(Effect))
def test_the_comparison_notices_lost_rules(effect: Effect) -> None:
    """If `decide` lost some rules of an effect, the random cases would show it."""
    chance = random.Random(SEED)
    different = 0
    for _ in range(20):
        policy = random_policy(chance, boundaries=False, owned=False)
        questions = random_questions(chance, QUESTIONS)
        left = [rule for rule in policy.rules if rule.effect is not effect or chance.random() < 0.3]
        compiled = index(replace(policy, rules=tuple(left)))
        for question, expected in zip(questions, cedar_answers(policy, questions), strict=True):
            found = decide(compiled, question.principal, question.privilege, question.securable).allowed
            different += found != expected
    assert different >= 10
