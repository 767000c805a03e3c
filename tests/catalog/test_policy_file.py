from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from lakehouse.catalog.compiled_policy import index
from lakehouse.catalog.decision import decide
from lakehouse.catalog.expanding import expanded
from lakehouse.catalog.policy import AccessPolicy, Effect, Rule, TableShape, Tagged, TagMatch, TagPolicyKind
from lakehouse.catalog.policy_file import policy_of, read_policy
from lakehouse.catalog.policy_hash import policy_hash
from lakehouse.catalog.principal import ACCOUNT_USERS, Principal, PrincipalKind, Role
from lakehouse.catalog.privilege import Privilege
from lakehouse.catalog.securable import METASTORE, Securable, SecurableKind
from lakehouse.catalog.table_access import table_access
from lakehouse.definition.project import ProjectSpec
from lakehouse.errors import (
    DefinitionError,
    DefinitionErrors,
    DuplicateName,
    InvalidValue,
    UnknownKey,
    UnknownName,
)
from lakehouse.names import TableName
from tests.catalog.access_files import CATALOG, CUSTOMERS, WHOLE, function, rules, schema

ALICE, BOB = (Principal(PrincipalKind.USER, f"{name}@corp") for name in ("alice", "bob"))
ETL = Principal(PrincipalKind.SERVICE, "etl@corp")


def group(name: str) -> Principal:
    return Principal(PrincipalKind.GROUP, name)


EU_READER = Principal(PrincipalKind.ROLE, "eu_reader")
NIGHTLY = Securable(SecurableKind.PIPELINE, ("main", "nightly"))


def test_a_whole_file() -> None:
    policy = expanded(rules())
    assert policy.directory.users == {"alice@corp", "bob@corp"}
    assert policy.directory.services == {"etl@corp"}
    assert policy.directory.groups["analysts"] == {ALICE}
    bound = frozenset({Privilege.USE_CATALOG, Privilege.USE_SCHEMA, Privilege.SELECT})
    assert policy.directory.roles == {"eu_reader": Role(frozenset({group("analysts")}), bound)}
    assert policy.run_as == ETL
    assert policy.owners == {METASTORE: BOB, CATALOG: group("platform")}
    allow, deny = Effect.ALLOW, Effect.DENY
    assert set(policy.rules) == {
        Rule(allow, ETL, Privilege.EXECUTE, NIGHTLY, None, "access.yml:11"),
        Rule(allow, ACCOUNT_USERS, Privilege.USE_CATALOG, CATALOG, None, "access.yml:13"),
        Rule(allow, EU_READER, Privilege.USE_SCHEMA, schema("gold"), None, "access.yml:15"),
        Rule(allow, EU_READER, Privilege.SELECT, schema("gold"), None, "access.yml:15"),
        Rule(deny, group("contractors"), Privilege.MODIFY, schema("gold"), None, "access.yml:16"),
        Rule(allow, group("support"), Privilege.SELECT, CUSTOMERS, frozenset({"id", "name"}), "access.yml:23"),
        Rule(allow, group("support"), Privilege.MODIFY, CUSTOMERS, None, "access.yml:23"),
    }
    assert policy.tags == {
        Tagged(CUSTOMERS): {"domain": "sales"},
        Tagged(CUSTOMERS, "email"): {"pii": "email"},
        Tagged(CUSTOMERS, "ssn"): {"pii": "ssn"},
    }
    assert policy.declassified == {Tagged(CUSTOMERS, "area"): "regions are public"}
    (row_filter,) = policy.row_filters
    assert row_filter.condition == (
        "(CAST(((CAST((region) AS STRING)) = 'EU') AS BOOLEAN)) "
        "OR region IN (SELECT r FROM main.ops.m WHERE u = current_user())"
    )
    (mask,) = policy.masks
    in_eu = "(CAST(((CAST((region) AS STRING)) = 'EU') AS BOOLEAN))".replace("(region)", "((region))")
    assert (mask.column, mask.exempt, mask.to) == ("ssn", {group("pii_readers")}, {ACCOUNT_USERS})
    assert mask.expression == f"(if({in_eu}, (val), 'r)'))"
    assert mask.origin == "access.yml:21"
    masks, filters = policy.tag_policies
    assert (masks.kind, masks.scope, masks.on) == (TagPolicyKind.MASK, CATALOG, TagMatch("pii"))
    assert (filters.scope, filters.on, filters.table_tag) == (schema("gold"), None, TagMatch("eu"))
    assert filters.matched == {"r": TagMatch("geo", "region")}
    assert [test.origin for test in policy.tests] == ["access.yml:29", "access.yml:30", "access.yml:31"]
    assert [test.allowed for test in policy.tests] == [True, False, True]
    assert policy.tests[2].rows == 1


