from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from lakehouse.definition.declared_name import without_prefix
from lakehouse.definition.session_stand_in import SessionStandIn, using_session
from lakehouse.errors import InvalidValue, UndefinedVariable


class Session:
    """Records what it is asked."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.asked: list[Any] = []
        self.conf = {"spark.app.name": name}
        self.read = self

    def table(self, name: str) -> str:
        self.asked.append(("table", name))
        return self.name

    def sql(self, text: str, args: object = None) -> str:
        self.asked.append(("sql", text, args))
        return self.name

    def csv(self, path: str) -> str:
        return f"csv {path}"


def stand_in(session: Session | None, **configuration: str) -> SessionStandIn:
    return SessionStandIn(
        None if session is None else lambda: session, configuration, lambda n: without_prefix(n, "main"), Path.cwd()
    )


def test_names_are_normalised() -> None:
    session = Session("s")
    spark = stand_in(session)
    spark.table("main.silver.a")
    spark.read.table("LIVE.b")
    spark.sql("SELECT main.silver.a.x FROM main.silver.a JOIN LIVE.b WHERE y = 'LIVE.c'", {"k": 1})
    assert session.asked == [
        ("table", "silver.a"),
        ("table", "b"),
        ("sql", "SELECT silver.a.x FROM silver.a JOIN b WHERE y = 'LIVE.c'", {"k": 1}),
    ]
    assert spark.read.csv("x") == "csv x"


def test_configuration_comes_before_the_session() -> None:
    spark = stand_in(None, landing="in", **{"spark.x": "1"})
    assert (spark.conf.get("landing"), spark.conf.get("spark.x"), spark.conf.get("none", None)) == ("in", "1", None)
    assert spark.conf.get("spark.other", "d") == "d"
    with pytest.raises(UndefinedVariable) as caught:
        spark.conf.get("landng")
    assert caught.value.nearest == "landing"
    assert stand_in(Session("s")).conf.get("spark.app.name") == "s"


def test_without_a_way_to_open_a_session_a_real_use_is_an_error_at_its_line() -> None:
    with pytest.raises(InvalidValue) as caught:
        stand_in(None).range(3)
    assert caught.value.where is not None
    assert caught.value.where.file.endswith("test_session_stand_in.py")


def test_in_a_query_it_stands_for_the_query_s_session() -> None:
    opened, query = Session("opened"), Session("query")
    spark = stand_in(opened)
    assert spark.table("a") == "opened"
    with using_session(query):  # type: ignore[arg-type]
        assert spark.table("a") == "query"
    assert spark.table("a") == "opened"


def test_looking_at_it_opens_nothing() -> None:
    spark = stand_in(None)
    assert "session" in repr(spark)
    assert not hasattr(spark, "__wrapped__")
    assert isinstance(copy.copy(spark), SessionStandIn)
    spark.stop()
