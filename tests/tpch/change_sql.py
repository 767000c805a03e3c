"""The rows of a refresh round, as DuckDB SQL over the tables and the keys that `changes.py` registers: `deletes` and
`updates` (order_key), `copies` (order_key, new_key), `chosen` (k).

Random values are a function of key and seed, not of the order in which an engine happens to read rows. Money is
computed in whole cents, so that nothing is rounded twice.
"""

from __future__ import annotations

_TODAY = "DATE '1995-06-17'"  # the specification's CURRENTDATE: what is received later cannot have been returned yet
_LINE = "l_orderkey * 8 + l_linenumber"  # an order has at most seven lines
_ACCOUNT = (-99_999, 999_999)  # balances, in cents
_COST = (100, 100_000)  # what a supplier asks, in cents


def _chance(key: str, seed: int, salt: int, bound: int | str) -> str:
    """An integer from 0 to `bound` - 1. Two steps of Lehmer's generator part neighbouring keys."""
    start = f"(({key}) * 7919 + {(seed * 1_299_709 + salt * 104_729) % 2_147_483_647})"
    return f"({start} % 2147483647 * 48271 % 2147483647 * 48271 % 2147483647 % {bound})"


def _cents(money: str) -> str:
    return f"CAST({money} * 100 AS BIGINT)"


def _money(cents: str) -> str:
    return f"CAST(CAST({cents} AS DECIMAL(17, 0)) * 0.01 AS DECIMAL(15, 2))"


def _other(value: str, key: str, seed: int, within: tuple[int, int]) -> str:
    """Another integer within the bounds than `value`, which lies within them."""
    low, high = within
    size = high - low + 1
    return f"(({value} - ({low}) + 1 + {_chance(key, seed, 9, size - 1)}) % {size} + ({low}))"


def _new_quantity(seed: int) -> str:
    return _other("CAST(l_quantity AS BIGINT)", _LINE, seed, (1, 50))


def _new_price(seed: int) -> str:
    """The unit price times the new quantity."""
    return _money(f"{_cents('l_extendedprice')} // CAST(l_quantity AS BIGINT) * {_new_quantity(seed)}")


def deletes(table: str) -> str:
    """The keys of the rows of `orders` or `lineitem` that go."""
    if table == "orders":
        return "SELECT order_key AS o_orderkey FROM deletes ORDER BY ALL"
    return "SELECT l_orderkey, l_linenumber FROM lineitem JOIN deletes ON order_key = l_orderkey ORDER BY ALL"


def updates(table: str, seed: int) -> str:
    """The rows of `orders` or `lineitem` that change, as they are afterwards; every one differs from before."""
    if table == "orders":
        percent = f"(90 + {_chance('o_orderkey', seed, 1, 21)})"
        return f"""
            SELECT orders.* REPLACE (
                CASE o_orderstatus WHEN 'F' THEN 'O' WHEN 'O' THEN 'P' ELSE 'F' END AS o_orderstatus,
                {_money(f"{_cents('o_totalprice')} * {percent} // 100")} AS o_totalprice)
            FROM orders JOIN updates ON order_key = o_orderkey ORDER BY o_orderkey"""
    moved = f"CAST({_chance(_LINE, seed, 2, 21)} - 10 AS INTEGER)"
    return f"""
        SELECT lineitem.* REPLACE (
            CAST({_new_quantity(seed)} AS DECIMAL(15, 2)) AS l_quantity,
            {_new_price(seed)} AS l_extendedprice,
            CASE l_returnflag WHEN 'N' THEN 'R' WHEN 'R' THEN 'A' ELSE 'N' END AS l_returnflag,
            l_shipdate + {moved} AS l_shipdate,
            l_commitdate + CAST({_chance(_LINE, seed, 3, 21)} - 10 AS INTEGER) AS l_commitdate,
            l_receiptdate + {moved} AS l_receiptdate)
        FROM lineitem JOIN updates ON order_key = l_orderkey
        WHERE l_linenumber = 1 OR {_chance(_LINE, seed, 4, 2)} = 0
        ORDER BY l_orderkey, l_linenumber"""


