from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lakehouse.catalog.compiled_policy import index
from lakehouse.catalog.decision import Reason
from lakehouse.catalog.lineage import RAW_COLUMNS, ColumnFlow, FlowKind, Lineage, lineage_of
from lakehouse.catalog.policy import (
    VALUE_SEPARATOR,
    AccessPolicy,
    ColumnMask,
    Effect,
    RowFilter,
    Rule,
    TableShape,
    Tagged,
    TagMatch,
    TagPolicy,
    TagPolicyKind,
)
from lakehouse.catalog.principal import ACCOUNT_USERS, Directory, Principal, PrincipalKind
from lakehouse.catalog.privilege import Privilege
from lakehouse.catalog.securable import METASTORE, Securable, SecurableKind, table
from lakehouse.catalog.table_access import table_access
from lakehouse.catalog.tag_inheritance import (
    UnfilteredFlow,
    container_tags,
    effective_tags,
    inherited_masks,
    tags_of_table,
    unfiltered,
)
from lakehouse.names import TableName

ANA = Principal(PrincipalKind.USER, "ana")
BRONZE, SILVER, GOLD = (table("main", name, "x") for name in ("bronze", "silver", "gold"))
QUARANTINE = table("main", "quarantine", "silver_x")
CATALOG = Securable(SecurableKind.CATALOG, ("main",))


def flow(source: Securable, column: str, target: Securable, to: str, kind: FlowKind = FlowKind.VALUE) -> ColumnFlow:
    return ColumnFlow(Tagged(source, column), Tagged(target, to), kind)


def policy(**fields: Any) -> AccessPolicy:
    return AccessPolicy(catalog="main", directory=Directory(users=frozenset({"ana"})), **fields)


SSN = {Tagged(BRONZE, "ssn"): {"pii": "ssn"}}
CHAIN = Lineage(
    (
        flow(BRONZE, "ssn", SILVER, "ssn", FlowKind.COPY),
        flow(SILVER, "ssn", GOLD, "last"),
        flow(SILVER, "ssn", GOLD, "count", FlowKind.CONDITION),
    )
)


def test_values_carry_tags_and_conditions_do_not() -> None:
    found = effective_tags(policy(tags=SSN), CHAIN)
    assert found[Tagged(BRONZE, "ssn")]["pii"].chains == {"ssn": (Tagged(BRONZE, "ssn"),)}
    tag = found[Tagged(GOLD, "last")]["pii"]
    assert tag.value == "ssn"
    assert tag.chains["ssn"] == (Tagged(BRONZE, "ssn"), Tagged(SILVER, "ssn"), Tagged(GOLD, "last"))
    assert Tagged(GOLD, "count") not in found


def test_declassification_stops_at_its_column() -> None:
    found = effective_tags(policy(tags=SSN, declassified={Tagged(SILVER, "ssn"): "hashed"}), CHAIN)
    assert Tagged(SILVER, "ssn") not in found
    assert Tagged(GOLD, "last") not in found
    own = {**SSN, Tagged(SILVER, "ssn"): {"pii": "hash"}}
    found = effective_tags(policy(tags=own, declassified={Tagged(SILVER, "ssn"): "hashed"}), CHAIN)
    assert found[Tagged(GOLD, "last")]["pii"].value == "hash"
    # By another way it still comes.
    around = replace(CHAIN, flows=(*CHAIN.flows, flow(BRONZE, "ssn", GOLD, "last")))
    found = effective_tags(policy(tags=SSN, declassified={Tagged(SILVER, "ssn"): "hashed"}), around)
    assert found[Tagged(GOLD, "last")]["pii"].chains["ssn"] == (Tagged(BRONZE, "ssn"), Tagged(GOLD, "last"))


