from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from lakehouse.catalog.amendment import Stated, amend, changed_by, may_change
from lakehouse.catalog.compiled_policy import index
from lakehouse.catalog.decision import decide, may_manage
from lakehouse.catalog.expanding import expanded
from lakehouse.catalog.policy import AccessPolicy, Effect, Rule, Tagged
from lakehouse.catalog.policy_hash import policy_hash
from lakehouse.catalog.principal import ACCOUNT_USERS, Principal, PrincipalKind
from lakehouse.catalog.privilege import Privilege
from lakehouse.catalog.securable import METASTORE, Securable, table
from lakehouse.catalog.statement_parser import parse_statement
from lakehouse.errors import AccessRefused, DefinitionError, DefinitionErrors, DuplicateName, InvalidValue, UnknownName
from tests.catalog.access_files import CATALOG, CUSTOMERS, WHOLE, rules, schema

ALICE, BOB = (Principal(PrincipalKind.USER, f"{name}@corp") for name in ("alice", "bob"))
ANALYSTS, SUPPORT = (Principal(PrincipalKind.GROUP, name) for name in ("analysts", "support"))
ORDERS = table("main", "gold", "orders")


def stated(text: str, who: Principal = BOB, number: int = 1) -> Stated:
    statement: Any = parse_statement(text)
    assert statement is not None, text
    return Stated(statement, who, f"statement {number}")


def all_may(policy: AccessPolicy, principal: Principal, securable: Securable) -> bool:
    return True


def after(*texts: str, policy: AccessPolicy | None = None) -> AccessPolicy:
    return amend(policy or rules(), [stated(text, number=n) for n, text in enumerate(texts, 1)], all_may)[0]


def notices(*texts: str) -> int:
    return len(amend(rules(), [stated(text) for text in texts], all_may)[1])


def test_grants_are_added_and_taken_back_exactly() -> None:
    start = rules()
    granted = after("GRANT SELECT (Id), MODIFY ON TABLE gold.orders TO support")
    assert granted.rules == (
        *start.rules,
        Rule(Effect.ALLOW, SUPPORT, Privilege.SELECT, ORDERS, frozenset({"id"}), "statement 1"),
        Rule(Effect.ALLOW, SUPPORT, Privilege.MODIFY, ORDERS, None, "statement 1"),
    )
    assert after("REVOKE SELECT, MODIFY ON TABLE gold.orders FROM support", policy=granted) == start
    # What the file grants can be taken back too.
    left = after("REVOKE SELECT ON SCHEMA gold FROM eu_reader")
    assert set(start.rules) - set(left.rules) == {
        rule for rule in start.rules if rule.privilege is Privilege.SELECT and rule.securable == schema("gold")
    }


def test_columns_are_taken_out_of_lists_only() -> None:
    policy = after("REVOKE SELECT (ID) ON TABLE gold.customers FROM support")
    (rule,) = [rule for rule in policy.rules if rule.columns]
    assert rule.columns == {"name"}
    assert not [
        rule for rule in after("REVOKE SELECT (name, id, x) ON gold.customers FROM support").rules if rule.columns
    ]
    whole = after("GRANT SELECT ON gold.orders TO support")
    changed, told = amend(whole, [stated("REVOKE SELECT (a) ON gold.orders FROM support")], all_may)
    assert (changed, len(told)) == (whole, 1)


