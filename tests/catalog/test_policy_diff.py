from __future__ import annotations

from typing import Any

from lakehouse.catalog.access_tests import decide_tests, judge_rows, query_tests
from lakehouse.catalog.compiled_policy import index
from lakehouse.catalog.decision import StepKind
from lakehouse.catalog.expanding import expanded
from lakehouse.catalog.policy import AccessPolicy, AccessTest
from lakehouse.catalog.policy_diff import AccessChange, Direction, Subject, difference
from lakehouse.catalog.principal import Principal, PrincipalKind
from lakehouse.catalog.privilege import Privilege
from tests.catalog.access_files import CUSTOMERS, WHOLE, rules, schema

ALICE, BOB, ETL = (
    Principal(PrincipalKind.USER, "alice@corp"),
    Principal(PrincipalKind.USER, "bob@corp"),
    Principal(PrincipalKind.SERVICE, "etl@corp"),
)
GAINS, LOSES = Direction.GAINS, Direction.LOSES


def changed(*edits: tuple[str, str]) -> AccessPolicy:
    text = WHOLE
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    return expanded(rules(text))


def changes(new: AccessPolicy, **arguments: Any) -> list[AccessChange]:
    return difference(changed(), new, **arguments)


def facts(found: list[AccessChange]) -> set[tuple[Any, ...]]:
    return {(c.direction, c.subject, c.principal, c.privilege, c.securable, c.columns) for c in found}


def test_no_change() -> None:
    assert changes(changed()) == []


def test_who_gains_and_loses_a_privilege_by_which_route() -> None:
    new = changed(("role:eu_reader: [USE SCHEMA, SELECT]", "role:eu_reader: [USE SCHEMA]"))
    found = changes(new)
    assert facts(found) == {
        (LOSES, Subject.PRIVILEGE, ALICE, Privilege.SELECT, securable, ()) for securable in (schema("gold"), CUSTOMERS)
    }
    gave = found[0].gives
    assert gave is not None
    assert gave.kind is StepKind.GRANT
    assert gave.origin == "access.yml:15"
    analysts, reader = Principal(PrincipalKind.GROUP, "analysts"), Principal(PrincipalKind.ROLE, "eu_reader")
    assert gave.route == (ALICE, analysts, reader)
    back = difference(new, changed())
    assert {change[1:] for change in facts(back)} == {change[1:] for change in facts(found)}
    assert {change.direction for change in back} == {GAINS}


def test_a_denial_is_a_loss_that_it_is_told_for() -> None:
    found = changes(changed(("contractors: [MODIFY]", "contractors: [SELECT]")), securables=[CUSTOMERS])
    (lost,) = found
    assert (lost.direction, lost.principal, lost.privilege) == (LOSES, ALICE, Privilege.SELECT)
    assert lost.refuses is not None
    assert (lost.refuses.kind, lost.refuses.origin) == (StepKind.DENY, "access.yml:16")


def test_a_new_user_gains() -> None:
    found = changes(changed(("bob@corp: {}", "bob@corp: {}, zoe@corp: {}")))
    zoe = Principal(PrincipalKind.USER, "zoe@corp")
    assert {change.principal for change in found} == {zoe}
    assert {change.privilege for change in found} == {Privilege.USE_CATALOG}


def test_columns_masks_and_filters() -> None:
    only = {"principals": [ALICE], "securables": [CUSTOMERS]}
    mask = ', mask: {using: "gold.hidden(val, region)", except: [group:pii_readers]}'
    policies = WHOLE[WHOLE.index("policies:") : WHOLE.index("access_tests:")]
    plain = changed((policies, ""))
    unmasked = changed((policies, ""), (mask, ""))
    found = difference(plain, unmasked, **only)
    assert facts(found) == {(GAINS, Subject.MASK, ALICE, Privilege.SELECT, CUSTOMERS, ("ssn",))}
    assert found[0].detail[1] == ""
    assert facts(difference(unmasked, plain, **only)) == {
        (LOSES, Subject.MASK, ALICE, Privilege.SELECT, CUSTOMERS, ("ssn",))
    }
    other = changed((policies, ""), ("gold.hidden(val, region)", "upper(val)"))
    assert {change[:2] for change in facts(difference(plain, other, **only))} == {
        (GAINS, Subject.MASK),
        (LOSES, Subject.MASK),
    }
    unfiltered = changed(
        (policies, ""), ("    row_filter", "    grants: {}\n    #row_filter"), ("    grants:  {", "    #{")
    )
    assert (GAINS, Subject.ROW_FILTER) in {change[:2] for change in facts(difference(plain, unfiltered, **only))}
    denied = changed(
        (policies, ""), ("    grants:  {", "    deny: {alice@corp: [{SELECT: {columns: [id]}}]}\n    grants:  {")
    )
    assert (LOSES, Subject.COLUMN, ALICE, Privilege.SELECT, CUSTOMERS, ("id",)) in facts(
        difference(plain, denied, **only)
    )


def test_can_and_cannot_are_decided_without_data() -> None:
    outcomes = decide_tests(index(changed()))
    assert [outcome.passed for outcome in outcomes] == [True, True]
    wrong = changed(("can: SELECT", "cannot: SELECT"), ("cannot: MODIFY", "can: MODIFY"))
    outcomes = decide_tests(index(wrong))
    assert [outcome.passed for outcome in outcomes] == [False, False]
    assert all(outcome.problem and outcome.decision is not None for outcome in outcomes)
    # The second denies what the file grants no one.
    assert outcomes[1].decision is not None
    assert not outcomes[1].decision.allowed


def test_queries_are_judged_by_what_they_give() -> None:
    (test,) = query_tests(index(changed()))
    assert (test.principal, test.rows) == (ALICE, 1)
    digest = "0" * 64
    for rows, passed in [
        ([{"m": digest}], True),
        ([{"m": digest + "0"}], False),
        ([{"m": "x" + digest}], False),
        ([{"m": digest + "\n"}], False),
        ([{"m": None}], False),
        ([{"m": digest}] * 2, False),
        ([], False),
    ]:
        outcome = judge_rows(test, ["m"], rows)
        assert outcome.passed == passed, rows
        assert digest not in outcome.problem
    assert not judge_rows(test, ["n"], [{"n": digest}]).passed
    nothing = AccessTest(principal=ALICE, query="SELECT 1", matches={"m": ".*"})
    assert not judge_rows(nothing, ["m"], []).passed
    assert judge_rows(AccessTest(principal=ALICE, query="SELECT 1", rows=0), ["m"], []).passed