BROKEN = [
    # what is replaced, by what, the error's class, its line
    ("run_as: etl@corp", "run_as: alice@corp", InvalidValue, 5),
    ("run_as: etl@corp", "run_as: nobody@corp", UnknownName, 5),
    ("run_as: etl@corp", "run_as:", InvalidValue, 5),
    ("run_as: etl@corp", "runas: etl@corp", UnknownKey, 5),
    ("{owner: bob@corp}", "{owner: }", InvalidValue, 6),
    ("{owner: bob@corp}", "{owner: account users}", InvalidValue, 6),
    ("pii_readers: []", "pii_readers: [group:nobody]", UnknownName, 3),
    ("pii_readers: []", "pii_readers: [group:pii_readers]", InvalidValue, 1),
    ("pii_readers: [], platform: [bob@corp]", "pii_readers: [platform], platform: [pii_readers]", InvalidValue, 1),
    ("pii_readers: []", "Analysts: []", DuplicateName, 3),
    ("pii_readers: []", "account users: []", DuplicateName, 3),
    ("pii_readers: []", "bob@corp: []", DuplicateName, 3),
    ("pii_readers: []", '"group:x": []', InvalidValue, 3),
    ("pii_readers: []", "pii_readers:", InvalidValue, 3),
    ("boundary: [USE CATALOG, USE SCHEMA, SELECT]", "boundary: ", InvalidValue, 4),
    ("boundary: [USE CATALOG, USE SCHEMA, SELECT]", "boundary: [SELCT]", UnknownName, 4),
    ("{service: true}", "{service: 'true'}", InvalidValue, 2),
    ("[EXECUTE]", "[SELECT]", InvalidValue, 11),
    ("[EXECUTE]", "[]", InvalidValue, 11),
    ("[EXECUTE]", "", InvalidValue, 11),
    ("[EXECUTE]", "EXECUTE", InvalidValue, 11),
    ("  main.gold:\n", "  other.gold.x:\n", InvalidValue, 14),
    ("  main.gold:\n", "  main.gold.customers:\n", DuplicateName, 17),
    ("  main.gold:\n", "  a.b.c.d:\n", InvalidValue, 14),
    ("  main.gold:\n", '  "main.go ld":\n', InvalidValue, 14),
    ("  main.gold:\n", "  main.gold.customers.ssn:\n", InvalidValue, 14),
    ("role:eu_reader: [USE SCHEMA, SELECT]", "role:eu_raeder: [USE SCHEMA, SELECT]", UnknownName, 15),
    (
        "role:eu_reader: [USE SCHEMA, SELECT]",
        "role:eu_reader: [USE SCHEMA, {SELECT: {columns: [a]}}]",
        InvalidValue,
        15,
    ),
    ("deny:   {group", "denny:   {group", UnknownKey, 16),
    ("deny:   {group:contractors: [MODIFY]}", "deny:", InvalidValue, 16),
    ("deny:   {group:contractors: [MODIFY]}", "deny: {group:contractors}", InvalidValue, 16),
    ("deny:   {group:contractors: [MODIFY]}", "columns: {a: {tags: {b: c}}}", InvalidValue, 16),
    ("deny:   {group:contractors: [MODIFY]}", "row_filter: {using: 'true'}", InvalidValue, 16),
    ("columns: [Id, name]", "columns: []", InvalidValue, 23),
    ("columns: [Id, name]", "columns: ", InvalidValue, 23),
    ("columns: [Id, name]", "colums: [Id, name]", UnknownKey, 23),
    ("columns: [Id, name]", "columns: [1]", InvalidValue, 23),
    ("{SELECT: {columns: [Id, name]}}", "{MODIFY: {columns: [Id, name]}}", InvalidValue, 23),
    ("{SELECT: {columns: [Id, name]}}", "{SELECT: [Id, name]}", InvalidValue, 23),
    ("except: [group:pii_readers]}}", "except: group:pii_reader}}", UnknownName, 21),
    ("except: [group:pii_readers]}}", "to: []}}", InvalidValue, 21),
    ("except: [group:pii_readers]}}", "excpt: [group:pii_readers]}}", UnknownKey, 21),
    ('"gold.hidden(val, region)"', '"gold.hiden(val, region)"', UnknownName, 21),
    ('"gold.hidden(val, region)"', '"gold.hidden(val)"', InvalidValue, 21),
    ('"gold.hidden(val, region)"', '"gold.hidden(val, region"', InvalidValue, 21),
    ('"gold.hidden(val, region)"', '"val) OR (true"', InvalidValue, 21),
    ('"gold.hidden(val, region)"', '"val || \'x"', InvalidValue, 21),
    ('"gold.hidden(val, region)"', '"val; DROP TABLE x"', InvalidValue, 21),
    ('"gold.hidden(val, region)"', '"/*+ x */ val"', InvalidValue, 21),
    ('"gold.hidden(val, region)"', '"-- nothing"', InvalidValue, 21),
    ('"gold.hidden(val, region)"', '"${env:HOME}"', InvalidValue, 21),
    ('declassify: "regions are public"', 'declassify: ""', InvalidValue, 22),
    ('declassify: "regions are public"', "declassify:", InvalidValue, 22),
    ("      area:", "      SSN:", DuplicateName, 22),
    ("returns: BOOLEAN", "returns: 'BOOLEAN) OR (true'", InvalidValue, 8),
    ("[region STRING]", "[region STRING, Region]", InvalidValue, 8),
    ("[region STRING]", "[1]", InvalidValue, 8),
    ("body: \"region = 'EU'\"", 'body: "r IN (SELECT region FROM x)"', InvalidValue, 8),
    ("body: \"region = 'EU'\"", "body: \"exists(a, region -> region = 'EU')\"", InvalidValue, 8),
    ("body: \"region = 'EU'\"", 'body: "gold.hidden(region, region)"', InvalidValue, 8),
    ("body: \"region = 'EU'\"", "body: ", InvalidValue, 8),
    ('mask: "sha2(val, 256)", except', 'mask: "sha2(val, 256)", row_filter: "true", except', InvalidValue, 26),
    ("match: \"has_tag('PII')\"", "match: \"has_tag('PII') OR has_tag('x')\"", InvalidValue, 26),
    ("match: \"has_tag('PII')\"", 'match: "true"', InvalidValue, 26),
    ("match: \"has_tag('PII')\"", "when: \"has_tag('x')\"", InvalidValue, 26),
    ("mask_pii: {on: main", "mask_pii: {on: metastore", InvalidValue, 26),
    ("except: [pii_readers]", "except: [nobody]", UnknownName, 26),
    ("eu_only: {", "Mask_PII: {", DuplicateName, 27),
    ("cannot: MODIFY", "cannot: MODIFY, can: SELECT", InvalidValue, 30),
    ("cannot: MODIFY", "query: x", InvalidValue, 30),
    ("cannot: MODIFY, on: gold.customers", "cannot: MODIFY", InvalidValue, 30),
    ('"[0-9a-f]{64}"', '"[0-9"', InvalidValue, 31),
    ("rows: 1", "rows: -1", InvalidValue, 31),
    ("as: alice@corp, can", "as: mallory, can", UnknownName, 29),
    ("\n...\n", "\n", InvalidValue, 31),
    ("\n...\n", "\n--- {}\n...\n", InvalidValue, 32),
    ("policies:\n", "policies: [\n", InvalidValue, 27),
]


