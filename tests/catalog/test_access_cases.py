"""What a decision says, case by case: the numbered cases of the model that need no data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest

from lakehouse.catalog.decision import Reason, StepKind, decide, index, may_manage
from lakehouse.catalog.policy import AccessTest, RowFilter, Rule, TagPolicy, TagPolicyKind
from lakehouse.catalog.principal import ACCOUNT_USERS, Directory, Principal, Role
from lakehouse.catalog.privilege import Privilege
from lakehouse.catalog.securable import METASTORE
from lakehouse.errors import DefinitionErrors, InvalidValue, UnknownName
from tests.catalog.access_words import allow, at, bounded, deny, group, policy, role, service, use, user

ANA, BOB, ADMIN, ETL = user("ana"), user("bob"), user("root"), service("etl")
ANALYSTS, STAFF, PEOPLE = group("analysts"), group("staff"), group("people")
READER, NARROW, WIDE = role("reader"), role("narrow"), role("wide")
DIRECTORY = Directory(
    users=frozenset({"ana", "bob", "root"}),
    services=frozenset({"etl"}),
    groups={"analysts": frozenset({ANA}), "staff": frozenset({ANALYSTS}), "people": frozenset()},
    roles={
        "reader": Role(frozenset({ANALYSTS})),
        "narrow": bounded("USE CATALOG", "USE SCHEMA", "SELECT", members=(ANA,)),
        "wide": Role(frozenset({role("narrow")})),
    },
)
TABLE = "main.gold.customers"
GATES = use(ACCOUNT_USERS)


@dataclass(frozen=True)
class Case:
    name: str
    rules: tuple[Rule, ...]
    reason: Reason
    visible: bool = True
    asked: str = "SELECT"
    on: str = TABLE
    kind: str | None = None
    who: Principal = ANA
    owners: Mapping[str, Principal] = field(default_factory=dict)
    roles: frozenset[str] | None = None


ALLOWS = {Reason.GRANTED, Reason.OWNER, Reason.OWNER_ABOVE, Reason.ADMIN}
SELECT_TABLE = allow("SELECT", TABLE, ANA)
OWNS: Mapping[str, Principal] = {TABLE: ANA}

CASES = (
    Case("S1 no grant and no BROWSE", GATES, Reason.NOT_GRANTED, visible=False),
    Case("S1 no grant, BROWSE above", (*GATES, allow("BROWSE", "main", STAFF)), Reason.NOT_GRANTED),
    Case("S1 BROWSE needs no gate", (allow("BROWSE", "main", STAFF),), Reason.GRANTED, asked="BROWSE"),
    Case("S1 denied and nothing else held", (*GATES, SELECT_TABLE, deny("SELECT", TABLE, ANA)), Reason.DENIED, False),
    Case("S1 denied, MODIFY held", (*GATES, deny("SELECT", TABLE, ANA), allow("MODIFY", "main", ANA)), Reason.DENIED),
    Case("S2 no USE SCHEMA", (allow("USE CATALOG", "main", ANA), SELECT_TABLE), Reason.GATE),
    Case("S2 no USE CATALOG", (allow("USE SCHEMA", "main.gold", ANA), SELECT_TABLE), Reason.GATE),
    Case("S2 gate denied above", (*GATES, SELECT_TABLE, deny("USE SCHEMA", "main", STAFF)), Reason.GATE),
    Case("S2 gates by ALL PRIVILEGES", (allow("ALL PRIVILEGES", "main", ANA),), Reason.GRANTED),
    Case("S2 gates by owning the containers", (SELECT_TABLE,), Reason.GRANTED, owners={"main": ANA, "main.gold": ANA}),
    Case("S2 gates by a grant on the metastore",
         (allow("USE CATALOG", "", ANA), allow("USE SCHEMA", "", ANA), SELECT_TABLE), Reason.GRANTED),
    Case("S3 grant on the schema, table created later", (*GATES, allow("SELECT", "main.gold", STAFF)), Reason.GRANTED),
    Case("S3 grant on another schema", (*GATES, allow("SELECT", "main.other", ANA)), Reason.NOT_GRANTED, False),
    Case("S4 grant on the table, denial on the catalog", (*GATES, SELECT_TABLE, deny("SELECT", "main", ANA)),
         Reason.DENIED, False),
    Case("S4 denial on the metastore", (*GATES, SELECT_TABLE, deny("SELECT", "", ANA)), Reason.DENIED, False),
    Case("S5 denial to a group", (*GATES, SELECT_TABLE, deny("SELECT", TABLE, ANALYSTS)), Reason.DENIED, False),
    Case("S5 denial to a nested group", (*GATES, SELECT_TABLE, deny("SELECT", TABLE, STAFF)), Reason.DENIED, False),
    Case("S5 denial to a role", (*GATES, SELECT_TABLE, deny("SELECT", TABLE, READER)), Reason.DENIED, False),
    Case("S5 denial to everyone", (*GATES, SELECT_TABLE, deny("SELECT", TABLE, ACCOUNT_USERS)), Reason.DENIED, False),
    Case("S5 denial to a group one is not in", (*GATES, SELECT_TABLE, deny("SELECT", TABLE, PEOPLE)), Reason.GRANTED),
    Case("S6 owner", GATES, Reason.OWNER, owners=OWNS),
    Case("S6 owner through a role", GATES, Reason.OWNER, owners={TABLE: READER}),
    Case("S6 owner, gate missing", (), Reason.GATE, owners=OWNS),
    Case("S6 owner who is denied", (*GATES, deny("SELECT", "main.gold", ANA)), Reason.DENIED, owners=OWNS),
    Case("S6 owner who is denied all", (*GATES, deny("ALL PRIVILEGES", "main", ANA)), Reason.DENIED, False,
         owners=OWNS),
    Case("S7 DENY MANAGE does not hit the admin", (deny("MANAGE", "main", ADMIN),), Reason.ADMIN, asked="MANAGE",
         who=ADMIN, owners={"": ADMIN}),
    Case("S7 nor DENY ALL PRIVILEGES", (deny("ALL PRIVILEGES", "", ACCOUNT_USERS),), Reason.ADMIN, asked="MANAGE",
         who=ADMIN, owners={"": ADMIN}),
    Case("S7 but it hits any other owner", (deny("MANAGE", TABLE, ANA),), Reason.DENIED, asked="MANAGE", owners=OWNS),
    Case("S8 admin reads no rows", GATES, Reason.NOT_GRANTED, who=ADMIN, owners={"": ADMIN}),
    Case("S8 owner of schema and catalog reads no rows", (), Reason.NOT_GRANTED,
         owners={"main": ANA, "main.gold": ANA}),
    Case("S8 nor on the schema as a whole", GATES, Reason.NOT_GRANTED, on="main.gold", owners={"main.gold": ANA}),
    Case("S8 owner of the catalog may manage", (), Reason.OWNER_ABOVE, asked="MANAGE", owners={"main": ANA}),
    Case("S10 some columns", (*GATES, allow("SELECT", TABLE, ANA, columns={"id"})), Reason.GRANTED),
    Case("S10 all granted columns denied",
         (*GATES, allow("SELECT", TABLE, ANA, columns={"id"}), deny("SELECT", TABLE, STAFF, columns={"ID"})),
         Reason.NOT_GRANTED, False),
    Case("S10 one of two columns denied",
         (*GATES, allow("SELECT", TABLE, ANA, columns={"id", "email"}), deny("SELECT", TABLE, ANA, columns={"id"})),
         Reason.GRANTED),
    Case("S10 a column list is no MODIFY", (*GATES, allow("SELECT", TABLE, ANA, columns={"id"})), Reason.NOT_GRANTED,
         asked="MODIFY"),
    Case("S17 ALL PRIVILEGES is not MANAGE", (*GATES, allow("ALL PRIVILEGES", "main", ANA)), Reason.NOT_GRANTED,
         asked="MANAGE"),
    Case("S17 nor EXTERNAL USE SCHEMA", (*GATES, allow("ALL PRIVILEGES", "main", ANA)), Reason.NOT_GRANTED,
         asked="EXTERNAL USE SCHEMA", on="main.gold"),
    Case("S17 DENY ALL PRIVILEGES denies MANAGE",
         (*GATES, allow("MANAGE", "main", ANA), deny("ALL PRIVILEGES", TABLE, ANA)), Reason.DENIED, False,
         asked="MANAGE"),
    Case("S17 and EXTERNAL USE SCHEMA",
         (*GATES, allow("EXTERNAL USE SCHEMA", "main.gold", ANA), deny("ALL PRIVILEGES", "main", ANA)), Reason.DENIED,
         False, asked="EXTERNAL USE SCHEMA", on="main.gold"),
    Case("S17 owning gives no EXTERNAL USE SCHEMA", GATES, Reason.NOT_GRANTED, asked="EXTERNAL USE SCHEMA",
         on="main.gold", owners={"main.gold": ANA}),
    Case("S22 EXTERNAL USE SCHEMA, nothing hidden", (*GATES, allow("EXTERNAL USE SCHEMA", "main.gold", ANA)),
         Reason.GRANTED, asked="EXTERNAL USE SCHEMA", on="main.gold"),
    Case("S22 EXTERNAL USE SCHEMA, a column list below",
         (*GATES, allow("EXTERNAL USE SCHEMA", "main.gold", ANA), allow("SELECT", TABLE, ANALYSTS, columns={"id"})),
         Reason.RESTRICTED, asked="EXTERNAL USE SCHEMA", on="main.gold"),
    Case("S22 EXTERNAL USE SCHEMA, a denied column below",
         (*GATES, allow("EXTERNAL USE SCHEMA", "main.gold", ANA), deny("SELECT", TABLE, STAFF, columns={"id"})),
         Reason.RESTRICTED, asked="EXTERNAL USE SCHEMA", on="main.gold"),
    Case("S22 EXTERNAL USE SCHEMA, a denied table below",
         (*GATES, allow("EXTERNAL USE SCHEMA", "main.gold", ANA), deny("SELECT", TABLE, STAFF)),
         Reason.RESTRICTED, asked="EXTERNAL USE SCHEMA", on="main.gold"),
    Case("S22 EXTERNAL USE SCHEMA, rows denied above",
         (*GATES, allow("EXTERNAL USE SCHEMA", "main.gold", ANA), deny("SELECT", "main", STAFF)),
         Reason.RESTRICTED, asked="EXTERNAL USE SCHEMA", on="main.gold"),
    Case("S24 capitals do not escape a denial", (*GATES, SELECT_TABLE, deny("SELECT", "Main.Gold", ANA)),
         Reason.DENIED, False, on="MAIN.gold.Customers"),
    Case("unknown principal", (*GATES, allow("SELECT", "main", ACCOUNT_USERS)), Reason.UNKNOWN_PRINCIPAL, False,
         who=user("eve")),
    Case("a user's name for a service", (*GATES, allow("SELECT", "main", ACCOUNT_USERS)), Reason.UNKNOWN_PRINCIPAL,
         False, who=user("etl")),
    Case("a service is one of the account users", (*GATES, allow("SELECT", "main", ACCOUNT_USERS)), Reason.GRANTED,
         who=ETL),
    Case("CREATE TABLE needs the schema's own gate",
         (allow("USE CATALOG", "main", ANA), allow("CREATE TABLE", "main.gold", ANA)), Reason.GATE,
         asked="CREATE TABLE", on="main.gold"),
    Case("CREATE TABLE", (*GATES, allow("CREATE TABLE", "main.gold", ANA)), Reason.GRANTED, asked="CREATE TABLE",
         on="main.gold"),
    Case("EXECUTE on a pipeline, granted on the catalog", (*GATES, allow("EXECUTE", "main", ANA)), Reason.GRANTED,
         asked="EXECUTE", on="main.flights", kind="PIPELINE"),
    Case("EXECUTE on a pipeline is not that of the schema of its name",
         (*GATES, allow("EXECUTE", "main.flights", ANA)), Reason.NOT_GRANTED, False, asked="EXECUTE",
         on="main.flights", kind="PIPELINE"),
    Case("EXECUTE on a function needs the gates", (allow("EXECUTE", "main.gold.f", ANA, kind="FUNCTION"),), Reason.GATE,
         asked="EXECUTE", on="main.gold.f", kind="FUNCTION"),
    Case("MANAGE on the schema reaches the table", (*GATES, allow("MANAGE", "main.gold", ANA)), Reason.GRANTED,
         asked="MANAGE"),
    Case("MANAGE reads no rows", (*GATES, allow("MANAGE", "main", ANA)), Reason.NOT_GRANTED),
    Case("ALL PRIVILEGES is asked and held", (allow("ALL PRIVILEGES", "main", ANA),), Reason.GRANTED,
         asked="ALL PRIVILEGES"),
    Case("ALL PRIVILEGES less one", (allow("ALL PRIVILEGES", "main", ANA), deny("MODIFY", TABLE, ANA)), Reason.DENIED,
         asked="ALL PRIVILEGES"),
    Case("boundary leaves SELECT", (*GATES, allow("SELECT", TABLE, NARROW)), Reason.GRANTED),
    Case("boundary excludes MODIFY", (*GATES, allow("MODIFY", TABLE, NARROW)), Reason.NARROWED, False, asked="MODIFY"),
    Case("boundary bounds ALL PRIVILEGES", (*GATES, allow("ALL PRIVILEGES", TABLE, NARROW)), Reason.NARROWED,
         asked="MODIFY"),
    Case("boundary bounds what comes through the role", (*GATES, allow("MODIFY", TABLE, WIDE)), Reason.NARROWED, False,
         asked="MODIFY"),
    Case("boundary of one route, another route gives",
         (*GATES, allow("MODIFY", TABLE, NARROW), allow("MODIFY", TABLE, READER)), Reason.GRANTED, asked="MODIFY"),
    Case("boundary bounds owning", GATES, Reason.NOT_GRANTED, asked="MODIFY", owners={TABLE: NARROW}),
    Case("boundary does not narrow a denial", (*GATES, SELECT_TABLE, deny("MODIFY", TABLE, NARROW),
         allow("MODIFY", TABLE, ANA)), Reason.DENIED, asked="MODIFY"),
    Case("SET ROLE to one that gives", (*GATES, allow("SELECT", TABLE, READER)), Reason.GRANTED,
         roles=frozenset({"reader"})),
    Case("SET ROLE leaves one's own grants out", (*GATES, SELECT_TABLE), Reason.NARROWED, False,
         roles=frozenset({"reader"})),
    Case("SET ROLE to a role not held gives nothing", (*GATES, allow("SELECT", TABLE, role("other"))),
         Reason.NOT_GRANTED, False, roles=frozenset({"other"})),
    Case("SET ROLE to none", (*GATES, allow("SELECT", TABLE, READER)), Reason.NARROWED, False, roles=frozenset()),
    Case("SET ROLE keeps denials of other routes",
         (*GATES, allow("SELECT", TABLE, READER), deny("SELECT", TABLE, NARROW)), Reason.DENIED, False,
         roles=frozenset({"reader"})),
    Case("SET ROLE reaches what the role holds, within its boundary",
         (*GATES, allow("SELECT", TABLE, WIDE)), Reason.GRANTED, roles=frozenset({"narrow"})),
    Case("SET ROLE to a role held through a bounded one stays bounded",
         (*GATES, allow("MODIFY", TABLE, WIDE)), Reason.NARROWED, False, asked="MODIFY", roles=frozenset({"wide"})),
    Case("SET ROLE sheds the admin", (deny("MANAGE", "", ADMIN),), Reason.DENIED, False, asked="MANAGE", who=ADMIN,
         owners={"": ADMIN}, roles=frozenset()),
)  # fmt: skip

WITH_OTHER = Directory(
    users=DIRECTORY.users,
    services=DIRECTORY.services,
    groups=DIRECTORY.groups,
    roles={**DIRECTORY.roles, "other": Role(frozenset({BOB}))},
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case) -> None:
    compiled = index(policy(WITH_OTHER, *case.rules, owners=case.owners))
    found = decide(compiled, case.who, Privilege(case.asked), at(case.on, case.kind), roles=case.roles)
    assert (found.reason, found.visible) == (case.reason, case.visible)
    assert found.allowed == (case.reason in ALLOWS)
    assert bool(found) == found.allowed


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_order_of_rules_does_not_matter(case: Case) -> None:
    forward = index(policy(WITH_OTHER, *case.rules, owners=case.owners))
    backward = index(policy(WITH_OTHER, *reversed(case.rules), owners=case.owners))
    question = (case.who, Privilege(case.asked), at(case.on, case.kind))
    assert decide(forward, *question, roles=case.roles) == decide(backward, *question, roles=case.roles)


def test_s7_a_denial_of_manage_to_the_admin_warns() -> None:
    owners = {"": group("staff")}
    for aimed in (STAFF, ANA, ACCOUNT_USERS):
        compiled = index(policy(DIRECTORY, deny("MANAGE", "main", aimed), deny("SELECT", "main", aimed), owners=owners))
        assert len(compiled.warnings) == 1, aimed
        assert may_manage(compiled, ANA, at(TABLE)).reason is Reason.ADMIN
    assert index(policy(DIRECTORY, deny("MANAGE", "main", PEOPLE), owners={"": BOB})).warnings == ()


def test_the_metastore_is_no_secret() -> None:
    assert decide(index(policy(DIRECTORY)), ANA, Privilege.CREATE_SCHEMA, METASTORE).visible


def test_the_deciding_step_names_rule_and_origin() -> None:
    rule = deny("SELECT", "main", STAFF)
    step = decide(index(policy(DIRECTORY, *GATES, SELECT_TABLE, rule)), ANA, Privilege.SELECT, at(TABLE)).trace[-1]
    assert (step.kind, step.principal, step.securable, step.origin) == (
        StepKind.DENY, STAFF, at("main"), "deny SELECT on main to group:staff"
    )  # fmt: skip


MASKS_NOTHING = TagPolicy(name="pii", kind=TagPolicyKind.MASK, scope=at("main"), expression="null")


def filter_for(to: Principal, *, exempt: Principal = ANA) -> RowFilter:
    return RowFilter(
        name="eu", table=at(TABLE), condition="true", to=frozenset({to}), exempt=frozenset({exempt}), origin="x:1"
    )


@pytest.mark.parametrize(
    ("wrong", "expected"),
    [
        (policy(DIRECTORY, allow("SELECT", TABLE, user("nobody"))), UnknownName),
        (policy(DIRECTORY, owners={"main": group("nobody")}), UnknownName),
        (replace(policy(DIRECTORY), run_as=service("nobody")), UnknownName),
        (replace(policy(DIRECTORY), tests=(AccessTest(principal=user("nobody"), allowed=False),)), UnknownName),
        (replace(policy(DIRECTORY), row_filters=(filter_for(group("nobody")),)), UnknownName),
        (replace(policy(DIRECTORY), row_filters=(filter_for(ANA, exempt=user("nobody")),)), UnknownName),
        (replace(policy(DIRECTORY), tag_policies=(MASKS_NOTHING,)), InvalidValue),
        (policy(DIRECTORY, allow("SELECT", "main.gold", ANA, columns={"id"})), InvalidValue),
        (policy(DIRECTORY, allow("MODIFY", TABLE, ANA, columns={"id"})), InvalidValue),
        (policy(Directory(groups={"a": frozenset({group("a")})})), InvalidValue),
        (policy(Directory(groups={"a": frozenset({user("x")})})), UnknownName),
    ],
    ids=[
        "principal of a rule",
        "owner",
        "run_as",
        "access test",
        "to",
        "except",
        "mask of nothing",
        "columns of a schema",
        "columns of MODIFY",
        "circle",
        "member",
    ],
)
def test_a_policy_in_doubt_decides_nothing(wrong: object, expected: type[Exception]) -> None:
    with pytest.raises(DefinitionErrors) as raised:
        index(wrong)  # type: ignore[arg-type]
    assert [type(problem) for problem in raised.value.problems] == [expected]
