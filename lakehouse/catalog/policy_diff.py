"""Who gains and who loses what between two policies, and by which route."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from lakehouse.catalog.access_trace import explain
from lakehouse.catalog.compiled_policy import CompiledPolicy, index
from lakehouse.catalog.decision import TraceStep, decide
from lakehouse.catalog.policy import AccessPolicy, TableShape, Tagged
from lakehouse.catalog.principal import Principal, PrincipalKind
from lakehouse.catalog.privilege import Privilege
from lakehouse.catalog.privilege_scope import means_something
from lakehouse.catalog.securable import METASTORE, Securable, SecurableKind
from lakehouse.catalog.table_access import AppliedFilter, TableAccess, table_access
from lakehouse.names import TableName

OTHER_COLUMNS = "*"


class Direction(str, Enum):
    """Whether there is more access than before, or less."""

    GAINS = "gains"
    LOSES = "loses"


class Subject(str, Enum):
    """What changes: a privilege, or what is seen of a table that may be read before and after."""

    PRIVILEGE = "privilege"
    COLUMN = "column"
    MASK = "mask"
    ROW_FILTER = "row filter"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessChange:
    """One gain or loss. `gives` is the step of the decision that allows, in whichever policy does, with its route from
    the principal; `refuses` the one that refuses in the other. `columns`: those concerned, `*` for all that no rule
    names. `detail`: the mask or condition, old and new. A mask or filter that becomes another is a gain and a loss."""

    direction: Direction
    subject: Subject
    principal: Principal
    privilege: Privilege
    securable: Securable
    columns: tuple[str, ...] = ()
    detail: tuple[str, str] = ("", "")
    gives: TraceStep | None = None
    refuses: TraceStep | None = None


def difference(
    old: AccessPolicy,
    new: AccessPolicy,
    principals: Collection[Principal] | None = None,
    securables: Collection[Securable] | None = None,
    shapes: Mapping[Securable, TableShape] | None = None,
) -> list[AccessChange]:
    """Every gain and loss, by principal, securable and privilege.

    Without `principals` all users and services of either policy, without `securables` all that either names and what
    contains them. `shapes` are tables as they are; for others the columns are those that the rules name, and `*`.
    Functions must be put in (`expanded`). Raises DefinitionErrors for a policy in which something is in doubt.
    """
    sides = index(old), index(new)
    found: list[AccessChange] = []
    everyone = _actors(old) | _actors(new) if principals is None else principals
    everything = _named(old) | _named(new) if securables is None else securables
    for principal in sorted(everyone):
        for securable in sorted(everything, key=lambda each: (each.path, each.kind.value)):
            found += _privileges(sides, principal, securable)
            if securable.kind is SecurableKind.TABLE:
                found += _seen(sides, principal, securable, (shapes or {}).get(securable))
    return found


def _actors(policy: AccessPolicy) -> set[Principal]:
    directory = policy.directory
    users = {Principal(PrincipalKind.USER, name) for name in directory.users}
    return users | {Principal(PrincipalKind.SERVICE, name) for name in directory.services}


def _named(policy: AccessPolicy) -> set[Securable]:
    named = {rule.securable for rule in policy.rules} | set(policy.owners) | set(policy.functions)
    named |= {row_filter.table for row_filter in policy.row_filters} | {mask.table for mask in policy.masks}
    named |= {tag_policy.scope for tag_policy in policy.tag_policies} | {tagged.securable for tagged in policy.tags}
    return named | {above for each in named for above in each.ancestors()} | {METASTORE}


def _privileges(
    sides: tuple[CompiledPolicy, CompiledPolicy], principal: Principal, securable: Securable
) -> Iterator[AccessChange]:
    for privilege in Privilege:
        if privilege is Privilege.ALL_PRIVILEGES or not means_something(privilege, securable.kind):
            continue  # ALL PRIVILEGES: each of them is looked at
        before, after = (decide(side, principal, privilege, securable).allowed for side in sides)
        if before == after:
            continue
        gave, refused = (sides[1], sides[0]) if after else (sides[0], sides[1])
        yield AccessChange(
            direction=Direction.GAINS if after else Direction.LOSES,
            subject=Subject.PRIVILEGE,
            principal=principal,
            privilege=privilege,
            securable=securable,
            gives=_step(gave, principal, privilege, securable),
            refuses=_step(refused, principal, privilege, securable),
        )


def _step(side: CompiledPolicy, principal: Principal, privilege: Privilege, securable: Securable) -> TraceStep | None:
    trace = explain(side, principal, privilege, securable).trace
    return trace[-1] if trace else None


def _seen(
    sides: tuple[CompiledPolicy, CompiledPolicy], principal: Principal, securable: Securable, shape: TableShape | None
) -> Iterator[AccessChange]:
    """What changes of a table that SELECT is allowed on in both."""
    if not all(decide(side, principal, Privilege.SELECT, securable).allowed for side in sides):
        return
    shapes = [_shape(side.policy, sides, securable) if shape is None else shape for side in sides]
    old, new = (table_access(side, principal, here) for side, here in zip(sides, shapes, strict=True))
    change = AccessChange(
        direction=Direction.GAINS,
        subject=Subject.COLUMN,
        principal=principal,
        privilege=Privilege.SELECT,
        securable=securable,
        gives=_step(sides[1], principal, Privilege.SELECT, securable),
    )
    lost = replace(change, direction=Direction.LOSES, gives=_step(sides[0], principal, Privilege.SELECT, securable))
    before, after = ({column.name for column in access.columns} for access in (old, new))
    if after - before:
        yield replace(change, columns=tuple(sorted(after - before)))
    if before - after:
        yield replace(lost, columns=tuple(sorted(before - after)))
    for column, masks in sorted(_masks(old, new, before & after).items()):
        for direction, here in ((change, masks[0]), (lost, masks[1])):
            if here:  # a mask that is there no more is a gain, one that was not there a loss
                yield replace(direction, subject=Subject.MASK, columns=(column,), detail=masks)
    conditions = [{_filter_text(row_filter) for row_filter in access.filters} for access in (old, new)]
    if old and new:
        texts = (" AND ".join(sorted(conditions[0])), " AND ".join(sorted(conditions[1])))
        if conditions[0] - conditions[1]:
            yield replace(change, subject=Subject.ROW_FILTER, detail=texts)
        if conditions[1] - conditions[0]:
            yield replace(lost, subject=Subject.ROW_FILTER, detail=texts)


def _filter_text(row_filter: AppliedFilter) -> str:
    bound = "".join(f" [{name}: {column}]" for name, column in sorted(row_filter.bindings.items()))
    return f"{row_filter.condition}{bound}"


def _masks(old: TableAccess, new: TableAccess, columns: Collection[str]) -> dict[str, tuple[str, str]]:
    """The masks, before and after, of columns whose masks differ; none is an empty text."""
    texts = [
        {column.name: column.mask.expression if column.mask else "" for column in access.columns}
        for access in (old, new)
    ]
    return {name: (texts[0][name], texts[1][name]) for name in columns if texts[0][name] != texts[1][name]}


def _shape(policy: AccessPolicy, sides: tuple[CompiledPolicy, CompiledPolicy], securable: Securable) -> TableShape:
    """A table with the columns that any rule names, and one more."""
    columns = {OTHER_COLUMNS}
    for side in sides:
        columns |= {mask.column for mask in side.policy.masks if mask.table == securable}
        columns |= {each.column for each in side.policy.tags if each.securable == securable and each.column}
        columns |= {name for rule in side.policy.rules if rule.securable == securable for name in rule.columns or ()}
    return TableShape(
        name=TableName(securable.path[1], securable.path[2]),
        columns=tuple((name, "string") for name in sorted(columns)),
        tags={name: policy.tags.get(Tagged(securable, name), {}) for name in columns},
        table_tags=policy.tags.get(Tagged(securable), {}),
    )
