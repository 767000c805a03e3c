from __future__ import annotations

import pytest

from lakehouse.catalog.policy import Effect, TagMatch
from lakehouse.catalog.privilege import Privilege
from lakehouse.catalog.securable import Securable, SecurableKind
from lakehouse.catalog.securable_names import SecurableName, read_securable
from lakehouse.catalog.statement_parser import parse_statement
from lakehouse.catalog.statements import (
    AlterGroup,
    CreateFunction,
    CreatePolicy,
    CreateRole,
    DropFunction,
    DropMask,
    DropPolicy,
    DropRole,
    DropRowFilter,
    ExplainAccess,
    GrantPrivileges,
    GrantRole,
    PrivilegeItem,
    RevokePrivileges,
    RevokeRole,
    SetMask,
    SetOwner,
    SetRowFilter,
    SetTags,
    ShowGrants,
    UnsetTags,
)
from lakehouse.errors import DefinitionError, InvalidValue, UnknownName

TABLE, SCHEMA, CATALOG = SecurableKind.TABLE, SecurableKind.SCHEMA, SecurableKind.CATALOG
SELECT, MODIFY = PrivilegeItem(Privilege.SELECT), PrivilegeItem(Privilege.MODIFY)
ORDERS = SecurableName(TABLE, ("main", "gold", "orders"))
T = SecurableName(TABLE, ("gold", "t"))
ALLOW, DENY = Effect.ALLOW, Effect.DENY


def function(*parts: str) -> SecurableName:
    return SecurableName(SecurableKind.FUNCTION, parts)


