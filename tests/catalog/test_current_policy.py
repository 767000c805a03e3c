from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path

import pytest
from deltalake import DeltaTable

from lakehouse.catalog.current_policy import CurrentPolicy, read_current_policy, record
from lakehouse.catalog.decision import decide
from lakehouse.catalog.policy_file import read_policy
from lakehouse.catalog.policy_hash import policy_hash
from lakehouse.catalog.principal import Principal, PrincipalKind
from lakehouse.catalog.privilege import Privilege
from lakehouse.catalog.securable import table
from lakehouse.definition.project import ProjectSpec
from lakehouse.errors import AccessRefused, DefinitionError, SourceLocation, UnknownName, UsageError
from lakehouse.storage.access_ledger import AccessLedger, LedgerStatement
from lakehouse.storage.system_tables import SystemTable
from tests.catalog.access_files import CUSTOMERS, WHOLE

ALICE, BOB = (Principal(PrincipalKind.USER, f"{name}@corp") for name in ("alice", "bob"))
NOW = datetime(2026, 11, 22, tzinfo=timezone.utc)


class Project:
    """A project with the rules of `access_files`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.write(WHOLE)
        self.spec = ProjectSpec(
            name="p",
            root=root,
            file=root / "spark-pipeline.yml",
            catalog="main",
            access="access.yml",
            warehouse=str(root / "wh"),
        )
        self.ledger = AccessLedger(self.spec.warehouse, "p")

    def write(self, text: str) -> None:
        (self.root / "access.yml").write_text(text, encoding="utf-8")

    def read(self) -> CurrentPolicy:
        return read_current_policy(self.root, self.spec, self.ledger)

    def record(self, text: str, who: Principal = BOB) -> tuple[CurrentPolicy, tuple[str, ...]]:
        return record(text, who, self.read, self.ledger, NOW)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def test_without_statements_the_file_is_the_policy(project: Project) -> None:
    found = project.read()
    assert found.policy == read_policy(project.root, project.spec)
    assert (found.sequence, found.hash) == (0, policy_hash(found.policy))
    assert project.ledger.statements() == ()


def test_statements_are_kept_in_order_with_who_and_when(project: Project) -> None:
    text = "GRANT USE SCHEMA, SELECT ON SCHEMA gold TO `bob@corp` -- for a look"
    after, told = project.record(text)
    assert told == ()
    assert decide(after.compiled, BOB, Privilege.SELECT, CUSTOMERS)
    again, told = project.record("REVOKE MODIFY ON SCHEMA gold FROM `bob@corp`")
    assert len(told) == 1
    assert project.ledger.statements() == (
        LedgerStatement(1, "user:bob@corp", NOW, text),
        LedgerStatement(2, "user:bob@corp", NOW, "REVOKE MODIFY ON SCHEMA gold FROM `bob@corp`"),
    )
    found = project.read()
    assert (found.policy, found.hash, found.sequence) == (again.policy, again.hash, 2)
    assert found.hash == after.hash  # the second changed nothing
    rule = next(rule for rule in found.policy.rules if rule.principal == BOB)
    assert rule.origin == "statement 1 by bob@corp"
    assert DeltaTable(project.ledger.location).metadata().configuration["delta.appendOnly"] == "true"


def test_what_is_refused_is_not_recorded(project: Project) -> None:
    for text, who, error in [
        ("GRANT SELECT ON SCHEMA gold TO `alice@corp`", ALICE, AccessRefused),
        ("GRANT SELECT ON SCHEMA gold TO nobody", BOB, UnknownName),
        ("SELECT 1", BOB, UsageError),
        ("SHOW GRANTS ON SCHEMA gold", BOB, UsageError),
    ]:
        with pytest.raises(error):
            project.record(text, who)
    assert project.ledger.sequence() == 0


@pytest.mark.parametrize(
    "marked",
    [
        "GRANT SELECT ON SCHEMA gold TO ^nobody",
        "GRANT SELECT\n  ON SCHEMA gold TO ^`nobody`",
        "GRANT USE SCHEMA ON TABLE ^gold.t TO support",
        "GRANT SELECT ON TABLE ^other.gold.t TO support",
        "GRANT ROLE ^nobody TO support -- nobody",
        "DROP ROLE\n\n  ^nobody",
        "CREATE ROLE ^eu_reader",
        "ALTER GROUP analysts ADD USER `bob@corp`, ^nobody",
        "ALTER TABLE gold.t OWNER TO ^`account users`",
        "ALTER TABLE gold.t SET ROW FILTER ^nothing ON (a)",
        "ALTER TABLE gold.t SET ROW FILTER gold.^`nothing` ON (a)",
        "DROP POLICY ^mask_pii ON SCHEMA gold",
        "SET TAG ON FUNCTION ^gold.in_eu x = y",
        "^GRANT SELECT (a) ON SCHEMA gold TO support",  # about the whole
    ],
)
def test_what_does_not_fit_is_told_with_its_place(project: Project, marked: str) -> None:
    text = marked.replace("^", "").replace("gold.`nothing`", "`gold`.`nothing`")
    place = marked.index("^") - ("gold.^" in marked) * len("gold.")
    with pytest.raises(DefinitionError) as caught:
        project.record(text)
    assert caught.value.where is not None
    line = text[:place].count("\n") + 1
    assert caught.value.where == SourceLocation("statement", line, place - (text.rfind("\n", 0, place) + 1) + 1)
    assert str(caught.value).startswith(f"statement:{line}:")
    assert project.ledger.sequence() == 0


def test_projects_in_one_warehouse_do_not_share_statements(project: Project) -> None:
    project.record("CREATE ROLE a")
    other = AccessLedger(project.spec.warehouse, "q")
    assert other.statements() == ()
    assert other.append(LedgerStatement(1, "user:x", NOW, "CREATE ROLE b"))
    assert [each.text for each in project.ledger.statements()] == ["CREATE ROLE a"]
    assert [each.text for each in other.statements()] == ["CREATE ROLE b"]


def test_of_two_who_follow_the_same_statement_one_wins(project: Project) -> None:
    for sequence in (1, 2):
        rows = [LedgerStatement(sequence, "user:bob@corp", NOW, f"CREATE ROLE r{n}") for n in range(8)]
        ledgers = [AccessLedger(project.spec.warehouse, "p") for _ in rows]
        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(lambda pair: pair[0].append(pair[1]), zip(ledgers, rows, strict=True)))
        assert won.count(True) == 1
        assert project.ledger.statements()[-1] == rows[won.index(True)]
        assert project.ledger.sequence() == sequence


def test_many_writers_at_once_lose_no_statement(project: Project) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: project.record(f"CREATE ROLE r{n}"), range(12)))
    found = project.read()
    assert found.sequence == 12
    assert {f"r{n}" for n in range(12)} <= set(found.policy.directory.roles)


def test_what_was_checked_against_older_rules_is_checked_again(project: Project) -> None:
    """While Alice's statement is on its way, the right to make it is taken from her."""
    project.record("GRANT MANAGE ON SCHEMA gold TO `alice@corp`")
    reads = 0

    def read() -> CurrentPolicy:
        nonlocal reads
        reads += 1
        found = project.read()
        if reads == 1:
            project.record("REVOKE MANAGE ON SCHEMA gold FROM `alice@corp`")
        return found

    with pytest.raises(AccessRefused):
        record("GRANT SELECT ON SCHEMA gold TO `alice@corp`", ALICE, read, project.ledger, NOW)
    assert reads == 2
    assert project.ledger.sequence() == 2


