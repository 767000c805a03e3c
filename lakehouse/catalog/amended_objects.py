"""Owners, row filters, masks, functions, tag policies and tags changed by statements."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from lakehouse.catalog.amended_rules import Amended, Change, gone, principal_of
from lakehouse.catalog.expanding import expanded
from lakehouse.catalog.expression import expand, functions_called
from lakehouse.catalog.function_text import make_function
from lakehouse.catalog.policy import (
    AccessPolicy,
    ColumnMask,
    RowFilter,
    Tagged,
    TagMatch,
    TagPolicy,
    TagPolicyKind,
)
from lakehouse.catalog.principal import ACCOUNT_USERS, Principal
from lakehouse.catalog.securable import Securable, SecurableKind
from lakehouse.catalog.securable_names import SecurableName, resolve
from lakehouse.catalog.statement_parts import quoted_name
from lakehouse.catalog.statements import (
    CreateFunction,
    CreatePolicy,
    DropFunction,
    DropMask,
    DropPolicy,
    DropRowFilter,
    SetMask,
    SetOwner,
    SetRowFilter,
    SetTags,
    UnsetTags,
)
from lakehouse.errors import DuplicateName, InvalidValue, UnknownName

_HAVE_TAGS = (SecurableKind.CATALOG, SecurableKind.SCHEMA, SecurableKind.TABLE)


def set_owner(policy: AccessPolicy, statement: SetOwner, change: Change) -> Amended:
    """ALTER … OWNER TO. An owner who is declared no more leaves it without one: the one before does not come back."""
    securable = resolve(statement.securable, policy.catalog)
    owner = principal_of(policy, statement.principal, change)
    others = {known: principal for known, principal in policy.owners.items() if known != securable}
    if owner is None:
        return replace(policy, owners=others), (gone(statement.principal, change),)
    if owner == ACCOUNT_USERS:
        raise InvalidValue("'account users' cannot own anything.")
    return replace(policy, owners={**others, securable: owner}), ()


def set_row_filter(policy: AccessPolicy, statement: SetRowFilter, change: Change) -> Amended:
    """ALTER TABLE … SET ROW FILTER: in place of all filters that the table has."""
    table = resolve(statement.table, policy.catalog)
    function = _function(policy, statement.function, table)
    condition = _call(policy, function, [quoted_name(column) for column in statement.columns])
    others = tuple(each for each in policy.row_filters if each.table != table)
    made = RowFilter(name=str(function), table=table, condition=condition, origin=change.origin)
    return replace(policy, row_filters=(*others, made)), ()


def drop_row_filter(policy: AccessPolicy, statement: DropRowFilter) -> Amended:
    """ALTER TABLE … DROP ROW FILTER: all filters of the table itself; those of tag policies stay."""
    table = resolve(statement.table, policy.catalog)
    others = tuple(each for each in policy.row_filters if each.table != table)
    notices = () if len(others) < len(policy.row_filters) else (f"{table} has no row filter; nothing changed.",)
    return replace(policy, row_filters=others), notices


def set_mask(policy: AccessPolicy, statement: SetMask, change: Change) -> Amended:
    """ALTER COLUMN … SET MASK: in place of all masks that the column has; the function gets its value first."""
    table = resolve(statement.table, policy.catalog)
    function = _function(policy, statement.function, table)
    expression = _call(policy, function, ["val", *statement.using])
    others = tuple(each for each in policy.masks if (each.table, each.column) != (table, statement.column))
    made = ColumnMask(
        name=str(function), table=table, column=statement.column, expression=expression, origin=change.origin
    )
    return replace(policy, masks=(*others, made)), ()


def drop_mask(policy: AccessPolicy, statement: DropMask) -> Amended:
    """ALTER COLUMN … DROP MASK: all masks of the column itself; those of tag policies stay."""
    table = resolve(statement.table, policy.catalog)
    others = tuple(each for each in policy.masks if (each.table, each.column) != (table, statement.column))
    what = f"{table}.{statement.column}"
    notices = () if len(others) < len(policy.masks) else (f"{what} has no mask; nothing changed.",)
    return replace(policy, masks=others), notices


def create_function(policy: AccessPolicy, statement: CreateFunction, change: Change) -> Amended:
    """CREATE FUNCTION; one that is replaced is replaced in every filter and mask."""
    name = resolve(statement.function, policy.catalog)
    if name in policy.functions and not statement.or_replace:
        if statement.if_not_exists:
            return policy, (f"the function '{name}' is there already.",)
        raise DuplicateName(str(name), first=None, where=None)
    made = replace(make_function(name, statement.parameters, statement.returns, statement.body), origin=change.origin)
    found = replace(policy, functions={**policy.functions, name: made})
    expanded(found)  # every filter and mask still has what it calls
    return found, ()


def drop_function(policy: AccessPolicy, statement: DropFunction) -> Amended:
    """DROP FUNCTION; not while a filter, mask or other function calls it."""
    name = resolve(statement.function, policy.catalog)
    if name not in policy.functions:
        if statement.if_exists:
            return policy, (f"there is no function '{name}'.",)
        raise UnknownName(str(name), map(str, policy.functions), what="function")
    users = sorted(user for user, text in _expressions(policy) if name in functions_called(text, policy.catalog))
    if users:
        raise InvalidValue(f"the function '{name}' is still used by {', '.join(users)}; change that first.")
    functions = {known: function for known, function in policy.functions.items() if known != name}
    return replace(policy, functions=functions), ()


def create_policy(policy: AccessPolicy, statement: CreatePolicy, change: Change) -> Amended:
    """CREATE POLICY. Names are unique within a scope."""
    scope = _scope(policy, statement.scope)
    others = tuple(each for each in policy.tag_policies if (each.name, each.scope) != (statement.name, scope))
    if len(others) < len(policy.tag_policies) and not statement.or_replace:
        raise DuplicateName(statement.name, first=None, where=None)
    is_mask = statement.on_column is not None
    function = _function(policy, statement.function, scope)
    matched: dict[str, TagMatch] = dict(statement.matched)
    on = matched.pop(statement.on_column) if statement.on_column is not None else None
    using = ["val" if statement.on_column is not None and text == quoted_name(statement.on_column) else text
             for text in statement.using]  # fmt: skip
    to, notices = _those(policy, statement.to, change)
    exempt, more = _those(policy, statement.exempt, change)
    made = TagPolicy(
        name=statement.name,
        kind=TagPolicyKind.MASK if is_mask else TagPolicyKind.ROW_FILTER,
        scope=scope,
        expression=_call(policy, function, ["val", *using] if is_mask else using),
        on=on,
        matched=matched,
        table_tag=statement.when,
        # If no one is left whom it was for, it is for all: that restricts more, never less.
        to=to or frozenset({ACCOUNT_USERS}),
        exempt=exempt,
        origin=change.origin,
    )
    return replace(policy, tag_policies=(*others, made)), (*notices, *more)


def drop_policy(policy: AccessPolicy, statement: DropPolicy) -> Amended:
    """DROP POLICY."""
    scope = _scope(policy, statement.scope)
    others = tuple(each for each in policy.tag_policies if (each.name, each.scope) != (statement.name, scope))
    if len(others) == len(policy.tag_policies):
        if statement.if_exists:
            return policy, (f"there is no policy '{statement.name}' on {scope}.",)
        here = [each.name for each in policy.tag_policies if each.scope == scope]
        raise UnknownName(statement.name, here, what=f"policy on {scope}:")
    return replace(policy, tag_policies=others), ()


def set_tags(policy: AccessPolicy, statement: SetTags) -> Amended:
    """SET TAG and SET TAGS."""
    tagged = _tagged(policy, statement.securable, statement.column)
    tags = {**policy.tags.get(tagged, {}), **dict(statement.tags)}
    return replace(policy, tags={**policy.tags, tagged: tags}), ()


def unset_tags(policy: AccessPolicy, statement: UnsetTags) -> Amended:
    """UNSET TAG and UNSET TAGS."""
    tagged = _tagged(policy, statement.securable, statement.column)
    there = policy.tags.get(tagged, {})
    what = f"{tagged.securable}.{tagged.column}" if tagged.column else str(tagged.securable)
    notices = tuple(f"{what} has no tag '{key}'; nothing changed." for key in statement.keys if key not in there)
    left = {key: value for key, value in there.items() if key not in statement.keys}
    others = {known: tags for known, tags in policy.tags.items() if known != tagged}
    return replace(policy, tags={**others, tagged: left} if left else others), notices


def _tagged(policy: AccessPolicy, name: SecurableName, column: str | None) -> Tagged:
    securable = resolve(name, policy.catalog)
    if securable.kind not in _HAVE_TAGS:
        raise InvalidValue(f"'{securable}' is a {securable.kind.value.lower()}; that has no tags.")
    return Tagged(securable, column)


def _scope(policy: AccessPolicy, name: SecurableName) -> Securable:
    scope = resolve(name, policy.catalog)
    if scope.kind not in _HAVE_TAGS:
        raise InvalidValue(f"a policy is on a catalog, schema or table; '{scope}' is none.")
    return scope


def _those(
    policy: AccessPolicy, names: Collection[str], change: Change
) -> tuple[frozenset[Principal], tuple[str, ...]]:
    found = {name: principal_of(policy, name, change) for name in names}
    return (
        frozenset(principal for principal in found.values() if principal is not None),
        tuple(gone(name, change) for name, principal in found.items() if principal is None),
    )


def _function(policy: AccessPolicy, parts: tuple[str, ...], near: Securable) -> Securable:
    """The function of this name. Without a schema it is in the schema of what it is put on. Raises UnknownName."""
    if len(parts) == 1 and len(near.path) < 2:
        raise InvalidValue(f"'{parts[0]}' needs its schema in front: on {near} there is none to take.")
    full = (near.path[1], *parts) if len(parts) == 1 else parts
    name = resolve(SecurableName(SecurableKind.FUNCTION, full), policy.catalog)
    if name not in policy.functions:
        raise UnknownName(str(name), map(str, policy.functions), what="function")
    return name


def _call(policy: AccessPolicy, function: Securable, arguments: list[str]) -> str:
    text = f"{'.'.join(quoted_name(part) for part in function.path)}({', '.join(arguments)})"
    expand(text, policy.functions, policy.catalog)  # it takes as many
    return text


def _expressions(policy: AccessPolicy) -> Iterator[tuple[str, str]]:
    """Every expression, after the name of what it is in."""
    yield from ((each.name, each.condition) for each in policy.row_filters)
    yield from ((each.name, each.expression) for each in policy.masks)
    yield from ((each.name, each.expression) for each in policy.tag_policies)
    yield from ((str(name), function.body) for name, function in policy.functions.items())
