"""What a principal sees of a table: which columns, each masked by what, and which rows.

Filters and masks hold for the owner, the metastore admin and holders of ALL PRIVILEGES like for anyone else; only
`exempt` (EXCEPT) lifts them. What cannot be meant refuses the whole table: a policy without its column, two different
masks on a column, a name that matches several columns. Policies follow Unity Catalog's: one by tags applies to a table
only if each of its match conditions is met there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace

from lakehouse.catalog.closure import Closure
from lakehouse.catalog.compiled_policy import Chain, CompiledPolicy
from lakehouse.catalog.decision import Decision, Reason, TraceStep, decide, decide_in, policy_step
from lakehouse.catalog.policy import VALUE_SEPARATOR, TableShape, TagMatch, TagPolicy, TagPolicyKind
from lakehouse.catalog.principal import Principal
from lakehouse.catalog.privilege import Privilege
from lakehouse.catalog.rule_search import Policy, applies, columns_of, find_grant, owner_has
from lakehouse.catalog.securable import Securable, table
from lakehouse.names import TableName


@dataclass(frozen=True, slots=True)
class AppliedMask:
    """What stands in place of a column: `expression`, SQL over `val` (the column's raw value) and other raw columns;
    `bindings` say which column each further name of a tag policy stands for."""

    policy: str
    expression: str
    origin: str = ""
    bindings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AppliedFilter:
    """A condition over raw columns, hidden ones included; only rows for which it is true are seen."""

    policy: str
    condition: str
    origin: str = ""
    bindings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ColumnAccess:
    """A visible column with its Spark type (DDL text), to which the mask's value is cast; `mask` None: raw."""

    name: str
    type: str
    mask: AppliedMask | None = None


@dataclass(frozen=True, slots=True)
class TableAccess:
    """What may be read of a table. Refused: no columns and no filters. Columns are in the table's order; all filters
    hold together (AND), sorted by policy. As a truth value: whether the table may be read."""

    table: TableName
    decision: Decision
    columns: tuple[ColumnAccess, ...] = ()
    filters: tuple[AppliedFilter, ...] = ()

    def __bool__(self) -> bool:
        return self.decision.allowed


@dataclass(frozen=True, slots=True)
class TablePolicies:
    """The filters and masks (by column, lower case) that hold for a principal on a table; `refusal`: why the table
    cannot be read because of them."""

    masks: Mapping[str, AppliedMask] = field(default_factory=dict)
    filters: tuple[AppliedFilter, ...] = ()
    refusal: tuple[Reason, TraceStep] | None = None

    def __bool__(self) -> bool:
        return bool(self.masks or self.filters or self.refusal)


def table_access(
    compiled: CompiledPolicy, principal: Principal, shape: TableShape, *, roles: frozenset[str] | None = None
) -> TableAccess:
    """What a principal may read of a table as it is now: the decision about SELECT, then columns, masks and filters.

    Visible columns are the union of what is granted (all, or lists) minus the union of what is denied; all else is to
    the reader as if the table did not have it. `roles`: SET ROLE.
    """
    securable = table(compiled.policy.catalog, shape.name.schema, shape.name.name)
    decision = decide(compiled, principal, Privilege.SELECT, securable, roles=roles)
    who = compiled.closure_of(principal, roles)
    if not decision.allowed or who is None:
        return TableAccess(shape.name, decision)
    chain = compiled.chain_of(securable)
    denied = columns_of(chain[0][1].denials, who.full)
    unknown = denied - {name.lower() for name, _ in shape.columns}
    if unknown:
        step = policy_step(securable, Privilege.SELECT, "", f"denied columns: {', '.join(sorted(unknown))}")
        return TableAccess(shape.name, _refused(decision, Reason.MISSING_COLUMN, step))
    visible = _visible_columns(who, chain, shape, denied)
    if not visible:
        step = policy_step(securable, Privilege.SELECT, "", "column lists")
        return TableAccess(shape.name, _refused(decision, Reason.NO_COLUMN, step))
    policies = _policies(who, chain, shape, Privilege.SELECT, {name.lower() for name, _ in visible})
    if policies.refusal is not None:
        return TableAccess(shape.name, _refused(decision, *policies.refusal))
    columns = tuple([ColumnAccess(name, spark_type, policies.masks.get(name.lower())) for name, spark_type in visible])
    return TableAccess(shape.name, decision, columns, policies.filters)


def policies_on(
    compiled: CompiledPolicy, principal: Principal, shape: TableShape, *, roles: frozenset[str] | None = None
) -> TablePolicies | None:
    """The filters and masks that hold for a principal on a table, whatever it is granted there: under a view, whose
    owner has the rights on the table while the table's policies hold for who asks. None: the principal is unknown."""
    who = compiled.closure_of(principal, roles)
    if who is None:
        return None
    chain = compiled.chain_of(table(compiled.policy.catalog, shape.name.schema, shape.name.name))
    return _policies(who, chain, shape, Privilege.SELECT, {name.lower() for name, _ in shape.columns})


def may_write(
    compiled: CompiledPolicy, principal: Principal, shape: TableShape, *, roles: frozenset[str] | None = None
) -> Decision:
    """Whether a principal may change a table's rows: MODIFY, and no filter or mask holds for it there. Who does not see
    a row as it is must not rewrite it; a pipeline's principal stands in EXCEPT."""
    securable = table(compiled.policy.catalog, shape.name.schema, shape.name.name)
    decision = decide(compiled, principal, Privilege.MODIFY, securable, roles=roles)
    who = compiled.closure_of(principal, roles)
    if not decision.allowed or who is None:
        return decision
    chain = compiled.chain_of(securable)
    policies = _policies(who, chain, shape, Privilege.MODIFY, {name.lower() for name, _ in shape.columns})
    return _restricted(decision, policies, securable, Privilege.MODIFY)


def may_receive_files(
    compiled: CompiledPolicy, principal: Principal, shape: TableShape, *, roles: frozenset[str] | None = None
) -> Decision:
    """Whether a principal may be given a table's file paths: EXTERNAL USE SCHEMA, and it may read every row and every
    column of it raw."""
    securable = table(compiled.policy.catalog, shape.name.schema, shape.name.name)
    who = compiled.closure_of(principal, roles)
    if who is None:
        return decide(compiled, principal, Privilege.EXTERNAL_USE_SCHEMA, securable, roles=roles)
    chain = compiled.chain_of(securable)
    decision = decide_in(who, chain, Privilege.EXTERNAL_USE_SCHEMA)
    if not decision.allowed:
        return decision
    access = table_access(compiled, principal, shape, roles=roles)
    if not access.decision.allowed:
        return access.decision
    if len(access.columns) < len(shape.columns):
        return _refused(
            decision, Reason.RESTRICTED, policy_step(securable, Privilege.EXTERNAL_USE_SCHEMA, "", "hidden columns")
        )
    policies = _policies(who, chain, shape, Privilege.EXTERNAL_USE_SCHEMA, {name.lower() for name, _ in shape.columns})
    return _restricted(decision, policies, securable, Privilege.EXTERNAL_USE_SCHEMA)


def _refused(decision: Decision, reason: Reason, step: TraceStep) -> Decision:
    return replace(decision, allowed=False, reason=reason, trace=(step,))


def _restricted(decision: Decision, policies: TablePolicies, securable: Securable, privilege: Privilege) -> Decision:
    if policies.refusal is not None:
        return _refused(decision, *policies.refusal)
    applied: list[AppliedFilter | AppliedMask] = [*policies.filters]
    applied += [policies.masks[column] for column in sorted(policies.masks)]
    if applied:
        step = policy_step(securable, privilege, applied[0].origin, applied[0].policy)
        return _refused(decision, Reason.RESTRICTED, step)
    return decision


def _visible_columns(
    who: Closure, chain: Chain, shape: TableShape, denied: frozenset[str]
) -> tuple[tuple[str, str], ...]:
    securable, node = chain[0]
    giving = who.giving[Privilege.SELECT]
    owns = node.owner in giving and owner_has(securable.kind, Privilege.SELECT)
    whole = owns or find_grant(chain, Privilege.SELECT, giving) is not None
    granted = columns_of(node.grants, giving)
    return tuple(
        [
            (name, spark_type)
            for name, spark_type in shape.columns
            if (whole or name.lower() in granted) and name.lower() not in denied
        ]
    )


def _policies(
    who: Closure, chain: Chain, shape: TableShape, privilege: Privilege, masked: Collection[str]
) -> TablePolicies:
    """All that applies, in one order whatever order it was loaded in; masks for the columns of `masked` only."""
    securable, node = chain[0]
    masks: dict[str, AppliedMask] = {}
    filters: list[AppliedFilter] = [
        AppliedFilter(row_filter.name, row_filter.condition, row_filter.origin)
        for row_filter in node.filters
        if applies(row_filter, who, privilege)
    ]
    candidates: list[tuple[str, AppliedMask]] = []
    existing = {name.lower() for name, _ in shape.columns}
    for mask in sorted(node.masks, key=_order):
        if applies(mask, who, privilege):
            if mask.column.lower() not in existing:
                step = policy_step(securable, privilege, mask.origin, f"{mask.name}: {mask.column.lower()}")
                return TablePolicies(refusal=(Reason.MISSING_COLUMN, step))
            candidates.append((mask.column.lower(), AppliedMask(mask.name, mask.expression, mask.origin)))
    attached = [policy for _, above in chain for policy in above.tag_policies if applies(policy, who, privilege)]
    for policy in sorted(attached, key=_order):
        matched = _match(policy, shape)
        if matched is None:
            continue
        if isinstance(matched, str):
            step = policy_step(securable, privilege, policy.origin, f"{policy.name}: {matched}")
            return TablePolicies(refusal=(Reason.AMBIGUOUS_MATCH, step))
        if policy.kind is TagPolicyKind.ROW_FILTER:
            filters.append(AppliedFilter(policy.name, policy.expression, policy.origin, matched))
        elif policy.on is not None:
            applied = AppliedMask(policy.name, policy.expression, policy.origin, matched)
            candidates += [(column, applied) for column in _matching(policy.on, shape)]
    for column, mask_here in candidates:
        if column not in masked:
            continue
        first = masks.setdefault(column, mask_here)
        if (first.expression, first.bindings) != (mask_here.expression, mask_here.bindings):
            names = f"{first.policy}, {mask_here.policy}: {column}"
            step = policy_step(securable, privilege, f"{first.origin}, {mask_here.origin}", names)
            return TablePolicies(refusal=(Reason.MASK_CONFLICT, step))
    return TablePolicies(masks, tuple(sorted(filters, key=lambda found: (found.policy, found.origin, found.condition))))


def _order(policy: Policy) -> tuple[str, str]:
    return (policy.name, policy.origin)


def _match(policy: TagPolicy, shape: TableShape) -> Mapping[str, str] | str | None:
    """What each name of a tag policy stands for on a table; None: the policy does not apply to it; a text: this name
    matches several columns."""
    if policy.table_tag is not None and not _carries(shape.table_tags, policy.table_tag):
        return None
    found = {name: list(_matching(sought, shape)) for name, sought in sorted(policy.matched.items())}
    if not all(found.values()) or (policy.on is not None and not list(_matching(policy.on, shape))):
        return None
    for name, columns in found.items():
        if len(columns) > 1:
            return name
    return {name: columns[0] for name, columns in found.items()}


def _matching(sought: TagMatch, shape: TableShape) -> Iterator[str]:
    """The table's columns that carry a tag, in the table's order, in lower case."""
    tags = {column.lower(): found for column, found in shape.tags.items()}
    for name, _ in shape.columns:
        if _carries(tags.get(name.lower(), {}), sought):
            yield name.lower()


def _carries(tags: Mapping[str, str], sought: TagMatch) -> bool:
    """Whether a tag is among these. Case does not matter: a policy must not miss a column for a capital letter."""
    return any(
        tag.lower() == sought.tag.lower()
        and (sought.value is None or sought.value.lower() in value.lower().split(VALUE_SEPARATOR))
        for tag, value in tags.items()
    )