def test_more_statements_than_are_compacted_at_once(project: Project) -> None:
    for n in range(1, 56):
        assert project.ledger.append(LedgerStatement(n, "user:bob@corp", NOW, f"CREATE ROLE r{n}"))
    assert [each.sequence for each in AccessLedger(project.spec.warehouse, "p").statements()] == list(range(1, 56))
    assert len(DeltaTable(project.ledger.location).file_uris()) < 10


ROW = {
    "project": "p",
    "sequence": 2,
    "previous": 1,
    "principal": "user:bob@corp",
    "stated_at": NOW,
    "statement": "CREATE ROLE b",
}


@pytest.mark.parametrize(
    "change",
    [
        {"statement": "GRANT SELECT ON SCHEMA gold T"},
        {"statement": "SELECT 1"},
        {"statement": ""},
        {"statement": "SHOW GRANTS ON SCHEMA gold"},
        {"statement": "GRANT SELECT ON SCHEMA other.gold TO `bob@corp`"},
        {"statement": "ALTER TABLE gold.t SET ROW FILTER gone ON (a)"},
        {"statement": None},
        {"principal": None},
        {"principal": "nobody"},
        {"stated_at": None},
        {"previous": 0},
        {"previous": None},
        {"sequence": 3},
        {"sequence": 1},
        {"sequence": None},
    ],
)
def test_a_row_that_does_not_fit_makes_all_rules_unreadable(project: Project, change: dict[str, object]) -> None:
    project.record("CREATE ROLE a")
    table_ = SystemTable(f"{project.spec.warehouse}/system", "access")
    table_.append([{**ROW, **change}], application="lakehouse/p/access", sequence=2)
    with pytest.raises(AccessRefused) as caught:
        project.read()
    assert caught.value.exit_code == 5


def test_a_row_that_is_missing_makes_all_rules_unreadable(project: Project) -> None:
    project.record("CREATE ROLE a")
    project.record("CREATE ROLE b")
    delta = DeltaTable(project.ledger.location)
    delta.alter.set_table_properties({"delta.appendOnly": "false"})
    delta.delete("sequence = 2")
    with pytest.raises(AccessRefused):
        project.read()
    # A statement that no commit of ours carries is not taken for one.
    SystemTable(f"{project.spec.warehouse}/system", "access").append([ROW, {**ROW, "sequence": 3, "previous": 2}])
    with pytest.raises(AccessRefused):
        project.read()


def test_a_file_that_does_not_fit_the_statements_any_more(project: Project) -> None:
    project.record("ALTER TABLE gold.t SET ROW FILTER in_eu ON (region)")
    project.record("GRANT SELECT ON TABLE gold.t TO support")
    without_support = WHOLE.replace(", support: []", "").replace("group:support", "group:platform")
    project.write(without_support)
    found = project.read()
    assert len(found.notices) == 1
    assert not [rule for rule in found.policy.rules if rule.securable == table("main", "gold", "t")]
    project.write(WHOLE.replace("gold.in_eu", "gold.is_eu"))
    with pytest.raises(AccessRefused):
        project.read()
    project.write(WHOLE.replace("deny:", "denny:"))
    with pytest.raises(DefinitionError):
        project.read()
    project.write(WHOLE)
    assert project.read().notices == ()
