"""The refresh plan: for every selected dataset what must run, and why. A plan is data; `dry-run` prints exactly the
value that `run` executes.

The policy, in order, for a materialized view:
 1. no table yet, or `--full-refresh`                                                        full
 2. its query, layout, a temporary view it goes through, or the Spark settings changed        full
 3. something else wrote to its table                                                         full
 4. it reads files or tables that are not declared, or calls a time function                  full
 5. an input has other rows than at the version recorded                                      incremental
 6. an input is refreshed in this run: decided when that input is done                        incremental, if it changed
 7. otherwise                                                                                 skip
With `refresh_policy: full` 5 and 6 are full. `incremental` means: by what changed; the way is chosen, and carried out
as append, aggregate, keys, difference or full, when the change is known.
A streaming table is loaded where there are files it has not loaded (append), and reloaded on request (full). One that
something else wrote to is not added to: its load is refused. A replay, on request, judges the rows that were set aside
from it anew, and leaves new files for the next run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from lakehouse.definition.dataset import MaterializedView, RefreshPolicy, StoredDataset, StreamingTable
from lakehouse.graph.dataflow import DataflowGraph
from lakehouse.names import TableName
from lakehouse.plan.load_plan import LoadPlan
from lakehouse.plan.records import PublishedTable, RefreshRecord, TableFacts


class RefreshMode(str, Enum):
    """How a dataset is brought up to date."""

    SKIP = "skip"
    INCREMENTAL = "incremental"  # by what changed; carried out as one of the next four, or as full
    APPEND = "append"  # rows are only added
    AGGREGATE = "aggregate"  # from sums and counts kept beside the table
    KEYS = "keys"  # what the changed keys touch is recomputed
    DIFFERENCE = "difference"  # everything is recomputed, rows that differ are written
    FULL = "full"
    REPLAY = "replay"  # rows in quarantine are judged again, and those that pass are added


BY_CHANGE = frozenset({RefreshMode.APPEND, RefreshMode.AGGREGATE, RefreshMode.KEYS, RefreshMode.DIFFERENCE})


class ReasonCode(str, Enum):
    """Why a step has its mode."""

    UNCHANGED = "unchanged"
    REUSED = "reused"
    REQUESTED = "requested"
    FIRST_REFRESH = "first_refresh"
    DEFINITION_CHANGED = "definition_changed"
    LAYOUT_CHANGED = "layout_changed"
    VIEW_CHANGED = "view_changed"
    SETTINGS_CHANGED = "settings_changed"
    FOREIGN_WRITE = "foreign_write"
    UNDECLARED_READS = "undeclared_reads"
    TIME_DEPENDENT = "time_dependent"
    INPUTS_CHANGED = "inputs_changed"
    INPUTS_MAY_CHANGE = "inputs_may_change"
    NEW_FILES = "new_files"
    UPSTREAM_FAILED = "upstream_failed"
    POLICY = "policy"
    NOT_MAINTAINABLE = "not_maintainable"
    FEED_UNAVAILABLE = "feed_unavailable"
    SCHEMA_CHANGED = "schema_changed"
    STATE_MISSING = "state_missing"
    NOT_DETERMINISTIC = "not_deterministic"
    PLAN_CHANGED = "plan_changed"
    COST = "cost"


@dataclass(frozen=True, slots=True)
class Reason:
    """A code for machines and one sentence for people."""

    code: ReasonCode
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshStep:
    """What happens to one stored dataset. `inputs` are the stored and external tables it reads (through temporary
    views); `undecided` those of them whose outcome in this run decides whether the step runs at all; `quiet` tells of
    tables that others write the newest version at which rows changed; `after` are those its expectations look into."""

    dataset: TableName
    mode: RefreshMode
    reason: Reason
    epoch: int
    inputs: tuple[TableName, ...] = ()
    undecided: tuple[TableName, ...] = ()
    load: LoadPlan | None = None
    record: RefreshRecord | None = None
    version: int = -1
    bad_files_allowed: int = 0
    policy: RefreshPolicy = RefreshPolicy.AUTO
    quiet: Mapping[TableName, int] = field(default_factory=dict)
    after: tuple[TableName, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshPlan:
    """The steps in an order in which every dataset comes after its inputs; `pinned` are the versions of the tables
    that are read but not refreshed."""

    steps: tuple[RefreshStep, ...]
    pinned: Mapping[TableName, int] = field(default_factory=dict)

    @property
    def does_nothing(self) -> bool:
        """Whether every step is a skip, decided already."""
        return all(step.mode is RefreshMode.SKIP for step in self.steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a dataset's definition says today: fingerprints of its query, its layout, the settings its result depends
    on, and the temporary views it reads."""

    query: str
    layout: str
    settings: str
    views: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFacts:
    """Everything a plan is made from. `tables` and `identities` are complete over the stored datasets, `loads` over
    the streaming tables; `external` are pinned versions, `quiet` the newest ones at which their rows changed."""

    tables: Mapping[TableName, TableFacts]
    identities: Mapping[TableName, Identity]
    published: Mapping[TableName, PublishedTable] = field(default_factory=dict)
    external: Mapping[TableName, int] = field(default_factory=dict)
    loads: Mapping[TableName, LoadPlan] = field(default_factory=dict)
    requested_full: frozenset[TableName] = frozenset()
    requested_replay: frozenset[TableName] = frozenset()
    quiet: Mapping[TableName, int] = field(default_factory=dict)


