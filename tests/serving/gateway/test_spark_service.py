"""The gateway over real tables: published versions, rules as they are at each query, refusals, cancelling."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from pyspark.sql import SparkSession

import lakehouse
from lakehouse.definition.loading import load_project
from lakehouse.definition.spec_file import read_spec
from lakehouse.errors import AccessRefused, QueryError
from lakehouse.serving.gateway.current_rules import CurrentRules
from lakehouse.serving.gateway.gateway import Gateway, Listening
from lakehouse.serving.gateway.limits import Limits
from lakehouse.serving.gateway.spark_query_service import SparkQueryService
from lakehouse.serving.remote import GatewayError, RemoteConnection
from lakehouse.storage.access_tokens import AccessTokens
from lakehouse.storage.audit_log import AuditLog, read_audit, verify_chain
from tests.serving.gateway.memory import watched
from tests.serving.shop import ORDERS, SPEC, TOTALS, Shop, orders, totals

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]

RULES = """\
principals:
  users: {ana@corp: {}, bob@corp: {}, eve@corp: {}}
securables:
  main: {grants: {"account users": [USE CATALOG]}}
  main.silver: {grants: {ana@corp: [USE SCHEMA, SELECT], bob@corp: [USE SCHEMA, SELECT]}}
  main.gold: {grants: {ana@corp: [USE SCHEMA, SELECT]}}
  main.silver.orders:
    columns: {customer: {mask: {using: "left(val, 1)", except: [ana@corp]}}}
    row_filter: {using: "amount > 0", except: [ana@corp]}
