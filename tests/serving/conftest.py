"""A small project, before and after its first publication."""

from __future__ import annotations

from pathlib import Path

import pytest
from deltalake import write_deltalake

from tests.serving.shop import ORDERS, TOTALS, Shop, orders, totals


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Nothing published yet."""
    return Shop(tmp_path / "shop")


@pytest.fixture
def published(shop: Shop) -> Shop:
    """One publication of two tables, computed from one external table."""
    write_deltalake(shop.root / "raw" / "orders", orders(("ana", 5), ("bob", 0)))
    shop.write(ORDERS, orders(("ana", 5), ("bob", 0)), "Orders as delivered")
    shop.write(TOTALS, totals(("ana", 5)), "Sums <b>per customer</b>")
    shop.publish({ORDERS: 0, TOTALS: 0}, {ORDERS: {"raw.orders": 0}, TOTALS: {"silver.orders": 0}})
    for column, source, kind in (
        ("customer", "raw.orders.customer", "value"),
        ("amount", "raw.orders.amount", "value"),
    ):
        shop.trace(ORDERS, column, source, kind)
    shop.trace(TOTALS, "customer", "silver.orders.customer", "value")
    shop.trace(TOTALS, "total", "silver.orders.amount", "value")
    shop.trace(TOTALS, "*", "silver.orders.amount", "condition")
    shop.trace(TOTALS, "total", "silver.orders.customer", "value", "print of an older definition")
    return shop