def test_a_column_made_of_several_has_every_value() -> None:
    tags = {**SSN, Tagged(BRONZE, "mail"): {"pii": "email"}, Tagged(GOLD, "both"): {"pii": "none"}}
    lineage = Lineage((flow(BRONZE, "ssn", GOLD, "both"), flow(BRONZE, "mail", GOLD, "both")))
    found = effective_tags(policy(tags=tags), lineage)
    assert found[Tagged(GOLD, "both")]["pii"].value == VALUE_SEPARATOR.join(["email", "none", "ssn"])
    shape = TableShape(TableName("gold", "x"), (("both", "string"),), tags=tags_of_table(found, GOLD, ["both"]))
    for value, masked in [("ssn", True), ("email", True), ("none", True), ("ss", False), (None, True)]:
        mask = TagPolicy(name="m", kind=TagPolicyKind.MASK, scope=CATALOG, expression="'*'", on=TagMatch("pii", value))
        assert (seen(policy(tag_policies=(mask,)), shape)["both"] is not None) == masked, value


def seen(rules: AccessPolicy, shape: TableShape) -> dict[str, str | None]:
    """What Ana sees of a table on which she is granted everything: the mask of each column."""
    everything = tuple(
        Rule(Effect.ALLOW, ANA, privilege, METASTORE)
        for privilege in (Privilege.USE_CATALOG, Privilege.USE_SCHEMA, Privilege.SELECT)
    )
    access = table_access(index(replace(rules, rules=everything)), ANA, shape)
    assert access, access.decision.reason
    return {column.name: column.mask.expression if column.mask else None for column in access.columns}


def test_circles_end() -> None:
    lineage = Lineage((*CHAIN.flows, flow(GOLD, "last", BRONZE, "ssn"), flow(GOLD, "last", GOLD, "last")))
    found = effective_tags(policy(tags=SSN), lineage)
    assert found[Tagged(BRONZE, "ssn")]["pii"].chains == {"ssn": (Tagged(BRONZE, "ssn"),)}


def test_quarantine_has_the_tags_of_its_dataset() -> None:
    found = effective_tags(policy(tags=SSN), CHAIN)
    chain = found[Tagged(QUARANTINE, "ssn")]["pii"].chains["ssn"]
    assert chain == (Tagged(BRONZE, "ssn"), Tagged(SILVER, "ssn"), Tagged(QUARANTINE, "ssn"))
    assert tags_of_table(found, QUARANTINE, ["SSN", "_failed_expectations"]) == {"SSN": {"pii": "ssn"}}
    # There is no quarantine of a quarantine.
    assert not [tagged for tagged in found if tagged.securable.path[2].startswith("quarantine")]


def test_what_did_not_fit_may_be_any_column() -> None:
    from lakehouse.refresh.file_reading_columns import RESCUED

    assert {RESCUED} == RAW_COLUMNS
    lineage = Lineage((flow(BRONZE, RESCUED, GOLD, "rest"),))
    found = effective_tags(policy(tags=SSN), lineage)
    assert found[Tagged(GOLD, "rest")]["pii"].chains["ssn"] == (
        Tagged(BRONZE, "ssn"),
        Tagged(BRONZE, RESCUED),
        Tagged(GOLD, "rest"),
    )
    known = Lineage(columns={BRONZE: frozenset({"ssn"})})
    assert Tagged(BRONZE, RESCUED) not in effective_tags(policy(tags=SSN), known)


ROWS = [
    {
        "dataset": "silver.x",
        "column_name": "SSN",
        "source_dataset": "bronze.x",
        "source_column": "Ssn",
        "kind": "value",
    },
    {
        "dataset": "silver.x",
        "column_name": "*",
        "source_dataset": "bronze.x",
        "source_column": "id",
        "kind": "condition",
    },
    {"dataset": "silver.x", "column_name": "one", "source_dataset": None, "source_column": None, "kind": "constant"},
    {"dataset": "gold.x", "column_name": "n", "source_dataset": None, "source_column": None, "kind": "constant"},
]


