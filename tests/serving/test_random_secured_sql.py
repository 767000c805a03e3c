"""Random queries of three principals give what they give on a copy that holds only the rows and values permitted.

The copy is made in Python: rules evaluated row by row, the rows written to tables of their own.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from pyspark.sql import SparkSession

from lakehouse.catalog.policy import AccessPolicy, ColumnMask, Effect, RowFilter, Rule
from lakehouse.catalog.principal import ACCOUNT_USERS, Directory
from lakehouse.catalog.privilege import Privilege
from lakehouse.errors import QueryError
from lakehouse.storage.session import isolated_session
from tests.serving.random_queries import Column, QueryMaker
from tests.serving.secured_tables import EVERYONE, ROOT, Warehouse, grants, group, securable, user

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]

SEED = 20261122
WORDS = ("EU", "US", "ann", "bo", "cy", "di", "x1")
Row = dict[str, Any]

TABLES = {
    "silver.orders": "id int, customer int, region string, amount int, note string",
    "silver.customers": "id int, name string, region string, rating int",
    "silver.visits": "customer int, day int, place string",
}
PRINCIPALS = ("ana@corp", "bob@corp", "eve@corp")


def made_rows() -> dict[str, list[Row]]:
    chance = random.Random(SEED)

    def maybe(value: Any) -> Any:
        return None if chance.random() < 0.15 else value

    orders = [
        (
            i,
            maybe(chance.randint(1, 8)),
            maybe(chance.choice(["EU", "US", "ZZ"])),
            maybe(chance.randint(0, 12)),
            maybe(chance.choice(WORDS)),
        )
        for i in range(40)
    ]
    customers = [
        (i, maybe(chance.choice(WORDS)), maybe(chance.choice(["EU", "US"])), maybe(chance.randint(0, 5)))
        for i in range(10)
    ]
    visits = [(maybe(chance.randint(1, 8)), chance.randint(0, 9), maybe(chance.choice(WORDS))) for _ in range(30)]
    named = zip(TABLES.items(), (orders, customers, visits), strict=True)
    return {
        table: [dict(zip([part.split()[0] for part in columns.split(", ")], row, strict=True)) for row in rows]
        for (table, columns), rows in named
    }


ROWS = made_rows()
REGIONS = {"ana@corp": {"EU"}, "bob@corp": {"EU", "US"}, "eve@corp": set[str]()}
HR = {"bob@corp"}


def policy() -> AccessPolicy:
    """Filters by literal, another column and a mapping table; masks that differ by group; columns hidden from eve."""
    use = grants(ACCOUNT_USERS, ROOT, Privilege.USE_CATALOG, Privilege.USE_SCHEMA)
    listed = frozenset({"id", "region", "amount"})
    return AccessPolicy(
        catalog="main",
        directory=Directory(users=frozenset(PRINCIPALS), groups={"hr": frozenset(map(user, HR))}),
        rules=(
            *use,
            *grants(user("ana@corp"), ROOT, *EVERYONE),
            *grants(user("bob@corp"), ROOT, *EVERYONE),
            Rule(Effect.ALLOW, user("eve@corp"), Privilege.SELECT, securable("silver.orders"), listed),
            *grants(user("eve@corp"), securable("silver.customers"), Privilege.SELECT),
        ),
        row_filters=(
            RowFilter(
                name="own regions",
                table=securable("silver.orders"),
                condition="region IN (SELECT region FROM ops.user_region WHERE usr = current_user())"
                " OR (amount > 6 AND NOT is_member('hr'))",
            ),
            RowFilter(name="rated", table=securable("silver.customers"), condition="rating <> 3"),
            RowFilter(
                name="early", table=securable("silver.visits"), condition="day < 7", exempt=frozenset({group("hr")})
            ),
        ),
        masks=(
            ColumnMask(
                name="note", table=securable("silver.orders"), column="note", expression="concat(left(val, 1), region)"
            ),
            ColumnMask(
                name="name",
                table=securable("silver.customers"),
                column="name",
                expression="if(is_member('hr'), val, upper(val))",
            ),
            ColumnMask(
                name="amount",
                table=securable("silver.orders"),
                column="amount",
                expression="val DIV 2",
                exempt=frozenset({group("hr")}),
            ),
        ),
    )


def permitted(who: str) -> dict[str, list[Row]]:
    """The same rules in Python."""
    keep: dict[str, Callable[[Row], bool]] = {
        "silver.orders": lambda row: row["region"] in REGIONS[who] or (who not in HR and (row["amount"] or 0) > 6),
        "silver.customers": lambda row: row["rating"] is not None and row["rating"] != 3,
        "silver.visits": lambda row: who in HR or row["day"] < 7,
    }
    found = {table: [dict(row) for row in rows if keep[table](row)] for table, rows in ROWS.items()}
    for row in found["silver.orders"]:
        row["note"] = row["note"][:1] + row["region"] if row["note"] and row["region"] else None
        row["amount"] = row["amount"] if who in HR or row["amount"] is None else row["amount"] // 2
    for row in found["silver.customers"]:
        row["name"] = row["name"] if who in HR or row["name"] is None else row["name"].upper()
    if who == "eve@corp":
        del found["silver.visits"]
        found["silver.orders"] = [
            {key: row[key] for key in ("id", "region", "amount")} for row in found["silver.orders"]
        ]
    return found


@pytest.fixture(scope="module")
def warehouse(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    made = Warehouse(tmp_path_factory.mktemp("random") / "project", spark)
    layouts: dict[str, dict[str, Any]] = {
        "silver.orders": {"partition_by": ("region",)},
        "silver.customers": {"cluster_by": "region"},
        "silver.visits": {},
    }
    for table, columns in TABLES.items():
        rows = [tuple(row.values()) for row in ROWS[table]]
        made.write(table, spark.createDataFrame(rows, columns).coalesce(1), **layouts[table])
    mapping = [(who, region) for who, regions in REGIONS.items() for region in sorted(regions)]
    made.write("ops.user_region", spark.createDataFrame(mapping, "usr string, region string"))
    return made


def copy_of(spark: SparkSession, warehouse: Warehouse, who: str) -> tuple[SparkSession, dict[str, list[Column]]]:
    """A session whose tables hold only what `who` may see."""
    session = isolated_session(spark, {})
    session.sql("CREATE DATABASE silver")
    shown: dict[str, list[Column]] = {}
    for table, rows in permitted(who).items():
        kinds = dict(part.split() for part in TABLES[table].split(", "))
        names = [name for name in kinds if name in (rows[0] if rows else kinds)]
        shown[table] = [Column(name, kinds[name] == "int") for name in names]
        place = warehouse.root / "copies" / who / table
        schema = ", ".join(f"{name} {kinds[name]}" for name in names)
        spark.createDataFrame([tuple(row.values()) for row in rows], schema).coalesce(1).write.parquet(str(place))
        session.sql(f"CREATE TABLE {table} USING parquet LOCATION '{place}'")
    return session, shown


def bag(frame: Any) -> list[str]:
    return sorted(str(tuple(row)) for row in frame.collect())


def compare(spark: SparkSession, warehouse: Warehouse, number: int, seed: int) -> None:
    print(f"seed {seed}")
    rules = policy()
    tables = warehouse.tables(*TABLES, "ops.user_region")
    filled = 0
    for place, who in enumerate(PRINCIPALS):
        copy, shown = copy_of(spark, warehouse, who)
        reader = warehouse.reader(rules, tables, who)
        maker = QueryMaker(seed + place, shown, WORDS)
        for _ in range(number // len(PRINCIPALS)):
            query = maker.query()
            expected = bag(copy.sql(query))
            assert bag(reader.sql(query)) == expected, f"{who}: {query}"
            filled += bool(expected)
    assert filled > number / 2  # most queries find rows: the comparison says something


def test_what_is_permitted_is_less_than_there_is(spark: SparkSession, warehouse: Warehouse) -> None:
    tables = warehouse.tables(*TABLES, "ops.user_region")
    for who in PRINCIPALS:
        reader = warehouse.reader(policy(), tables, who)
        for table, rows in permitted(who).items():
            assert bag(reader.sql(f"SELECT * FROM {table}")) == sorted(str(tuple(row.values())) for row in rows)
    assert len(permitted("ana@corp")["silver.orders"]) < len(ROWS["silver.orders"])
    with pytest.raises(QueryError):
        warehouse.reader(policy(), tables, "eve@corp").sql("SELECT note FROM silver.orders")


def test_random_queries(spark: SparkSession, warehouse: Warehouse) -> None:
    compare(spark, warehouse, 60, SEED)


@pytest.mark.long
def test_many_random_queries(spark: SparkSession, tmp_path: Any, warehouse: Warehouse) -> None:
    again = Warehouse(tmp_path / "project", spark)
    again.location = warehouse.location  # type: ignore[method-assign]
    compare(spark, again, 510, SEED + 1000)
