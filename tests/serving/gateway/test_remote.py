"""`lakehouse.connect` to a gateway: rows, errors, limits, cancelling; and clients that do not play by the rules."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pyarrow.flight as flight
import pytest

import lakehouse
from lakehouse.catalog.principal import Principal
from lakehouse.errors import AccessRefused, LakehouseError, QueryError, UsageError
from lakehouse.serving.gateway import messages, queries
from lakehouse.serving.gateway.gateway import Listening
from lakehouse.serving.gateway.limits import Limits
from lakehouse.serving.gateway.wire import pack, write_message
from lakehouse.serving.remote import GatewayError, RemoteConnection
from lakehouse.storage.audit_log import AuditEvent, AuditUnwritable, verify_chain
from tests.serving.gateway.conftest import Served
from tests.serving.gateway.in_memory import ANA, BOB

ORDERS = "SELECT * FROM orders"
Serve = Callable[..., Served]


def connect(served: Served, principal: Principal = ANA) -> Any:
    return lakehouse.connect(served.address, token=served.token(principal))


def wait_for(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_rows_in_every_form(served: Served) -> None:
    expected = {"id": [0, 1], "owner": ["ana@corp", "ana@corp"]}
    with connect(served) as connection:
        assert connection.sql(ORDERS).to_arrow().to_pydict() == expected
        assert connection.sql(ORDERS).to_pandas().to_dict("list") == expected
        result = connection.sql(ORDERS)
        assert result.columns == ["id", "owner"]
        assert [batch.num_rows for batch in result.batches()] == [1, 1]
        with pytest.raises(UsageError):
            result.to_arrow()
        assert connection.tables() == ["gold.orders", "silver.raw_orders"]
    with pytest.raises(UsageError):
        connection.sql(ORDERS)
    with connect(served, BOB) as connection:
        assert connection.tables() == ["gold.orders"]


def test_rows_as_a_frame_of_polars(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    polars = pytest.importorskip("polars")
    with connect(served) as connection:
        frame = connection.sql(ORDERS).to_polars()
        assert isinstance(frame, polars.DataFrame)
        assert frame.to_dict(as_series=False) == {"id": [0, 1], "owner": ["ana@corp", "ana@corp"]}
        monkeypatch.setitem(sys.modules, "polars", None)
        with pytest.raises(UsageError, match="polars is not installed"):
            connection.sql(ORDERS).to_polars()


def test_it_needs_no_spark(served: Served) -> None:
    code = (
        "import sys, lakehouse\n"
        f"rows = lakehouse.connect({served.address!r}, token={served.token(ANA)!r}).sql({ORDERS!r}).to_arrow()\n"
        "assert rows.num_rows == 2\n"
        "assert not {'pyspark', 'adbc_driver_manager', 'py4j'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


@pytest.mark.parametrize(
    ("query", "expected"),
    [("SELECT * FROM secret", AccessRefused), ("SELECT broken", QueryError), ("DROP TABLE x", UsageError),
     ("SELECT bug", GatewayError), ("fails late", GatewayError)],
)  # fmt: skip
def test_errors_have_their_class(served: Served, query: str, expected: type[LakehouseError]) -> None:
    with connect(served) as connection, pytest.raises(expected) as caught:
        connection.sql(query).to_arrow()
    assert type(caught.value) is expected
    assert "Traceback" not in str(caught.value)
    assert "/var" not in str(caught.value)
    if isinstance(caught.value, QueryError):
        assert caught.value.condition == "DIVIDE_BY_ZERO"


def test_addresses_that_cannot_be_meant(served: Served) -> None:
    for address, token in (
        ("grpc://example.com:1", "t"),
        (served.address, None),
        ("grpc+tls://host", "t"),
        ("grpc://127.0.0.1:99999", "t"),
    ):
        with pytest.raises(UsageError):
            lakehouse.connect(address, token=token)  # type: ignore[call-overload]
    with pytest.raises(AccessRefused), lakehouse.connect(served.address, token="lh_1_x") as connection:
        connection.sql(ORDERS)
    with pytest.raises(GatewayError), lakehouse.connect("grpc://127.0.0.1:1", token="t") as connection:
        connection.sql(ORDERS)


def test_a_token_that_is_revoked_ends_with_the_next_query(served: Served) -> None:
    token = served.token(ANA)
    with lakehouse.connect(served.address, token=token) as connection:
        assert connection.sql(ORDERS).to_arrow().num_rows == 2
        served.tokens.revoke(token.split("_")[1], datetime.now(timezone.utc))
        with pytest.raises(AccessRefused):
            connection.sql(ORDERS)


def test_a_ticket_belongs_to_who_asked_and_is_used_once(served: Served) -> None:
    with connect(served) as ana, connect(served, BOB) as bob:
        ticket = ana.sql(ORDERS)._flight_info.endpoints[0].ticket
        with pytest.raises(flight.FlightUnauthorizedError) as foreign:
            bob._client.do_get(ticket, bob._options).read_all()
        assert ana._client.do_get(ticket, ana._options).read_all()["owner"].to_pylist() == ["ana@corp"] * 2
        with pytest.raises(flight.FlightUnauthorizedError) as used:
            ana._client.do_get(ticket, ana._options).read_all()
        invented = flight.Ticket(messages.statement_ticket(b"x" * 32))
        with pytest.raises(flight.FlightUnauthorizedError) as unknown:
            ana._client.do_get(invented, ana._options).read_all()
        assert len({error.value.extra_info for error in (foreign, used, unknown)}) == 1


def test_a_prepared_query_belongs_to_who_prepared_it(served: Served) -> None:
    with connect(served) as ana, connect(served, BOB) as bob:
        request = pack("ActionCreatePreparedStatementRequest", write_message({1: ORDERS}))
        (answer,) = ana._client.do_action(("CreatePreparedStatement", request), ana._options)
        handle = messages.bytes_of(messages.unpack(answer.body.to_pybytes())[1], 1)
        command = flight.FlightDescriptor.for_command(pack("CommandPreparedStatementQuery", write_message({1: handle})))
        ana._client.get_flight_info(command, ana._options)
        with pytest.raises(flight.FlightUnauthorizedError):
            bob._client.get_flight_info(command, bob._options)
        close = pack("ActionClosePreparedStatementRequest", write_message({1: handle}))
        list(bob._client.do_action(("ClosePreparedStatement", close), bob._options))
        ana._client.get_flight_info(command, ana._options)  # another's closing does nothing
        list(ana._client.do_action(("ClosePreparedStatement", close), ana._options))
        with pytest.raises(flight.FlightUnauthorizedError):
            ana._client.get_flight_info(command, ana._options)


def test_every_method_answers_strangers_and_nonsense_with_a_class(served: Served) -> None:
    with connect(served) as ana:
        client, options = ana._client, ana._options
        nonsense = [
            *(b"", b"\x00", b"\xff" * 40, b"\x0a\x80\x80\x80\x80\x10", pack("CommandStatementUpdate", b"")),
            *(pack("CommandGetTables", b"\x08\x01"), pack("CommandStatementQuery", b"\x0a\x02\xff\xfe")),
        ]

        def put(command: bytes) -> None:
            writer, _ = client.do_put(flight.FlightDescriptor.for_command(command), served_schema(), options)
            writer.close()

        def exchange(command: bytes) -> None:
            writer, reader = client.do_exchange(flight.FlightDescriptor.for_command(command), options)
            writer.done_writing()
            reader.read_chunk()

        calls: list[Callable[[bytes], Any]] = [
            lambda body: client.get_flight_info(flight.FlightDescriptor.for_command(body), options),
            lambda body: client.do_get(flight.Ticket(body), options).read_all(),
            lambda body: list(client.do_action(("CreatePreparedStatement", body), options)),
            lambda body: list(client.do_action(("CancelQuery", body), options)),
            lambda body: list(client.do_action(("DropEverything", body), options)),
            put,
            exchange,
        ]
        for call in calls:
            for body in nonsense:
                with pytest.raises(flight.FlightError) as caught:
                    call(body)
                assert caught.value.extra_info, str(caught.value)
                for hidden in ("Traceback", "lakehouse/", ".pyx"):
                    assert hidden not in str(caught.value)
        with pytest.raises((OSError, flight.FlightError), match="not offered") as refused:
            client.get_schema(flight.FlightDescriptor.for_command(messages.statement_query(ORDERS)), options)
        assert "Traceback" not in str(refused.value)
        assert list(client.list_flights(options=options)) == []
        path = flight.FlightDescriptor.for_path("a", "b")
        with pytest.raises(flight.FlightError) as caught:
            client.get_flight_info(path, options)
        assert caught.value.extra_info
    stranger = flight.FlightClient(served.address)
    for call in (stranger.list_actions, lambda: list(stranger.list_flights())):
        with pytest.raises(flight.FlightUnauthenticatedError):
            call()
    stranger.close()


def served_schema() -> Any:
    import pyarrow as pa

    return pa.schema([("a", pa.int64())])


def test_limits_of_rows_bytes_and_statement(serve: Serve) -> None:
    served = serve(Limits(rows=5, statement_bytes=100))
    with connect(served) as connection:
        assert connection.sql("LIMIT 5").to_arrow().num_rows == 5
        for query, kind in (("LIMIT 6", "LimitExceeded"), ("x" * 101, "LimitExceeded")):
            with pytest.raises(GatewayError) as caught:
                connection.sql(query).to_arrow()
            assert caught.value.kind == kind


def test_a_query_that_takes_too_long_is_stopped(serve: Serve) -> None:
    served = serve(Limits(seconds=0.5))
    with connect(served) as connection:
        for query in ("stuck", "slow plan"):
            with pytest.raises(GatewayError) as caught:
                connection.sql(query).to_arrow()
            assert caught.value.kind == "LimitExceeded"
            assert served.service.cancelled
            served.service.cancelled.clear()


def test_leaving_early_stops_the_query(served: Served) -> None:
    with connect(served) as connection:
        batches = connection.sql("stuck LIMIT 100").batches()
        next(batches)
        batches.close()
        wait_for(served.service.closed.is_set)
        assert served.service.cancelled


def test_a_query_can_be_cancelled_by_its_principal_only(served: Served) -> None:
    with connect(served) as ana, connect(served, BOB) as bob:
        result = ana.sql("stuck LIMIT 100")
        batches = result.batches()
        next(batches)
        request = write_message({1: result._flight_info.serialize()})
        (answer,) = bob._client.do_action(("CancelFlightInfo", request), bob._options)
        assert answer.body.to_pybytes() == messages.cancel_flight_result(messages.NOT_CANCELLABLE)
        assert not served.service.cancelled
        (answer,) = ana._client.do_action(("CancelFlightInfo", request), ana._options)
        assert answer.body.to_pybytes() == messages.cancel_flight_result(messages.CANCELLED)
        with pytest.raises(GatewayError) as caught:
            list(batches)
        assert caught.value.kind == "QueryCancelled"
        waiting = ana.sql(ORDERS)
        request = pack("ActionCancelQueryRequest", write_message({1: waiting._flight_info.serialize()}))
        (answer,) = ana._client.do_action(("CancelQuery", request), ana._options)
        assert answer.body.to_pybytes() == messages.cancel_query_result(messages.CANCELLED)
        with pytest.raises(AccessRefused):
            waiting.to_arrow()


class BrokenAudit:
    """A sink whose disk is full."""

    def submit(self, event: AuditEvent) -> Future[None]:
        future: Future[None] = Future()
        future.set_exception(AuditUnwritable("the audit cannot be written (OSError)."))
        return future


def test_without_an_audit_there_are_no_rows(serve: Serve) -> None:
    served = serve(audit=BrokenAudit())
    with connect(served) as connection:
        result = connection.sql(ORDERS)
        with pytest.raises(GatewayError):
            result.to_arrow()
        with pytest.raises(GatewayError):
            connection.sql("SELECT * FROM secret")
    assert served.service.closed.wait(60)  # rows that were made meanwhile went nowhere


def test_an_audit_folder_that_is_no_folder_refuses_queries(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "warehouse" / "system").mkdir(parents=True)
    (tmp_path / "warehouse" / "system" / "audit").write_text("")
    served = serve()
    with connect(served) as connection, pytest.raises(GatewayError):
        connection.sql(ORDERS).to_arrow()


def test_too_many_queries_at_once_wait_and_are_refused(serve: Serve) -> None:
    served = serve(Limits(queries_each=1, wait_seconds=0.2))
    with connect(served) as ana, connect(served, BOB) as bob:
        batches = ana.sql("stuck LIMIT 100").batches()
        next(batches)
        with pytest.raises(GatewayError) as caught:
            ana.sql(ORDERS).to_arrow()
        assert caught.value.kind == "LimitExceeded"
        assert bob.sql(ORDERS).to_arrow().num_rows == 2
        batches.close()
        wait_for(served.service.closed.is_set)


def test_a_client_that_does_not_read_takes_no_turn_for_ever(serve: Serve) -> None:
    served = serve(Limits(queries_each=1, seconds=1))
    with connect(served) as stalled, connect(served) as other:
        batches = stalled.sql("LIMIT 1000000").batches()
        next(batches)
        wait_for(served.service.closed.is_set)
        assert other.sql(ORDERS).to_arrow().num_rows == 2
        with pytest.raises(GatewayError):
            list(batches)  # what it has not read is not taken for the whole


def test_the_gateway_ends_while_a_client_does_not_read(served: Served) -> None:
    connection = connect(served)
    batches = connection.sql("LIMIT 1000000").batches()
    next(batches)
    served.gateway._server.end_queries()
    assert served.service.closed.wait(20)
    connection.close()
    del batches


def test_the_gateway_ends_although_a_query_cannot_be_stopped(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "_SECONDS_TO_END", 0.2)
    ended = threading.Event()

    def end() -> None:
        served.gateway._server.end_queries()
        ended.set()

    with connect(served) as connection:
        batches = connection.sql("deaf").batches()
        next(batches)
        threading.Thread(target=end).start()
        in_time = ended.wait(30)
        served.service.released.set()
        assert in_time


def test_many_clients_at_once_get_rows_of_their_own(served: Served) -> None:
    principals = [ANA, BOB] * 16
    tokens = {principal: served.token(principal) for principal in (ANA, BOB)}
    start = threading.Barrier(len(principals))

    def work(principal: Principal) -> set[str]:
        owners: set[str] = set()
        with lakehouse.connect(served.address, token=tokens[principal]) as connection:
            start.wait()
            for number in range(5):
                owners |= set(connection.sql(f"{ORDERS} LIMIT {number + 1}").to_arrow()["owner"].to_pylist())
                with pytest.raises(AccessRefused):
                    connection.sql("SELECT * FROM secret")
        return owners

    with ThreadPoolExecutor(len(principals)) as threads:
        found = list(threads.map(work, principals))
    assert found == [{str(principal)} for principal in principals]
    wait_for(lambda: len(served.audit()) == 32 * 15)
    rows = served.audit()
    assert verify_chain(rows) is None
    codes = [json.loads(row["response"])["status_code"] for row in rows if row["action_name"] == "query"]
    assert (codes.count(200), codes.count(403)) == (160, 160)


def test_tls(serve: Serve, tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    made = f"openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost -keyout {key} -out {certificate}"
    names = ["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run([*made.split(), *names], check=True, capture_output=True)
    served = serve(listening=Listening(certificate=certificate, key=key))
    assert served.address.startswith("grpc+tls://")
    with RemoteConnection(served.address, served.token(ANA), certificate=certificate) as connection:
        assert connection.sql(ORDERS).to_arrow().num_rows == 2
    with pytest.raises(GatewayError), lakehouse.connect(served.address, token=served.token(ANA)) as connection:
        connection.sql(ORDERS)  # a certificate that nobody vouches for


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "example.com", ""])
def test_off_loopback_there_is_no_serving_without_tls(serve: Serve, host: str) -> None:
    with pytest.raises(UsageError):
        serve(listening=Listening(host=host))


def test_a_certificate_needs_its_key(serve: Serve, tmp_path: Path) -> None:
    for listening in (
        Listening(certificate=tmp_path / "cert.pem"),
        Listening(key=tmp_path / "key.pem"),
        Listening(certificate=tmp_path / "cert.pem", key=tmp_path / "key.pem"),
    ):
        with pytest.raises(UsageError):
            serve(listening=listening)