def test_lineage_from_the_system_table() -> None:
    reads = {"silver.x": ["bronze.x"], "gold.x": ["silver.x"], "gold.y": ["silver.x"]}
    lineage = lineage_of(ROWS, "main", reads=reads, columns={"gold.y": ["A", "b"]})
    opaque = table("main", "gold", "y")
    assert set(lineage.flows) == {
        flow(BRONZE, "ssn", SILVER, "ssn"),
        flow(BRONZE, "*", SILVER, "*", FlowKind.CONDITION),
        flow(SILVER, "*", GOLD, "*", FlowKind.CONDITION),
        flow(SILVER, "*", opaque, "*", FlowKind.OPAQUE),
    }
    found = effective_tags(policy(tags=SSN), lineage)
    assert tags_of_table(found, opaque, ["A", "b"]) == {"A": {"pii": "ssn"}, "b": {"pii": "ssn"}}
    assert tags_of_table(found, GOLD, ["n"]) == {}
    # Columns that no one told of have the tags as well, and so has what is made of them.
    unknown = lineage_of(ROWS, "main", reads={**reads, "gold.z": ["gold.y"]})
    found = effective_tags(policy(tags=SSN), unknown)
    assert tags_of_table(found, opaque, ["new"]) == {"new": {"pii": "ssn"}}
    assert tags_of_table(found, table("main", "gold", "z"), ["new"]) == {"new": {"pii": "ssn"}}
    strange = [{**ROWS[0], "kind": "guess"}]
    assert effective_tags(policy(tags=SSN), lineage_of(strange, "main"))[Tagged(SILVER, "ssn")]


def test_tags_of_tables_come_from_what_contains_them_and_what_they_are_made_of() -> None:
    schema = Securable(SecurableKind.SCHEMA, ("main", "bronze"))
    tags = {
        Tagged(CATALOG): {"level": "open", "owner": "a"},
        Tagged(schema): {"level": "secret"},
        Tagged(GOLD): {"level": "internal"},
    }
    rules = policy(tags=tags)
    assert container_tags(rules, CHAIN, BRONZE) == {"level": "secret", "owner": "a"}
    levels = VALUE_SEPARATOR.join(["internal", "open", "secret"])
    assert container_tags(rules, CHAIN, GOLD) == {"level": levels, "owner": "a"}
    open_gold = replace(rules, declassified={Tagged(GOLD): "figures only"})
    assert container_tags(open_gold, CHAIN, GOLD) == {"level": "internal", "owner": "a"}
    assert "secret" in container_tags(rules, CHAIN, QUARANTINE)["level"]


MASK = ColumnMask(name="m", table=BRONZE, column="ssn", expression="sha2(CAST(val AS STRING), 256)", origin="a:1")
COLUMNS = {
    BRONZE: frozenset({"ssn"}),
    SILVER: frozenset({"ssn"}),
    GOLD: frozenset({"last", "count"}),
}


def masks(rules: AccessPolicy, lineage: Lineage) -> dict[str, str]:
    return {f"{mask.table}.{mask.column}": mask.expression for mask in inherited_masks(rules, lineage)}


def test_masks_follow_copies_as_they_are_and_hide_what_is_computed() -> None:
    lineage = replace(CHAIN, columns=COLUMNS)
    found = masks(policy(masks=(MASK,)), lineage)
    assert found == {
        "main.silver.x.ssn": MASK.expression,
        "main.gold.x.last": "NULL",
        "main.quarantine.bronze_x.ssn": MASK.expression,
        "main.quarantine.silver_x.ssn": MASK.expression,
        "main.quarantine.gold_x.last": "NULL",
    }
    (silver,) = [mask for mask in inherited_masks(policy(masks=(MASK,)), lineage) if mask.table == SILVER]
    assert (silver.to, silver.exempt, silver.name) == (MASK.to, MASK.exempt, MASK.name)
    assert silver.origin == "a:1 along main.bronze.x.ssn > main.silver.x.ssn"
    stopped = policy(masks=(MASK,), declassified={Tagged(SILVER, "ssn"): "hashed"})
    assert masks(stopped, lineage) == {"main.quarantine.bronze_x.ssn": MASK.expression}


