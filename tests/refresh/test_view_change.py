"""The change of a view from the changes of its sources, and that rules which are known to be wrong are found out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from lakehouse.analysis import local_rows
from lakehouse.analysis.algebra import Algebra, optimising_session, read_algebra
from lakehouse.analysis.plan_binding import WEIGHT, PlanBinder
from lakehouse.names import TableName
from lakehouse.plan.algebra import PlanNode
from lakehouse.plan.change_set import CHANGE, Change
from lakehouse.plan.maintenance import Maintenance, Strategy, derive_maintenance
from lakehouse.refresh import restriction
from lakehouse.refresh.evaluator import Evaluator, Side
from lakehouse.refresh.restriction import Restriction
from lakehouse.refresh.source_rows import SourceRows
from lakehouse.refresh.view_change import ViewChange, classes_change, signed_change
from lakehouse.storage.session import isolated_session
from lakehouse.storage.session_catalog import SessionCatalog

pytestmark = pytest.mark.spark

SALES, SHOPS = TableName("lab", "sales"), TableName("lab", "shops")
COLUMNS = {SALES: "id bigint, shop string, amount int", SHOPS: "shop string, town string"}
SMALL = {
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.session.timeZone": "UTC",
}
Row = tuple[Any, ...]


@dataclass(frozen=True)
class Rows:
    """A source before and after."""

    old: Sequence[Row]
    new: Sequence[Row]

    @property
    def change(self) -> list[Row]:
        """What was added and removed, with signs."""
        counted = Counter(self.new)
        counted.subtract(Counter(self.old))
        return [(*row, count) for row, count in counted.items() if count]


class Lab:
    """Two tables known to a session, and views over rows given by hand."""

    def __init__(self, session: SparkSession, folder: Path) -> None:
        self.session = session
        self.counted: Callable[[DataFrame], DataFrame | None] | None = None  # of the sales
        self.looked_up: Callable[[DataFrame, Sequence[str]], DataFrame | None] | None = None
        self.optimiser = optimising_session(session)
        catalog = SessionCatalog(session, "lab")
        for name, columns in COLUMNS.items():
            session.createDataFrame([], columns).write.format("delta").save(str(folder / name.name))
            catalog.pin(name, str(folder / name.name), 0)

    def algebra(self, query: str) -> Algebra:
        return read_algebra(self.session.sql(query), self.optimiser)

    def evaluator(self, algebra: Algebra, rows: Mapping[TableName, Rows]) -> Evaluator:
        sources = {}
        for name, given in rows.items():
            columns = COLUMNS[name]
            change = self.frame(given.change, f"{columns}, {WEIGHT} int") if given.change else None
            new, old = self.frame(given.new, columns), self.frame(given.old, columns)
            rows = SourceRows(new=lambda new=new: new, old=lambda old=old: old, change=change)
            sources[name] = replace(rows, counted=self.counted, looked_up=self.looked_up) if name == SALES else rows
        return Evaluator(PlanBinder(self.session, algebra.operators), sources)

    def frame(self, rows: Sequence[Row], columns: str) -> DataFrame:
        return self.session.createDataFrame(self.session.createDataFrame(list(rows), columns).toArrow())

    def result(self, algebra: Algebra, rows: Mapping[TableName, Rows], side: Side) -> DataFrame:
        given = {
            name: Rows(old=found.old, new=found.old if side is Side.OLD else found.new) for name, found in rows.items()
        }
        return self.evaluator(algebra, given).state(algebra.root, Side.NEW).toDF(*algebra.columns)

    def refreshed(self, query: str, rows: Mapping[TableName, Rows]) -> tuple[Counter[Row], Counter[Row]]:
        """The view after its change was applied, and what its query gives."""
        algebra = self.algebra(query)
        maintenance = derive_maintenance(algebra.root)
        assert isinstance(maintenance, Maintenance), maintenance
        old = self.result(algebra, rows, Side.OLD)
        old = self.frame([tuple(row) for row in old.collect()], old.schema)  # type: ignore[arg-type]
        evaluator = self.evaluator(algebra, rows)
        if maintenance.strategy is Strategy.SIGNED:
            change = signed_change(evaluator, maintenance, algebra.columns, lambda keys: old)
        else:
            maintenance = Maintenance(
                strategy=Strategy.CLASSES,
                root=maintenance.root,
                body=maintenance.body,
                above=maintenance.above,
                key=maintenance.key,
                is_unique=maintenance.is_unique,
            )
            change = classes_change(evaluator, maintenance, algebra.columns, lambda keys: old)
        after = applied(Counter(map(tuple, old.collect())), change, algebra.columns)
        wanted = Counter(map(tuple, self.result(algebra, rows, Side.NEW).collect()))
        evaluator.close()
        return after, wanted


def applied(table: Counter[Row], change: ViewChange | None, columns: Sequence[str]) -> Counter[Row]:
    if change is None:
        return table
    after = Counter(table)
    rows = [(tuple(row[name] for name in columns), row[CHANGE]) for row in change.rows.collect()]
    places = [list(columns).index(name) for name in change.key or ()]
    for values, word in rows:
        if word == Change.REMOVE.value:
            after.pop(values, None)
        elif word != Change.INSERT.value:
            for known in [row for row in after if all(row[place] == values[place] for place in places)]:
                del after[known]
    for values, word in rows:
        if word in (Change.INSERT.value, Change.UPDATE.value):
            after[values] += 1
    return after


@pytest.fixture(scope="module")
def lab(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(isolated_session(spark, SMALL), tmp_path_factory.mktemp("lab"))


RICH = {
    SALES: Rows(
        old=[(1, "a", 5), (2, "a", 5), (2, "a", 5), (3, "b", 7), (4, None, 1), (5, "c", None)],
        new=[(1, "a", 6), (2, "a", 5), (3, "c", 7), (6, None, 2), (7, "b", 9), (5, "c", None)],
    ),
    SHOPS: Rows(
        old=[("a", "york"), ("b", "hull"), (None, "nowhere")],
        new=[("a", "leeds"), ("c", "hull"), ("c", "york")],
    ),
}


@pytest.mark.parametrize(
    "query",
    [
        "SELECT shop, amount + 1 AS more FROM lab.sales WHERE amount > 4",
        "SELECT s.id, t.town FROM lab.sales s JOIN lab.shops t ON s.shop = t.shop",
        "SELECT s.id, t.town FROM lab.sales s LEFT JOIN lab.shops t ON s.shop = t.shop",
        "SELECT s.id, t.town FROM lab.sales s FULL JOIN lab.shops t ON s.shop <=> t.shop",
        "SELECT id FROM lab.sales WHERE shop NOT IN (SELECT shop FROM lab.shops)",
        "SELECT id FROM lab.sales s WHERE EXISTS (SELECT 1 FROM lab.shops t WHERE t.shop = s.shop)",
        "SELECT a.id, b.id AS other FROM lab.sales a JOIN lab.sales b ON a.shop = b.shop WHERE a.id < b.id",
        "SELECT shop, count(DISTINCT amount) AS kinds FROM lab.sales GROUP BY shop HAVING count(*) > 1",
        "SELECT *, rank() OVER (PARTITION BY shop ORDER BY amount) AS place FROM lab.sales",
        "SELECT town, n FROM (SELECT shop, count(*) AS n FROM lab.sales GROUP BY shop) c JOIN lab.shops USING (shop)",
        "SELECT id FROM lab.sales WHERE amount > (SELECT avg(amount) FROM lab.sales)",
        "SELECT shop FROM lab.sales EXCEPT ALL SELECT shop FROM lab.shops",
    ],
)
def test_a_view_with_its_change_applied_is_what_its_query_gives(lab: Lab, query: str) -> None:
    after, wanted = lab.refreshed(query, RICH)
    assert after == wanted


def test_without_null_as_a_class_rows_stay(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def plain(left: DataFrame, right: DataFrame, pairs: Sequence[tuple[str, str]], how: str) -> DataFrame:
        condition = F.lit(True)
        for one, other in pairs:
            condition = condition & (F.col(one) == F.col(other))
        return left.join(right, condition, how)

    monkeypatch.setattr(restriction, "matched", plain)
    query = "SELECT shop, count(DISTINCT amount) AS kinds FROM lab.sales GROUP BY shop"
    rows = {SALES: Rows(old=[(1, None, 5)], new=[(1, None, 5), (2, None, 6)])}
    after, wanted = lab.refreshed(query, rows)
    assert after != wanted


def test_with_new_images_only_the_old_group_is_missed(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    right = Evaluator._source_change

    def new_only(self: Evaluator, node: PlanNode) -> DataFrame:
        return right(self, node).where(F.col(WEIGHT) > 0)

    monkeypatch.setattr(Evaluator, "_source_change", new_only)
    query = "SELECT shop, count(DISTINCT amount) AS kinds FROM lab.sales GROUP BY shop"
    after, wanted = lab.refreshed(query, {SALES: Rows(old=[(1, "a", 5), (2, "a", 6)], new=[(1, "b", 5), (2, "a", 6)])})
    assert after != wanted


def test_having_on_the_change_alone_misses_groups(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    def of_the_change(self: Evaluator, body: PlanNode, touched: Restriction) -> DataFrame:
        change = self.known_delta(body.children[0])
        assert change is not None
        return self.over(body, [change.where(F.col(WEIGHT) > 0).drop(WEIGHT)])

    monkeypatch.setattr(Evaluator, "classes", of_the_change)
    query = "SELECT shop, count(DISTINCT amount) AS kinds FROM lab.sales GROUP BY shop HAVING count(*) > 1"
    after, wanted = lab.refreshed(query, {SALES: Rows(old=[(1, "a", 5)], new=[(1, "a", 5), (2, "a", 6)])})
    assert after != wanted


def test_the_present_state_on_both_sides_of_a_join_keeps_what_left_both(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = Evaluator._matching

    def always_new(self: Evaluator, node: PlanNode, other: PlanNode, side: Side, *rest: Any, **more: Any) -> DataFrame:
        return right(self, node, other, Side.NEW, *rest, **more)

    monkeypatch.setattr(Evaluator, "_matching", always_new)
    rows = {SALES: Rows(old=[(1, "a", 5)], new=[]), SHOPS: Rows(old=[("a", "york")], new=[])}
    after, wanted = lab.refreshed("SELECT s.id, t.town FROM lab.sales s JOIN lab.shops t ON s.shop = t.shop", rows)
    assert after != wanted


@pytest.mark.parametrize(
    ("query", "is_counted"),
    [
        (
            "SELECT t.town, count(s.id) AS n FROM lab.shops t LEFT JOIN lab.sales s ON s.shop = t.shop GROUP BY ALL",
            True,
        ),
        ("SELECT town FROM lab.shops t WHERE EXISTS (SELECT 1 FROM lab.sales s WHERE s.shop = t.shop)", True),
        ("SELECT town FROM lab.shops t WHERE NOT EXISTS (SELECT 1 FROM lab.sales s WHERE s.shop <=> t.shop)", True),
        ("SELECT t.town, s.id FROM lab.shops t LEFT JOIN lab.sales s ON s.shop = t.shop AND s.amount > 5", False),
    ],
)
def test_rows_that_only_match_are_counted(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, query: str, is_counted: bool
) -> None:
    monkeypatch.setattr(local_rows, "MOST_ROWS", 0)  # none are rows of a plan
    counts: list[int] = []

    def count(keys: DataFrame) -> DataFrame:
        counts.append(keys.count())
        of_key = lab.frame(RICH[SALES].new, COLUMNS[SALES]).groupBy("shop").count()
        return of_key.join(keys, of_key["shop"].eqNullSafe(keys["shop"]), "left_semi")

    monkeypatch.setattr(lab, "counted", count)
    after, wanted = lab.refreshed(query, RICH)
    assert after == wanted
    assert bool(counts) is is_counted


def test_a_column_that_is_asked_for_twice_is_not_looked_up(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def look(keys: DataFrame, columns: Sequence[str]) -> None:
        asked.append(keys.columns)

    monkeypatch.setattr(lab, "looked_up", look)
    query = "SELECT s.id, t.town FROM lab.shops t JOIN lab.sales s ON s.shop = t.shop AND s.shop = t.town"
    rows = RICH | {SHOPS: Rows(old=[("a", "a"), ("b", "york")], new=[("b", "b"), ("c", "c")])}
    after, wanted = lab.refreshed(query, rows)
    assert after == wanted
    assert after
    assert asked == []
    lab.refreshed("SELECT s.id, t.town FROM lab.shops t JOIN lab.sales s ON s.shop = t.shop", RICH)
    assert asked == [["shop"]]


def test_an_unused_nested_column_is_asked_for_as_no_text_names_its_type(lab: Lab) -> None:
    algebra = lab.algebra("SELECT amount FROM lab.sales")
    source = next(node for node in algebra.root.walk() if node.dataset == SALES)
    key, shop, amount = source.output
    nested = replace(source, output=(key, replace(shop, type="struct<a-b:int>"), amount))
    asked: list[str] = []

    def look(keys: DataFrame, columns: Sequence[str]) -> None:
        asked.extend(columns)

    rows = SourceRows(new=lambda: keys, old=lambda: keys, looked_up=look)
    keys = lab.frame([(1,)], "k0 bigint")
    evaluator = Evaluator(PlanBinder(lab.session, algebra.operators), {SALES: rows}, frozenset({amount.id}))
    assert evaluator._looked_up(nested, Restriction((key.id,), keys)) is None
    assert asked == ["shop", "amount"]
