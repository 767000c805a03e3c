"""What a principal sees of a table: columns, masks, filters, and when nothing."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from lakehouse.catalog.decision import CompiledPolicy, Reason, decide, index
from lakehouse.catalog.policy import (
    AccessPolicy,
    ColumnMask,
    RowFilter,
    TableShape,
    TagMatch,
    TagPolicy,
    TagPolicyKind,
)
from lakehouse.catalog.principal import ACCOUNT_USERS, Directory, Principal, Role
from lakehouse.catalog.privilege import Privilege
from lakehouse.catalog.table_access import (
    AppliedFilter,
    AppliedMask,
    may_receive_files,
    may_write,
    policies_on,
    table_access,
)
from tests.catalog.access_words import allow, at, bounded, deny, group, policy, role, service, shape, use, user

ANA, ETL, ROOT = user("ana"), service("etl"), user("root")
ANALYSTS, AUDITORS = group("analysts"), group("auditors")
DIRECTORY = Directory(
    users=frozenset({"ana", "root"}),
    services=frozenset({"etl"}),
    groups={"analysts": frozenset({ANA}), "auditors": frozenset()},
    roles={
        "auditor": bounded("SELECT", "USE SCHEMA", "USE CATALOG", members=(ANA,)),
        "plain": Role(frozenset({ANA})),
    },
)
CUSTOMERS = "main.gold.customers"
TABLE = at(CUSTOMERS)
GATES = use(ACCOUNT_USERS)
READS = (*GATES, allow("SELECT", CUSTOMERS, ANA))
WRITES = (*READS, allow("MODIFY", CUSTOMERS, ANA))
FILES = (*READS, allow("EXTERNAL USE SCHEMA", "main.gold", ANA))

EU = RowFilter(name="eu", table=TABLE, condition="region = 'EU'", origin="f:1")
ACTIVE = RowFilter(name="active", table=TABLE, condition="active", origin="f:2")
HASH = ColumnMask(name="hash", table=TABLE, column="EMAIL", expression="sha2(val, 256)", origin="m:1")
STARS = ColumnMask(name="stars", table=TABLE, column="email", expression="'***'", origin="m:2")
PII = TagPolicy(
    name="pii", kind=TagPolicyKind.MASK, scope=at("main"), expression="sha2(val, 256)", on=TagMatch("pii"), origin="t:1"
)
BY_REGION = TagPolicy(
    name="by_region",
    kind=TagPolicyKind.ROW_FILTER,
    scope=at("main.gold"),
    expression="r = 'EU'",
    matched={"r": TagMatch("geo", "region")},
    origin="t:2",
)
TAGGED = shape(tags={"email": {"pii": "email"}, "region": {"geo": "region"}})


def compiled(rules: tuple = READS, **changes: object) -> CompiledPolicy:  # type: ignore[type-arg]
    return index(replace(policy(DIRECTORY, *rules), **changes))  # type: ignore[arg-type]


def names(access_policy: CompiledPolicy, table: TableShape | None = None, who: Principal = ANA) -> list[str]:
    return [column.name for column in table_access(access_policy, who, table or shape()).columns]


def reason(access_policy: CompiledPolicy, table: TableShape | None = None, who: Principal = ANA) -> Reason:
    """Why a table cannot be read; a refused access must show nothing."""
    access = table_access(access_policy, who, table or shape())
    assert not access
    assert (access.columns, access.filters) == ((), ())
    return access.decision.reason


def masks(access_policy: CompiledPolicy, table: TableShape | None = None, who: Principal = ANA) -> dict[str, str]:
    found = table_access(access_policy, who, table or shape())
    assert found
    return {column.name: column.mask.policy for column in found.columns if column.mask}


def test_all_columns_in_the_tables_order_with_their_types() -> None:
    access = table_access(compiled(), ANA, TableShape(shape().name, (("Zip", "int"), ("id", "bigint"))))
    assert [(column.name, column.type, column.mask) for column in access.columns] == [
        ("Zip", "int", None),
        ("id", "bigint", None),
    ]
    assert (access.filters, access.decision.reason) == ((), Reason.GRANTED)


def test_s1_no_grant_shows_nothing() -> None:
    assert reason(compiled(GATES)) is Reason.NOT_GRANTED
    assert reason(compiled(), who=user("eve")) is Reason.UNKNOWN_PRINCIPAL


def test_s10_visible_columns_are_the_union_of_lists_less_the_union_of_denials() -> None:
    lists = (
        allow("SELECT", CUSTOMERS, ANA, columns={"ID"}),
        allow("SELECT", CUSTOMERS, ANALYSTS, columns={"id", "email", "region"}),
    )
    denials = (deny("SELECT", CUSTOMERS, ANALYSTS, columns={"email"}), deny("SELECT", CUSTOMERS, ANA, columns={"Id"}))
    assert names(compiled((*GATES, *lists))) == ["id", "email", "region"]
    assert names(compiled((*GATES, *lists[:1]))) == ["id"]
    assert names(compiled((*GATES, *lists, *denials))) == ["region"]
    assert names(compiled((*READS, *denials))) == ["region"]
    assert names(compiled((*READS, deny("SELECT", CUSTOMERS, AUDITORS, columns={"id"})))) == ["id", "email", "region"]


def test_s10_no_column_left() -> None:
    every = deny("SELECT", CUSTOMERS, ANA, columns={"id", "email", "region"})
    assert reason(compiled((*READS, every))) is Reason.NO_COLUMN
    gone = allow("SELECT", CUSTOMERS, ANA, columns={"no_longer_there"})
    assert reason(compiled((*GATES, gone))) is Reason.NO_COLUMN


def test_s10_a_list_narrows_neither_owner_nor_a_whole_grant() -> None:
    listed = allow("SELECT", CUSTOMERS, ANA, columns={"id"})
    assert names(compiled((*READS, listed))) == ["id", "email", "region"]
    assert names(compiled((*GATES, listed), owners={TABLE: ANALYSTS})) == ["id", "email", "region"]


def test_s10_a_list_through_a_bounded_role_or_beside_set_role() -> None:
    lists = (
        *GATES,
        allow("SELECT", CUSTOMERS, role("plain"), columns={"id"}),
        allow("SELECT", CUSTOMERS, ANA, columns={"email"}),
    )
    assert names(compiled(lists)) == ["id", "email"]
    narrowed = table_access(compiled(lists), ANA, shape(), roles=frozenset({"plain"}))
    assert [column.name for column in narrowed.columns] == ["id"]


def test_s11_a_column_that_is_not_in_a_list_is_hidden_when_it_appears() -> None:
    listed = compiled((*GATES, allow("SELECT", CUSTOMERS, ANA, columns={"id"})))
    assert names(listed, shape(columns=("id", "email", "region", "added"))) == ["id"]


def test_s12_two_filters_hold_together() -> None:
    access = table_access(compiled(row_filters=(EU, ACTIVE)), ANA, shape())
    assert access.filters == (
        AppliedFilter("active", "active", "f:2"),
        AppliedFilter("eu", "region = 'EU'", "f:1"),
    )


def test_s13_two_different_masks_on_a_column_refuse_and_are_named() -> None:
    clash = compiled(masks=(STARS, HASH))
    assert reason(clash) is Reason.MASK_CONFLICT
    step = table_access(clash, ANA, shape()).decision.trace[-1]
    assert (step.detail, step.origin) == ("hash, stars: email", "m:1, m:2")


def test_s13_the_same_mask_twice_is_one() -> None:
    assert masks(compiled(masks=(HASH,), tag_policies=(PII,)), TAGGED) == {"email": "hash"}


def test_s13_two_masks_on_a_hidden_column_do_not_matter() -> None:
    hidden = deny("SELECT", CUSTOMERS, ANA, columns={"email"})
    assert names(compiled((*READS, hidden), masks=(STARS, HASH))) == ["id", "region"]


def test_s13_two_masks_of_which_one_exempts() -> None:
    exempting = replace(STARS, exempt=frozenset({ANALYSTS}))
    assert masks(compiled(masks=(exempting, HASH))) == {"email": "hash"}


def test_s15_a_filter_on_a_hidden_and_a_masked_column_stays() -> None:
    listed = (*GATES, allow("SELECT", CUSTOMERS, ANA, columns={"email"}))
    access = table_access(compiled(listed, row_filters=(EU,), masks=(HASH,)), ANA, shape())
    assert [column.name for column in access.columns] == ["email"]
    assert access.columns[0].mask == AppliedMask("hash", "sha2(val, 256)", "m:1")
    assert [found.condition for found in access.filters] == ["region = 'EU'"]


@pytest.mark.parametrize("who", [ANA, ROOT, ETL], ids=str)
def test_s17_no_one_is_exempt_but_by_except(who: Principal) -> None:
    rules = (*GATES, allow("ALL PRIVILEGES", "", ACCOUNT_USERS), allow("MANAGE", "", ACCOUNT_USERS))
    every = compiled(rules, row_filters=(EU,), masks=(HASH,), owners={TABLE: who, at(""): who, at("main"): who})
    access = table_access(every, who, shape())
    assert [column.mask is not None for column in access.columns] == [False, True, False]
    assert len(access.filters) == 1


def test_s17_to_and_except_follow_groups_and_roles() -> None:
    for_analysts = replace(EU, to=frozenset({ANALYSTS}))
    assert table_access(compiled(row_filters=(for_analysts,)), ANA, shape()).filters
    for_auditors = replace(EU, to=frozenset({AUDITORS}))
    assert table_access(compiled(row_filters=(for_auditors,)), ANA, shape()).filters == ()
    exempt = compiled(row_filters=(replace(EU, exempt=frozenset({role("auditor")})),))
    assert table_access(exempt, ANA, shape()).filters == ()
    assert len(policies_on(exempt, ROOT, shape()).filters) == 1  # type: ignore[union-attr]


def test_s17_set_role_gives_up_an_exemption_but_no_filter() -> None:
    rules = (*GATES, allow("SELECT", CUSTOMERS, role("plain")))
    exempt = compiled(rules, row_filters=(replace(EU, exempt=frozenset({ANALYSTS})),))
    assert table_access(exempt, ANA, shape()).filters == ()
    assert len(table_access(exempt, ANA, shape(), roles=frozenset({"plain"})).filters) == 1
    aimed = compiled(rules, row_filters=(replace(EU, to=frozenset({ANALYSTS})),))
    assert len(table_access(aimed, ANA, shape(), roles=frozenset({"plain"})).filters) == 1


def test_a_group_or_role_that_is_asked_about_has_the_policies_of_account_users() -> None:
    rules = (*use(ANALYSTS), allow("SELECT", CUSTOMERS, ANALYSTS))
    assert len(table_access(compiled(rules, row_filters=(EU,)), ANALYSTS, shape()).filters) == 1


def test_s18_the_policies_of_a_base_table_hold_without_a_grant_on_it() -> None:
    found = policies_on(compiled(GATES, row_filters=(EU,), masks=(HASH,)), ANA, shape())
    assert found is not None
    assert [(found.masks["email"].policy, len(found.filters))] == [("hash", 1)]
    assert policies_on(compiled(GATES), user("eve"), shape()) is None


def test_s19_a_policy_without_its_column_refuses() -> None:
    without = shape(columns=("id", "region"))
    assert reason(compiled(masks=(HASH,)), without) is Reason.MISSING_COLUMN
    assert names(compiled(masks=(replace(HASH, exempt=frozenset({ANA})),)), without) == ["id", "region"]
    renamed = deny("SELECT", CUSTOMERS, ANALYSTS, columns={"email"})
    assert reason(compiled((*READS, renamed)), without) is Reason.MISSING_COLUMN


def test_s20_who_has_a_filter_or_mask_may_not_write() -> None:
    assert may_write(compiled(WRITES), ANA, shape())
    assert may_write(compiled(READS), ANA, shape()).reason is Reason.NOT_GRANTED
    for changes in ({"row_filters": (EU,)}, {"masks": (HASH,)}):
        found = may_write(compiled(WRITES, **changes), ANA, shape())
        assert (found.allowed, found.reason) == (False, Reason.RESTRICTED)
    assert may_write(compiled(WRITES, tag_policies=(PII,)), ANA, TAGGED).reason is Reason.RESTRICTED
    assert may_write(compiled(WRITES, tag_policies=(PII,)), ANA, shape())
    hidden = (*WRITES, deny("SELECT", CUSTOMERS, ANA, columns={"email"}))
    assert may_write(compiled(hidden, masks=(HASH,)), ANA, shape()).reason is Reason.RESTRICTED


def test_s20_except_lets_write_but_not_through_a_role_that_is_bounded_to_reading() -> None:
    assert may_write(compiled(WRITES, row_filters=(replace(EU, exempt=frozenset({ANALYSTS})),)), ANA, shape())
    by_role = compiled(WRITES, row_filters=(replace(EU, exempt=frozenset({role("auditor")})),))
    assert may_write(by_role, ANA, shape()).reason is Reason.RESTRICTED


@pytest.mark.parametrize(
    ("rules", "changes", "table"),
    [
        (FILES, {"row_filters": (EU,)}, shape()),
        (FILES, {"masks": (HASH,)}, shape()),
        (FILES, {"tag_policies": (PII,)}, TAGGED),
        ((*FILES, deny("SELECT", CUSTOMERS, ANA, columns={"id"})), {}, shape()),
        ((*FILES[:2], FILES[3], allow("SELECT", CUSTOMERS, ANA, columns={"id"})), {}, shape()),
    ],
    ids=["filter", "mask", "tag policy", "denied column", "column list"],
)
def test_s22_no_files_for_whom_something_is_hidden(rules: tuple, changes: dict, table: TableShape) -> None:  # type: ignore[type-arg]
    policy_here = compiled(rules, **changes)
    found = may_receive_files(policy_here, ANA, table)
    assert (found.allowed, found.reason) == (False, Reason.RESTRICTED)
    for securable in (TABLE, at("main.gold")):
        assert decide(policy_here, ANA, Privilege.EXTERNAL_USE_SCHEMA, securable).reason is Reason.RESTRICTED


def test_s22_files_for_whom_nothing_is_hidden() -> None:
    assert may_receive_files(compiled(FILES), ANA, shape())
    assert may_receive_files(compiled(FILES, tag_policies=(PII,)), ANA, shape())
    assert may_receive_files(compiled(READS), ANA, shape()).reason is Reason.NOT_GRANTED
    without_select = (*GATES, allow("EXTERNAL USE SCHEMA", "main.gold", ANA))
    assert may_receive_files(compiled(without_select), ANA, shape()).reason is Reason.NOT_GRANTED
    assert may_receive_files(compiled(FILES), user("eve"), shape()).reason is Reason.UNKNOWN_PRINCIPAL
    unmasked = replace(EU, exempt=frozenset({ANALYSTS}))
    assert may_receive_files(compiled(FILES, row_filters=(unmasked,)), ANA, shape())


def test_s23_a_masked_column_keeps_its_type_for_the_cast() -> None:
    table = TableShape(shape().name, (("email", "varchar(20)"),))
    (column,) = table_access(compiled(masks=(HASH,)), ANA, table).columns
    assert (column.type, column.mask is not None) == ("varchar(20)", True)


def test_s24_case_of_names_does_not_matter() -> None:
    table = shape("Gold.Customers", columns=("ID", "Email"), tags={"EMAIL": {"PII": "Email"}})
    assert masks(compiled(tag_policies=(PII,)), table) == {"Email": "pii"}
    by_value = replace(PII, on=TagMatch("pii", "email"))
    assert masks(compiled(tag_policies=(by_value,)), table) == {"Email": "pii"}


def test_tag_policies_reach_every_table_of_their_scope_and_no_other() -> None:
    everywhere = compiled((*use(ANA), allow("SELECT", "", ANA), allow("USE SCHEMA", "main", ANA)), tag_policies=(PII,))
    assert masks(everywhere, replace(TAGGED, name=shape("silver.later").name)) == {"email": "pii"}
    elsewhere = compiled(tag_policies=(replace(PII, scope=at("main.silver")),))
    assert masks(elsewhere, TAGGED) == {}


def test_a_tag_mask_masks_every_column_that_carries_the_tag() -> None:
    two = shape(tags={"email": {"pii": "email"}, "id": {"pii": "id"}, "region": {"geo": "pii"}})
    assert masks(compiled(tag_policies=(PII,)), two) == {"id": "pii", "email": "pii"}
    one = compiled(tag_policies=(replace(PII, on=TagMatch("pii", "id")),))
    assert masks(one, two) == {"id": "pii"}


def test_names_of_tag_policies_are_bound_to_columns() -> None:
    mask = replace(PII, expression="if(r = 'EU', val, null)", matched={"r": TagMatch("geo")})
    access = table_access(compiled(tag_policies=(BY_REGION, mask)), ANA, TAGGED)
    assert access.filters == (AppliedFilter("by_region", "r = 'EU'", "t:2", {"r": "region"}),)
    assert access.columns[1].mask == AppliedMask("pii", "if(r = 'EU', val, null)", "t:1", {"r": "region"})


def test_a_tag_policy_applies_only_where_every_condition_is_met() -> None:
    needs_both = replace(PII, matched={"r": TagMatch("geo")})
    assert masks(compiled(tag_policies=(needs_both,)), shape(tags={"email": {"pii": "email"}})) == {}
    only_tagged_tables = replace(PII, table_tag=TagMatch("domain", "hr"))
    assert masks(compiled(tag_policies=(only_tagged_tables,)), TAGGED) == {}
    assert masks(compiled(tag_policies=(only_tagged_tables,)), replace(TAGGED, table_tags={"Domain": "HR"})) == {
        "email": "pii"
    }
    assert table_access(compiled(tag_policies=(BY_REGION,)), ANA, shape()).filters == ()


def test_a_name_that_matches_several_columns_refuses() -> None:
    twice = shape(tags={"email": {"geo": "region"}, "region": {"geo": "region"}})
    assert reason(compiled(tag_policies=(BY_REGION,)), twice) is Reason.AMBIGUOUS_MATCH
    exempt = replace(BY_REGION, exempt=frozenset({ANA}))
    assert names(compiled(tag_policies=(exempt,)), twice) == ["id", "email", "region"]


def test_the_same_expression_over_other_columns_is_another_mask() -> None:
    near = replace(PII, name="near", expression="concat(val, c)", matched={"c": TagMatch("geo")})
    far = replace(near, name="far", matched={"c": TagMatch("key")})
    table = shape(tags={"email": {"pii": "x"}, "region": {"geo": "x"}, "id": {"key": "x"}})
    assert reason(compiled(tag_policies=(near, far)), table) is Reason.MASK_CONFLICT


def test_order_of_policies_does_not_matter() -> None:
    shuffled = random.Random(20260701)
    near = replace(PII, name="also_pii")
    for _ in range(50):
        rules = [*WRITES, allow("SELECT", CUSTOMERS, ANALYSTS), deny("SELECT", CUSTOMERS, ANA, columns={"id"})]
        filters, column_masks, tag_policies = [EU, ACTIVE], [HASH, replace(HASH, name="b")], [PII, BY_REGION, near]
        for listed in (rules, filters, column_masks, tag_policies):
            shuffled.shuffle(listed)  # type: ignore[arg-type]
        found = index(
            AccessPolicy(
                catalog="main",
                directory=DIRECTORY,
                rules=tuple(rules),
                row_filters=tuple(filters),
                masks=tuple(column_masks),
                tag_policies=tuple(tag_policies),
            )
        )
        access = table_access(found, ANA, TAGGED)
        assert [found.policy for found in access.filters] == ["active", "by_region", "eu"]
        assert [(column.name, column.mask and column.mask.policy) for column in access.columns] == [
            ("email", "b"),
            ("region", None),
        ]