...
"""


@dataclass(frozen=True, slots=True)
class Site:
    """A shop behind a gateway."""

    shop: Shop
    gateway: Gateway
    tokens: AccessTokens

    def connect(self, who: str) -> RemoteConnection:
        token, _ = self.tokens.create(f"{who}@corp", timedelta(hours=1), datetime.now(timezone.utc))
        return lakehouse.connect(self.gateway.address, token=token)

    def rows(self, who: str, query: str) -> list[dict[str, Any]]:
        with self.connect(who) as connection:
            return connection.sql(query).to_arrow().to_pylist()

    def write_rules(self, text: str) -> None:
        (self.shop.root / "access.yml").write_text(text)


@pytest.fixture
def site(spark: SparkSession, published: Shop) -> Iterator[Site]:
    (published.root / "spark-pipeline.yml").write_text(f"{SPEC}access: access.yml\n")
    (published.root / "access.yml").write_text(RULES)
    spec = read_spec(published.root, target=None, variables={})
    rules = CurrentRules(spec)
    service = SparkQueryService(spec, rules, lambda: load_project(published.root))
    tokens = AccessTokens(spec.warehouse)
    with (
        AuditLog(spec.warehouse) as audit,
        Gateway(service, tokens, audit, rules.find, Listening(), Limits(seconds=120)) as gateway,
    ):
        yield Site(published, gateway, tokens)


def test_everyone_sees_what_the_rules_give(site: Site) -> None:
    query = "SELECT customer, amount FROM silver.orders ORDER BY amount"
    everything = [{"customer": "bob", "amount": 0}, {"customer": "ana", "amount": 5}]
    assert site.rows("ana", query) == everything
    assert site.rows("ana", query.replace("silver.", "main.silver.")) == everything
    assert site.rows("bob", query.replace("silver.", "")) == [{"customer": "a", "amount": 5}]
    assert site.rows("ana", "SELECT * FROM gold.totals") == [{"customer": "ana", "total": 5}]
    assert site.rows("bob", "SELECT count(*) n, max(customer) m FROM orders WHERE customer LIKE 'b%'") == [
        {"n": 0, "m": None}
    ]
    for hidden in ("gold.totals", "gold.nothing", "system.tokens", "system.audit", "delta.`/etc`"):
        with pytest.raises(AccessRefused):
            site.rows("bob", f"SELECT * FROM {hidden}")
    with pytest.raises(AccessRefused):
        site.rows("eve", "SELECT * FROM silver.orders")


def test_s18_a_derived_table_is_read_by_the_right_of_who_made_it_with_masks_for_who_asks(site: Site) -> None:
    """A materialized view, here `gold.totals` over `silver.orders` over `raw.orders`: its reader needs no right on what
    it is made of. Masks of that hold by who asks, not by who refreshed it. Row filters do not: rows are what they were
    computed to be."""
    only_gold = RULES.replace("main.gold: {grants: {", "main.gold: {grants: {eve@corp: [USE SCHEMA, SELECT], ")
    query = "SELECT customer, total FROM gold.totals"
    with site.connect("eve") as eve, site.connect("ana") as ana:
        with pytest.raises(AccessRefused):
            eve.sql(query)
        site.write_rules(only_gold)
        for base in ("silver.orders", "raw.orders"):
            with pytest.raises(AccessRefused) as refused:
                eve.sql(f"SELECT * FROM {base}")
            assert "cannot be found" in str(refused.value)
        # The column is computed, as its lineage says, so of a masked one there is nothing to show.
        assert eve.sql(query).to_arrow().to_pylist() == [{"customer": None, "total": 5}]
        assert ana.sql(query).to_arrow().to_pylist() == [{"customer": "ana", "total": 5}]
        assert eve.sql(f"{query} WHERE customer = 'ana'").to_arrow().num_rows == 0
        site.write_rules(only_gold.replace("except: [ana@corp]}}}", "except: [eve@corp]}}}"))
        assert eve.sql(query).to_arrow().to_pylist() == [{"customer": "ana", "total": 5}]
        assert ana.sql(query).to_arrow().to_pylist() == [{"customer": None, "total": 5}]
        # A filter of the base that lets eve see nothing of it: her totals stay, and `access explain` says so.
        site.write_rules(only_gold.replace("amount > 0", "amount < 0"))
        assert eve.sql(query).to_arrow().to_pylist() == [{"customer": None, "total": 5}]


def test_metadata_is_filtered(site: Site) -> None:
    def known(who: str) -> list[str]:
        with site.connect(who) as connection:
            return [name for name in connection.tables() if not name.startswith("information_schema.")]

    assert known("ana") == ["gold.totals", "silver.orders"]
    assert known("bob") == ["silver.orders"]
    assert known("eve") == []


def test_failures_carry_their_class_only(site: Site) -> None:
    with pytest.raises(QueryError) as caught:
        site.rows("bob", "SELECT CAST(customer AS INT) FROM silver.orders")
    assert caught.value.condition == "CAST_INVALID_INPUT"
    assert "ana" not in str(caught.value)
    with pytest.raises(QueryError) as caught:
        site.rows("bob", "SELECT nothing FROM silver.orders")
    assert (caught.value.condition or "").startswith("UNRESOLVED_COLUMN")
    for statement in ("DROP TABLE silver.orders", "SET x=1", "SELECT reflect('java.lang.System', 'exit')", "SELEC"):
        with pytest.raises(AccessRefused):
            site.rows("ana", statement)


def test_changed_rules_and_publications_hold_from_the_next_query(site: Site) -> None:
    query = "SELECT amount FROM silver.orders ORDER BY amount"
    with site.connect("bob") as bob, site.connect("ana") as ana:
        before = ana.sql(query)
        site.shop.write(ORDERS, orders(("cyd", 7)))
        assert ana.sql(query).to_arrow()["amount"].to_pylist() == [0, 5]  # committed, not published
        site.shop.write(TOTALS, totals(("cyd", 7)))
        site.shop.publish({ORDERS: 1, TOTALS: 1}, {})
        assert ana.sql(query).to_arrow()["amount"].to_pylist() == [7]
        assert before.to_arrow()["amount"].to_pylist() == [0, 5]
        assert bob.sql(query).to_arrow()["amount"].to_pylist() == [7]
        site.write_rules(RULES.replace(", bob@corp: [USE SCHEMA, SELECT]", ""))
        with pytest.raises(AccessRefused):
            bob.sql(query)
        site.write_rules(RULES[: len(RULES) // 2])  # half a file
        with pytest.raises((AccessRefused, GatewayError)):
            ana.sql(query)
        site.write_rules(RULES)
        assert bob.sql(query).to_arrow()["amount"].to_pylist() == [7]


def test_results_are_streamed_in_order_and_in_batches(site: Site) -> None:
    with site.connect("ana") as connection:
        result = connection.sql("SELECT id, CAST(id AS STRING) s FROM range(50000) ORDER BY id DESC")
        sizes, last = [], 50000
        for batch in result.batches():
            ids = batch.column(0).to_pylist()
            assert ids == list(range(last - 1, last - 1 - len(ids), -1))
            last -= len(ids)
            sizes.append(len(ids))
    assert (last, len(sizes) > 1) == (0, True)


def test_a_runaway_query_is_stopped_in_spark(site: Site, spark: SparkSession) -> None:
    tracker = spark.sparkContext.statusTracker()
    endless = "SELECT count(*) FROM range(1000000) a CROSS JOIN range(10000000) b WHERE a.id * b.id % 7 = 3"
    with site.connect("ana") as connection:
        result = connection.sql(endless)
        failed: list[BaseException] = []

        def read() -> None:
            try:
                result.to_arrow()
            except BaseException as error:
                failed.append(error)

        thread = threading.Thread(target=read)
        thread.start()
        wait_for(lambda: bool(tracker.getActiveStageIds()))
        from lakehouse.serving.gateway.wire import write_message

        request = write_message({1: result._flight_info.serialize()})
        list(connection._client.do_action(("CancelFlightInfo", request), connection._options))
        thread.join(60)
        assert not thread.is_alive()
        assert isinstance(failed[0], GatewayError)
        wait_for(lambda: not tracker.getActiveStageIds())


def test_the_audit_has_every_decision_and_table(site: Site) -> None:
    site.rows("ana", "SELECT * FROM silver.orders")
    with pytest.raises(AccessRefused):
        site.rows("bob", "SELECT * FROM gold.totals")
    rows = read_audit(f"{site.shop.root}/warehouse")
    found = [
        (json.loads(row["user_identity"])["email"], json.loads(row["response"])["status_code"])
        for row in rows
        if row["action_name"] == "query"
    ]
    assert found == [("ana@corp", 200), ("bob@corp", 403)]
    assert json.loads(rows[0]["response"])["result"]["tables"] == ["silver.orders"]
    assert verify_chain(rows) is None


def wait_for(condition: Any) -> None:
    ends = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.05)


@pytest.mark.long
def test_many_clients_for_a_minute(site: Site) -> None:
    """Legitimate and hostile queries of three principals at once: no mixing, no leak, nothing that is not a class; and
    memory does not grow on and on."""
    principals = ["ana", "bob", "eve"] * 11
    expected = {
        "ana": [{"customer": "bob", "amount": 0}, {"customer": "ana", "amount": 5}],
        "bob": [{"customer": "a", "amount": 5}],
    }
    hostile = (
        "SELECT * FROM system.tokens",
        "SET x=1",
        "SELECT * FROM delta.`/etc`",
        "SELECT reflect('a', 'b')",
        "SELECT length(repeat('x', 1000000000))",
        "SELECT window(now(), '1000 days', '1 second')",
    )
    wrong, done = [], []

    def work(number: int, who: str, connection: RemoteConnection) -> None:
        with connection:
            while time.monotonic() < ends:
                with pytest.raises(AccessRefused):
                    connection.sql(hostile[(number + len(done)) % len(hostile)])
                query = "SELECT customer, amount FROM silver.orders ORDER BY amount"
                try:
                    found = connection.sql(query).to_arrow().to_pylist()
                except AccessRefused:
                    found = None
                if found != expected.get(who):
                    wrong.append((who, found))
                done.append(who)

    clients = [(number, who, site.connect(who)) for number, who in enumerate(principals[:32])]
    threads = [threading.Thread(target=work, args=client) for client in clients]
    with watched(os.getpid(), every=0.5) as held:
        ends = time.monotonic() + 60
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []
    assert set(done) == {"ana", "bob", "eve"}
    third = len(held) // 3
    middle, last = max(held[third : 2 * third]), max(held[2 * third :])
    print(f"{len(done)} rounds of one hostile and one legitimate query")
    print(f"held: {held[0] >> 20} MiB before, by thirds {max(held[:third]) >> 20}, {middle >> 20}, {last >> 20} MiB")
    assert last < 1.25 * middle
    assert verify_chain(read_audit(f"{site.shop.root}/warehouse")) is None
