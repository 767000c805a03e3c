"""What a principal sees through a reader: the cases of evaluation that concern rows and columns."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pyspark.sql import DataFrame, SparkSession

from lakehouse.catalog.policy import AccessPolicy, Effect, Rule
from lakehouse.catalog.principal import ACCOUNT_USERS
from lakehouse.catalog.privilege import Privilege
from lakehouse.errors import AccessRefused, QueryError, UnknownName, UsageError
from lakehouse.names import TableName
from tests.serving.secured_tables import EVERYONE, ROOT, Warehouse, grants, group, policy, securable, user

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]

PEOPLE = "silver.people"
TABLES = (PEOPLE, "ops.user_region", "hr.secret", "system.audit")
ROWS = [
    (1, "ann", "EU", "s1", 10),
    (2, "bo", "US", "s2", 20),
    (3, "cy", "EU", "s3", 30),
    (4, "di", None, "s4", 40),
]


@pytest.fixture(scope="module")
def warehouse(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    made = Warehouse(tmp_path_factory.mktemp("guarded") / "project", spark)
    made.write(
        PEOPLE, spark.createDataFrame(ROWS, "id int, name string, region string, ssn string, pay int").coalesce(1)
    )
    mapping = [("ana@corp", "EU"), ("bob@corp", "US"), ("bob@corp", None), ("fay@corp", "EU"), ("fay@corp", "US")]
    made.write("ops.user_region", spark.createDataFrame(mapping, "usr string, region string"))
    made.write("hr.secret", spark.createDataFrame([("top",)], "word string"))
    made.write("system.audit", spark.createDataFrame([("ana@corp",)], "who string"))
    return made


def rows(frame: DataFrame) -> list[tuple[object, ...]]:
    return sorted((tuple(row) for row in frame.collect()), key=str)


def seen(warehouse: Warehouse, rules: AccessPolicy, query: str, who: str = "ana@corp") -> list[tuple[object, ...]]:
    return rows(warehouse.reader(rules, warehouse.tables(*TABLES), who).sql(query))


def ids(warehouse: Warehouse, condition: str, who: str = "ana@corp") -> list[object]:
    found = seen(warehouse, policy(filters={PEOPLE: condition}), "SELECT id FROM people", who)
    return [row[0] for row in found]


def test_filters_of_every_shape(warehouse: Warehouse) -> None:
    shapes = {
        "region = 'EU'": [1, 3],
        "region <> 'EU'": [2],  # NULL hides
        "NOT (region = 'EU')": [2],
        "region = 'EU' OR pay > 30": [1, 3, 4],
        "pay > 15 -- more than that": [2, 3, 4],
        "ssn IN ('s1', 's2')": [1, 2],
        "NULL": [],
        "true": [1, 2, 3, 4],
        "pay < 35 AND current_date() > DATE'2020-01-01'": [1, 2, 3],
    }
    for condition, expected in shapes.items():
        assert ids(warehouse, condition) == expected, condition


def test_mapping_tables_say_who_sees_what(warehouse: Warehouse) -> None:
    inside = "region IN (SELECT region FROM main.ops.user_region WHERE usr = current_user())"
    assert ids(warehouse, inside) == [1, 3]
    assert ids(warehouse, inside, "bob@corp") == [2]
    assert ids(warehouse, inside, "eve@corp") == []
    outside = inside.replace("IN (", "NOT IN (")
    assert ids(warehouse, outside) == [2]
    assert ids(warehouse, outside, "bob@corp") == []  # a NULL in the list
    assert ids(warehouse, outside, "eve@corp") == [1, 2, 3, 4]  # an empty list is not even unknown of NULL
    assert ids(warehouse, "id < (SELECT count(*) + 1 FROM ops.user_region WHERE usr = current_user())") == [1]
    assert ids(warehouse, "EXISTS (SELECT 1 FROM ops.user_region WHERE usr = user())") == [1, 2, 3, 4]
    assert ids(warehouse, "EXISTS (SELECT 1 FROM ops.user_region WHERE usr = user())", "eve@corp") == []
    assert ids(
        warehouse, "array_contains((SELECT collect_list(region) FROM ops.user_region WHERE usr = user()), region)"
    ) == [1, 3]


@pytest.mark.parametrize(
    "condition",
    [
        "EXISTS (SELECT 1 FROM ops.user_region m WHERE m.region = people.region)",
        "id = (SELECT id FROM ops.nothing)",
        "region IN (SELECT region, usr FROM ops.user_region)",
        "region = (SELECT region FROM ops.user_region WHERE usr = 'fay@corp')",
        "id > (SELECT rand() * 2)",
        "current_date() < (SELECT max(current_date()) FROM ops.user_region)",
        "region IN (SELECT usr FROM ops.user_region WHERE usr = `current_user`)",
        "no_such_column = 1",
        "no_such_function(id)",
        "region IN (SELECT 1/0 FROM ops.user_region)",
        "id = 1) OR (1 = 1",
        "id = max(id) OVER ()",
    ],
)
def test_a_filter_in_doubt_makes_the_table_unreadable(warehouse: Warehouse, condition: str) -> None:
    with pytest.raises(AccessRefused) as caught:
        ids(warehouse, condition)
    assert "'EU'" not in str(caught.value)


def test_hidden_columns_are_not_there_but_filters_see_them(warehouse: Warehouse) -> None:
    listed = Rule(Effect.ALLOW, user("ana@corp"), Privilege.SELECT, securable(PEOPLE), frozenset({"id", "name", "pay"}))
    more = Rule(Effect.ALLOW, ACCOUNT_USERS, Privilege.SELECT, securable(PEOPLE), frozenset({"region"}))
    less = Rule(Effect.DENY, ACCOUNT_USERS, Privilege.SELECT, securable(PEOPLE), frozenset({"pay"}))
    use = grants(ACCOUNT_USERS, ROOT, Privilege.USE_CATALOG, Privilege.USE_SCHEMA)
    rules = policy(rules=[*use, listed, more, less], filters={PEOPLE: "ssn <> 's3'"})
    assert seen(warehouse, rules, "SELECT * FROM people") == [(1, "ann", "EU"), (2, "bo", "US"), (4, "di", None)]
    for query in ("SELECT pay FROM people", "SELECT id FROM people ORDER BY ssn", "SELECT people.ssn FROM people"):
        with pytest.raises(QueryError) as caught:
            seen(warehouse, rules, query)
        assert caught.value.condition == "UNRESOLVED_COLUMN.WITH_SUGGESTION"
    missing = error_of(QueryError, lambda: seen(warehouse, rules, "SELECT psy FROM people"))
    hidden = error_of(QueryError, lambda: seen(warehouse, rules, "SELECT pay FROM people"))
    assert missing.replace("psy", "pay") == hidden


def test_masks_hold_everywhere(warehouse: Warehouse) -> None:
    masked = {
        (PEOPLE, "ssn"): "concat('*', right(val, 1), region)",
        (PEOPLE, "region"): "'all'",
        (PEOPLE, "pay"): "'7'",
    }
    rules = policy(masks=masked)
    assert seen(warehouse, rules, "SELECT id, ssn, region, pay FROM people WHERE id < 3") == [
        (1, "*1EU", "all", 7),  # the other column raw, the text cast to the column's type
        (2, "*2US", "all", 7),
    ]
    for query, expected in {
        "SELECT id FROM people WHERE ssn = 's1'": [],
        "SELECT id FROM people WHERE ssn = '*1EU'": [(1,)],
        "SELECT max(ssn), count(DISTINCT region) FROM people": [("*3EU", 1)],
        "SELECT region, sum(pay) FROM people GROUP BY region": [("all", 28)],
        "SELECT a.id FROM people a JOIN (VALUES ('s1'), ('*2US')) t(x) ON a.ssn = t.x": [(2,)],
        "SELECT id FROM people WHERE id < 4 ORDER BY ssn DESC LIMIT 1": [(3,)],
        "SELECT to_json(struct(*)) FROM people WHERE id = 1": [
            ('{"id":1,"name":"ann","region":"all","ssn":"*1EU","pay":7}',)
        ],
    }.items():
        assert seen(warehouse, rules, query) == expected, query


def test_a_filter_sees_raw_values_before_masks(warehouse: Warehouse) -> None:
    rules = policy(filters={PEOPLE: "region = 'EU'"}, masks={(PEOPLE, "region"): "'US'"})
    assert seen(warehouse, rules, "SELECT id, region FROM people") == [(1, "US"), (3, "US")]


def test_owners_and_all_privileges_are_not_exempt(warehouse: Warehouse) -> None:
    everything = [*grants(ACCOUNT_USERS, ROOT, *EVERYONE), *grants(user("ana@corp"), ROOT, Privilege.ALL_PRIVILEGES)]
    rules = policy(rules=everything, filters={PEOPLE: "id = 1"})
    assert seen(warehouse, rules, "SELECT id FROM people") == [(1,)]


def test_masks_for_some_groups(warehouse: Warehouse) -> None:
    mask = {(PEOPLE, "ssn"): "CASE WHEN is_account_group_member('HR') THEN val ELSE left(val, 1) END"}
    rules = policy(masks=mask, groups={"hr": frozenset({group("chiefs")}), "chiefs": frozenset({user("bob@corp")})})
    assert seen(warehouse, rules, "SELECT DISTINCT ssn FROM people WHERE id = 1") == [("s",)]
    assert seen(warehouse, rules, "SELECT DISTINCT ssn FROM people WHERE id = 1", "bob@corp") == [("s1",)]


@pytest.mark.parametrize("expression", ["named_struct('a', 1)", "val || nothing", "sum(pay)", "explode(array(val))"])
def test_a_mask_that_does_not_fit_makes_the_table_unreadable(warehouse: Warehouse, expression: str) -> None:
    with pytest.raises(AccessRefused):
        seen(warehouse, policy(masks={(PEOPLE, "pay"): expression}), "SELECT id FROM people")


def test_a_mask_over_several_rows_makes_the_table_unreadable(warehouse: Warehouse) -> None:
    for expression in ("max(val)", "max(val) OVER ()"):
        rules = policy(masks={("hr.secret", "word"): expression})
        with pytest.raises(AccessRefused):
            seen(warehouse, rules, "SELECT * FROM hr.secret")


def test_names_in_any_case(warehouse: Warehouse) -> None:
    rules = policy(filters={PEOPLE: "REGION = 'EU'"}, masks={(PEOPLE, "ssn"): "upper(VAL)"})
    assert seen(warehouse, rules, "SELECT SSN FROM Main.`SILVER`.People") == [("S1",), ("S3",)]


def test_what_one_may_not_know_of_looks_like_what_is_not_there(warehouse: Warehouse) -> None:
    rules = policy(
        rules=grants(ACCOUNT_USERS, securable(PEOPLE), Privilege.SELECT)
        + grants(ACCOUNT_USERS, ROOT, Privilege.USE_CATALOG, Privilege.USE_SCHEMA)
    )
    reader = warehouse.reader(rules, warehouse.tables(*TABLES), "ana@corp")
    assert reader.names() == [TableName("silver", "people")]
    for hidden, missing in (
        ("hr.secret", "hr.sacret"),
        ("system.audit", "system.oudit"),
        ("ops.user_region", "ops.usar_region"),
    ):
        for read in (lambda name: reader.sql(f"SELECT * FROM {name}"), lambda name: reader.table(name_of(name), name)):
            errors = [error_of(UnknownName, lambda: read(name)) for name in (hidden, missing)]  # noqa: B023
            assert errors[0] == errors[1].replace(missing, hidden)
    with pytest.raises(UnknownName) as caught:
        reader.sql("SELECT * FROM hr.secre")
    assert caught.value.nearest is None


def error_of(kind: type[Exception], call: Callable[[], object]) -> str:
    with pytest.raises(kind) as caught:
        call()
    return str(caught.value)


def name_of(text: str) -> TableName:
    return TableName(*text.split("."))


def test_what_one_may_know_of_and_not_read_is_refused(warehouse: Warehouse) -> None:
    rules = policy(rules=grants(ACCOUNT_USERS, ROOT, Privilege.USE_CATALOG, Privilege.USE_SCHEMA, Privilege.BROWSE))
    reader = warehouse.reader(rules, warehouse.tables(*TABLES), "ana@corp")
    with pytest.raises(AccessRefused):
        reader.sql("SELECT * FROM hr.secret")
    assert reader.names() == []


@pytest.mark.parametrize(
    "statement",
    [
        "EXPLAIN SELECT * FROM people",
        "DESCRIBE EXTENDED people",
        "SHOW CREATE TABLE people",
        "SET spark.sql.runSQLOnFiles = true",
        "CREATE TEMPORARY VIEW v AS SELECT * FROM people",
        "DROP VIEW people",
        "DESCRIBE HISTORY people",
    ],
)
def test_only_queries(warehouse: Warehouse, statement: str) -> None:
    with pytest.raises(UsageError):
        seen(warehouse, policy(), statement)


def test_paths_and_variables_are_not_read(warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    place = warehouse.location("hr.secret")
    for path in (f"delta.`{place}`", f"parquet.`{place}`", f"text.`{place}`", f"delta.`{place}@v0`"):
        with pytest.raises((UnknownName, QueryError)):
            seen(warehouse, policy(), f"SELECT * FROM {path}")
    assert seen(warehouse, policy(), "SELECT '${env:HOME}'") == [("${env:HOME}",)]


def test_versions_are_pinned_and_columns_added_later_unseen(warehouse: Warehouse, spark: SparkSession) -> None:
    warehouse.write("silver.pinned", spark.createDataFrame([(1, "a")], "id int, word string"))
    reader = warehouse.reader(policy(), warehouse.tables("silver.pinned"), "ana@corp")
    late = warehouse.reader(policy(), warehouse.tables("silver.pinned"), "ana@corp")
    assert rows(reader.sql("SELECT * FROM pinned")) == [(1, "a")]
    warehouse.write("silver.pinned", spark.createDataFrame([(2, "b", "new")], "id int, word string, added string"))
    for each in (reader, late):
        assert rows(each.sql("SELECT * FROM pinned")) == [(1, "a")]
        with pytest.raises(QueryError):
            each.sql("SELECT added FROM pinned")
    assert rows(warehouse.reader(policy(), warehouse.tables("silver.pinned"), "ana@corp").sql("TABLE pinned")) == [
        (2, "b", "new")
    ]


def test_information_schema_shows_what_one_may_know(warehouse: Warehouse) -> None:
    use = grants(ACCOUNT_USERS, ROOT, Privilege.USE_CATALOG, Privilege.USE_SCHEMA)
    listed = Rule(Effect.ALLOW, user("ana@corp"), Privilege.SELECT, securable(PEOPLE), frozenset({"id", "ssn"}))
    browse = grants(user("ana@corp"), securable("ops.user_region"), Privilege.BROWSE)
    rules = policy(rules=[*use, listed, *browse], masks={(PEOPLE, "ssn"): "'x'"})
    reader = warehouse.reader(rules, warehouse.tables(*TABLES), "ana@corp")
    assert rows(reader.sql("SELECT * FROM main.information_schema.catalogs")) == [("main",)]
    assert [row[1] for row in rows(reader.sql("SELECT * FROM information_schema.schemata"))] == [
        "information_schema",
        "ops",
        "silver",
    ]
    own = "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema <> 'information_schema'"
    assert rows(reader.sql(own)) == [("ops", "user_region"), ("silver", "people")]
    columns = "SELECT table_name, column_name, ordinal_position, full_data_type FROM information_schema.columns"
    assert rows(reader.sql(columns)) == [("people", "id", 1, "INT"), ("people", "ssn", 2, "STRING")]
    held = "SELECT table_name, grantee, privilege_type, inherited_from FROM information_schema.table_privileges"
    assert ("people", "ana@corp", "SELECT", "NONE") in rows(reader.sql(held))
    with pytest.raises(UnknownName):
        reader.sql("SELECT * FROM information_schema.nothing")
    empty = warehouse.reader(policy(rules=[]), warehouse.tables(*TABLES), "eve@corp")
    assert rows(empty.sql("SELECT * FROM information_schema.columns")) == []
    assert rows(empty.sql("SELECT DISTINCT table_schema FROM information_schema.tables")) == [("information_schema",)]


def test_an_unknown_principal_is_refused(warehouse: Warehouse) -> None:
    for who in ("nobody@corp", "group:hr", "account users"):
        with pytest.raises(AccessRefused):
            warehouse.reader(policy(groups={"hr": frozenset()}), {}, who)


def test_a_query_makes_only_the_views_that_it_names(warehouse: Warehouse) -> None:
    reader = warehouse.reader(policy(), warehouse.tables(*TABLES), "ana@corp")
    reader.sql("SELECT * FROM people")
    made = [
        row["viewName"] for schema in ("silver",) for row in reader.session.sql(f"SHOW VIEWS IN {schema}").collect()
    ]
    assert made == ["people"]
    assert "secret" not in str(reader.session.sql("SHOW DATABASES").collect())