@pytest.mark.parametrize(("old", "new", "error", "line"), BROKEN)
def test_what_is_wrong_is_an_error_with_its_line(old: str, new: str, error: type[DefinitionError], line: int) -> None:
    assert old in WHOLE
    with pytest.raises(DefinitionError) as caught:
        expanded(rules(WHOLE.replace(old, new, 1)))
    problems = caught.value.problems if isinstance(caught.value, DefinitionErrors) else (caught.value,)
    found = [(type(problem), str(problem.where)) for problem in problems]
    assert (error, f"access.yml:{line}") in found, found


def test_all_problems_are_told_together() -> None:
    text = WHOLE.replace("denny", "deny").replace("[EXECUTE]", "[SELECT]").replace("on: main, mask", "on: x.y.z, mask")
    with pytest.raises(DefinitionErrors) as caught:
        rules(text.replace("can: SELECT, on", "can: SELCT, on"))
    assert [problem.where and problem.where.line for problem in caught.value.problems] == [11, 26, 29]


def spec(root: Path, access: str | None = "access.yml", catalog: str | None = "Main") -> ProjectSpec:
    return ProjectSpec(
        name="p", root=root, file=root / "spark-pipeline.yml", catalog=catalog, access=access, warehouse=str(root)
    )


def test_reading_the_file_of_a_project(tmp_path: Path) -> None:
    (tmp_path / "access.yml").write_text(WHOLE, encoding="utf-8-sig")
    assert read_policy(tmp_path, spec(tmp_path)) == expanded(rules())
    assert policy_hash(read_policy(tmp_path, spec(tmp_path))) == policy_hash(expanded(rules()))
    assert read_policy(tmp_path, spec(tmp_path, access=None, catalog=None)) == AccessPolicy(catalog="spark_catalog")
    with pytest.raises(InvalidValue) as caught:
        read_policy(tmp_path, spec(tmp_path, access="other.yml"))
    assert str(caught.value.where) == "spark-pipeline.yml:1"
    (tmp_path / "access.yml").write_bytes(WHOLE.encode() + b"\xff")
    with pytest.raises(InvalidValue):
        read_policy(tmp_path, spec(tmp_path))
    # `main` is a schema like any other where the project's catalog is another.
    with pytest.raises(DefinitionErrors):
        policy_of(WHOLE, "access.yml", "spark_catalog")


