"""Where each numbered case of the model (S1 to S24) and of the bypass suite (1 to 95) is shown: by tests that exist."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.serving.hostile_statements import STATEMENTS

TESTS = Path(__file__).parent.parent
DECISIONS, TABLES, VIEWS = (
    "catalog/test_access_cases.py",
    "catalog/test_table_access.py",
    "catalog/test_secured_view.py",
)
READER, SERVICE = "serving/test_secured_reader.py", "serving/gateway/test_spark_service.py"

CASES = {
    "S1 no grant looks like a missing object": [(DECISIONS, "S1 "), (READER, "test_what_one_may_not_know_of_looks")],
    "S2 a gate is missing": [(DECISIONS, "S2 ")],
    "S3 tables created later": [(DECISIONS, "S3 ")],
    "S4 a denial above beats a grant below": [(DECISIONS, "S4 ")],
    "S5 a denial to a group or role": [(DECISIONS, "S5 ")],
    "S6 a denied owner": [(DECISIONS, "S6 ")],
    "S7 the admin is not locked out": [(DECISIONS, "S7 "), (DECISIONS, "test_s7_")],
    "S8 owners above read no rows": [
        (DECISIONS, "S8 "),
        ("catalog/test_amendment.py", "test_the_owner_reads_nothing_but_may_grant_themselves"),
    ],
    "S9 revoking what was not granted": [("catalog/test_amendment.py", "test_what_changes_nothing_is_told")],
    "S10 lists of columns": [(DECISIONS, "S10 "), (TABLES, "test_s10_"), (READER, "test_hidden_columns_are_not_there")],
    "S11 a column added later": [(TABLES, "test_s11_"), (READER, "test_versions_are_pinned_and_columns_added_later")],
    "S12 two filters": [(TABLES, "test_s12_"), (VIEWS, "test_filters_hold_together_and_null_hides")],
    "S13 two masks": [(TABLES, "test_s13_")],
    "S14 a filter that is NULL": [
        (VIEWS, "test_filters_hold_together_and_null_hides"),
        ("serving/test_side_channels.py", "test_a_condition_that_is_null_leaks_unless_it_is_made_false"),
    ],
    "S15 filters see raw values": [(TABLES, "test_s15_"), (READER, "test_a_filter_sees_raw_values_before_masks")],
    "S16 masks hold everywhere": [(READER, "test_masks_hold_everywhere")],
    "S17 no one is exempt": [(DECISIONS, "S17 "), (TABLES, "test_s17_"), (READER, "test_owners_and_all_privileges")],
    "S18 views": [(TABLES, "test_s18_"), (SERVICE, "test_s18_")],
    "S19 policies in doubt": [
        (TABLES, "test_s19_"),
        (READER, "test_a_filter_in_doubt_makes_the_table_unreadable"),
        ("serving/gateway/test_identity_over_the_wire.py", "test_rules_that_cannot_be_applied_allow_nothing"),
    ],
    "S20 writers with a filter or mask": [
        (TABLES, "test_s20_"),
        ("run/test_access_audit.py", "test_a_filter_holds_for_the_writer_of_a_table_unless_it_is_excepted"),
    ],
    "S21 derived tables": [
        ("catalog/test_tag_inheritance.py", "test_masks_follow_copies_as_they_are_and_hide_what_is_computed"),
        ("catalog/test_tag_inheritance.py", "test_quarantine_has_the_tags_of_its_dataset"),
        ("serving/test_guarded.py", "test_rules_of_the_project_and_masks_along_lineage"),
    ],
    "S22 no paths for whom something is hidden": [(DECISIONS, "S22 "), (TABLES, "test_s22_")],
    "S23 masks of another type": [(TABLES, "test_s23_"), (READER, "test_a_mask_that_does_not_fit")],
    "S24 names in any case": [(DECISIONS, "S24 "), (TABLES, "test_s24_"), (READER, "test_names_in_any_case")],
}  # fmt: skip

IDENTITY, REMOTE = "serving/gateway/test_identity_over_the_wire.py", "serving/gateway/test_remote.py"
GUARDED, USERS = "serving/test_guarded.py", "serving/gateway/test_os_users.py"
BYPASSES = {
    "70 the cases of the model": [("catalog/test_cedar_agreement.py", "test_")],
    "75 tokens that are none": [(IDENTITY, "test_tokens_that_are_none")],
    "76 another's ticket": [(REMOTE, "test_a_ticket_belongs_to_who_asked_and_is_used_once")],
    "77 two at once": [(IDENTITY, "test_two_users_at_once"), (SERVICE, "test_many_clients_for_a_minute")],
    "78 who leaves a group": [(IDENTITY, "test_who_leaves_a_group_is_refused_from_the_next_query")],
    "79 off loopback without TLS": [(REMOTE, "test_off_loopback_there_is_no_serving_without_tls")],
    "80 rules that are missing or malformed": [(IDENTITY, "half a file"), (IDENTITY, "unknown principal")],
    "81 a mask's function is gone": [(IDENTITY, "mask function gone")],
    "82 unknown classes of plans": [("analysis/test_plan_classes.py", "test_")],
    "84 no audit": [(IDENTITY, "test_no_rows_without_an_audit")],
    "85 another user of the machine": [(USERS, "test_another_user_opens_nothing")],
    "86 paths for who has a mask": [(TABLES, "test_s22_no_files_for_whom_something_is_hidden")],
    "87 the plan below": [(GUARDED, "test_bypass_by_the_plan_below_the_view")],
    "88 another session": [(GUARDED, "test_bypass_by_another_session")],
    "89 the files by Arrow": [(GUARDED, "test_bypass_by_the_files")],
    "90 the files by open": [(GUARDED, "test_bypass_by_the_files")],
    "91 the virtual machine": [(GUARDED, "test_bypass_by_the_virtual_machine")],
    "92 RDDs": [(GUARDED, "test_bypass_by_an_rdd")],
    "93 other code": [(GUARDED, "test_bypass_by_changing_the_code")],
    "94 names of files": [(GUARDED, "test_bypass_by_the_names_of_files")],
    "95 accidents": [(GUARDED, "test_accidents_are_refused"), (GUARDED, "test_the_session_of_a_frame_reads_nothing")],
}
NOT_PROMISED = {"74"}  # what time and numbers of rows tell


@pytest.mark.parametrize("case", [*CASES, *BYPASSES])
def test_the_case_is_shown(case: str) -> None:
    for file, start in {**CASES, **BYPASSES}[case]:
        tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
        names = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        texts = [
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        ]
        assert any(name.startswith(start) for name in (*names, *texts)), (file, start)


def test_every_case_is_there() -> None:
    assert [case.split()[0] for case in CASES] == [f"S{number}" for number in range(1, 25)]


def test_every_line_of_the_bypass_suite_is_there() -> None:
    """Statements are run at the gate and over the wire, each by its number."""
    shown = {statement.item for statement in STATEMENTS} | {case.split()[0] for case in BYPASSES} | NOT_PROMISED
    assert [number for number in range(1, 96) if str(number) not in shown] == []