@pytest.mark.parametrize(
    "text",
    [
        "REVOKE SELECT ON TABLE gold.orders FROM support",
        "REVOKE DENY SELECT ON SCHEMA gold FROM eu_reader",  # granted, not denied
        "REVOKE MODIFY ON SCHEMA gold FROM contractors",  # denied, not granted
        "REVOKE SELECT ON CATALOG main FROM eu_reader",  # granted further down
        "REVOKE ALL PRIVILEGES ON SCHEMA gold FROM eu_reader",  # granted by name
        "GRANT USE CATALOG ON CATALOG TO `account users`",
        "REVOKE ROLE eu_reader FROM support",
        "GRANT ROLE eu_reader TO analysts",
        "ALTER GROUP analysts ADD USER `alice@corp`",
        "ALTER GROUP support DROP USER `alice@corp`",
        "ALTER TABLE gold.orders DROP ROW FILTER",
        "ALTER TABLE gold.orders ALTER COLUMN x DROP MASK",
        "UNSET TAG ON TABLE gold.orders x",
        "CREATE ROLE IF NOT EXISTS eu_reader BOUNDARY (MANAGE)",
        "DROP ROLE IF EXISTS nobody",
        "DROP FUNCTION IF EXISTS gold.nothing",
        "DROP POLICY IF EXISTS nothing ON CATALOG main",
        "CREATE FUNCTION IF NOT EXISTS gold.in_eu() RETURN true",
    ],
)
def test_what_changes_nothing_is_told(text: str) -> None:
    policy, told = amend(rules(), [stated(text)], all_may)
    assert policy == rules()
    assert len(told) == 1


def test_denials_are_rules_of_their_own() -> None:
    policy = after("DENY SELECT ON TABLE gold.customers TO analysts")
    assert decide(index(expanded(rules())), ALICE, Privilege.SELECT, CUSTOMERS)
    assert not decide(index(expanded(policy)), ALICE, Privilege.SELECT, CUSTOMERS)
    assert after("REVOKE DENY SELECT ON gold.customers FROM analysts", policy=policy) == rules()
    # Aimed at the metastore admin it is told, and does not lock out.
    policy, told = amend(rules(), [stated("DENY MANAGE ON METASTORE TO `bob@corp`")], all_may)
    assert len(told) == 1
    assert may_manage(index(policy), BOB, METASTORE)


def test_roles_and_groups() -> None:
    policy = after("CREATE ROLE R BOUNDARY (SELECT)", "GRANT ROLE r TO eu_reader", "GRANT ROLE r TO `account users`")
    role = policy.directory.roles["r"]
    assert role.boundary == {Privilege.SELECT}
    assert role.members == {Principal(PrincipalKind.ROLE, "eu_reader"), ACCOUNT_USERS}
    assert after("REVOKE ROLE r FROM eu_reader", policy=policy).directory.roles["r"].members == {ACCOUNT_USERS}
    assert after("DROP ROLE r", policy=policy) == rules()
    assert BOB in after("ALTER GROUP support ADD USER `bob@corp`").directory.groups["support"]
    assert after("ALTER GROUP analysts DROP USER `alice@corp`").directory.groups["analysts"] == frozenset()


def test_owners() -> None:
    assert after("ALTER TABLE gold.orders OWNER TO support").owners[ORDERS] == SUPPORT
    assert after("ALTER CATALOG main OWNER TO support").owners[CATALOG] == SUPPORT


def test_filters_and_masks_call_the_functions_as_they_are_at_the_end() -> None:
    policy = after(
        "ALTER TABLE gold.customers SET ROW FILTER in_eu ON (Area)",
        "ALTER TABLE gold.customers ALTER COLUMN ssn SET MASK gold.hidden USING COLUMNS ('EU')",
        "CREATE OR REPLACE FUNCTION gold.in_eu(r) RETURN r = 'eu'",
    )
    (row_filter,), (mask,) = expanded(policy).row_filters, expanded(policy).masks
    assert row_filter.condition == "((`area`) = 'eu')"
    assert mask.expression == "(if(((('EU')) = 'eu'), (val), 'r)'))"
    assert mask.exempt == frozenset()
    assert after("ALTER TABLE gold.customers DROP ROW FILTER", policy=policy).row_filters == ()
    assert after("ALTER TABLE gold.customers ALTER COLUMN SSN DROP MASK", policy=policy).masks == ()


