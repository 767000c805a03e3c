from __future__ import annotations

import pytest

from lakehouse.catalog.decision import Decision, Reason
from lakehouse.catalog.mapping_query import QueryAnswer
from lakehouse.catalog.policy import TableShape
from lakehouse.catalog.policy_expression import Invoker
from lakehouse.catalog.secured_view import resolved_access, secured_query
from lakehouse.catalog.table_access import AppliedFilter, AppliedMask, ColumnAccess, TableAccess
from lakehouse.errors import AccessRefused, InvalidValue
from lakehouse.names import TableName

ALLOWED = Decision(True, Reason.GRANTED, (), True)
NAME = TableName("silver", "people")
COLUMNS = (("id", "INT"), ("Region", "STRING"), ("day", "DATE"), ("ssn", "STRING"))


def shape(*partitions: str) -> TableShape:
    return TableShape(NAME, COLUMNS, partitions)


def access(*conditions: str, shown: str = "id region day", mask: AppliedMask | None = None) -> TableAccess:
    columns = [ColumnAccess(name, kind) for name, kind in COLUMNS if name.lower() in shown.split()]
    if mask:
        columns.append(ColumnAccess("ssn", "STRING", mask))
    filters = tuple(AppliedFilter("f", condition, bindings={"reg": "Region"}) for condition in conditions)
    return TableAccess(NAME, ALLOWED, tuple(columns), filters)


def test_columns_alone() -> None:
    assert secured_query(access(shown="id day"), shape(), "raw.t VERSION AS OF 3") == (
        "SELECT `id`, `day` FROM raw.t VERSION AS OF 3"
    )


def test_filters_hold_together_and_null_hides() -> None:
    found = secured_query(access("reg = 'EU'", "id > 1 OR id < 0", shown="id"), shape(), "r")
    assert found == (
        "SELECT `id` FROM r WHERE (`Region` = 'EU') AND coalesce((`Region` = 'EU'), false)"
        " AND (id > 1 OR id < 0) AND coalesce((id > 1 OR id < 0), false)"
    )


def test_a_mask_sees_the_raw_value_and_is_cast() -> None:
    mask = AppliedMask("m", "if(reg = 'EU', val, 'val')", bindings={"reg": "Region"})
    found = secured_query(access(shown="id", mask=mask), shape(), "r")
    assert found == "SELECT `id`, CAST((if(`Region` = 'EU', `ssn`, 'val')) AS STRING) AS `ssn` FROM r"


@pytest.mark.parametrize(
    ("conditions", "shown", "barrier"),
    [
        (("ssn = 'x'",), "id region", True),
        (("region = 'EU' AND ssn = 'x'",), "id region", True),  # regions without a visible row would be told
        (("region IN ('EU', 'US')",), "id region", False),
        (("region = 'EU' OR day IS NULL",), "id region", True),  # day is no partition column
        (("`Region` = 'EU'",), "region", False),
        (("ssn = 'x'",), "id day", False),
        (("region = 'EU'", "id = 1"), "region", True),
        (("rand() < 0.5",), "region", True),
        (("region = 'EU' AND rand() < 0.5",), "region", True),
        ((), "id region", False),
    ],
)
def test_a_barrier_where_partitions_would_tell(conditions: tuple[str, ...], shown: str, barrier: bool) -> None:
    found = secured_query(access(*conditions, shown=shown), shape("region"), "r")
    assert ("monotonically_increasing_id" in found) == barrier


def test_a_barrier_where_a_mask_is_made_of_a_partition_column() -> None:
    mask = AppliedMask("m", "concat(reg, 'x')", bindings={"reg": "Region"})
    for partition, barrier in (("region", True), ("day", False), ("ssn", True)):
        found = secured_query(access("id = 1", shown="id", mask=mask), shape(partition), "r")
        assert ("monotonically_increasing_id" in found) == barrier


def test_what_is_refused_has_no_query() -> None:
    with pytest.raises(AccessRefused):
        secured_query(TableAccess(NAME, Decision(False, Reason.NOT_GRANTED, (), True)), shape(), "r")


def test_policies_are_resolved_for_their_reader() -> None:
    mask = AppliedMask("m", "if(is_member('hr'), val, sha2(val, 256))")
    found = resolved_access(
        access("reg IN (SELECT r FROM m WHERE u = current_user())", mask=mask),
        shape(),
        Invoker("ana", frozenset({"hr"})),
        lambda query, most: QueryAnswer("STRING", (f"'{query[-5:-1]}'",)),
    )
    assert found.filters[0].condition == "reg IN (''ana')"
    assert found.columns[-1].mask is not None
    assert found.columns[-1].mask.expression == "if(true, val, sha2(val, 256))"


def test_what_cannot_be_resolved_makes_the_table_unreadable() -> None:
    def fails(query: str, most: int) -> QueryAnswer:
        raise InvalidValue("no")

    for condition in ("id IN (SELECT 1)", "id = 1)", "is_member(id)"):
        with pytest.raises(AccessRefused):
            resolved_access(access(condition), shape(), Invoker("ana"), fails)