def test_windows_line_ends_and_a_missing_last_one_are_a_whole_file() -> None:
    assert rules(WHOLE.replace("\n", "\r\n")) == rules()
    assert rules(WHOLE.rstrip()) == rules()


SMALL = """\
principals:
  users: {ana: {}, bo: {}, cy: {}}
  groups: {staff: [ana, bo]}
  roles: {reader: {members: [cy], boundary: [USE CATALOG, USE SCHEMA]}}
securables:
  main: {owner: cy, grants: {account users: [USE CATALOG, USE SCHEMA], role:reader: [SELECT]}}
  main.gold.t:
    grants: {staff: [SELECT], cy: [{SELECT: {columns: [a, b]}}]}
    deny: {bo: [SELECT], cy: [{SELECT: {columns: [a]}}]}
    columns: {a: {mask: {using: "sha2(val, 256)", except: [cy]}, tags: {pii: x}}}
    row_filter: {using: "b = 'EU'", except: [bo]}
policies: {p: {on: main, mask: "'*'", to: [staff], match: "has_tag('q')"}}
...
"""


def allowed(policy: AccessPolicy) -> Iterator[object]:
    """Everything that anyone may, in a form in which more access means more elements; raw columns and free rows too."""
    compiled = index(expanded(policy))
    shape = TableShape(TableName("gold", "t"), (("a", "string"), ("b", "string")))
    table = Securable(SecurableKind.TABLE, ("main", "gold", "t"))
    for name in sorted(policy.directory.users):
        principal = Principal(PrincipalKind.USER, name)
        for securable in (table, *table.ancestors()):
            for privilege in Privilege:
                if decide(compiled, principal, privilege, securable):
                    yield (name, privilege, securable)
        access = table_access(compiled, principal, shape)
        for column in access.columns:
            yield (name, column.name)
            if column.mask is None:
                yield (name, column.name, "raw")
        if access and not access.filters:
            yield (name, "all rows")


def test_a_truncated_file_never_allows_what_the_whole_does_not() -> None:
    whole = set(allowed(rules(SMALL)))
    assert ("ana", "a") in whole
    assert ("bo", "a") not in whole
    readable = 0
    for end in range(len(SMALL.encode())):
        try:
            part = set(allowed(rules(SMALL.encode()[:end].decode())))
        except DefinitionError:
            continue
        readable += 1
        assert part <= whole, (end, part - whole)
    assert readable == 1  # all but the last line end


def test_the_hash_is_of_what_the_rules_say() -> None:
    policy = expanded(rules())
    again = expanded(rules())
    shuffled = replace(again, tags=dict(reversed(again.tags.items())), owners=dict(reversed(again.owners.items())))
    assert policy_hash(policy) == policy_hash(shuffled)
    others = {
        policy_hash(replace(policy, rules=policy.rules[1:])),
        policy_hash(replace(policy, run_as=None)),
        policy_hash(replace(policy, declassified={})),
        policy_hash(replace(policy, masks=(replace(policy.masks[0], exempt=frozenset()),))),
        policy_hash(replace(policy, tags={**policy.tags, Tagged(CUSTOMERS, "x"): {"a": "b"}})),
    }
    assert len(others | {policy_hash(policy)}) == 6


def test_functions_are_in_the_rules_with_their_casts() -> None:
    assert rules().functions[function("gold", "in_eu")].body == "CAST(((CAST(region AS STRING)) = 'EU') AS BOOLEAN)"