def test_policies_by_tag() -> None:
    create = (
        "CREATE POLICY p ON SCHEMA gold COLUMN MASK hidden TO analysts EXCEPT support FOR TABLES "
        "MATCH COLUMNS has_tag('a') AS c, has_tag('b') AS d ON COLUMN c USING COLUMNS (d)"
    )
    policy = after(create)
    made = policy.tag_policies[-1]
    assert (made.scope, made.to, made.exempt) == (schema("gold"), {ANALYSTS}, {SUPPORT})
    assert made.expression == "`main`.`gold`.`hidden`(val, `d`)"
    assert made.on is not None
    assert (made.on.tag, list(made.matched)) == ("a", ["d"])
    with pytest.raises(DuplicateName):
        after(create, policy=policy)
    again = after(create.replace("CREATE", "CREATE OR REPLACE").replace("analysts", "support"), policy=policy)
    assert len(again.tag_policies) == len(policy.tag_policies)
    assert after("DROP POLICY p ON SCHEMA gold", policy=policy) == rules()


def test_tags() -> None:
    policy = after("SET TAG ON COLUMN gold.customers.email pii = none", "ALTER SCHEMA gold SET TAGS ('eu' = 'yes')")
    assert policy.tags[Tagged(CUSTOMERS, "email")] == {"pii": "none"}
    assert policy.tags[Tagged(schema("gold"))] == {"eu": "yes"}
    untagged = after("ALTER TABLE gold.customers ALTER COLUMN email UNSET TAGS ('PII')")
    assert Tagged(CUSTOMERS, "email") not in untagged.tags


REFUSED = [
    ("GRANT SELECT ON TABLE gold.t TO nobody", UnknownName),
    ("GRANT SELECT ON TABLE gold.t TO `user:analysts`", UnknownName),
    ("GRANT SELECT ON TABLE gold.t TO `\uff41nalysts`", UnknownName),  # a full-width letter
    ("GRANT SELECT ON TABLE other.gold.t TO support", InvalidValue),
    ("GRANT SELECT ON TABLE t TO support", InvalidValue),
    ("GRANT USE SCHEMA ON TABLE gold.t TO support", InvalidValue),
    ("GRANT EXECUTE ON TABLE gold.t TO support", InvalidValue),
    ("GRANT MODIFY (a) ON TABLE gold.t TO support", InvalidValue),
    ("GRANT SELECT (a) ON SCHEMA gold TO support", InvalidValue),
    ("GRANT ROLE nobody TO support", UnknownName),
    ("GRANT ROLE analysts TO support", UnknownName),  # a group
    ("GRANT ROLE eu_reader TO eu_reader", InvalidValue),
    ("CREATE ROLE eu_reader", DuplicateName),
    ("CREATE ROLE IF NOT EXISTS analysts", DuplicateName),
    ("CREATE ROLE `account users`", DuplicateName),
    ("CREATE ROLE `role:x`", InvalidValue),
    ("DROP ROLE nobody", UnknownName),
    ("ALTER GROUP nobody ADD USER `bob@corp`", UnknownName),
    ("ALTER GROUP eu_reader ADD USER `bob@corp`", InvalidValue),
    ("ALTER GROUP `account users` DROP USER `bob@corp`", InvalidValue),
    ("ALTER GROUP analysts ADD GROUP analysts", InvalidValue),
    ("ALTER TABLE gold.t OWNER TO `account users`", InvalidValue),
    ("ALTER TABLE gold.t SET ROW FILTER nothing ON (a)", UnknownName),
    ("ALTER TABLE gold.t SET ROW FILTER in_eu ON (a, b)", InvalidValue),
    ("ALTER TABLE ops.t SET ROW FILTER in_eu ON (a)", UnknownName),
    ("ALTER TABLE gold.t ALTER COLUMN c SET MASK hidden", InvalidValue),
    ("CREATE FUNCTION gold.in_eu(a) RETURN true", DuplicateName),
    ("CREATE OR REPLACE FUNCTION gold.in_eu(a, b) RETURN true", DefinitionErrors),  # filters give it one
    ("CREATE OR REPLACE FUNCTION gold.in_eu(a) RETURN gold.hidden(a, a)", DefinitionErrors),
    ("CREATE FUNCTION gold.g(a) RETURN gold.nothing(a)", UnknownName),
    ("CREATE FUNCTION gold.g(a) RETURN a) OR (true", InvalidValue),
    ("CREATE FUNCTION gold.g(a) RETURN EXISTS (SELECT 1 FROM m WHERE m.r = a)", InvalidValue),
    ("CREATE FUNCTION f(a) RETURN true", InvalidValue),
    ("DROP FUNCTION gold.in_eu", InvalidValue),
    ("DROP FUNCTION gold.nothing", UnknownName),
    ("DROP POLICY mask_pii ON SCHEMA gold", UnknownName),
    ("CREATE POLICY p ON CATALOG ROW FILTER in_eu TO support FOR TABLES", InvalidValue),
    ("CREATE POLICY p ON PIPELINE x ROW FILTER gold.in_eu TO support FOR TABLES", InvalidValue),
    ("SET TAG ON FUNCTION gold.in_eu x = y", InvalidValue),
]