UNDERSTOOD = {
    "GRANT SELECT, MODIFY ON TABLE main.gold.Orders TO `analysts`;": GrantPrivileges(
        ALLOW, (SELECT, MODIFY), ORDERS, "analysts"
    ),
    "grant select (A, `b c`), use  schema on gold.t to x": GrantPrivileges(
        ALLOW,
        (PrivilegeItem(Privilege.SELECT, frozenset({"a", "b c"})), PrivilegeItem(Privilege.USE_SCHEMA)),
        T,
        "x",
    ),
    "REVOKE SELECT ON SCHEMA main.gold FROM `x`": RevokePrivileges(
        ALLOW, (SELECT,), SecurableName(SCHEMA, ("main", "gold")), "x"
    ),
    "DENY SELECT ON CATALOG main TO `contractors`": GrantPrivileges(
        DENY, (SELECT,), SecurableName(CATALOG, ("main",)), "contractors"
    ),
    "REVOKE DENY ALL PRIVILEGES ON CATALOG FROM `contractors`": RevokePrivileges(
        DENY, (PrivilegeItem(Privilege.ALL_PRIVILEGES),), SecurableName(CATALOG, ()), "contractors"
    ),
    "GRANT MANAGE ON METASTORE TO `group:a`": GrantPrivileges(
        ALLOW, (PrivilegeItem(Privilege.MANAGE),), SecurableName(SecurableKind.METASTORE, ()), "group:a"
    ),
    "GRANT EXECUTE ON PIPELINE nightly TO x": GrantPrivileges(
        ALLOW, (PrivilegeItem(Privilege.EXECUTE),), SecurableName(SecurableKind.PIPELINE, ("nightly",)), "x"
    ),
    "GRANT SELECT ON catalog.t TO x": GrantPrivileges(ALLOW, (SELECT,), SecurableName(TABLE, ("catalog", "t")), "x"),
    "/* a */ GRANT -- b\n SELECT /* /* c */ */ ON VIEW gold.t TO x -- TO y": GrantPrivileges(ALLOW, (SELECT,), T, "x"),
    "GRANT SELECT ON TABLE gold.`t` TO `it``s; DROP`": GrantPrivileges(ALLOW, (SELECT,), T, "it`s; DROP"),
    "GRANT ROLE eu_reader TO `alice@corp`": GrantRole("eu_reader", "alice@corp"),
    "REVOKE ROLE eu_reader FROM `alice@corp`": RevokeRole("eu_reader", "alice@corp"),
    "CREATE ROLE r": CreateRole("r"),
    "CREATE ROLE IF NOT EXISTS r BOUNDARY (SELECT, USE SCHEMA)": CreateRole(
        "r", frozenset({Privilege.SELECT, Privilege.USE_SCHEMA}), True
    ),
    "CREATE ROLE r BOUNDARY ()": CreateRole("r", frozenset()),
    "DROP ROLE IF EXISTS r": DropRole("r", True),
    "ALTER GROUP g ADD USER a, `b@c`": AlterGroup("g", True, ("a", "b@c")),
    "ALTER GROUP g DROP GROUP h": AlterGroup("g", False, ("h",)),
    "SHOW GRANTS ON TABLE main.gold.orders": ShowGrants(ORDERS),
    "SHOW GRANT `alice@corp` ON TABLE main.gold.orders": ShowGrants(ORDERS, "alice@corp"),
    "EXPLAIN ACCESS SELECT ON TABLE main.gold.orders FOR `a`": ExplainAccess(Privilege.SELECT, ORDERS, "a"),
    "ALTER TABLE gold.t OWNER TO `p`": SetOwner(T, "p"),
    "ALTER SCHEMA gold SET OWNER TO p": SetOwner(SecurableName(SCHEMA, ("gold",)), "p"),
    "ALTER CATALOG main OWNER TO p": SetOwner(SecurableName(CATALOG, ("main",)), "p"),
    "ALTER CATALOG OWNER TO p": SetOwner(SecurableName(CATALOG, ()), "p"),
    "ALTER TABLE gold.t SET ROW FILTER gold.f ON (Region, `x y`)": SetRowFilter(T, ("gold", "f"), ("region", "x y")),
    "ALTER TABLE gold.t SET ROW FILTER f ON ()": SetRowFilter(T, ("f",), ()),
    "ALTER TABLE gold.t DROP ROW FILTER": DropRowFilter(T),
    "ALTER TABLE gold.t ALTER COLUMN Ssn SET MASK m USING COLUMNS (region, 'x', 3)": SetMask(
        T, "ssn", ("m",), ("`region`", "'x'", "3")
    ),
    "ALTER TABLE gold.t ALTER ssn DROP MASK": DropMask(T, "ssn"),
    "ALTER TABLE gold.t SET TAGS ('A' = 'b', 'c')": SetTags(T, None, (("a", "b"), ("c", ""))),
    "ALTER TABLE gold.t ALTER COLUMN c SET TAGS ('a' = 'b')": SetTags(T, "c", (("a", "b"),)),
    "ALTER TABLE gold.t ALTER COLUMN c UNSET TAGS ('a', 'B')": UnsetTags(T, "c", ("a", "b")),
    "ALTER SCHEMA gold UNSET TAGS ('a')": UnsetTags(SecurableName(SCHEMA, ("gold",)), None, ("a",)),
    "SET TAG ON TABLE gold.t `cost center` = `hr`": SetTags(T, None, (("cost center", "hr"),)),
    "SET TAG ON COLUMN gold.t.C pii": SetTags(T, "c", (("pii", ""),)),
    "UNSET TAG ON COLUMN main.gold.orders.c 'pii'": UnsetTags(ORDERS, "c", ("pii",)),
    "CREATE FUNCTION gold.f(a STRING, b DECIMAL(10, 2), m MAP<STRING, INT>) RETURN a = ';' -- x": CreateFunction(
        function=function("gold", "f"),
        parameters=("a STRING", "b DECIMAL ( 10 , 2 )", "m MAP < STRING , INT >"),
        returns=None,
        body="a = ';'",
    ),
    "CREATE OR REPLACE FUNCTION f() RETURNS STRING RETURN 'ü'": CreateFunction(
        function=function("f"), parameters=(), returns="STRING ", body="'ü'", or_replace=True
    ),
    "DROP FUNCTION IF EXISTS gold.f": DropFunction(function("gold", "f"), True),
    "DROP POLICY p ON SCHEMA gold": DropPolicy("p", SecurableName(SCHEMA, ("gold",))),
    """CREATE OR REPLACE POLICY p ON SCHEMA main.gold COMMENT 'c' COLUMN MASK m TO `account users`, b EXCEPT `x`
       FOR TABLES WHEN has_tag('eu') MATCH COLUMNS has_tag('pii') AS c, has_tag_value('geo', 'region') r
       ON COLUMN c USING COLUMNS (r, 4)""": CreatePolicy(
        name="p",
        scope=SecurableName(SCHEMA, ("main", "gold")),
        function=("m",),
        to=("account users", "b"),
        exempt=("x",),
        when=TagMatch("eu"),
        matched=(("c", TagMatch("pii")), ("r", TagMatch("geo", "region"))),
        on_column="c",
        using=("`r`", "4"),
        or_replace=True,
    ),
    "CREATE POLICY p ON CATALOG ROW FILTER gold.f TO x FOR TABLES": CreatePolicy(
        name="p", scope=SecurableName(CATALOG, ()), function=("gold", "f"), to=("x",)
    ),
}


