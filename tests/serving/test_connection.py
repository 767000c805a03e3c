from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import lakehouse
from lakehouse.errors import DefinitionError, UnknownName, UsageError
from lakehouse.names import TableName
from tests.serving.shop import FIRST_AT, ORDERS, TOTALS, Shop, totals


def test_a_folder_without_a_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        lakehouse.connect(tmp_path)


def test_any_folder_in_a_project_will_do(published: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(published.root / "tables")
    assert lakehouse.connect().tables() == ["gold.totals", "silver.orders"]


def test_nothing_published_is_an_error_of_reading_only(shop: Shop) -> None:
    lh = lakehouse.connect(shop.root)
    for read in (lh.tables, lambda: lh.at, lambda: lh.table("gold.totals"), lambda: lh.explain("gold.totals")):
        with pytest.raises(UsageError, match="lakehouse run"):
            read()
    assert lh.history().empty
    assert "nothing published" in repr(lh)
    assert "nothing published" in lh._repr_html_()


def test_the_first_publication_is_read_as_soon_as_it_is_there(shop: Shop) -> None:
    lh = lakehouse.connect(shop.root)
    shop.write(TOTALS, totals(("ana", 5)))
    shop.publish({TOTALS: 0}, {})
    assert lh.tables() == ["gold.totals"]
    assert lh.at == FIRST_AT


def test_a_connection_stays_at_its_publication_until_refreshed(published: Shop) -> None:
    lh = lakehouse.connect(published.root)
    assert not lh.refresh()
    published.publish({TOTALS: 0}, {})
    assert lh.tables() == ["gold.totals", "silver.orders"]
    assert lh.publication.sequence == 1
    assert lh.refresh()
    assert lh.tables() == ["gold.totals"]
    assert lh.publication.sequence == 2


@pytest.mark.parametrize(
    ("at", "sequence"),
    [
        ("run1", 1),
        ("run2", 2),
        ("2026-03-01T12:00:00", 1),
        ("2026-03-02T11:59:59", 1),
        ("2026-03-02T14:00:00+01:00", 2),
    ],
)
def test_an_older_publication_by_run_or_instant(published: Shop, at: str, sequence: int) -> None:
    published.publish({TOTALS: 0}, {})
    published.publish({ORDERS: 0}, {})
    assert lakehouse.connect(published.root, at=at).publication.sequence == sequence


@pytest.mark.parametrize("at", ["run9", "2026-02-28"])
def test_there_was_no_such_publication(published: Shop, at: str) -> None:
    with pytest.raises(UsageError):
        lakehouse.connect(published.root, at=at)


def test_history_of_runs_has_one_row_a_run(published: Shop) -> None:
    published.publish({TOTALS: 0}, {})
    history = lakehouse.connect(published.root).history()
    assert list(history["run"]) == ["run2", "run1"]
    assert list(history["status"]) == ["succeeded", "succeeded"]
    assert list(history["publication"]) == [2, 1]


def test_history_of_a_table(published: Shop) -> None:
    published.publish({TOTALS: 0}, {})
    lh = lakehouse.connect(published.root)
    assert list(lh.history("gold.totals")["run"]) == ["run2", "run1"]
    assert set(lh.history("main.gold.totals")["dataset"]) == {"gold.totals"}


def test_history_of_an_unknown_table(published: Shop) -> None:
    with pytest.raises(UnknownName) as caught:
        lakehouse.connect(published.root).history("gold.total")
    assert caught.value.nearest == "gold.totals"


def test_explain_says_how_why_and_from_what(published: Shop) -> None:
    text = lakehouse.connect(published.root).explain("gold.totals")
    assert repr(text) == str(text)
    lines = [line.strip() for line in text.splitlines()]
    assert lines[0] == "gold.totals: Sums <b>per customer</b>"
    assert "version 0, 1 row" in lines
    assert "computed 2026-03-01 12:00:00 UTC by run run1: full, because there is no table yet" in lines
    assert "reads silver.orders (version 0)" in lines
    assert "through paid" in lines
    assert "total from silver.orders.amount" in lines
    assert "rows decided by silver.orders.amount" in lines


def test_explain_of_what_is_declared_but_not_published(published: Shop) -> None:
    with pytest.raises(UsageError) as caught:
        lakehouse.connect(published.root).explain("gold.later")
    assert caught.value.where is not None
    assert caught.value.where.file == "tables/tables.sql"


def test_lineage_of_a_column_goes_both_ways(published: Shop) -> None:
    lh = lakehouse.connect(published.root)
    found = [tuple(row) for row in lh.lineage("silver.orders.AMOUNT").itertuples(index=False)]
    assert found == [
        ("from", 1, "raw.orders.amount", "silver.orders.amount", "value"),
        ("to", 1, "silver.orders.amount", "gold.totals.*", "condition"),
        ("to", 1, "silver.orders.amount", "gold.totals.total", "value"),
    ]
    assert lh.lineage("orders.amount").equals(lh.lineage("silver.orders.amount"))


def test_lineage_of_a_table_goes_both_ways(published: Shop) -> None:
    lh = lakehouse.connect(published.root)
    found = [tuple(row) for row in lh.lineage("gold.totals").itertuples(index=False)]
    assert found == [
        ("from", 1, "silver.orders", "gold.totals", "table"),
        ("from", 2, "raw.orders", "silver.orders", "table"),
    ]


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("gold.totls", "gold.totals"), ("gold.totals.totl", "total"), ("gold.tot.total", "gold.totals"), ("`a b", None)],
)
def test_lineage_of_an_unknown_name(published: Shop, name: str, nearest: str | None) -> None:
    with pytest.raises(DefinitionError) as caught:
        lakehouse.connect(published.root).lineage(name)
    assert getattr(caught.value, "nearest", None) == nearest


def test_html_shows_tables_with_comments_escaped(published: Shop) -> None:
    html = lakehouse.connect(published.root)._repr_html_()
    assert "Sums &lt;b&gt;per customer&lt;/b&gt;" in html
    assert "<b>" not in html
    assert "Orders as delivered" in html
    assert "customer, total" in html


def test_definitions_that_do_not_load_do_not_hinder_reading(published: Shop) -> None:
    (published.root / "tables" / "broken.yml").write_text("materialised_vieuw: x\n")
    lh = lakehouse.connect(published.root)
    assert lh.tables() == ["gold.totals", "silver.orders"]
    with pytest.raises(UnknownName):
        lh.explain("gold.later")


def test_a_closed_connection_says_so(published: Shop) -> None:
    with lakehouse.connect(published.root) as lh:
        assert lh.tables()
    with pytest.raises(UsageError):
        lh.table("gold.totals")


def test_looking_around_imports_no_pyspark(published: Shop) -> None:
    script = f"""
import sys, lakehouse
assert "pyspark" not in sys.modules and "deltalake" not in sys.modules
lh = lakehouse.connect({str(published.root)!r})
lh.history(), lh.explain("gold.totals"), lh.lineage("gold.totals"), lh._repr_html_(), lh.close()
assert "pyspark" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True)


def test_many_tables_cost_little(published: Shop) -> None:
    published.publish({TableName("gold", f"t{number}"): 0 for number in range(200)}, {})
    assert len(lakehouse.connect(published.root).tables()) == 200


def test_the_package_loads_its_parts_when_they_are_asked_for() -> None:
    assert lakehouse.testing.DatasetTest.__module__ == "lakehouse.testing"
    assert lakehouse.Connection.__module__ == "lakehouse.serving.connection"
    with pytest.raises(AttributeError):
        lakehouse.conect  # noqa: B018