def plan_refresh(
    datasets: Mapping[TableName, StoredDataset],
    graph: DataflowGraph,
    selected: frozenset[TableName],
    facts: PlanFacts,
) -> RefreshPlan:
    """The plan for the selected stored datasets, by the policy above."""
    steps: dict[TableName, RefreshStep] = {}
    pinned: dict[TableName, int] = dict(facts.external)
    for name in graph.order:
        if name not in datasets:
            continue
        if name not in selected:
            pinned[name] = facts.published[name].version if name in facts.published else -1
            continue
        step = _start(datasets[name], facts, stored_inputs(graph, name))
        if isinstance(datasets[name], StreamingTable):
            steps[name] = _plan_load(step, facts)
        else:
            steps[name] = _plan_view(step, facts, steps, pinned)
    return RefreshPlan(steps=tuple(steps.values()), pinned=pinned)


def stored_inputs(graph: DataflowGraph, name: TableName) -> tuple[TableName, ...]:
    """The tables a dataset reads, seen through the temporary views between (views have no schema)."""
    found: dict[TableName, None] = {}
    for read in graph.inputs[name]:
        for table in (read,) if read.schema else stored_inputs(graph, read):
            found[table] = None
    return tuple(found)


def decide_step(step: RefreshStep, versions: Mapping[TableName, int]) -> RefreshStep:
    """The step once all its inputs are done: an undecided one becomes `full` or `skip` by the inputs' versions."""
    if not step.undecided:
        return step
    assert step.record is not None
    changes = _changed_inputs(step, step.inputs, versions)
    if changes:
        return replace(step, undecided=(), mode=_by_change(step), reason=Reason(ReasonCode.INPUTS_CHANGED, changes))
    reason = Reason(ReasonCode.UNCHANGED, "its inputs were refreshed and did not change")
    return replace(step, undecided=(), mode=RefreshMode.SKIP, reason=reason)


def current_record(facts: TableFacts, published: PublishedTable | None) -> RefreshRecord | None:
    """Our latest knowledge of a table's rows: the publication may know of later inputs that changed nothing."""
    if published is not None and published.version == facts.record_version:
        return published.record
    return facts.record


def _start(dataset: StoredDataset, facts: PlanFacts, inputs: tuple[TableName, ...]) -> RefreshStep:
    table = facts.tables[dataset.name]
    record = current_record(table, facts.published.get(dataset.name))
    return RefreshStep(
        dataset=dataset.name,
        mode=RefreshMode.FULL,
        reason=Reason(ReasonCode.FIRST_REFRESH, "there is no table yet"),
        epoch=(table.record.epoch if table.record else 0) + 1,
        inputs=inputs,
        record=record,
        version=table.record_version,
        bad_files_allowed=sum(flow.source.max_bad_files for flow in dataset.flows)
        if isinstance(dataset, StreamingTable)
        else 0,
        policy=dataset.refresh_policy if isinstance(dataset, MaterializedView) else RefreshPolicy.AUTO,
        quiet={name: facts.quiet[name] for name in inputs if name in facts.quiet},
    )


def _plan_load(step: RefreshStep, facts: PlanFacts) -> RefreshStep:
    load = facts.loads[step.dataset]
    if step.dataset in facts.requested_replay:
        return _plan_replay(step, facts)
    full = _reason_for_full(step, facts, query_matters=False)
    if load.full or (full is not None and full.code is ReasonCode.REQUESTED):
        return replace(step, load=load, reason=full or step.reason)
    if not load.is_empty and facts.tables[step.dataset].foreign_change:
        # Refused when it is staged: adding to rows that others changed would publish theirs as ours.
        text = f"something else wrote to it after version {step.version}"
        return replace(step, mode=RefreshMode.APPEND, load=load, reason=Reason(ReasonCode.FOREIGN_WRITE, text))
    if not load.is_empty or step.record is None:
        count = len(load.load) + len(load.reload)
        text = f"{count} new file{'s' if count != 1 else ''}" if step.record else "there is no table yet"
        if load.unlisted is not None:
            text = f"its files cannot be listed: {load.unlisted.message}"
        code = ReasonCode.NEW_FILES if step.record else ReasonCode.FIRST_REFRESH
        return replace(step, mode=RefreshMode.APPEND, load=load, reason=Reason(code, text))
    return replace(step, mode=RefreshMode.SKIP, load=load, reason=_unchanged(step, facts, "no new files"))