@pytest.mark.parametrize("text", UNDERSTOOD)
def test_statements_about_access(text: str) -> None:
    assert parse_statement(text) == UNDERSTOOD[text]


FOR_SPARK = [
    "",
    ";",
    "-- GRANT SELECT ON t TO x",
    "/* GRANT */ SELECT 1",
    "SELECT 'GRANT SELECT ON t TO x'",
    "SELECT 1; GRANT SELECT ON TABLE gold.t TO x",
    "`GRANT` SELECT ON TABLE gold.t TO x",
    "'GRANT' SELECT ON TABLE gold.t TO x",
    "GRANТ SELECT ON TABLE gold.t TO x",  # a Cyrillic letter
    "SELECT 'never ends",
    "/* never ends",
    "GRANTED",
    "EXPLAIN SELECT 1",
    "SHOW TABLES",
    "SET x = 1",
    "SET TAGS ON = 1",
    "CREATE TABLE role (a INT)",
    "CREATE FUNCTION f AS 'java.Class'",
    "CREATE TEMPORARY FUNCTION f() RETURN 1",
    "DROP TABLE role",
    "ALTER TABLE gold.t ADD COLUMN c INT",
    "ALTER TABLE gold.t ALTER COLUMN c TYPE BIGINT",
    "ALTER TABLE gold.t SET TBLPROPERTIES ('a' = 'b')",
    "ALTER TABLE delta.`/p` SET TBLPROPERTIES ('a' = 'b')",
    "ALTER SCHEMA gold SET ROW FILTER f ON (a)",
    "x" * 100_000,
    "SELECT '" + "x" * 100_000 + "'",
]


@pytest.mark.parametrize("text", FOR_SPARK, ids=lambda text: text[:40])
def test_other_statements_are_left_to_spark(text: str) -> None:
    assert parse_statement(text) is None


REFUSED = [
    ("GRANT", InvalidValue, 1),
    ("GRANT SELECT", InvalidValue, 1),
    ("GRANT SELECT ON TABLE gold.t", InvalidValue, 1),
    ("GRANT SELECT ON TABLE gold.t TO", InvalidValue, 1),
    ("GRANT SELECT ON TABLE gold.t TO x WITH GRANT OPTION", InvalidValue, 1),
    ("GRANT SELECT ON TABLE gold.t TO x, y", InvalidValue, 1),
    ("GRANT SELECT ON TABLE gold.t TO alice@corp", InvalidValue, 1),
    ("GRANT SELECT ON TABLE gold.t TO 'x'", InvalidValue, 1),
    ("GRANT SELECT ON TABLE gold.t TO ``", InvalidValue, 1),
    ("GRANT SELECT () ON TABLE gold.t TO x", InvalidValue, 1),
    ("GRANT SELECT (a,) ON TABLE gold.t TO x", InvalidValue, 1),
    ("GRANT SELECT (a ON TABLE gold.t TO x", InvalidValue, 1),
    ("GRANT SELECT, ON TABLE gold.t TO x", InvalidValue, 1),
    ("GRANT\nSELCT ON TABLE gold.t TO x", UnknownName, 2),
    ("GRANT `SELECT` ON TABLE gold.t TO x", InvalidValue, 1),
    ("GRANT \u017fELECT ON TABLE gold.t TO x", UnknownName, 1),  # a long s, whose upper case is S
    ("GRANT SELECT ON TABLE gold.\u017fecret TO x", InvalidValue, 1),
    ("GRANT SELECT O\u0274 TABLE gold.t TO x", DefinitionError, 1),
    ("GRANT SELECT ON TABLE gold.t TO x; SELECT 1", InvalidValue, 1),
    ("GRANT SELECT ON TABLE gold.t TO x;\nGRANT SELECT ON TABLE gold.t TO y", InvalidValue, 2),
    ("GRANT SELECT ON TABLE gold.t TO `x", InvalidValue, 1),
    ("GRANT SELECT ON TABLE gold.t TO x /* never ends", InvalidValue, 1),
    ("GRANT SELECT ON TABLE gold.t TO x '", InvalidValue, 1),
    ("GRANT SELECT ON TABLE gold..t TO x", InvalidValue, 1),
    ("GRANT SELECT ON TABLE TO x", InvalidValue, 1),
    ("DENY ROLE r TO x", DefinitionError, 1),
    ("REVOKE SELECT ON TABLE gold.t TO x", InvalidValue, 1),
    ("CREATE ROLE r BOUNDARY (SELECT (a))", InvalidValue, 1),
    ("CREATE ROLE r BOUNDARY (SELECT", InvalidValue, 1),
    ("CREATE OR REPLACE ROLE r", InvalidValue, 1),
    ("ALTER GROUP g ADD x", InvalidValue, 1),
    ("ALTER TABLE gold.t OWNER TO x y", InvalidValue, 1),
    ("ALTER TABLE gold.t \u017fET ROW FILTER f ON (a)", InvalidValue, 1),
    ("ALTER TABLE gold.t SET ROW FILTER f", InvalidValue, 1),
    ("ALTER TABLE gold.t SET ROW FILTER f ON (a = 1)", InvalidValue, 1),
    ("ALTER TABLE gold.t ALTER COLUMN c SET MASK m USING COLUMNS ()", InvalidValue, 1),
    ("ALTER TABLE gold.t SET TAGS ('a' = 'b', 'A' = 'c')", InvalidValue, 1),
    ("SET TAG ON COLUMN t.c x = y", InvalidValue, 1),
    ("EXPLAIN ACCESS SELECT, MODIFY ON TABLE gold.t FOR x", InvalidValue, 1),
    ("EXPLAIN ACCESS SELECT ON TABLE gold.t", InvalidValue, 1),
    ("CREATE FUNCTION f(a STRING) a = 1", InvalidValue, 1),
    ("CREATE FUNCTION f(a STRING RETURN a = 1", InvalidValue, 1),
    ("CREATE FUNCTION f(a STRING) RETURN", InvalidValue, 1),
    ("CREATE FUNCTION f(a STRING) RETURNS RETURN a", InvalidValue, 1),
    ("CREATE FUNCTION f(a STRING) RETURN a; SELECT 1", InvalidValue, 1),
    ("CREATE POLICY p ON SCHEMA gold COLUMN MASK m TO x FOR TABLES MATCH COLUMNS has_tag('a') AS c", InvalidValue, 1),
    (
        "CREATE POLICY p ON SCHEMA gold COLUMN MASK m TO x FOR TABLES MATCH COLUMNS has_tag('a') AS c ON COLUMN d",
        InvalidValue,
        1,
    ),
    (
        "CREATE POLICY p ON SCHEMA gold ROW FILTER m TO x FOR TABLES MATCH COLUMNS has_tag('a') AS c USING COLUMNS (d)",
        InvalidValue,
        1,
    ),
    ("CREATE POLICY p ON SCHEMA gold ROW FILTER m FOR TABLES", InvalidValue, 1),
    ("GRANT SELECT ON TABLE gold.t TO `" + "x" * 100_000 + "`", InvalidValue, 1),
]


