"""The refresh policy, rule by rule."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lakehouse.definition.dataset import (
    FileSource,
    Flow,
    MaterializedView,
    SqlQuery,
    StoredDataset,
    StreamingTable,
)
from lakehouse.errors import SourceLocation
from lakehouse.graph.dataflow import build_graph
from lakehouse.names import TableName
from lakehouse.plan.load_plan import LoadPlan, SourceFile
from lakehouse.plan.records import PublishedTable, RefreshRecord, TableFacts
from lakehouse.plan.refresh_plan import (
    Identity,
    PlanFacts,
    ReasonCode,
    RefreshMode,
    RefreshPlan,
    decide_step,
    plan_refresh,
)

HERE = SourceLocation("project.yml", 1)
SILVER, GOLD, VIEW = TableName("silver", "s"), TableName("gold", "g"), TableName("", "v")
RAW = TableName("raw", "r")
IDENTITY = Identity(query="q", layout="l", settings="s", views={})


def view(name: TableName) -> MaterializedView:
    return MaterializedView(name=name, location=HERE, query=SqlQuery(text="SELECT 1", location=HERE))


DATASETS: dict[TableName, StoredDataset] = {SILVER: view(SILVER), GOLD: view(GOLD)}
GRAPH = build_graph({RAW: (), SILVER: (RAW,), VIEW: (SILVER,), GOLD: (VIEW,)})


def record(name: TableName, reads: dict[str, int], **changes: object) -> RefreshRecord:
    made = RefreshRecord(
        project="p",
        dataset=str(name),
        run="r1",
        epoch=4,
        mode="full",
        fingerprint="q",
        layout="l",
        settings="s",
        reads=reads,
        views={"v": "vq"} if name == GOLD else {},
    )
    return replace(made, **changes)


def table(found: RefreshRecord, version: int = 7, **changes: object) -> TableFacts:
    return replace(TableFacts(version=version, record=found, record_version=version), **changes)


def facts(**changes: object) -> PlanFacts:
    silver, gold = record(SILVER, {"raw.r": 3}), record(GOLD, {"silver.s": 7})
    settled = PlanFacts(
        tables={SILVER: table(silver), GOLD: table(gold)},
        identities={SILVER: IDENTITY, GOLD: replace(IDENTITY, views={"v": "vq"})},
        published={
            SILVER: PublishedTable(name=SILVER, version=7, record=silver),
            GOLD: PublishedTable(name=GOLD, version=7, record=gold),
        },
        external={RAW: 3},
    )
    return replace(settled, **changes)


def plan(found: PlanFacts, selected: frozenset[TableName] = frozenset({SILVER, GOLD})) -> RefreshPlan:
    return plan_refresh(DATASETS, GRAPH, selected, found)


def codes(made: RefreshPlan) -> list[tuple[RefreshMode, ReasonCode]]:
    return [(step.mode, step.reason.code) for step in made.steps]


def test_nothing_changed_does_nothing() -> None:
    made = plan(facts())
    assert codes(made) == [(RefreshMode.SKIP, ReasonCode.UNCHANGED)] * 2
    assert made.does_nothing


def test_first_run_refreshes_everything_in_order() -> None:
    made = plan(facts(tables={SILVER: TableFacts(), GOLD: TableFacts()}, published={}))
    assert [step.dataset for step in made.steps] == [SILVER, GOLD]
    assert codes(made) == [(RefreshMode.FULL, ReasonCode.FIRST_REFRESH)] * 2
    assert [step.epoch for step in made.steps] == [1, 1]


def test_a_changed_input_refreshes_its_reader_and_leaves_the_next_undecided() -> None:
    made = plan(facts(external={RAW: 4}))
    assert codes(made) == [
        (RefreshMode.INCREMENTAL, ReasonCode.INPUTS_CHANGED),
        (RefreshMode.INCREMENTAL, ReasonCode.INPUTS_MAY_CHANGE),
    ]
    gold = made.steps[1]
    assert gold.undecided == (SILVER,)
    assert gold.inputs == (SILVER,)  # seen through the temporary view
    assert decide_step(gold, {SILVER: 7}).mode is RefreshMode.SKIP
    decided = decide_step(gold, {SILVER: 8})
    assert (decided.mode, decided.reason.code) == (RefreshMode.INCREMENTAL, ReasonCode.INPUTS_CHANGED)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"query": "other"}, ReasonCode.DEFINITION_CHANGED),
        ({"layout": "other"}, ReasonCode.LAYOUT_CHANGED),
        ({"settings": "other"}, ReasonCode.SETTINGS_CHANGED),
        ({"views": {"v": "other"}}, ReasonCode.VIEW_CHANGED),
        ({"views": {}}, ReasonCode.VIEW_CHANGED),
    ],
)
def test_a_changed_definition_is_a_full_refresh(changes: dict[str, object], code: ReasonCode) -> None:
    changed = replace(IDENTITY, **{"views": {"v": "vq"}, **changes})
    made = plan(facts(identities={SILVER: IDENTITY, GOLD: changed}))
    assert codes(made) == [(RefreshMode.SKIP, ReasonCode.UNCHANGED), (RefreshMode.FULL, code)]


@pytest.mark.parametrize(
    ("recorded", "code"),
    [
        ({"volatile": ("current_date",)}, ReasonCode.TIME_DEPENDENT),
        ({"undeclared": ("CSV /data/x",)}, ReasonCode.UNDECLARED_READS),
    ],
)
def test_what_no_version_tells_of_is_recomputed(recorded: dict[str, object], code: ReasonCode) -> None:
    gold = table(record(GOLD, {"silver.s": 7}, **recorded))
    made = plan(facts(tables={SILVER: table(record(SILVER, {"raw.r": 3})), GOLD: gold}, published={}))
    assert codes(made)[1] == (RefreshMode.FULL, code)


def test_a_foreign_write_is_overwritten() -> None:
    gold = table(record(GOLD, {"silver.s": 7}), foreign_change=True)
    made = plan(facts(tables={SILVER: table(record(SILVER, {"raw.r": 3})), GOLD: gold}))
    assert codes(made)[1] == (RefreshMode.FULL, ReasonCode.FOREIGN_WRITE)


def test_a_streaming_table_is_loaded_unless_something_else_wrote_to_it() -> None:
    bronze = TableName("bronze", "b")
    source = FileSource(files="*.csv", format="csv", location=HERE)
    dataset = StreamingTable(name=bronze, location=HERE, flows=(Flow(name="b", source=source, location=HERE),))
    load = LoadPlan(full=False, load=(SourceFile(flow="b", path="x", uri="x", size=1, modified_at=1),))
    graph = build_graph({bronze: ()})
    for foreign, code in ((False, ReasonCode.NEW_FILES), (True, ReasonCode.FOREIGN_WRITE)):
        found = PlanFacts(
            tables={bronze: table(record(bronze, {}), foreign_change=foreign)},
            identities={bronze: IDENTITY},
            loads={bronze: load},
        )
        made = plan_refresh({bronze: dataset}, graph, frozenset({bronze}), found)
        assert codes(made) == [(RefreshMode.APPEND, code)]


def test_full_refresh_on_request_only_where_requested() -> None:
    made = plan(facts(requested_full=frozenset({SILVER})))
    assert codes(made) == [
        (RefreshMode.FULL, ReasonCode.REQUESTED),
        (RefreshMode.INCREMENTAL, ReasonCode.INPUTS_MAY_CHANGE),
    ]


def test_unselected_tables_are_read_as_published() -> None:
    made = plan(facts(external={RAW: 4}), selected=frozenset({GOLD}))
    assert codes(made) == [(RefreshMode.SKIP, ReasonCode.UNCHANGED)]
    assert made.pinned == {RAW: 4, SILVER: 7}


def test_what_an_unpublished_run_committed_is_reused() -> None:
    made = plan(facts(published={}))
    assert codes(made) == [(RefreshMode.SKIP, ReasonCode.REUSED)] * 2


def test_a_publication_may_know_of_later_inputs_that_changed_nothing() -> None:
    later = PublishedTable(name=SILVER, version=7, record=record(SILVER, {"raw.r": 5}))
    published = {**facts().published, SILVER: later}
    made = plan(facts(published=published, external={RAW: 5}))
    assert made.does_nothing
    assert not plan(facts(published=published, external={RAW: 3})).does_nothing
