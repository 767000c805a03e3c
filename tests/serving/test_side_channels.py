"""No value of a hidden row in an error, in a plan, or in the fact that a query fails.

Each attack is a query that does nothing to the rows that the reader sees and would fail, or show a value, on any
other: that it gives exactly the visible rows proves that none of it was evaluated elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from pyspark.sql import SparkSession

from lakehouse.catalog import secured_view
from lakehouse.serving import secured_reader
from lakehouse.serving.secured_reader import SecuredReader
from tests.serving.secured_tables import Warehouse, policy

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]

Row = dict[str, Any]
ROWS: list[Row] = [
    {
        "id": i,
        "name": f"name{i}",
        "twin": f"name{i}",
        "region": ["EU", "US", "ZZ", "EU"][i % 4],
        "dept": None if i % 5 == 0 else f"d{i % 2}",
        "pay": 1000 + i,
    }
    for i in range(24)
]
COLUMNS = ("name", "region", "dept", "pay")
TABLES = ("silver.plain", "silver.parted", "silver.clustered")

FILTERS: dict[str, tuple[str, Callable[[Row], bool]]] = {
    "literal": ("region = 'EU'", lambda row: row["region"] == "EU"),
    "another column": ("dept = 'd1'", lambda row: row["dept"] == "d1"),
    "null for hidden rows": ("region = 'US' OR dept = 'none'", lambda row: row["region"] == "US"),
    "both": (
        "region IN ('EU', 'US') AND dept = 'd1'",
        lambda row: row["region"] in ("EU", "US") and row["dept"] == "d1",
    ),
    "mapping": (
        "region IN (SELECT region FROM ops.user_region WHERE usr = current_user())",
        lambda row: row["region"] == "EU",
    ),
    "case": ("CASE WHEN dept = 'd1' THEN true WHEN region = 'ZZ' THEN false END", lambda row: row["dept"] == "d1"),
}

# `{one}` is '1' for visible rows and the raw value for all others; `{seen}` is true for visible rows only.
ATTACKS = {
    "cast": "SELECT id FROM t WHERE cast({one} AS int) = 1",
    "zero": "SELECT id FROM t WHERE 1 / (CASE WHEN {seen} THEN 1 ELSE 0 END) = 1",
    "json": (
        "SELECT id FROM t WHERE from_json(if({seen}, '{{\"a\":1}}', {one}), 'a int', map('mode', 'FAILFAST')).a = 1"
    ),
    "pattern": "SELECT id FROM t WHERE '1' RLIKE if({seen}, '1', concat({one}, '('))",
    "raise": "SELECT id FROM t WHERE if({seen}, true, raise_error({one}))",
    "index": "SELECT id FROM t WHERE array(1)[if({seen}, 0, 7)] = 1",
    "interpreted": "SELECT id FROM t WHERE exists(array(id), x -> x >= 0) AND cast({one} AS int) = 1",
    "shared": (
        "SELECT id FROM t WHERE exists(array(1), x -> x = 1) AND cast({one} AS int) > 0 AND cast({one} AS int) < 2"
    ),
    "join": "SELECT t.id FROM t JOIN (VALUES (1)) v(x) ON cast({one} AS int) = v.x",
    "semi join": "SELECT t.id FROM t LEFT SEMI JOIN (VALUES (1)) v(x) ON cast({one} AS int) = v.x",
    "in": "SELECT id FROM t WHERE cast({one} AS int) IN (SELECT x FROM VALUES (1), (2) v(x))",
    "exists": "SELECT id FROM t WHERE EXISTS (SELECT 1 FROM VALUES (1) v(x) WHERE x = cast({one} AS int))",
    "group": "SELECT explode(collect_list(id)) FROM t GROUP BY cast({one} AS int)",
    "order": "SELECT id FROM t ORDER BY cast({one} AS int) LIMIT 100",
    "window": "SELECT id FROM (SELECT id, count(*) OVER (PARTITION BY cast({one} AS int)) n FROM t) WHERE n > 0",
}
# Not about one column: Spark concludes one predicate from another.
CONCLUSIONS = {
    "equal columns": "SELECT id FROM t WHERE twin = name AND cast(if(twin IN ({names}), '1', twin) AS int) = 1",
    "equal columns of a join": (
        "SELECT a.id FROM t a JOIN t b ON a.name = b.twin WHERE cast(if(b.twin IN ({names}), '1', b.twin) AS int) = 1"
    ),
    "wide": (
        "SELECT id FROM (SELECT *, " + ", ".join(f"id + {i} AS c{i}" for i in range(110)) + " FROM t)"
        " WHERE c5 > 0 AND cast(if(name IN ({names}), '1', name) AS int) > 0"
        " AND cast(if(name IN ({names}), '1', name) AS int) < 2"
    ),
}


@pytest.fixture(scope="module")
def warehouse(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    made = Warehouse(tmp_path_factory.mktemp("channels") / "project", spark)
    columns = "id int, name string, twin string, region string, dept string, pay int"
    frame = spark.createDataFrame([tuple(row.values()) for row in ROWS], columns).coalesce(1)
    made.write("silver.plain", frame)
    made.write("silver.parted", frame, partition_by=("region",))
    made.write("silver.clustered", frame, cluster_by="region, dept")
    made.write("ops.user_region", spark.createDataFrame([("ana@corp", "EU")], "usr string, region string"))
    return made


def reader(
    warehouse: Warehouse, table: str, condition: str, masks: dict[tuple[str, str], str] | None = None
) -> SecuredReader:
    rules = policy(filters={table: condition}, masks=masks or {})
    return warehouse.reader(rules, warehouse.tables(*TABLES, "ops.user_region"), "ana@corp")


def attack_on(text: str, table: str, column: str, visible: list[Row]) -> str:
    values = sorted({str(row[column]) for row in visible if row[column] is not None})
    value = f"coalesce(cast({column} AS string), 'none')"
    listed = ", ".join(
        f"'{each}'" for each in [*values, *(["none"] if any(r[column] is None for r in visible) else [])]
    )
    seen = f"{value} IN ({listed})"
    return named(text, table).format(one=f"if({seen}, '1', {value})", seen=seen)


def named(text: str, table: str) -> str:
    return re.sub(r"\b(FROM|JOIN) t\b", rf"\1 {table} t", text).replace(" t a ", " a ").replace(" t b ", " b ")


def outcome(made: SecuredReader, query: str) -> list[int] | str:
    """The ids that come out, or the text of the failure with all its causes."""
    try:
        return sorted(row[0] for row in made.sql(query).collect())
    except Exception as error:
        java = getattr(error, "java_exception", None)
        return f"{error} {java.toString() if java else ''}"


@pytest.mark.parametrize("shape", FILTERS)
@pytest.mark.parametrize("table", TABLES)
def test_what_a_reader_asks_is_never_evaluated_on_a_hidden_row(warehouse: Warehouse, table: str, shape: str) -> None:
    condition, is_visible = FILTERS[shape]
    visible = [row for row in ROWS if is_visible(row)]
    made = reader(warehouse, table, condition)
    expected = [row["id"] for row in visible]
    assert sorted(row[0] for row in made.sql(f"SELECT id FROM {table}").collect()) == expected
    names = ", ".join(f"'{row['name']}'" for row in visible)
    found = {}
    for name, text in ATTACKS.items():
        for column in COLUMNS if name in ("cast", "zero") else ("name", "region"):
            found[name, column] = outcome(made, attack_on(text, table, column, visible))
    for name, text in CONCLUSIONS.items():
        found[name, "names"] = outcome(made, named(text, table).format(names=names))
    assert {key: result for key, result in found.items() if result != expected} == {}


@pytest.mark.parametrize("table", TABLES)
def test_figures_kept_with_the_files_do_not_see_past_rules(warehouse: Warehouse, table: str) -> None:
    for shape in ("literal", "another column"):
        condition, is_visible = FILTERS[shape]
        visible = [row for row in ROWS if is_visible(row)]
        made = reader(warehouse, table, condition, {(table, "pay"): "val % 10"})
        for column in ("name", "region", "pay"):
            values = [row[column] % 10 if column == "pay" else row[column] for row in visible]
            row = made.sql(f"SELECT min({column}), max({column}), count({column}), count(*) FROM {table}").collect()[0]
            assert tuple(row) == (min(values), max(values), len(values), len(values))
    masked = reader(warehouse, table, "true", {(table, "pay"): "val % 10"})
    assert tuple(masked.sql(f"SELECT min(pay), max(pay), count(*) FROM {table}").collect()[0]) == (0, 9, 24)


@pytest.mark.parametrize("table", TABLES)
def test_no_plan_shows_a_value_of_a_hidden_row(warehouse: Warehouse, table: str) -> None:
    condition, is_visible = FILTERS["another column"]
    made = reader(warehouse, table, condition)
    for query in (f"SELECT * FROM {table}", f"SELECT max(name), max(pay) FROM {table}"):
        frame = made.sql(query)
        frame.collect()
        plan = str(frame._jdf.queryExecution().toString())
        hidden = [row for row in ROWS if not is_visible(row)]
        assert [row["name"] for row in hidden if re.search(rf"\b{row['name']}\b", plan)] == []
        assert [row["pay"] for row in hidden if re.search(rf"\b{row['pay']}\b", plan)] == []


@pytest.mark.parametrize("table", TABLES)
def test_a_masked_column_answers_no_question(warehouse: Warehouse, table: str) -> None:
    made = reader(warehouse, table, "true", {(table, "pay"): "0", (table, "region"): "'all'"})
    everyone = [row["id"] for row in ROWS]
    for guess in ("pay = 1003", "pay > 1010", "region = 'ZZ'", "pay IN (1001, 1002)"):
        assert outcome(made, f"SELECT id FROM {table} WHERE {guess}") == []
        assert outcome(made, f"SELECT id FROM {table} WHERE 1 / (CASE WHEN {guess} THEN 0 ELSE 1 END) = 1") == everyone


def leaks(warehouse: Warehouse, table: str, shape: str, attack: str) -> bool:
    condition, is_visible = FILTERS[shape]
    visible = [row for row in ROWS if is_visible(row)]
    names = ", ".join(f"'{row['name']}'" for row in visible)
    texts = {**ATTACKS, **CONCLUSIONS}
    text = named(texts[attack], table)
    query = text.format(names=names) if attack in CONCLUSIONS else attack_on(texts[attack], table, "region", visible)
    return outcome(reader(warehouse, table, condition), query) != [row["id"] for row in visible]


def test_without_the_settings_a_concluded_predicate_leaks(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = {k: v for k, v in secured_view.READER_SETTINGS.items() if "constraintPropagation" not in k}
    assert not leaks(warehouse, "silver.plain", "another column", "equal columns")
    monkeypatch.setattr(secured_reader, "READER_SETTINGS", kept)
    assert leaks(warehouse, "silver.plain", "another column", "equal columns")


def test_without_the_barrier_partitions_leak(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secured_view, "_exposes", lambda access, shape: False)
    assert leaks(warehouse, "silver.parted", "another column", "cast")


def test_a_condition_that_is_null_leaks_unless_it_is_made_false(
    warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not leaks(warehouse, "silver.plain", "null for hidden rows", "interpreted")
    original = secured_reader.secured_query
    bare = re.compile(r" AND coalesce\(.*, false\)")
    monkeypatch.setattr(secured_reader, "secured_query", lambda *given: bare.sub("", original(*given)))
    assert leaks(warehouse, "silver.plain", "null for hidden rows", "interpreted")
