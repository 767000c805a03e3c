"""`access explain | test | diff`, and statements about access by `sql`: no Spark needed for any of it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lakehouse.definition.spec_file import read_spec
from lakehouse.storage.access_ledger import AccessLedger
from tests.cli.conftest import Answer

Command = Callable[..., Answer]

ACCESS = """\
principals:
  users: {ana@corp: {}, bob@corp: {}, root@corp: {}}
  groups: {analysts: [ana@corp]}
metastore: {owner: root@corp}
securables:
  spark_catalog: {grants: {account users: [USE CATALOG]}}
  gold: {grants: {group:analysts: [USE SCHEMA, SELECT]}}
  silver: {grants: {group:analysts: [USE SCHEMA, SELECT]}}
  silver.orders:
    columns: {price: {mask: "val * 0"}}
    row_filter: {using: "id = 1", to: [group:analysts]}
access_tests:
  - {as: ana@corp, can: SELECT, on: gold.revenue}
  - {as: bob@corp, cannot: SELECT, on: gold.revenue}
...
"""


@pytest.fixture
def ruled(built: Path) -> Path:
    with (built / "spark-pipeline.yml").open("a") as file:
        file.write("access: access.yml\n")
    (built / "access.yml").write_text(ACCESS)
    return built


def explained(lakehouse: Command, project: Path, *argv: str) -> Answer:
    return lakehouse("access", "explain", *argv, "--project", project, "--json")


def test_an_allowed_reader_is_told_by_what_and_what_it_sees(lakehouse: Command, ruled: Path) -> None:
    answer = explained(lakehouse, ruled, "ana@corp", "silver.orders")
    assert answer.code == 0
    (decision,) = answer.named("decision")
    assert (decision["allowed"], decision["reason"]) == (True, "granted")
    deciding = answer.named("step")[-1]
    assert (deciding["step"], deciding["origin"]) == ("grant", "access.yml:8")
    assert deciding["route"] == "ana@corp > group:analysts"
    shown = {row["column"]: row["shown"] for row in answer.named("column")}
    assert shown == {"id": "raw", "price": "masked"}
    (row_filter,) = answer.named("row_filter")
    assert row_filter["condition"] == "id = 1"
    assert "group:analysts" in lakehouse("access", "explain", "ana@corp", "silver.orders", "--project", ruled).out


def test_a_mask_follows_the_value_into_what_is_made_of_it(lakehouse: Command, ruled: Path) -> None:
    answer = explained(lakehouse, ruled, "ana@corp", "gold.revenue")
    (column,) = answer.named("column")
    assert (column["column"], column["shown"], column["as"]) == ("revenue", "masked", "NULL")
    assert "silver.orders.price > spark_catalog.gold.revenue.revenue" in column["origin"]
    # The row filter of what it is made of is not inherited, and that is said.
    assert [notice["about"] for notice in answer.named("notice")] == ["spark_catalog.gold.revenue"]


def test_a_refused_reader_learns_nothing_but_who_explains_does(lakehouse: Command, ruled: Path) -> None:
    answer = explained(lakehouse, ruled, "bob@corp", "silver.orders")
    (decision,) = answer.named("decision")
    assert (decision["allowed"], decision["visible"]) == (False, False)
    assert not answer.named("column")


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        (("nobody@corp", "gold.revenue"), "UnknownName"),
        (("ana@corp", "gold.revenue", "--privilege", "SELCT"), "UnknownName"),
        (("ana@corp", "other.gold.revenue"), "InvalidValue"),
    ],
)
def test_names_that_are_not_there(lakehouse: Command, ruled: Path, argv: tuple[str, ...], error: str) -> None:
    answer = explained(lakehouse, ruled, *argv)
    assert (answer.code, answer.named("error")[0]["class"]) == (2, error)


def test_a_project_without_rules_has_none_to_explain(lakehouse: Command, built: Path) -> None:
    assert explained(lakehouse, built, "ana@corp", "gold.revenue").code == 2


def test_access_tests_fail_with_exit_code_1(lakehouse: Command, ruled: Path) -> None:
    passed = lakehouse("access", "test", ruled, "--json")
    assert passed.code == 0
    assert [row["result"] for row in passed.named("access_test")] == ["passed", "passed"]
    rules = ruled / "access.yml"
    rules.write_text(rules.read_text().replace("gold: {grants: {group:analysts", "gold: {grants: {bob@corp"))
    failed = lakehouse("access", "test", ruled, "--json")
    assert failed.code == 1
    assert [row["result"] for row in failed.named("access_test")] == ["failed", "failed"]


def test_what_two_files_give_is_compared(lakehouse: Command, ruled: Path) -> None:
    other = ruled / "other.yml"
    other.write_text(ACCESS.replace("gold: {grants: {group:analysts", "gold: {grants: {bob@corp"))
    answer = lakehouse("access", "diff", ruled / "access.yml", other, "--project", ruled, "--json")
    assert answer.code == 0
    found = {(row["principal"], row["direction"], row["what"]) for row in answer.named("access_change")}
    assert found == {
        ("ana@corp", "loses", "USE SCHEMA"),
        ("ana@corp", "loses", "SELECT"),
        ("bob@corp", "gains", "USE SCHEMA"),
        ("bob@corp", "gains", "SELECT"),
    }
    only = lakehouse(
        "access", "diff", ruled / "access.yml", other, "--principal", "bob@corp", "--project", ruled, "--json"
    )
    assert {row["principal"] for row in only.named("access_change")} == {"bob@corp"}
    same = lakehouse("access", "diff", other, other, "--project", ruled, "--json")
    assert same.named("access_change") == []


def sql(lakehouse: Command, project: Path, text: str, *argv: str) -> Answer:
    return lakehouse("sql", text, *argv, "--project", project, "--json")


def test_a_grant_by_statement_holds_at_once_and_is_recorded(lakehouse: Command, ruled: Path) -> None:
    granted = sql(lakehouse, ruled, "GRANT USE SCHEMA, SELECT ON SCHEMA gold TO `bob@corp`")
    assert (granted.code, granted.named("access_changed")[0]["sequence"]) == (0, 1)
    assert explained(lakehouse, ruled, "bob@corp", "gold.revenue").named("decision")[0]["allowed"]
    spec = read_spec(ruled, target=None, variables={})
    (row,) = AccessLedger(spec.warehouse, spec.name).statements()
    assert (row.principal, row.sequence) == ("user:root@corp", 1)
    shown = sql(lakehouse, ruled, "SHOW GRANTS `bob@corp` ON SCHEMA gold").named("grant")
    assert {(each["principal"], each["privilege"]) for each in shown} == {
        ("group:account users", "USE CATALOG"),
        ("bob@corp", "USE SCHEMA"),
        ("bob@corp", "SELECT"),
    }
    assert sql(lakehouse, ruled, "DENY SELECT ON TABLE gold.revenue TO `bob@corp`").code == 0
    explanation = sql(lakehouse, ruled, "EXPLAIN ACCESS SELECT ON TABLE gold.revenue FOR `bob@corp`")
    assert explanation.named("decision")[0]["reason"] == "denied"


@pytest.mark.parametrize(
    "text",
    [
        "GRANT SELECT ON SCHEMA gold TO `ana@corp`",
        "SHOW GRANTS ON SCHEMA gold",
        "SHOW GRANTS `bob@corp` ON SCHEMA gold",
        "EXPLAIN ACCESS SELECT ON TABLE gold.revenue FOR `bob@corp`",
    ],
)
def test_who_may_not_change_rules_may_not_state_or_see_them(lakehouse: Command, ruled: Path, text: str) -> None:
    answer = sql(lakehouse, ruled, text, "--as", "ana@corp")
    assert (answer.code, answer.named("error")[0]["class"]) == (5, "AccessRefused")
    spec = read_spec(ruled, target=None, variables={})
    assert AccessLedger(spec.warehouse, spec.name).statements() == ()


def test_everyone_may_see_their_own_grants(lakehouse: Command, ruled: Path) -> None:
    answer = sql(lakehouse, ruled, "SHOW GRANTS `ana@corp` ON SCHEMA gold", "--as", "ana@corp")
    assert answer.code == 0
    assert {row["privilege"] for row in answer.named("grant")} == {"USE CATALOG", "USE SCHEMA", "SELECT"}


def test_statements_need_rules_and_an_owner(lakehouse: Command, built: Path, ruled: Path) -> None:
    rules = ruled / "access.yml"
    rules.write_text(ACCESS.replace("metastore: {owner: root@corp}\n", ""))
    assert sql(lakehouse, ruled, "GRANT SELECT ON SCHEMA gold TO `bob@corp`").code == 2
    assert sql(lakehouse, ruled, "GRANT SELECT ON SCHEMA gold TO `bob@corp`", "--at", "r1").code == 2


@pytest.mark.parametrize("wrong", ["silver.ordres", "sliver"])
def test_validate_finds_rules_that_name_nothing(lakehouse: Command, ruled: Path, wrong: str) -> None:
    assert lakehouse("validate", ruled).code == 0
    rules = ruled / "access.yml"
    rules.write_text(ACCESS.replace("  gold: {", f"  {wrong}: {{deny: {{bob@corp: [SELECT]}}}}\n  gold: {{"))
    answer = lakehouse("validate", ruled, "--json")
    (error,) = answer.named("error")
    assert (answer.code, error["class"]) == (2, "UnknownName")
    assert error["file"] == "access.yml"
