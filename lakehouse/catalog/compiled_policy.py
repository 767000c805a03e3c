"""The rules of a catalog, indexed by securable, so that a decision looks at a handful of sets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from lakehouse.catalog.closure import Closure, Memberships, check_directory, closure, memberships
from lakehouse.catalog.policy import AccessPolicy, ColumnMask, Effect, RowFilter, Rule, TagPolicy, TagPolicyKind
from lakehouse.catalog.principal import Principal
from lakehouse.catalog.privilege import Privilege
from lakehouse.catalog.securable import METASTORE, Securable, SecurableKind
from lakehouse.definition.bulk import keeping_all
from lakehouse.errors import DefinitionError, DefinitionErrors, InvalidValue, UnknownName

_REMEMBERED = 10_000  # closures and chains; forgotten all at once when there are more
_MANAGE_DENIALS = (Privilege.MANAGE, Privilege.ALL_PRIVILEGES)


@dataclass(slots=True)
class RuleSet:
    """The rules of one effect on one securable, by privilege and principal; column lists apart."""

    rules: dict[Privilege, dict[Principal, list[Rule]]] = field(default_factory=dict)
    column_rules: dict[Principal, list[Rule]] = field(default_factory=dict)
    # The principals alone: sets compare with sets by their stored hashes, in C.
    principals: dict[Privilege, frozenset[Principal]] = field(default_factory=dict)
    column_principals: frozenset[Principal] = frozenset()


@dataclass(slots=True)
class Node:
    """Everything that is attached to one securable itself."""

    grants: RuleSet = field(default_factory=RuleSet)
    denials: RuleSet = field(default_factory=RuleSet)
    owner: Principal | None = None
    filters: list[RowFilter] = field(default_factory=list)
    masks: list[ColumnMask] = field(default_factory=list)
    tag_policies: list[TagPolicy] = field(default_factory=list)
    restricted: dict[Securable, None] = field(default_factory=dict)  # what under it has a filter, mask, denial, columns


NOTHING = Node()
Chain = tuple[tuple[Securable, Node], ...]


@dataclass(frozen=True, slots=True)
class CompiledPolicy:
    """An access policy ready for decisions; made by `index`, never changed. What it remembers only saves time."""

    policy: AccessPolicy
    members: Memberships
    nodes: Mapping[Securable, Node]
    warnings: tuple[str, ...]
    _closures: dict[tuple[Principal, frozenset[str] | None], Closure | None] = field(default_factory=dict)
    _chains: dict[Securable, Chain] = field(default_factory=dict)

    def closure_of(self, principal: Principal, roles: frozenset[str] | None) -> Closure | None:
        """What a principal belongs to under SET ROLE; None if it is unknown."""
        key = (principal, roles)
        try:
            return self._closures[key]
        except KeyError:
            found = closure(self.members, principal, roles)
        if len(self._closures) >= _REMEMBERED:
            self._closures.clear()
        self._closures[key] = found
        return found

    def chain_of(self, securable: Securable) -> Chain:
        """The securable and its ancestors, the metastore last, each with what is attached to it."""
        try:
            return self._chains[securable]
        except KeyError:
            found = tuple((part, self.nodes.get(part, NOTHING)) for part in (securable, *securable.ancestors()))
        if len(self._chains) >= _REMEMBERED:
            self._chains.clear()
        self._chains[securable] = found
        return found


@keeping_all()
def index(policy: AccessPolicy) -> CompiledPolicy:
    """The policy, ready for decisions. Raises DefinitionErrors if any of it is in doubt: then nothing is decided."""
    problems = [*check_directory(policy.directory), *check_rules(policy)]
    if problems:
        raise DefinitionErrors(problems)
    members = memberships(policy.directory)
    nodes: dict[Securable, Node] = {}
    for rule in policy.rules:
        _put_rule(nodes, rule)
    for securable, owner in policy.owners.items():
        _node(nodes, securable).owner = owner
    for row_filter in policy.row_filters:
        _node(nodes, row_filter.table).filters.append(row_filter)
        _restrict(nodes, row_filter.table)
    for mask in policy.masks:
        _node(nodes, mask.table).masks.append(mask)
        _restrict(nodes, mask.table)
    for tag_policy in policy.tag_policies:
        _node(nodes, tag_policy.scope).tag_policies.append(tag_policy)
        _restrict(nodes, tag_policy.scope)
    for node in nodes.values():
        for rules in (node.grants, node.denials):
            rules.principals = {privilege: frozenset(found) for privilege, found in rules.rules.items()}
            rules.column_principals = frozenset(rules.column_rules)
    return CompiledPolicy(policy, members, nodes, tuple(_lock_outs(policy, members)))


def check_rules(policy: AccessPolicy) -> list[DefinitionError]:
    """What is wrong with the rules over a directory: principals that no one declared, columns where none can be meant,
    a tag policy that masks nothing."""
    known = memberships(policy.directory).known
    names = sorted(str(principal) for principal in known)
    problems: list[DefinitionError] = [
        UnknownName(str(principal), names, what=f"{origin}: principal" if origin else "principal")
        for principal, origin in _mentioned(policy)
        if principal not in known
    ]
    for rule in policy.rules:
        if rule.columns is not None and (
            rule.privilege is not Privilege.SELECT or rule.securable.kind is not SecurableKind.TABLE
        ):
            problems.append(
                InvalidValue(
                    f"{rule.origin}: {rule.privilege.value} on {rule.securable} cannot be limited to columns.",
                    hint="Only SELECT on a table can.",
                )
            )
    for tag_policy in policy.tag_policies:
        if tag_policy.kind is TagPolicyKind.MASK and tag_policy.on is None:
            problems.append(
                InvalidValue(f"{tag_policy.origin}: policy '{tag_policy.name}' does not say which columns it masks.")
            )
    return problems


def _mentioned(policy: AccessPolicy) -> Iterator[tuple[Principal, str]]:
    for rule in policy.rules:
        yield rule.principal, rule.origin
    for securable, owner in policy.owners.items():
        yield owner, f"owner of {securable}"
    if policy.run_as is not None:
        yield policy.run_as, "run_as"
    for test in policy.tests:
        yield test.principal, test.origin or "access_tests"
    attached: tuple[RowFilter | ColumnMask | TagPolicy, ...] = (
        *policy.row_filters, *policy.masks, *policy.tag_policies
    )  # fmt: skip
    for restriction in attached:
        for principal in sorted(restriction.to | restriction.exempt):
            yield principal, restriction.origin or restriction.name


def _node(nodes: dict[Securable, Node], securable: Securable) -> Node:
    node = nodes.get(securable)
    if node is None:
        node = nodes[securable] = Node()
    return node


def _put_rule(nodes: dict[Securable, Node], rule: Rule) -> None:
    node = _node(nodes, rule.securable)
    denies = rule.effect is Effect.DENY
    rules = node.denials if denies else node.grants
    if rule.columns is not None:
        rules.column_rules.setdefault(rule.principal, []).append(rule)
    else:
        rules.rules.setdefault(rule.privilege, {}).setdefault(rule.principal, []).append(rule)
    if denies or rule.columns is not None:
        _restrict(nodes, rule.securable)


def _restrict(nodes: dict[Securable, Node], securable: Securable) -> None:
    for part in (securable, *securable.ancestors()):
        _node(nodes, part).restricted[securable] = None


def _lock_outs(policy: AccessPolicy, members: Memberships) -> Iterator[str]:
    """Denials of MANAGE that hit the metastore admin, who could not repair the rules any more: they are ignored for
    the admin, as Unity Catalog does."""
    admin = policy.owners.get(METASTORE)
    if admin is None:
        return
    above = closure(members, admin)
    reaches: dict[Principal, bool] = {}
    for rule in policy.rules:
        if rule.effect is Effect.DENY and rule.privilege in _MANAGE_DENIALS:
            if rule.principal not in reaches:
                below = closure(members, rule.principal)
                reaches[rule.principal] = _has(above, rule.principal) or _has(below, admin)
            if reaches[rule.principal]:
                yield (
                    f"{rule.origin or rule.securable}: DENY {rule.privilege.value} TO {rule.principal} does not take "
                    "MANAGE from the metastore admin."
                )


def _has(found: Closure | None, principal: Principal) -> bool:
    return found is not None and principal in found.full


def origins(rules: Iterable[Rule]) -> str:
    """Where rules are written, in one order whatever order they were loaded in."""
    return ", ".join(sorted({rule.origin for rule in rules}))