@pytest.mark.parametrize(("text", "error"), REFUSED)
def test_what_does_not_fit_is_an_error(text: str, error: type[DefinitionError]) -> None:
    with pytest.raises(error):
        amend(rules(), [stated(text)], all_may)


def test_a_role_that_restricts_or_owns_is_not_dropped() -> None:
    made = after("CREATE ROLE r")
    role = Principal(PrincipalKind.ROLE, "r")
    for depends in (
        after("DENY SELECT ON SCHEMA gold TO r", policy=made),
        after("ALTER SCHEMA gold OWNER TO r", policy=made),
        replace(made, masks=(replace(made.masks[0], to=frozenset({role, ALICE})),)),
    ):
        with pytest.raises(InvalidValue):
            after("DROP ROLE r", policy=depends)


def test_only_who_may_manage_changes_rules() -> None:
    manager = after("GRANT MANAGE ON SCHEMA gold TO support", "ALTER GROUP support ADD USER `alice@corp`")
    for policy, who, text, allowed in [
        (rules(), ALICE, "GRANT SELECT ON TABLE gold.t TO `alice@corp`", False),
        (manager, ALICE, "GRANT SELECT ON TABLE gold.t TO `alice@corp`", True),
        (manager, ALICE, "GRANT SELECT ON TABLE silver.t TO `alice@corp`", False),
        (manager, ALICE, "GRANT SELECT ON CATALOG main TO `alice@corp`", False),
        (manager, ALICE, "CREATE FUNCTION gold.g() RETURN true", True),
        (manager, ALICE, "CREATE FUNCTION silver.g() RETURN true", False),
        (manager, ALICE, "CREATE ROLE x", False),
        (manager, ALICE, "ALTER GROUP analysts ADD USER `alice@corp`", False),
        (rules(), BOB, "CREATE ROLE x", True),  # the metastore admin
        (rules(), BOB, "GRANT SELECT ON TABLE gold.t TO `bob@corp`", True),  # to oneself: it is recorded
        (rules(), Principal(PrincipalKind.USER, "ghost"), "GRANT SELECT ON TABLE gold.t TO support", False),
        # Not even whether a name exists is told to who may not.
        (rules(), ALICE, "GRANT SELECT ON TABLE gold.t TO nobody", False),
        (rules(), ALICE, "DROP FUNCTION gold.nothing", False),
    ]:
        if allowed:
            amend(policy, [stated(text, who)], may_change)
        else:
            with pytest.raises(AccessRefused):
                amend(policy, [stated(text, who)], may_change)
    assert changed_by(stated("DROP FUNCTION gold.f").statement, "main") == schema("gold")


def test_the_owner_reads_nothing_but_may_grant_themselves() -> None:
    before = index(expanded(rules()))
    assert not decide(before, BOB, Privilege.SELECT, CUSTOMERS)
    statements = [
        stated("GRANT USE SCHEMA ON SCHEMA gold TO `bob@corp`"),
        stated("GRANT SELECT ON TABLE gold.customers TO `bob@corp`"),
    ]
    policy, _ = amend(rules(), statements, may_change)
    assert decide(index(expanded(policy)), BOB, Privilege.SELECT, CUSTOMERS)


