"""Who ends Spark: the last of those who use it, if it was one of them who started it."""

from __future__ import annotations

import pytest

from lakehouse.serving import spark_use
from lakehouse.serving.spark_use import SparkUse
from lakehouse.storage import session


class User:
    pass


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    calls: list[str] = []
    monkeypatch.setattr(session, "stop_session", lambda: calls.append("stopped"))
    return calls


def runs(monkeypatch: pytest.MonkeyPatch, answer: bool) -> None:
    monkeypatch.setattr(spark_use, "_spark_runs", lambda: answer)


def test_the_last_user_ends_what_the_first_started(monkeypatch: pytest.MonkeyPatch, stopped: list[str]) -> None:
    use, first, second = SparkUse(), User(), User()
    runs(monkeypatch, False)
    use.begin(first)
    runs(monkeypatch, True)
    use.begin(second)
    use.end(first)
    use.end(first)
    assert stopped == []
    use.end(second)
    assert stopped == ["stopped"]


def test_a_spark_that_was_there_stays(monkeypatch: pytest.MonkeyPatch, stopped: list[str]) -> None:
    use, user = SparkUse(), User()
    runs(monkeypatch, True)
    use.begin(user)
    use.end(user)
    assert stopped == []


def test_who_never_used_spark_ends_nothing(monkeypatch: pytest.MonkeyPatch, stopped: list[str]) -> None:
    use, user = SparkUse(), User()
    runs(monkeypatch, False)
    use.begin(user)
    runs(monkeypatch, True)
    use.end(User())
    assert stopped == []