def inserts(table: str, seed: int) -> str:
    """The new rows of `orders` or `lineitem`."""
    if table == "lineitem":
        return f"{_new_lines(seed)} ORDER BY l_orderkey, l_linenumber"
    customer = f"(1 + {_chance('new_key', seed, 5, '(SELECT count(*) FROM customer)')})"
    # As generated, a third of the customers never order; one in ten orders goes to one of them all the same.
    passed_by = f"{customer} % 3 = 0 AND {_chance('new_key', seed, 6, 10)} > 0"
    return f"""
        WITH totals AS (
            SELECT l_orderkey AS new_key,
                sum(CAST(round(l_extendedprice * (1 + l_tax) * (1 - l_discount), 2) AS DECIMAL(15, 2))) AS price,
                CASE WHEN min(l_linestatus) = max(l_linestatus) THEN min(l_linestatus) ELSE 'P' END AS status
            FROM ({_new_lines(seed)}) GROUP BY l_orderkey)
        SELECT orders.* REPLACE (
            new_key AS o_orderkey,
            {customer} - CAST({passed_by} AS INTEGER) AS o_custkey,
            status AS o_orderstatus,
            CAST(price AS DECIMAL(15, 2)) AS o_totalprice,
            o_orderdate + {_days(seed)} AS o_orderdate)
        FROM orders JOIN copies ON order_key = o_orderkey JOIN totals USING (new_key) ORDER BY new_key"""


def _days(seed: int) -> str:
    """By how many days a new order lies after the one it is derived from."""
    return f"CAST({_chance('new_key', seed, 7, 61)} - 30 AS INTEGER)"


def _new_lines(seed: int) -> str:
    return f"""
        SELECT lines.* EXCLUDE (new_key) REPLACE (
            CASE WHEN l_shipdate > {_TODAY} THEN 'O' ELSE 'F' END AS l_linestatus,
            CASE WHEN l_receiptdate > {_TODAY} THEN 'N'
                WHEN {_chance(_LINE, seed, 8, 2)} = 0 THEN 'R' ELSE 'A' END AS l_returnflag,
            CAST({_new_quantity(seed)} AS DECIMAL(15, 2)) AS l_quantity,
            {_new_price(seed)} AS l_extendedprice)
        FROM (
            SELECT lineitem.* REPLACE (
                new_key AS l_orderkey,
                l_shipdate + {_days(seed)} AS l_shipdate,
                l_commitdate + {_days(seed)} AS l_commitdate,
                l_receiptdate + {_days(seed)} AS l_receiptdate), new_key
            FROM lineitem JOIN copies ON order_key = l_orderkey) AS lines"""


def dimension_updates(table: str, key: str, seed: int) -> str:
    """The rows of another table that change, as they are afterwards; every one differs from before. A part takes the
    description of another part, or the few parts that most queries pick would stay the same ones."""
    changed = {
        "customer": f"{_money(_other(_cents('c_acctbal'), 'c_custkey', seed, _ACCOUNT))} AS c_acctbal",
        "supplier": f"{_money(_other(_cents('s_acctbal'), 's_suppkey', seed, _ACCOUNT))} AS s_acctbal",
        "part": ", ".join(
            ["CAST(part.p_size % 50 + 1 AS INTEGER) AS p_size"]
            + [f"other.{column} AS {column}" for column in ("p_name", "p_mfgr", "p_brand", "p_type", "p_container")]
        ),
        "partsupp": f"""
            CAST({_other("ps_availqty", "ps_partkey + ps_suppkey", seed, (1, 9999))} AS INTEGER) AS ps_availqty,
            {_money(_other(_cents("ps_supplycost"), "ps_partkey * 10 + ps_suppkey", seed, _COST))} AS ps_supplycost""",
    }
    number = _chance("part.p_partkey", seed, 10, "(SELECT count(*) FROM part)")
    other = f"JOIN part AS other ON other.p_partkey = 1 + {number}" if table == "part" else ""
    return f"""
        SELECT {table}.* REPLACE ({changed[table]})
        FROM {table} JOIN chosen ON k = {table}.{key} {other} ORDER BY ALL"""