def test_recorded_statements_survive_that_a_principal_is_gone() -> None:
    file = rules(
        WHOLE.replace(", support: []", "").replace(
            "    grants:  {group:support: [{SELECT: {columns: [Id, name]}}, MODIFY]}\n", ""
        )
    )
    recorded = [
        stated("GRANT SELECT ON gold.t TO support"),
        stated("DENY SELECT ON gold.t TO support"),
        stated("REVOKE SELECT ON gold.t FROM support"),
        stated("ALTER GROUP support ADD USER `bob@corp`"),
        stated("ALTER GROUP analysts ADD GROUP support"),
        stated("GRANT ROLE eu_reader TO support"),
    ]
    policy, told = amend(file, recorded)
    assert policy == file
    assert len(told) == len(recorded)
    # An owner who is gone is followed by no one, and a restriction that was for no one else by all.
    assert CATALOG not in amend(file, [stated("ALTER CATALOG OWNER TO support")])[0].owners
    create = (
        "CREATE POLICY p ON SCHEMA gold ROW FILTER in_eu TO support EXCEPT support FOR TABLES "
        "MATCH COLUMNS has_tag('x') c USING COLUMNS (c)"
    )
    made = amend(file, [stated(create)])[0].tag_policies[-1]
    assert (made.to, made.exempt) == ({ACCOUNT_USERS}, frozenset())
    # A mask whose function is gone is not left out.
    with pytest.raises(UnknownName):
        amend(file, [stated("ALTER TABLE gold.t ALTER COLUMN c SET MASK nothing")])


WORDS = [
    "GRANT SELECT ON gold.t TO {p}", "REVOKE SELECT ON gold.t FROM {p}", "DENY SELECT ON SCHEMA gold TO {p}",
    "REVOKE DENY SELECT ON SCHEMA gold FROM {p}", "GRANT SELECT (a, b) ON gold.t TO {p}",
    "REVOKE SELECT (a) ON gold.t FROM {p}", "GRANT ROLE eu_reader TO {p}", "REVOKE ROLE eu_reader FROM {p}",
    "CREATE ROLE IF NOT EXISTS r", "DROP ROLE IF EXISTS r", "GRANT ROLE r TO {p}", "GRANT MODIFY ON gold.t TO r",
    "ALTER GROUP analysts ADD USER {p}", "ALTER GROUP analysts DROP USER {p}", "ALTER TABLE gold.t OWNER TO {p}",
    "ALTER TABLE gold.t SET ROW FILTER in_eu ON (a)", "ALTER TABLE gold.t DROP ROW FILTER",
    "ALTER TABLE gold.t ALTER COLUMN a SET MASK hidden USING COLUMNS (b)",
    "ALTER TABLE gold.t ALTER COLUMN a DROP MASK", "SET TAG ON COLUMN gold.t.a k = v", "UNSET TAG ON COLUMN gold.t.a k",
    "CREATE OR REPLACE FUNCTION gold.in_eu(x) RETURN x = '{p}'",
    "CREATE OR REPLACE POLICY q ON SCHEMA gold ROW FILTER in_eu TO {p} FOR TABLES MATCH COLUMNS has_tag('k') c "
    "USING COLUMNS (c)",
    "DROP POLICY IF EXISTS q ON SCHEMA gold",
]  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_where_a_sequence_is_split_does_not_matter(seed: int) -> None:
    print("seed", seed)
    generator = random.Random(seed)
    sequence: list[Stated] = []
    policy = rules()
    while len(sequence) < 30:
        principal = generator.choice(["`alice@corp`", "`bob@corp`", "support", "contractors"])
        each = stated(generator.choice(WORDS).format(p=principal), number=len(sequence))
        try:
            policy = amend(policy, [each], all_may)[0]
        except DefinitionError:
            continue  # refused, so not recorded
        sequence.append(each)
    whole, told = amend(rules(), sequence)
    assert whole == policy  # recorded, it means what it meant when it was made
    assert policy_hash(expanded(whole)) == policy_hash(expanded(policy))
    for _ in range(5):
        cuts = sorted(generator.choices(range(len(sequence) + 1), k=3))
        parts = [sequence[start:end] for start, end in zip([0, *cuts], [*cuts, len(sequence)], strict=True)]
        split, said = rules(), ()
        for part in parts:
            split, more = amend(split, part)
            said += more
        assert (split, said) == (whole, told), cuts
