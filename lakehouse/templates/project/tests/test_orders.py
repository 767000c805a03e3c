"""The project's queries on a few rows. Run with `pytest`; needs pytest and chispa."""

from pathlib import Path

from lakehouse.testing import DatasetTest, assert_rows

PROJECT = Path(__file__).parent.parent


def test_lines_that_cannot_be_read_are_left_out() -> None:
    orders = DatasetTest(PROJECT, "silver.orders")
    delivered = (
        "order_id STRING, order_date STRING, customer STRING, quantity STRING, price STRING",
        [
            ("1", "2026-01-05", " Ada ", "2", "10.50"),
            ("2", "2026-01-05", "", "1", "4.00"),
            ("3", "2026-01-05", "Grace", "many", "7.00"),
        ],
    )
    assert_rows(
        orders.run({"bronze.orders": delivered}),
        [
            {"order_id": 1, "customer": "Ada", "quantity": 2, "price": "10.50"},
            {"order_id": 2, "customer": None, "quantity": 1, "price": "4.00"},
        ],
    )


def test_revenue_adds_up_by_day() -> None:
    revenue = DatasetTest(PROJECT, "gold.revenue_by_day")
    schema = "order_date DATE, quantity INT, price DECIMAL(10, 2)"
    monday = [("2026-01-05", 2, "10.50"), ("2026-01-05", 1, "4.00")]
    assert_rows(
        revenue.run({"silver.orders": (schema, monday)}),
        [{"order_date": "2026-01-05", "orders": 2, "revenue": "25.00"}],
    )
    assert_rows(revenue.run({"silver.orders": (schema, [])}), [])