@pytest.mark.parametrize(
    ("expression", "goes_on"),
    [
        ("sha2(val, 256)", True),
        ("CASE WHEN val IS NOT NULL THEN '*' END", True),
        ("concat('region', substr(`val`, 1, 2))", True),
        ("if(region = 'EU', val, NULL)", False),
        ("if(`region` = 'EU', val, NULL)", False),
        ("if(date > '2020', val, NULL)", False),
        ("(SELECT max(1))", False),
        ("val.region", False),
    ],
)
def test_a_mask_that_looks_at_other_columns_does_not_go_on(expression: str, goes_on: bool) -> None:
    found = masks(policy(masks=(replace(MASK, expression=expression),)), replace(CHAIN, columns=COLUMNS))
    assert found["main.silver.x.ssn"] == (expression if goes_on else "NULL")


def test_a_column_reached_as_a_copy_and_otherwise_is_hidden() -> None:
    lineage = Lineage((flow(BRONZE, "ssn", SILVER, "ssn", FlowKind.COPY), flow(BRONZE, "ssn", SILVER, "ssn")))
    assert masks(policy(masks=(MASK,)), lineage)["main.silver.x.ssn"] == "NULL"


def test_what_did_not_fit_is_hidden_where_a_column_is_masked() -> None:
    with_rest = Lineage(columns={BRONZE: frozenset({"ssn", "_rescued"})})
    assert masks(policy(masks=(MASK,)), with_rest)["main.bronze.x._rescued"] == "NULL"
    without = Lineage(columns={BRONZE: frozenset({"ssn"})})
    assert "main.bronze.x._rescued" not in masks(policy(masks=(MASK,)), without)


def test_a_table_of_unknown_columns_cannot_be_read() -> None:
    lineage = Lineage((flow(BRONZE, "*", GOLD, "*", FlowKind.OPAQUE),))
    rules = policy(masks=(MASK,))
    rules = replace(rules, masks=(*rules.masks, *inherited_masks(rules, lineage)))
    granted = replace(rules, rules=tuple(Rule(Effect.ALLOW, ANA, privilege, METASTORE) for privilege in Privilege))
    shape = TableShape(TableName("gold", "x"), (("last", "string"),))
    assert table_access(index(granted), ANA, shape).decision.reason is Reason.MISSING_COLUMN


def test_a_mask_of_its_own_does_not_take_the_place_of_one_that_comes_in() -> None:
    own = replace(MASK, table=SILVER, expression="val", to=frozenset({ACCOUNT_USERS}))
    lineage = replace(CHAIN, columns=COLUMNS)
    rules = policy(masks=(MASK, own))
    rules = replace(rules, masks=(*rules.masks, *inherited_masks(rules, lineage)))
    granted = replace(rules, rules=tuple(Rule(Effect.ALLOW, ANA, privilege, METASTORE) for privilege in Privilege))
    shape = TableShape(TableName("silver", "x"), (("ssn", "string"),))
    assert table_access(index(granted), ANA, shape).decision.reason is Reason.MASK_CONFLICT
    agreed = policy(masks=(MASK, own), declassified={Tagged(SILVER, "ssn"): "shown on purpose"})
    agreed = replace(agreed, masks=(*agreed.masks, *inherited_masks(agreed, lineage)))
    assert seen(agreed, shape) == {"ssn": "val"}


def test_where_a_row_filter_may_have_been_forgotten() -> None:
    here = RowFilter(name="eu", table=BRONZE, condition="region = 'EU'")
    lineage = lineage_of(ROWS, "main", reads={"silver.x": ["bronze.x"], "gold.x": ["silver.x"]})
    assert unfiltered(policy(row_filters=(here,)), lineage) == (UnfilteredFlow(BRONZE, SILVER, "eu"),)
    both = (here, replace(here, table=SILVER))
    assert unfiltered(policy(row_filters=both), lineage) == (UnfilteredFlow(SILVER, GOLD, "eu"),)
