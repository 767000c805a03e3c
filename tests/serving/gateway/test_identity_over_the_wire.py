"""Who asks, and rules that cannot be applied, through an unmodified Flight SQL client on real tables: tokens, groups
that change, two users at once, and everything that must shut when it breaks."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from adbc_driver_manager import Error
from pyspark.sql import SparkSession

from tests.serving.gateway.hr_project import RULES
from tests.serving.gateway.hr_site import HrSite, hr_site

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")]

TITLES = "SELECT title FROM hr.dept ORDER BY title"
HASHES = "SELECT length(ssn) FROM hr.emp WHERE id = 1"


@pytest.fixture(scope="module")
def served(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HrSite]:
    with hr_site(tmp_path_factory.mktemp("identity")) as made:
        yield made


@pytest.fixture
def site(served: HrSite) -> Iterator[HrSite]:
    """The rules are put back after every test."""
    yield served
    write_rules(served, RULES)


def write_rules(site: HrSite, text: str) -> None:
    (site.root / "access.yml").write_text(text)


def answer(connection: Any, query: str = TITLES) -> list[Any]:
    """The first column of the rows; the status of a failure."""
    with connection.cursor() as cursor:
        try:
            cursor.execute(query)
            return [row[0] for row in cursor.fetchall()]
        except Error as error:
            failed = error
    assert not re.search(r"Traceback|[\s'\"]/", str(failed))  # nor a path
    return [failed.status_code.name]


def test_tokens_that_are_none(site: HrSite) -> None:
    revoked, good = site.token(), site.token()
    site.tokens.revoke(revoked.split("_")[1], datetime.now(timezone.utc))
    for token in (revoked, site.token(lifetime=timedelta(seconds=-1)), good[:-1], site.token("gone"), "x"):
        with site.connect(token) as connection:
            assert answer(connection) == ["UNAUTHENTICATED"]
    with site.connect(good) as connection:
        assert answer(connection) == ["labs", "sales"]
        site.tokens.revoke(good.split("_")[1], datetime.now(timezone.utc))
        assert answer(connection) == ["UNAUTHENTICATED"]


def test_who_leaves_a_group_is_refused_from_the_next_query(site: HrSite) -> None:
    with site.connect(site.token()) as connection, connection.cursor() as cursor:
        assert answer(connection, HASHES) == [64]
        cursor.adbc_prepare(HASHES)
        write_rules(site, RULES.replace("readers: [ana@corp]", "readers: []"))
        assert answer(connection, HASHES) == ["UNAUTHORIZED"]
        with pytest.raises(Error) as caught:  # what was prepared under other rules is not run under these
            cursor.execute(HASHES)
        assert caught.value.status_code.name == "UNAUTHORIZED"
        write_rules(site, RULES.replace("ana@corp: {}, ", "").replace("readers: [ana@corp]", "readers: []"))
        assert answer(connection, HASHES) == ["UNAUTHENTICATED"]
        write_rules(site, RULES)
        assert answer(connection, HASHES) == [64]


def test_two_users_at_once_get_rows_of_their_own(site: HrSite) -> None:
    expected = {"ana": ["labs", "sales"], "bob": ["sales"]}
    wrong: list[tuple[str, list[Any]]] = []
    done: list[str] = []

    def ask(who: str) -> None:
        with site.connect(site.token(who)) as connection:
            for _ in range(8):
                for query, rows in ((TITLES, expected[who]), (HASHES, [64] if who == "ana" else ["UNAUTHORIZED"])):
                    found = answer(connection, query)
                    if found != rows:
                        wrong.append((who, found))
                done.append(who)

    threads = [threading.Thread(target=ask, args=(who,)) for who in ("ana", "bob") * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (wrong, sorted(done)) == ([], ["ana"] * 16 + ["bob"] * 16)


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param(None, id="no file"),
        pytest.param("", id="empty"),
        pytest.param(RULES[: len(RULES) // 2], id="half a file"),
        pytest.param(RULES.replace("securables:", "securable:"), id="unknown key"),
        pytest.param(RULES.replace("bob@corp: [SELECT]", "bill@corp: [SELECT]"), id="unknown principal"),
        pytest.param(RULES.replace("hr.hashed: {", "hr.other: {"), id="mask function gone"),
        pytest.param(RULES.replace("dept = 'd0' OR", "nowhere = 'd0' OR"), id="filter on no column"),
    ],
)
def test_rules_that_cannot_be_applied_allow_nothing(site: HrSite, rules: str | None) -> None:
    with site.connect(site.token()) as connection:
        assert answer(connection) == ["labs", "sales"]
        if rules is None:
            (site.root / "access.yml").unlink()
        else:
            write_rules(site, rules)
        assert answer(connection)[0] in {"UNAUTHORIZED", "UNAUTHENTICATED"}
        with site.connect(site.token()) as other:
            assert answer(other)[0] in {"UNAUTHORIZED", "UNAUTHENTICATED"}
        write_rules(site, RULES)
        assert answer(connection) == ["labs", "sales"]


def test_no_rows_without_an_audit(site: HrSite) -> None:
    log = Path(site.warehouse) / "system" / "audit" / "_delta_log"
    with site.connect(site.token()) as connection:
        assert answer(connection) == ["labs", "sales"]
        shutil.move(log, log.with_name("aside"))
        log.write_text("no folder")
        try:
            found = answer(connection)
        finally:
            log.unlink()
            shutil.move(log.with_name("aside"), log)
        assert found not in (["labs", "sales"], ["UNAUTHORIZED"])
        assert len(found) == 1
        assert answer(connection) == ["labs", "sales"]
