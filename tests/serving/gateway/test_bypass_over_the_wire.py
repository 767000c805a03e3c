"""The bypass suite through an unmodified Flight SQL client: real tables, real rules, the gateway as it is served.

What holds of every statement here held of it at the gate already (`test_query_gate`); here the whole way is attacked:
protocol, prepared statements, rules, views, errors as the client sees them. The raw database's name, which no client
can know, is filled in as if one did.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from adbc_driver_manager import Error
from pyspark.sql import SparkSession

from tests.serving import hostile_statements, legitimate_statements
from tests.serving.gateway.hr_site import ANA, HrSite, hr_site
from tests.serving.guarded_tables import EMP, FORBIDDEN
from tests.serving.hostile_statements import Expected, Statement

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]

_RAW_TABLE = re.compile(r"(\{raw\}`?\.`?)(?=emp|secret|dept|staff)")
_MISSING_COLUMN = re.compile(r"the query failed: (UNRESOLVED_COLUMN|UNRESOLVED_USING_COLUMN|FIELD_NOT_FOUND)")
_NO_STATEMENT = re.compile(  # refused before anyone asks what it reads, the last by the client itself
    "parameters, and 0 values are bound|(comment|string) never ends|statement is longer than|must call SetSqlQuery"
)
_OWN_ANSWER = {"SELECT * FROM information_schema.tables"}  # there is one here, of what the principal may know of


@pytest.fixture(scope="module")
def site(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HrSite]:
    with hr_site(tmp_path_factory.mktemp("wire")) as made:
        yield made


@pytest.fixture(scope="module")
def connection(site: HrSite) -> Iterator[Any]:
    with site.connect(site.token()) as opened:
        assert [row[0] for row in rows(opened, "SELECT id FROM hr.emp ORDER BY id")] == [1, 2, 3]
        yield opened


def rows(connection: Any, sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        table = cursor.fetch_arrow_table()
    return list(zip(*([_plain(value) for value in column.to_pylist()] for column in table.columns), strict=True))


def _plain(value: Any) -> Any:
    """Structs as tuples, at any depth."""
    if isinstance(value, dict):
        return tuple(_plain(part) for part in value.values())
    return [_plain(part) for part in value] if isinstance(value, list) else value


def text_of(site: HrSite, statement: Statement) -> str:
    """The statement with its placeholders filled in. Raw tables have their schema in their name."""
    sql = _RAW_TABLE.sub(r"\1hr__", statement.sql).replace("{RAW}.", "{RAW}.HR__")
    raw = site.raw_database()
    return sql.format(raw=raw, RAW=raw.upper(), path=f"{site.warehouse}/hr/emp")


def name_of(statement: Statement) -> str:
    return f"{statement.item}-{statement.sql[:60]}".encode("ascii", "backslashreplace").decode()


def same_rows(found: list[tuple[Any, ...]], expected: tuple[tuple[Any, ...], ...]) -> bool:
    return sorted(map(repr, found)) == sorted(map(repr, expected))


@pytest.mark.parametrize("statement", legitimate_statements.STATEMENTS, ids=name_of)
def test_a_query_that_one_has_every_right_to_is_answered(site: HrSite, connection: Any, statement: Statement) -> None:
    found = rows(connection, text_of(site, statement))
    assert statement.rows is not None
    assert same_rows(found, statement.rows), found


@pytest.mark.parametrize("statement", hostile_statements.STATEMENTS, ids=name_of)
def test_a_hostile_statement_gets_nothing(site: HrSite, connection: Any, statement: Statement) -> None:
    sql = text_of(site, statement)
    error: Error | UnicodeEncodeError | None = None
    found: list[tuple[Any, ...]] = []
    try:
        found = rows(connection, sql)
    except (Error, UnicodeEncodeError) as failed:  # half a surrogate pair does not leave the client
        error = failed
    said, typed = f"{found} {error!r} {getattr(error, 'details', '')!r}", sql.lower()
    hidden = [*FORBIDDEN, *(text for text in (site.raw_database(), site.warehouse) if text not in typed)]
    assert [text for text in hidden if text in said] == []
    assert "Traceback" not in said
    match statement.expected:
        case _ if statement.sql in _OWN_ANSWER:
            assert (error, len(found) > 4) == (None, True)
        case Expected.ANSWERED:
            assert error is None, said
            assert statement.rows is None or same_rows(found, statement.rows), said
        case Expected.REFUSED:
            assert isinstance(error, UnicodeEncodeError) or is_refusal(error) or _NO_STATEMENT.search(str(error)), said
        case Expected.MISSING:
            missing = is_refusal(error) and "cannot be found" in str(error)
            assert missing or _MISSING_COLUMN.search(str(error)), said
        case Expected.FAILS:
            assert isinstance(error, Error), said


def test_the_raw_tables_that_were_attacked_are_there(site: HrSite, connection: Any) -> None:
    """Else the statements that name them would be refused for naming nothing."""
    for table in ("emp", "staff", "dept"):
        rows(connection, f"SELECT * FROM hr.{table}")
    session = site.service._places[ANA].seat.session  # type: ignore[union-attr]
    assert session.table(f"{site.raw_database()}.hr__emp").count() == EMP.num_rows
    names = {row.tableName for row in session.sql(f"SHOW TABLES IN {site.raw_database()}").collect()}
    assert names >= {"hr__emp", "hr__staff", "hr__dept"}


def is_refusal(error: BaseException | None) -> bool:
    return isinstance(error, Error) and error.status_code.name == "UNAUTHORIZED"