def _plan_replay(step: RefreshStep, facts: PlanFacts) -> RefreshStep:
    if step.record is None or step.record.quarantine < 0:
        return replace(step, mode=RefreshMode.SKIP, reason=_unchanged(step, facts, "nothing is in quarantine"))
    return replace(step, mode=RefreshMode.REPLAY, reason=Reason(ReasonCode.REQUESTED, "a replay was asked for"))


def _plan_view(
    step: RefreshStep,
    facts: PlanFacts,
    earlier: Mapping[TableName, RefreshStep],
    pinned: Mapping[TableName, int],
) -> RefreshStep:
    full = _reason_for_full(step, facts, query_matters=True)
    if full is not None:
        return replace(step, reason=full)
    assert step.record is not None
    undecided = tuple(name for name in step.inputs if name in earlier and earlier[name].mode is not RefreshMode.SKIP)
    settled = {name: pinned.get(name, -1) for name in step.inputs if name not in earlier}
    settled |= {name: earlier[name].version for name in step.inputs if name in earlier and name not in undecided}
    changes = _changed_inputs(step, [name for name in step.inputs if name in settled], settled)
    if changes:
        return replace(step, mode=_by_change(step), reason=Reason(ReasonCode.INPUTS_CHANGED, changes))
    if undecided:
        names = ", ".join(map(str, undecided))
        reason = Reason(ReasonCode.INPUTS_MAY_CHANGE, f"if this run changes {names}")
        return replace(step, mode=_by_change(step), undecided=undecided, reason=reason)
    return replace(step, mode=RefreshMode.SKIP, reason=_unchanged(step, facts, "no input changed"))


def _reason_for_full(step: RefreshStep, facts: PlanFacts, *, query_matters: bool) -> Reason | None:
    """Rules 1 to 4 of the policy."""
    table, record = facts.tables[step.dataset], step.record
    if step.dataset in facts.requested_full:
        return Reason(ReasonCode.REQUESTED, "a full refresh was asked for")
    if not table.exists or record is None:
        return step.reason
    if not query_matters:
        return None
    identity = facts.identities[step.dataset]
    if record.fingerprint != identity.query:
        return Reason(ReasonCode.DEFINITION_CHANGED, "its query changed")
    if record.layout != identity.layout:
        return Reason(ReasonCode.LAYOUT_CHANGED, "its declared columns, properties or layout changed")
    if dict(record.views) != dict(identity.views):
        changed = sorted(set(record.views.items()) ^ set(identity.views.items()))
        return Reason(ReasonCode.VIEW_CHANGED, f"the temporary view {changed[0][0]} changed")
    if record.settings != identity.settings:
        return Reason(ReasonCode.SETTINGS_CHANGED, "the Spark settings or versions changed")
    if table.foreign_change:
        return Reason(ReasonCode.FOREIGN_WRITE, f"something else wrote to it after version {table.record_version}")
    if record.undeclared:
        return Reason(ReasonCode.UNDECLARED_READS, f"it reads what is not declared: {', '.join(record.undeclared)}")
    if record.volatile:
        return Reason(ReasonCode.TIME_DEPENDENT, f"its result depends on {', '.join(record.volatile)}")
    return None


def _unchanged(step: RefreshStep, facts: PlanFacts, text: str) -> Reason:
    published = facts.published.get(step.dataset)
    if step.record is not None and (published is None or published.version != step.version):
        return Reason(ReasonCode.REUSED, f"run {step.record.run} committed it, and it is not yet published")
    return Reason(ReasonCode.UNCHANGED, text)


def _by_change(step: RefreshStep) -> RefreshMode:
    return RefreshMode.FULL if step.policy is RefreshPolicy.FULL else RefreshMode.INCREMENTAL


def _changed_inputs(
    step: RefreshStep, inputs: tuple[TableName, ...] | list[TableName], versions: Mapping[TableName, int]
) -> str:
    assert step.record is not None
    changed = []
    for name in inputs:
        before, now = step.record.reads.get(str(name)), versions.get(name, -1)
        if before is None:
            changed.append(f"{name} changed")
        elif before != now and not step.quiet.get(name, now) <= before <= now:
            changed.append(f"{name} went from version {before} to {now}")
    return "; ".join(changed)