@pytest.mark.parametrize(("text", "error", "line"), REFUSED, ids=lambda value: str(value)[:60])
def test_malformed_statements_are_refused_with_their_line(text: str, error: type[DefinitionError], line: int) -> None:
    with pytest.raises(error) as caught:
        parse_statement(text, "query.sql")
    assert isinstance(caught.value, DefinitionError)
    assert str(caught.value.where) == f"query.sql:{line}"


def test_every_prefix_of_a_statement_is_refused_or_says_less() -> None:
    for text, whole in UNDERSTOOD.items():
        for end in range(len(text)):
            try:
                found = parse_statement(text[:end])
            except DefinitionError:
                continue
            # What a shorter text says is never a wider grant: it names another principal, or is no access statement.
            assert found is None or type(found) is type(whole), text[:end]


NAMES = {
    "main": (CATALOG, ("main",)),
    "spark_catalog": (CATALOG, ("main",)),
    "GOLD": (SCHEMA, ("main", "gold")),
    "main.gold": (SCHEMA, ("main", "gold")),
    "gold.t": (TABLE, ("main", "gold", "t")),
    "`Main`.gold.`T`": (TABLE, ("main", "gold", "t")),
    "main.main": (SCHEMA, ("main", "main")),
    "metastore": (SecurableKind.METASTORE, ()),
}


@pytest.mark.parametrize("text", NAMES)
def test_names_of_securables(text: str) -> None:
    assert read_securable(text, "main") == Securable(*NAMES[text])


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("other.gold.t", None), ("a.b.c.d", None), ("", None), (" gold", None), ("go-ld", None), ("gold.`a b`", None),
        ("gold\n", None), ("other", CATALOG), ("t", TABLE), ("main.t", TABLE), ("other.gold", SCHEMA),
        ("main.gold.t", SCHEMA), ("f", SecurableKind.FUNCTION), ("x.y.z", SecurableKind.PIPELINE),
    ],
)  # fmt: skip
def test_names_that_mean_nothing(text: str, kind: SecurableKind | None) -> None:
    with pytest.raises(InvalidValue):
        read_securable(text, "main", kind)
