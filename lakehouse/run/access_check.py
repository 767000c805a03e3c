"""Do the rules of access name what the project declares? A denial on a name that nothing has would deny nothing."""

from __future__ import annotations

from collections.abc import Iterator

from lakehouse.catalog.policy import AccessPolicy
from lakehouse.catalog.policy_file import read_policy
from lakehouse.catalog.securable import Securable, SecurableKind
from lakehouse.definition.project import Project
from lakehouse.errors import DefinitionError, DefinitionErrors, SourceLocation, UnknownName
from lakehouse.names import RESERVED_SCHEMAS, TableName, quarantine_name
from lakehouse.storage.system_tables import SCHEMAS


def check_access(project: Project) -> None:
    """Raises what is wrong with the project's file of rules, all of it together; nothing for a project without one."""
    if project.spec.access is None:
        return
    problems = list(_unknown(project, read_policy(project.spec.root, project.spec)))
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise DefinitionErrors(problems)


def _unknown(project: Project, policy: AccessPolicy) -> Iterator[DefinitionError]:
    stored = [dataset.name for dataset in (*project.stored, *project.external)]
    tables = {*stored, *map(quarantine_name, stored), *(TableName("system", name) for name in SCHEMAS)}
    schemas = {name.schema for name in tables} | RESERVED_SCHEMAS
    said: set[Securable] = set()
    for securable, origin in _named(policy):
        if securable in said:
            continue
        said.add(securable)
        where = _place(origin)
        if securable.kind is SecurableKind.SCHEMA and securable.path[1] not in schemas:
            yield UnknownName(securable.path[1], schemas, what="schema", used_by="the rules of access", where=where)
        if securable.kind is SecurableKind.TABLE and TableName(*securable.path[1:]) not in tables:
            name = ".".join(securable.path[1:])
            yield UnknownName(name, map(str, tables), used_by="the rules of access", where=where)


def _named(policy: AccessPolicy) -> Iterator[tuple[Securable, str]]:
    for rule in policy.rules:
        yield rule.securable, rule.origin
    for row_filter in policy.row_filters:
        yield row_filter.table, row_filter.origin
    for mask in policy.masks:
        yield mask.table, mask.origin
    for tag_policy in policy.tag_policies:
        yield tag_policy.scope, tag_policy.origin
    for tagged in (*policy.tags, *policy.declassified):
        yield tagged.securable, ""
    for securable in policy.owners:
        yield securable, ""


def _place(origin: str) -> SourceLocation | None:
    file, _, line = origin.rpartition(":")
    return SourceLocation(file, int(line)) if file and line.isdigit() else None
