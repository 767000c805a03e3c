"""The ADBC driver for Flight SQL, unmodified, against the gateway."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import adbc_driver_flightsql.dbapi as dbapi
import pytest
from adbc_driver_manager import Error

from lakehouse.catalog.principal import Principal
from tests.serving.gateway.conftest import Served
from tests.serving.gateway.in_memory import ANA, BOB


def connect(served: Served, principal: Principal = ANA, **options: str) -> Any:
    given = options or {"adbc.flight.sql.authorization_header": f"Bearer {served.token(principal)}"}
    return dbapi.connect(served.address, db_kwargs=given, autocommit=True)


def failure(served: Served, query: str) -> Error:
    with connect(served) as connection, connection.cursor() as cursor, pytest.raises(Error) as caught:
        cursor.execute(query).fetchall()
    return caught.value


def status(error: Error) -> str:
    return error.status_code.name


@pytest.mark.parametrize("principal", [ANA, BOB])
def test_everyone_gets_rows_of_their_own(served: Served, principal: Principal) -> None:
    with connect(served, principal) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM orders")
        assert cursor.fetchall() == [(0, str(principal)), (1, str(principal))]


def test_user_and_password(served: Served) -> None:
    for user in (str(ANA), "token", "ANA@corp"):
        with connect(served, username=user, password=served.token(ANA)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT * FROM orders")
            assert cursor.fetchone() == (0, str(ANA))


def test_who_brings_no_valid_token_is_told_nothing_more(served: Served) -> None:
    good, revoked = served.token(ANA), served.token(ANA)
    served.tokens.revoke(revoked.split("_")[1], datetime.now(timezone.utc))
    bearers = [
        "",
        "Bearer ",
        "Bearer x",
        f"Bearer {good}x",
        f"Bearer {good[:-1]}",
        f"Bearer {served.token(ANA, timedelta(seconds=-1))}",
        f"Bearer {revoked}",
        f"Bearer {served.token(Principal(ANA.kind, 'gone@corp'))}",
        f"Digest {good}",
    ]
    told = set()
    for header in bearers:
        option = "authorization_header" if header else "rpc.call_header.x-nobody"
        given = {f"adbc.flight.sql.{option}": header or "x"}
        with connect(served, **given) as connection, connection.cursor() as cursor, pytest.raises(Error) as caught:
            cursor.execute("SELECT * FROM orders")
        told.add((status(caught.value), str(caught.value)))
    assert len(told) == 1, told
    assert {name for name, _ in told} == {"UNAUTHENTICATED"}
    for user, password in (("ana@corp", "x"), ("bob@corp", good), ("token", "")):
        with pytest.raises(Error) as caught, connect(served, username=user, password=password):
            pass
        assert status(caught.value) == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    ("query", "expected", "says"),
    [
        ("SELECT * FROM secret", "UNAUTHORIZED", "'secret' does not exist"),
        ("SELECT broken", "UNKNOWN", "DIVIDE_BY_ZERO (SQLSTATE 22012)"),
        ("DROP TABLE orders", "UNKNOWN", "only queries"),
        ("SELECT bug", "INTERNAL", "the gateway failed"),
        ("SELECT fails late", "INTERNAL", "the gateway failed"),
        ("SELECT 'unclosed ?", "UNKNOWN", "never ends"),
    ],
)
def test_failures_tell_their_class_and_no_more(served: Served, query: str, expected: str, says: str) -> None:
    found = failure(served, query)
    assert status(found) == expected
    assert says in str(found)
    for hidden in ("/var/warehouse", "Traceback", ".py", "KeyError"):
        assert hidden not in str(found)


def test_parameters_become_literals(served: Served) -> None:
    values = (7, -1, "it's ?", 1.5, True, None, date(2026, 1, 2), Decimal("1.20"), b"\x00\xff", 2**40,
              datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=timezone.utc))  # fmt: skip
    query = f"SELECT * FROM orders WHERE x IN ({', '.join('?' * len(values))}) AND '?' = `?` -- ?"
    with connect(served) as connection, connection.cursor() as cursor:
        cursor.execute(query, values)
        assert len(cursor.fetchall()) == 2
    bound = "7, (-1), 'it\\'s ?', 1.5D, true, NULL, DATE'2026-01-02', 1.20BD, X'00ff', 1099511627776L"
    bound += ", TIMESTAMP'2026-01-02 03:04:05.000006 UTC'"
    assert served.service.texts == [f"SELECT * FROM orders WHERE x IN ({bound}) AND '?' = `?` -- ?"]


def test_parameters_that_do_not_fit(served: Served) -> None:
    with connect(served) as connection:
        for query, values in (("SELECT ?", ()), ("SELECT ?, ?", (1,)), ("SELECT 1", (1,)), ("SELECT ?", ([1],))):
            with connection.cursor() as cursor, pytest.raises(Error) as caught:
                cursor.execute(query, values)
            assert "/" not in str(caught.value).replace("gRPC/", ""), caught.value
    assert served.service.texts == []


def test_metadata_shows_what_the_principal_may_know_of(served: Served) -> None:
    found = {}
    for principal in (ANA, BOB):
        with connect(served, principal) as connection:
            tree = connection.adbc_get_objects(depth="all").read_all().to_pylist()
            found[principal] = [
                (catalog["catalog_name"], schema["db_schema_name"], table["table_name"], table["table_type"],
                 [column["column_name"] for column in table["table_columns"]])
                for catalog in tree
                for schema in catalog["catalog_db_schemas"]
                for table in schema["db_schema_tables"]
            ]  # fmt: skip
            assert connection.adbc_get_table_types() == ["TABLE", "VIEW"]
            info = connection.adbc_get_info()
            assert info["vendor_name"] == "lakehouse"
    orders = ("main", "gold", "orders", "TABLE", ["id", "owner"])
    assert found == {ANA: [orders, ("main", "silver", "raw_orders", "VIEW", [])], BOB: [orders]}


def test_every_decision_is_in_the_audit(served: Served) -> None:
    with connect(served) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM orders")
        cursor.fetchall()
    failure(served, "SELECT * FROM secret")
    failure(served, "SELECT broken")
    rows = [
        (row["action_name"], json.loads(row["response"])["status_code"], json.loads(row["user_identity"])["email"])
        for row in served.audit()
        if row["action_name"] != "queryEnd"
    ]
    assert rows == [("query", 200, "ana@corp"), ("prepare", 403, "ana@corp"), ("prepare", 400, "ana@corp")]
    assert {row["source_ip_address"] for row in served.audit()} == {"127.0.0.1"}
