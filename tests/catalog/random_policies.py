"""Random directories, rules and questions, small enough that rules meet."""

from __future__ import annotations

import random
from dataclasses import dataclass

from lakehouse.catalog.policy import AccessPolicy, Effect, Rule
from lakehouse.catalog.principal import ACCOUNT_USERS, Directory, Principal, Role
from lakehouse.catalog.privilege import Privilege
from lakehouse.catalog.securable import METASTORE, Securable, SecurableKind
from tests.catalog.access_words import at, group, role, service, user

USERS = tuple(user(f"user{number}") for number in range(5))
SERVICE = service("etl")
GROUPS = tuple(group(f"group{number}") for number in range(4))
ROLES = tuple(role(f"role{number}") for number in range(4))
CONTAINERS = (METASTORE, at("a"), at("b"), at("a.s"), at("a.t"), at("b.s"))
LEAVES = (
    at("a.s.x"),
    at("a.s.y"),
    at("a.t.x"),
    at("b.s.x"),
    at("a.s.f", "FUNCTION"),
    at("a.s", "PIPELINE"),  # of the same path as a schema
)
GATES = (Privilege.USE_CATALOG, Privilege.USE_SCHEMA)
_OFTEN = (*GATES, *GATES, *GATES, Privilege.SELECT, Privilege.SELECT, Privilege.ALL_PRIVILEGES, *Privilege)


@dataclass(frozen=True)
class Question:
    """Who asks what on what."""

    principal: Principal
    privilege: Privilege
    securable: Securable


def random_directory(chance: random.Random, *, boundaries: bool) -> Directory:
    """Groups and roles in one line, each of which may contain users and what stands before it: no circles."""
    line: list[Principal] = [*GROUPS, *ROLES]
    chance.shuffle(line)
    members: dict[Principal, frozenset[Principal]] = {}
    for place, container in enumerate(line):
        choice = [*USERS, SERVICE, ACCOUNT_USERS, *line[:place], *line[:place]]
        members[container] = frozenset(chance.sample(choice, chance.randint(0, 3)))
    bounds = {
        each: frozenset(chance.sample(list(Privilege), chance.randint(1, 9)))
        if boundaries and chance.random() < 0.5
        else None
        for each in ROLES
    }
    return Directory(
        users=frozenset(found.name for found in USERS),
        services=frozenset({SERVICE.name}),
        groups={found.name: members[found] for found in GROUPS},
        roles={found.name: Role(members[found], bounds[found]) for found in ROLES},
    )


def random_rule(chance: random.Random, *, denials: float = 0.12) -> Rule:
    effect = Effect.DENY if chance.random() < denials else Effect.ALLOW
    principal = chance.choice([*USERS, SERVICE, *GROUPS, *ROLES, ACCOUNT_USERS, ACCOUNT_USERS])
    return Rule(effect, principal, chance.choice(_OFTEN), chance.choice([*CONTAINERS, *LEAVES]), origin="random")


def random_policy(chance: random.Random, *, boundaries: bool, rules: int = 45, owned: bool = True) -> AccessPolicy:
    every = [*CONTAINERS, *LEAVES]
    owners = {}
    if owned:
        acting = [*USERS, SERVICE, *GROUPS, *ROLES]
        owners = {securable: chance.choice(acting) for securable in chance.sample(every, chance.randint(2, 8))}
    # Without these nearly every question would end at a gate.
    open_gates = [
        Rule(Effect.ALLOW, chance.choice([ACCOUNT_USERS, *GROUPS]), gate, at(path), origin="gate")
        for gate in GATES
        for path in ("", "a", "a.s")
        if chance.random() < 0.6 and (gate, path) != (Privilege.USE_CATALOG, "a.s")
    ]
    return AccessPolicy(
        catalog="a",
        directory=random_directory(chance, boundaries=boundaries),
        rules=(*open_gates, *(random_rule(chance) for _ in range(chance.randint(5, rules)))),
        owners=owners,
    )


def random_questions(chance: random.Random, count: int) -> list[Question]:
    places = [*LEAVES, *LEAVES, *CONTAINERS]
    privileges = [Privilege.SELECT, Privilege.SELECT, *(each for each in Privilege if each not in _COMPOUND)]
    return [
        Question(chance.choice([*USERS, SERVICE]), chance.choice(privileges), chance.choice(places))
        for _ in range(count)
    ]


# What is not one rule of the evaluation: these have tests of their own.
_COMPOUND = (Privilege.ALL_PRIVILEGES, Privilege.EXTERNAL_USE_SCHEMA)


def every_question() -> list[Question]:
    acting = [*USERS, SERVICE]
    return [Question(who, what, on) for who in acting for what in Privilege for on in [*LEAVES, *CONTAINERS]]


def is_leaf(securable: Securable) -> bool:
    return securable.kind in (SecurableKind.TABLE, SecurableKind.FUNCTION, SecurableKind.PIPELINE)
