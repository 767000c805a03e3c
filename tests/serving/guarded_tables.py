"""The tables that the hostile statements attack, and what the principal may see of them, as plain data.

Every value that the principal may not see is recognisable: see FORBIDDEN. Three tables of schema `hr`:

- `emp`: rows of region EU only; no column `salary`; `ssn` as its sha2, `addr.zip` as '***'.
- `staff`: partitioned by region; rows of department d0 only, all of region EU; column `salary` hidden.
- `dept`: everything.
- `emp_view`: a view over `emp` and once more `emp` (UNION ALL), so the rules of `emp` hold in it.
- `secret`: no grant. Neither is there one on anything else.
"""

# ruff: noqa: E501

from __future__ import annotations

import pyarrow as pa

_IDS = [1, 2, 3, 990001, 990002, 990003]

EMP = pa.table(
    {
        "id": pa.array(_IDS, pa.int64()),
        "name": ["ana", "bob", "cyd", "HIDDENdan", "HIDDENeve", "HIDDENfay"],
        "region": ["EU", "EU", "EU", "HIDDENland", "HIDDENland", "HIDDENland"],
        "dept": ["d0", "d1", "d0", "d0", "d1", "d2"],
        "salary": pa.array([99100001, 99100002, 99100003, 99100004, 99100005, 99100006], pa.int64()),
        "ssn": ["SSN-1", "SSN-2", "SSN-3", "SSN-4", "SSN-5", "SSN-6"],
        "addr": pa.array(
            [{"city": f"c{number}", "zip": f"ZIP-{number}"} for number in range(1, 7)],
            pa.struct([("city", pa.string()), ("zip", pa.string())]),
        ),
    }
)
STAFF = pa.table(
    {
        "id": pa.array(_IDS, pa.int64()),
        "region": ["EU", "EU", "EU", "HIDDENland", "HIDDENland", "HIDDENisle"],
        "dept": ["d0", "d0", "d0", "d1", "d1", "d2"],
        "salary": pa.array([99100001, 99100002, 99100003, 99100004, 99100005, 99100006], pa.int64()),
    }
)
DEPT = pa.table({"dept": ["d0", "d1"], "title": ["sales", "labs"]})
SECRET = pa.table({"id": pa.array([990009], pa.int64()), "name": ["HIDDENsecret"]})

TABLES = {"emp": EMP, "staff": STAFF, "dept": DEPT, "secret": SECRET}
PARTITIONED_BY = {"staff": ["region"]}

VIEWS = {
    "emp": "SELECT id, name, region, dept, sha2(ssn, 256) AS ssn, named_struct('city', addr.city, 'zip', '***') AS addr "
    "FROM {raw}.emp WHERE region = 'EU'",
    "staff": "SELECT * FROM (SELECT id, region, dept FROM {raw}.staff WHERE dept = 'd0') "
    "WHERE monotonically_increasing_id() >= 0",
    "dept": "SELECT dept, title FROM {raw}.dept",
    "emp_view": "SELECT id, name, ssn FROM hr.emp UNION ALL SELECT id, name, ssn FROM hr.emp",
}
"""The secured views as a secured reader makes them; `{raw}` is the database of the tables themselves."""

FORBIDDEN = ("HIDDEN", "99000", "991000", "SSN-", "ZIP-")
"""What occurs in every value, and only in values, that the principal may not see."""
