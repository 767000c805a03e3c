"""How long access decisions take: `python tests/benchmarks/access_decisions.py [--rules 100000]`.

Makes a policy of many rules over 5,000 tables, 2,000 users, 300 nested groups and 40 roles, half of them bounded; loads
it, then asks. Warm: the same principals have asked before. Cold: the first question of a principal about a table.
Prints a table; asserts nothing.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable, Iterable

from machine import describe_machine

from lakehouse.catalog.access_trace import explain
from lakehouse.catalog.decision import CompiledPolicy, decide, index
from lakehouse.catalog.expanding import expanded
from lakehouse.catalog.policy import AccessPolicy, ColumnMask, Effect, RowFilter, Rule, TableShape
from lakehouse.catalog.policy_file import policy_of
from lakehouse.catalog.principal import ACCOUNT_USERS, Directory, Principal, PrincipalKind, Role
from lakehouse.catalog.privilege import Privilege
from lakehouse.catalog.securable import Securable, SecurableKind, table
from lakehouse.catalog.table_access import table_access
from lakehouse.names import TableName

SEED = 20260701
USERS, GROUPS, ROLES, SCHEMAS, TABLES = 2_000, 300, 40, 100, 5_000
Question = tuple[Principal, Privilege, Securable]


def make_directory(chance: random.Random) -> Directory:
    """Users in groups, groups in groups before them, groups in roles."""
    users = [Principal(PrincipalKind.USER, f"user{number}@corp") for number in range(USERS)]
    groups: dict[str, frozenset[Principal]] = {}
    for number in range(GROUPS):
        nested = [Principal(PrincipalKind.GROUP, name) for name in chance.sample(sorted(groups), min(2, len(groups)))]
        groups[f"group{number}"] = frozenset([*chance.sample(users, 30), *nested])
    bound = frozenset({Privilege.USE_CATALOG, Privilege.USE_SCHEMA, Privilege.SELECT})
    roles = {
        f"role{number}": Role(
            frozenset(Principal(PrincipalKind.GROUP, f"group{chance.randrange(GROUPS)}") for _ in range(5)),
            bound if number % 2 else None,
        )
        for number in range(ROLES)
    }
    return Directory(users=frozenset(user.name for user in users), groups=groups, roles=roles)


def make_policy(chance: random.Random, count: int) -> AccessPolicy:
    """`count` rules: gates for everyone, then 97 % grants and 3 % denials of random principals on random tables."""
    directory = make_directory(chance)
    principals = [
        *(Principal(PrincipalKind.USER, name) for name in sorted(directory.users)),
        *(Principal(PrincipalKind.GROUP, name) for name in directory.groups for _ in range(5)),
        *(Principal(PrincipalKind.ROLE, name) for name in directory.roles for _ in range(5)),
    ]
    rules = [Rule(Effect.ALLOW, ACCOUNT_USERS, Privilege.USE_CATALOG, Securable(SecurableKind.CATALOG, ("main",)))]
    rules += [
        Rule(Effect.ALLOW, ACCOUNT_USERS, Privilege.USE_SCHEMA, Securable(SecurableKind.SCHEMA, ("main", f"s{number}")))
        for number in range(SCHEMAS)
    ]
    privileges = (Privilege.SELECT, Privilege.SELECT, Privilege.MODIFY, Privilege.BROWSE)
    for number in range(count - len(rules)):
        effect = Effect.DENY if chance.random() < 0.03 else Effect.ALLOW
        to, on = chance.choice(principals), a_table(chance.randrange(TABLES))
        rules.append(Rule(effect, to, chance.choice(privileges), on, origin=f"access.yml:{number}"))
    protected = [a_table(number) for number in range(0, TABLES, 10)]
    return AccessPolicy(
        catalog="main",
        directory=directory,
        rules=tuple(rules),
        row_filters=tuple(RowFilter(name="eu", table=each, condition="region = 'EU'") for each in protected),
        masks=tuple(ColumnMask(name="m", table=each, column="c1", expression="sha2(val, 256)") for each in protected),
    )


def yaml_of(policy: AccessPolicy) -> str:
    """The policy as the text of an access.yml."""
    lines = ["principals:", "  users:"]
    lines += [f"    {name}: {{}}" for name in sorted(policy.directory.users)]
    lines += ["  groups:"]
    for name, members in policy.directory.groups.items():
        lines.append(f"    {name}: [{', '.join(sorted(member.name for member in members))}]")
    lines += ["  roles:"]
    for name, role in policy.directory.roles.items():
        members_of = ", ".join(sorted(member.name for member in role.members))
        bound = f", boundary: [{', '.join(sorted(each.value for each in role.boundary))}]" if role.boundary else ""
        lines.append(f"    {name}: {{members: [{members_of}]{bound}}}")
    lines.append("securables:")
    of: dict[Securable, dict[Effect, dict[Principal, dict[str, None]]]] = {}
    for rule in policy.rules:
        given = of.setdefault(rule.securable, {}).setdefault(rule.effect, {}).setdefault(rule.principal, {})
        given[rule.privilege.value] = None
    for securable, effects in of.items():
        lines.append(f"  {'.'.join(securable.path)}:")
        for effect, key in ((Effect.ALLOW, "grants"), (Effect.DENY, "deny")):
            if effect in effects:
                lines.append(f"    {key}:")
                for principal, privileges in effects[effect].items():
                    lines.append(f"      {principal.name}: [{', '.join(privileges)}]")
    return "\n".join([*lines, "...", ""])


def a_table(number: int) -> Securable:
    """Table `number`, in one of the schemas."""
    return table("main", f"s{number % SCHEMAS}", f"t{number}")


def microseconds(call: Callable[[Question], object], questions: Iterable[Question]) -> list[float]:
    """The wall time of each call, sorted."""
    taken = []
    for question in questions:
        start = time.perf_counter_ns()
        call(question)
        taken.append((time.perf_counter_ns() - start) / 1e3)
    return sorted(taken)


def show(name: str, taken: list[float], target: str = "") -> None:
    """One line of the table."""
    at_99 = taken[int(len(taken) * 0.99)]
    print(f"{name:52} {statistics.median(taken):9.1f} {at_99:9.1f} {len(taken):8,}   {target}")


def measure(compiled: CompiledPolicy, chance: random.Random) -> None:
    """Asks 20,000 questions in each way."""
    users = [Principal(PrincipalKind.USER, f"user{number}@corp") for number in chance.sample(range(USERS), 200)]
    asked: list[Question] = [
        (chance.choice(users), Privilege.SELECT, a_table(chance.randrange(TABLES))) for _ in range(20_000)
    ]
    shapes = {
        a_table(number): TableShape(
            TableName(f"s{number % SCHEMAS}", f"t{number}"), tuple((f"c{column}", "string") for column in range(20))
        )
        for number in range(TABLES)
    }

    def ask(question: Question) -> object:
        return decide(compiled, *question)

    print(f"{'':52} {'median us':>9} {'p99 us':>9} {'calls':>8}")
    show("decide, cold", microseconds(ask, asked))
    warm = microseconds(ask, asked)
    show("decide, warm", warm, "target: at most 50")
    allowed = [question for question in asked if decide(compiled, *question)]
    denied = [question for question in asked if not decide(compiled, *question)]
    show("decide, warm, allowed", microseconds(ask, allowed))
    show("decide, warm, refused (looks for visibility, too)", microseconds(ask, denied))
    taken_role = frozenset({"role0"})
    show("decide, SET ROLE", microseconds(lambda question: decide(compiled, *question, roles=taken_role), asked))
    show(
        "table_access, 20 columns, allowed",
        microseconds(lambda question: table_access(compiled, question[0], shapes[question[2]]), allowed),
    )
    show(
        "explain (every rule, with routes)", microseconds(lambda question: explain(compiled, *question), asked[:5_000])
    )
    print(f"share allowed: {len(allowed) / len(asked):.0%}")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", type=int, default=100_000, help="rules in the policy (default 100,000)")
    arguments = parser.parse_args()
    print(describe_machine())
    print(f"seed {SEED}")
    chance = random.Random(SEED)
    policy = make_policy(chance, arguments.rules)
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        compiled = index(policy)
        seconds.append(time.perf_counter() - start)
    print(f"index of {len(policy.rules):,} rules: {statistics.median(seconds):.2f} s")
    text = yaml_of(policy)
    seconds = []
    for _ in range(5):
        start = time.process_time()
        index(expanded(policy_of(text, "access.yml", "main")))
        seconds.append(time.process_time() - start)
    print(f"read from YAML and indexed: {statistics.median(seconds):.2f} s of CPU   target: at most 2 s")
    measure(compiled, chance)


if __name__ == "__main__":
    main()
